"""Heartbeats, silence, blocked connections: all by the moments that the owner brings."""

from __future__ import annotations

import pytest
from pika import events, exceptions, frame, spec
from pika.deadlines import Deadlines
from pika.protocol import CLOSE_TIMEOUT, HEARTBEAT_GRACE

HEARTBEAT = b'\x08\0\0\0\0\0\0\xce'
BLOCKED = spec.Connection.Blocked('low on memory')
UNBLOCKED = spec.Connection.Unblocked()


def check(reason, kind, *args):
    """The reason is this error, and says where."""
    assert (type(reason), reason.args) == (kind, args)
    assert (reason.host, reason.port, reason.phase) == ('localhost', 5672, 'open')


@pytest.fixture
def beating(make_client):
    """Opened at 100 s, with a heartbeat timeout of 10 s."""
    client = make_client(heartbeat=10)
    client.now = 100.0
    return client.start()


def test_client_sends_heartbeats_every_half_of_the_timeout(beating):
    """Rules 4 and 5: 8 bytes, type 8, channel 0, no payload; also while others are sent."""
    assert beating.protocol.next_timeout() == 105.0
    beating.at(104.9)
    beating.says()
    beating.hears(HEARTBEAT)
    beating.at(105.0)
    beating.says(HEARTBEAT)
    assert beating.protocol.next_timeout() == 110.0
    beating.hears(HEARTBEAT)
    beating.at(112.0)
    beating.says(HEARTBEAT)
    assert beating.protocol.next_timeout() == 117.0


def test_heartbeat_may_be_a_fraction_of_a_second_off(make_client):
    client = make_client(heartbeat=1).start()
    assert client.protocol.next_timeout() == 0.5


def test_server_is_silent(beating):
    """Rule 4: nothing heard for the timeout and a grace."""
    beating.open(1)
    beating.protocol.call(1, spec.Basic.Qos(), 'qos')
    beating.at(105.0)
    beating.at(110.0)
    beating.at(114.9)
    beating.protocol.handle_timeout(100.0 + 10 + HEARTBEAT_GRACE)
    check(beating.ends(), exceptions.AMQPHeartbeatTimeout,
          'nothing heard of the broker for 15 s, the heartbeat timeout is 10 s')
    assert beating.returned[-1] == 'qos'


@pytest.mark.parametrize('what', [HEARTBEAT, frame.method_frame(0, BLOCKED), b'\x08', b'\1\0\0'])
def test_any_bytes_are_a_sign_of_life(beating, what):
    """Rule 4: any inbound traffic counts, also half a frame."""
    beating.now = 112.0
    if len(what) > 8:
        beating.hears(what, gives=events.Blocked(BLOCKED))
    else:
        beating.hears(what, partial=True)
    beating.at(126.9)
    beating.protocol.handle_timeout(127.0)
    assert type(beating.ends()) is exceptions.AMQPHeartbeatTimeout


def test_read_that_brings_nothing_is_no_sign_of_life(beating):
    beating.protocol.get_buffer()
    beating.protocol.buffer_updated(0, 112.0)
    beating.protocol.handle_timeout(115.0)
    assert type(beating.ends()) is exceptions.AMQPHeartbeatTimeout


def test_heartbeats_that_waited_in_the_kernel_save_the_connection(beating):
    """The owner drains the stream before it lets silence be judged."""
    beating.now = 700.0
    beating.hears(HEARTBEAT)
    beating.at(700.0)
    beating.says(HEARTBEAT)
    beating.open(1)


def test_close_that_came_before_the_silence_is_the_reason(beating):
    """Rule 19: what has arrived is parsed first."""
    beating.protocol.handle_timeout(115.0)
    beating.arrives((0, spec.Connection.Close(320, 'forced', 0, 0)))
    check(beating.ends(), exceptions.ConnectionClosedByBroker, 320, 'forced')


def test_without_a_heartbeat_there_is_nothing_to_wait_for(client):
    assert client.protocol.next_timeout() is None
    client.hears(HEARTBEAT)
    assert client.protocol.next_timeout() is None
    client.at(1e9)
    client.says()


@pytest.mark.parametrize(('bad', 'text'), [
    (b'\x08\0\1\0\0\0\0\xce', 'heartbeat of 0 bytes on channel 1'),
    (b'\x08\0\0\0\0\0\1x\xce', 'heartbeat of 1 bytes on channel 0'),
])
def test_server_sends_a_heartbeat_that_is_none(client, bad, text):
    """Rule 5."""
    check(client.fails(bad), exceptions.ProtocolViolationError, 501, text)
    client.says((0, spec.Connection.Close(501, text, 0, 0)))


def test_no_heartbeats_while_the_client_closes(beating):
    """Its own deadline counts then, whatever else the broker sends."""
    beating.protocol.close(103.0, context='close')
    beating.says((0, spec.Connection.Close(200, 'Normal shutdown', 0, 0)))
    beating.now = 104.0
    beating.hears(HEARTBEAT)
    assert beating.protocol.next_timeout() == 103.0 + CLOSE_TIMEOUT
    beating.at(112.9)
    beating.says()
    beating.protocol.handle_timeout(113.0)
    check(beating.ends(), exceptions.ConnectionClosedByClient, 200, 'Normal shutdown')


# Blocked.


@pytest.fixture
def blockable(make_client):
    """With a limit of 30 s for being blocked, opened at 100 s."""
    client = make_client(blocked_connection_timeout=30)
    client.now = 100.0
    return client.start()


def test_server_blocks_and_unblocks(blockable):
    """Rule 35."""
    assert blockable.protocol.next_timeout() is None
    blockable.hears((0, BLOCKED), gives=events.Blocked(BLOCKED))
    assert blockable.protocol.next_timeout() == 130.0
    blockable.at(129.9)
    blockable.hears((0, UNBLOCKED), gives=events.Unblocked(UNBLOCKED))
    assert blockable.protocol.next_timeout() is None
    blockable.at(1000.0)
    blockable.says()


def test_server_blocks_for_too_long(blockable):
    blockable.hears((0, BLOCKED), gives=events.Blocked(BLOCKED))
    blockable.protocol.handle_timeout(130.0)
    check(blockable.ends(), exceptions.ConnectionBlockedTimeout,
          'the broker has blocked the connection for 30 s')


def test_server_blocks_for_a_second_reason(blockable):
    """Rule 35: the time counts from the first."""
    blockable.hears((0, BLOCKED), gives=events.Blocked(BLOCKED))
    blockable.now = 120.0
    disk = spec.Connection.Blocked('low on disk')
    blockable.hears((0, disk), gives=events.Blocked(disk))
    assert blockable.protocol.next_timeout() == 130.0


def test_server_blocks_again_after_it_unblocked(blockable):
    for now in (100.0, 110.0):
        blockable.now = now
        blockable.hears((0, BLOCKED), gives=events.Blocked(BLOCKED))
        assert blockable.protocol.next_timeout() == now + 30
        blockable.hears((0, UNBLOCKED), gives=events.Unblocked(UNBLOCKED))


def test_client_closes_while_it_is_blocked(blockable):
    """Rule 18: the broker reads nothing, so that the answer may never come."""
    blockable.hears((0, BLOCKED), gives=events.Blocked(BLOCKED))
    blockable.protocol.close(125.0)
    assert blockable.protocol.next_timeout() == 125.0 + CLOSE_TIMEOUT


@pytest.mark.parametrize('method', [BLOCKED, UNBLOCKED])
def test_server_blocks_a_client_that_has_no_limit(client, method):
    kind = events.Blocked if method is BLOCKED else events.Unblocked
    client.hears((0, method), gives=kind(method))
    assert client.protocol.next_timeout() is None


# New secrets.


def test_client_gives_a_new_secret(client):
    """Rule 36: on channel 0, while running."""
    secret = spec.Connection.UpdateSecret(b'token', 'expired')
    client.call(0, secret, spec.Connection.UpdateSecretOk())
    client.protocol.call(0, secret, 'first')
    client.protocol.call(0, secret, 'second')
    client.says((0, secret))
    answer = spec.Connection.UpdateSecretOk()
    client.hears((0, answer), gives=events.Reply(0, answer, 'first'))
    client.says((0, secret))
    client.hears((0, answer), gives=events.Reply(0, answer, 'second'))


def test_server_refuses_the_new_secret(client):
    """Rule 36: a connection error."""
    client.protocol.call(0, spec.Connection.UpdateSecret(b'token', 'expired'), 'secret')
    check(client.fails((0, spec.Connection.Close(530, 'NOT_ALLOWED', 10, 70))),
          exceptions.ConnectionClosedByBroker, 530, 'NOT_ALLOWED')
    assert client.returned == ['secret']


def test_server_accepts_a_secret_that_nobody_gave(client):
    check(client.fails((0, spec.Connection.UpdateSecretOk())), exceptions.ProtocolViolationError,
          503, 'unexpected Connection.UpdateSecretOk on channel 0')


def test_secret_that_no_frame_holds_is_refused(make_client):
    """Rule 11."""
    client = make_client(frame_max=4096).start()
    fits = spec.Connection.UpdateSecret(b'x' * (4088 - 4 - 4 - 2), 'r')
    client.call(0, fits, spec.Connection.UpdateSecretOk())
    with pytest.raises(exceptions.ParameterValueError, match='Connection.UpdateSecret'):
        client.protocol.call(0, spec.Connection.UpdateSecret(fits.new_secret + b'x', 'r'), 'c')
    client.says()


# The arithmetic.


def test_deadlines_are_kept_by_name():
    deadlines = Deadlines()
    assert deadlines.next() is None
    assert deadlines.take_due(1e9) == []
    deadlines.set('b', 2.0)
    deadlines.set('a', 3.0)
    deadlines.set('c', 1.0)
    assert deadlines.next() == 1.0
    deadlines.set('c', 4.0)
    assert deadlines.next() == 2.0
    assert deadlines.is_set('c')
    assert deadlines.take_due(1.9) == []
    assert deadlines.take_due(3.0) == ['b', 'a']
    assert not deadlines.is_set('a')
    assert deadlines.next() == 4.0
    deadlines.clear('c')
    deadlines.clear('c')
    assert deadlines.next() is None
    deadlines.set('d', 1.0)
    deadlines.clear_all()
    assert not deadlines.is_set('d')
