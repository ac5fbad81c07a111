"""The order of what goes out on one channel: one call outstanding, the others behind it."""

from __future__ import annotations

import pytest
from pika import spec
from pika.calls import Call, CallQueue

DECLARE = spec.Queue.Declare(queue='q')
BIND = spec.Queue.Bind(queue='q', exchange='x')
UNBOUND = spec.Exchange.Unbind('d', 's', nowait=True)
SELECT = spec.Confirm.Select()
COMMIT = spec.Tx.Commit()


def call(method, context='context'):
    return Call(method, method.NAME.encode(), context)


@pytest.fixture
def queue():
    return CallQueue()


def test_call_goes_out_at_once_when_none_is_outstanding(queue):
    declare = call(DECLARE)
    queue.push(declare)
    assert queue.outstanding is None
    assert queue.take_ready() == [b'Queue.Declare']
    assert queue.outstanding is declare
    assert queue.take_ready() == []


def test_second_call_waits_for_the_answer_to_the_first(queue):
    """Rule 20: one outstanding synchronous method per channel."""
    first, second = call(DECLARE), call(BIND)
    queue.push(first)
    queue.push(second)
    assert queue.take_ready() == [b'Queue.Declare']
    assert queue.take_answered() is first
    assert queue.outstanding is None
    assert queue.take_ready() == [b'Queue.Bind']
    assert queue.take_answered() is second
    assert queue.take_ready() == []


def test_nowait_call_keeps_its_place_and_stands_in_nobodys_way(queue):
    """Rule 21: a nowait method has no answer; a bind must not overtake its declare."""
    unbind = call(UNBOUND, None)
    assert not unbind.expects_reply
    for item in (call(DECLARE), unbind, call(BIND), call(DECLARE)):
        queue.push(item)
    assert queue.take_ready() == [b'Queue.Declare']
    queue.take_answered()
    assert queue.take_ready() == [b'Exchange.Unbind', b'Queue.Bind']


def test_only_the_methods_that_answer_the_outstanding_call_are_answers(queue):
    """Rule 20: never "take the next method"."""
    assert not queue.answers(spec.Queue.DeclareOk('q', 0, 0))
    queue.push(call(spec.Basic.Get(queue='q')))
    assert not queue.answers(spec.Basic.GetEmpty())
    queue.take_ready()
    assert queue.answers(spec.Basic.GetEmpty())
    assert queue.answers(spec.Basic.GetOk(1, False, '', '', 0))
    assert not queue.answers(spec.Basic.Get())
    assert not queue.answers(spec.Queue.DeclareOk('q', 0, 0))


def test_method_that_the_broker_does_not_answer_expects_no_reply():
    assert call(DECLARE).expects_reply
    assert not call(spec.Basic.Ack(1)).expects_reply
    assert not call(spec.Queue.Declare(queue='q', nowait=True)).expects_reply
    assert call(spec.Basic.Get()).expects_reply


@pytest.mark.parametrize(
    'barrier',
    [SELECT, spec.Tx.Select(), COMMIT, spec.Tx.Rollback()], ids=repr)
def test_chunks_wait_behind_a_barrier(queue, barrier):
    """Rule 23: what is published behind a waiting confirm.select must not overtake it."""
    queue.push(call(DECLARE))
    queue.take_ready()
    assert len(queue.barriers) == 0
    queue.push(call(barrier))
    assert len(queue.barriers) == 1
    queue.push_chunks([b'publish', b'its body'])
    assert queue.take_ready() == []
    queue.take_answered()
    sent = queue.take_ready()
    if barrier is COMMIT:
        queue.take_answered()
        sent += queue.take_ready()
    assert sent == [barrier.NAME.encode(), b'publish', b'its body']
    assert len(queue.barriers) == 0


def test_nothing_follows_a_commit_before_its_answer(queue):
    """RabbitMQ: 504, unexpected command while processing 'tx.commit'."""
    queue.push(call(COMMIT))
    assert queue.take_ready() == [b'Tx.Commit']
    assert len(queue.barriers) == 1
    queue.push_chunks([b'publish'])
    queue.push(call(DECLARE))
    assert queue.take_ready() == []
    queue.take_answered()
    assert len(queue.barriers) == 0
    assert queue.take_ready() == [b'publish', b'Queue.Declare']


def test_two_commits_are_two_barriers(queue):
    queue.push(call(COMMIT))
    queue.push_chunks([b'first'])
    queue.push(call(COMMIT))
    queue.push_chunks([b'second'])
    assert len(queue.barriers) == 2
    assert queue.take_ready() == [b'Tx.Commit']
    queue.take_answered()
    assert len(queue.barriers) == 1
    assert queue.take_ready() == [b'first', b'Tx.Commit']
    assert len(queue.barriers) == 1
    queue.take_answered()
    assert queue.take_ready() == [b'second']
    assert len(queue.barriers) == 0


def test_chunks_behind_a_sent_barrier_do_not_wait_for_other_calls(queue):
    """Rule 23: else the next publish, which goes out at once, would take the tag of this one."""
    for item in (call(DECLARE), call(SELECT), call(BIND)):
        queue.push(item)
    assert queue.take_ready() == [b'Queue.Declare']
    queue.push_chunks([b'publish 1'])
    queue.push(call(BIND))
    queue.push_chunks([b'publish 2'])
    queue.take_answered()
    assert queue.take_ready() == [b'Confirm.Select', b'publish 1', b'publish 2']
    assert len(queue.barriers) == 0
    queue.take_answered()
    assert queue.take_ready() == [b'Queue.Bind']
    queue.take_answered()
    assert queue.take_ready() == [b'Queue.Bind']


def test_chunks_behind_another_barrier_wait_for_that_one(queue):
    for item in (call(DECLARE), call(SELECT)):
        queue.push(item)
    queue.take_ready()
    queue.push_chunks([b'publish 1'])
    queue.push(call(BIND))
    queue.push(call(SELECT))
    queue.push_chunks([b'publish 2'])
    queue.take_answered()
    assert queue.take_ready() == [b'Confirm.Select', b'publish 1']
    assert len(queue.barriers) == 1
    queue.take_answered()
    assert queue.take_ready() == [b'Queue.Bind']
    queue.take_answered()
    assert queue.take_ready() == [b'Confirm.Select', b'publish 2']


def test_abandoned_call_that_was_sent_keeps_its_slot(queue):
    """Rule 20: the late reply must not answer the next call."""
    first, second = call(DECLARE, 'first'), call(BIND, 'second')
    queue.push(first)
    queue.push(second)
    queue.take_ready()
    assert queue.abandon('first') is first
    assert not first.wanted
    assert queue.outstanding is first
    assert queue.contexts() == ['second']


def test_abandoned_call_that_was_not_sent_is_taken_back(queue):
    first, second, third = call(DECLARE, 'first'), call(BIND, 'second'), call(DECLARE, 'third')
    for item in (first, second, third):
        queue.push(item)
    queue.take_ready()
    assert queue.abandon('second') is second
    assert not second.wanted
    assert queue.contexts() == ['first', 'third']
    queue.take_answered()
    assert queue.take_ready() == [b'Queue.Declare']
    assert queue.outstanding is third


def test_abandoned_barrier_stays_for_those_behind_it(queue):
    select = call(SELECT, 'select')
    queue.push(call(DECLARE, 'declare'))
    queue.push(select)
    queue.take_ready()
    queue.push_chunks([b'publish'])
    assert queue.abandon('select') is select
    assert queue.contexts() == ['declare']
    queue.take_answered()
    assert queue.take_ready() == [b'Confirm.Select', b'publish']
    assert queue.outstanding is select
    assert not select.wanted


def test_abandon_finds_the_object_itself_and_nothing_else(queue):
    context = ['equal']
    queue.push(call(DECLARE, context))
    queue.push(call(BIND, context))
    assert queue.abandon(['equal']) is None
    queue.take_ready()
    assert queue.abandon(['equal']) is None
    assert queue.contexts() == [context, context]


def test_contexts_are_those_that_somebody_waits_for_oldest_first(queue):
    assert queue.contexts() == []
    for item in (call(DECLARE, 'a'), call(BIND, None), call(UNBOUND, None), call(BIND, 'b')):
        queue.push(item)
    assert queue.contexts() == ['a', 'b']
    queue.take_ready()
    assert queue.contexts() == ['a', 'b']
    queue.take_answered()
    assert queue.contexts() == ['b']


def test_calls_know_whether_they_are_sent(queue):
    calls = [call(UNBOUND, None), call(DECLARE), call(BIND)]
    for item in calls:
        queue.push(item)
    assert [item.sent for item in calls] == [False, False, False]
    queue.take_ready()
    assert [item.sent for item in calls] == [True, True, False]


def test_what_was_published_goes_out_before_a_close(queue):
    """Also behind a confirm.select that waits; an open transaction has no effect anyway."""
    queue.push(call(DECLARE))
    queue.take_ready()
    queue.push(call(SELECT))
    queue.push_chunks([b'publish 1'])
    queue.push(call(BIND))
    queue.push_chunks([b'publish 2'])
    queue.push(call(COMMIT))
    queue.push_chunks([b'publish 3'])
    assert queue.take_published() == [b'Confirm.Select', b'publish 1', b'publish 2']
