"""Delivery tags to contexts: acks in any order, each context once, returns by their looks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import exceptions
from pika.confirms import Confirms

ROUTE, OTHER = ('', 'q'), ('x', 'q')


def sent(count):
    """Confirms with that many publishes, the context of each its tag as text."""
    confirms = Confirms()
    for tag in range(1, count + 1):
        assert confirms.sent(str(tag)) == tag
    return confirms


def test_tags_count_from_1():
    """Rule 23: from 1, one for each publish, with a context or not."""
    confirms = Confirms()
    assert confirms.last_tag == 0
    assert [confirms.sent(context) for context in ('a', None, 'c')] == [1, 2, 3]
    assert confirms.last_tag == 3
    assert confirms.contexts() == ['a', 'c']


def test_single_confirms_come_in_any_order():
    """Rule 23."""
    for order in itertools.permutations((1, 2, 3)):
        confirms = sent(3)
        for tag in order:
            assert confirms.answered(tag, False) == ([tag], [str(tag)])
        assert confirms.contexts() == []


def test_multiple_confirms_all_up_to_its_tag():
    """Rule 23."""
    confirms = sent(5)
    assert confirms.answered(3, True) == ([1, 2, 3], ['1', '2', '3'])
    assert confirms.contexts() == ['4', '5']
    assert confirms.answered(5, True) == ([4, 5], ['4', '5'])


def test_multiple_confirms_only_what_is_left():
    confirms = sent(5)
    assert confirms.answered(2, False) == ([2], ['2'])
    assert confirms.answered(4, True) == ([1, 3, 4], ['1', '3', '4'])
    assert confirms.answered(4, True) == ([], [])
    assert confirms.answered(3, True) == ([], [])
    assert confirms.answered(5, True) == ([5], ['5'])


def test_multiple_with_tag_0_confirms_all():
    """Clause 1.8.3.13.1: zero means all so far."""
    confirms = sent(3)
    assert confirms.answered(0, True) == ([1, 2, 3], ['1', '2', '3'])
    assert confirms.answered(0, True) == ([], [])
    assert confirms.sent('4') == 4
    assert confirms.answered(0, True) == ([4], ['4'])


def test_second_answer_for_a_tag_brings_nothing():
    """Rule 23: never both ack and nack; should it happen, the context came back already."""
    confirms = sent(1)
    assert confirms.answered(1, False) == ([1], ['1'])
    assert confirms.answered(1, False) == ([], [])


def test_publish_without_a_context_is_not_told():
    confirms = Confirms()
    for context in (None, 'b', None):
        confirms.sent(context)
    assert confirms.answered(3, True) == ([2], ['b'])


@pytest.mark.parametrize(('tag', 'multiple'), [(3, False), (3, True), (2**64 - 1, True),
                                               (0, False)])
def test_confirm_of_a_tag_never_sent_is_a_violation(tag, multiple):
    confirms = sent(2)
    with pytest.raises(exceptions.ProtocolViolationError) as caught:
        confirms.answered(tag, multiple)
    assert caught.value.args == (503, f'confirm of delivery tag {tag}, sent are 1 to 2')
    assert confirms.contexts() == ['1', '2']


def test_confirm_before_anything_was_sent():
    with pytest.raises(exceptions.ProtocolViolationError):
        Confirms().answered(1, True)
    assert Confirms().answered(0, True) == ([], [])


def test_abandoned_context_does_not_come_back():
    confirms = Confirms()
    one, other = ['equal'], ['equal']
    confirms.sent(one)
    confirms.sent(other)
    assert not confirms.abandon(['equal'])
    assert confirms.abandon(other)
    assert not confirms.abandon(other)
    assert confirms.answered(2, True) == ([1], [one])
    assert not Confirms().abandon('any')


class Tags(dict):
    """Counts how often it is looked at."""
    looks = 0

    def __contains__(self, key):
        self.looks += 1
        return super().__contains__(key)


def test_each_tag_is_visited_a_few_times_at_most():
    """Rule 23: resolving is linear in the number of publishes, however the acks are cut."""
    confirms = sent(2000)
    confirms._contexts = tags = Tags(confirms._contexts)
    for tag in range(3, 2001, 3):
        confirms.answered(tag - 2, False)
        confirms.answered(tag, True)
        confirms.answered(tag - 1, True)
    assert tags.looks <= 3 * 2000
    assert confirms.contexts() == ['1999', '2000']


def publish(confirms, route, properties, body, context='context'):
    tag = confirms.sent(context)
    confirms.sent_mandatory(tag, route, properties, body)
    return tag


def test_return_belongs_to_the_oldest_publish_that_looks_like_it():
    """Rule 24: a return carries no tag; by exchange, routing key, properties and body."""
    confirms = Confirms()
    looks = [(ROUTE, b'\0\0', b'body'), (OTHER, b'\0\0', b'body'), (ROUTE, b'\x08\0\1', b'body'),
             (ROUTE, b'\0\0', b'other'), (ROUTE, b'\0\0', b'body')]
    tags = [publish(confirms, *look) for look in looks]
    assert tags == [1, 2, 3, 4, 5]
    assert [confirms.returned(*looks[place]) for place in (3, 1, 0, 2, 4)] == [4, 2, 1, 3, 5]
    assert [confirms.returned(*look) for look in looks] == [0] * 5


def test_return_of_what_was_not_mandatory_or_not_sent_belongs_to_none():
    confirms = Confirms()
    assert confirms.returned(ROUTE, b'\0\0', b'body') == 0
    confirms.sent('not mandatory')
    assert confirms.returned(ROUTE, b'\0\0', b'body') == 0
    publish(confirms, ROUTE, b'\0\0', b'body')
    assert confirms.returned(ROUTE, b'\0\0', b'bod') == 0
    assert confirms.returned(OTHER, b'\0\0', b'body') == 0
    assert confirms.returned(ROUTE, b'\0\1', b'body') == 0
    assert confirms.returned(ROUTE, b'\0\0', b'body') == 2


@pytest.mark.parametrize('multiple', [False, True])
def test_what_was_confirmed_cannot_be_returned_any_more(multiple):
    """Rule 24: the return precedes its ack, so that one with an ack was routed."""
    confirms = Confirms()
    for _ in range(3):
        publish(confirms, ROUTE, b'\0\0', b'same')
    confirms.answered(2, multiple)
    assert confirms.returned(ROUTE, b'\0\0', b'same') == (3 if multiple else 1)
    assert confirms.returned(ROUTE, b'\0\0', b'same') == (0 if multiple else 3)
    assert confirms.returned(ROUTE, b'\0\0', b'same') == 0


def test_returned_publish_is_confirmed_all_the_same():
    confirms = Confirms()
    publish(confirms, ROUTE, b'\0\0', b'body', 'context')
    assert confirms.returned(ROUTE, b'\0\0', b'body') == 1
    assert confirms.answered(1, False) == ([1], ['context'])


def test_nothing_is_kept_of_what_is_answered():
    """Memory: bodies of mandatory publishes are held until their confirm, and no longer."""
    confirms = Confirms()
    for number in range(100):
        publish(confirms, (('', str(number % 3))), b'\0\0', b'%d' % number, None)
    confirms.returned(('', '0'), b'\0\0', b'0')
    for tag in range(100, 50, -1):
        confirms.answered(tag, False)
    confirms.answered(50, True)
    assert (confirms._routes, confirms._mandatory, confirms._contexts) == ({}, {}, {})


@given(st.data())
def test_every_context_comes_back_once_whatever_the_order(data):
    """Law: a context comes back exactly once."""
    confirms = Confirms()
    waiting, returned = {}, []
    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.booleans()):
            context = data.draw(st.sampled_from([None, object()]))
            tag = confirms.sent(context)
            if context is not None:
                waiting[tag] = context
            if data.draw(st.booleans()):
                confirms.sent_mandatory(tag, ROUTE, b'\0\0', b'')
        elif confirms.last_tag:
            tag = data.draw(st.integers(1, confirms.last_tag))
            multiple = data.draw(st.booleans())
            meant = [other for other in waiting if other == tag or (multiple and other < tag)]
            assert confirms.answered(tag, multiple) == (meant, [waiting.pop(tag) for tag in meant])
            returned += meant
    assert confirms.contexts() == list(waiting.values())
    assert len(returned) == len(set(returned))
