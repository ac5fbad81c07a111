"""What programs see here is what they see on pika 1.4, or differs for a reason."""

from __future__ import annotations

import pathlib

import differences

PAGE = pathlib.Path(__file__).parents[3] / 'docs' / 'differences-from-pika-1.4.rst'


def test_what_differs_has_a_reason(rules):
    assert {
        rule.name: rule.differences() for rule in rules if rule.differences() and not rule.why
    } == {}


def test_what_has_a_reason_differs(rules):
    assert [rule.name for rule in rules if rule.why and not rule.differences()] == []


def test_every_rule_says_what_it_is_about_and_sees_something(rules):
    assert [rule.name for rule in rules if not (rule.text and rule.theirs)] == []


def test_page_is_current(rules):
    assert differences.page(rules) == PAGE.read_text()
