"""Which of the rules that clients of AMQP 0-9-1 get wrong are tested here, and by which tests.

The docstring of a test begins with the numbers of the rules that it is for.
"""

from __future__ import annotations

import pathlib
import re

# Those that are not for the core to keep: the owner of the stream keeps them, or the broker.
ELSEWHERE = {
    26: 'a write that is cut short ends the stream: adapters',
}
RULES = set(range(1, 45))


def rules_in(text):
    """The numbers after `Rule` or `Rules` at the beginning of a docstring."""
    for numbers in re.findall(r'"""Rules? ([0-9, and]+)', text):
        yield from map(int, re.findall('[0-9]+', numbers))


def test_every_rule_has_a_test():
    found = set()
    for path in pathlib.Path(__file__).parents[1].rglob('test_*.py'):
        found.update(rules_in(path.read_text(encoding='utf-8')))
    assert found <= RULES
    assert found | set(ELSEWHERE) == RULES, sorted(RULES - found - set(ELSEWHERE))
