"""Law 6: any bytes give events, the last one perhaps a Closed with our error; nothing else.

Recorded conversations are changed behind the handshake: bits, lengths, types, the order of frames,
frames dropped, doubled, and made up. The commands of the client stay where they are.
"""

from __future__ import annotations

import itertools
import json
import pathlib
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pika import exceptions, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import HANDSHAKE, Session, open_connection

FOLDER = pathlib.Path(__file__).parents[1] / 'sessions'


def split(data):
    """The frames in these bytes."""
    frames = []
    while data:
        size = frame.OVERHEAD + frame.HEAD.unpack_from(data)[2]
        frames.append(data[:size])
        data = data[size:]
    return frames


def load(path):
    """A session; the bytes of its handshake; the frames behind that."""
    session = Session.load(path)
    frames = split(session.received)
    return session, b''.join(frames[:3]), frames[3:]


SESSIONS = {
    path.stem: load(path)
    for path in sorted(FOLDER.glob('*.json'))
    if path.stem not in ('refused', 'no_virtual_host', 'bodies', 'small_frames')
}
METHODS = sorted(spec.methods)


def check(outcome, baseline=None):
    """Law 6 and law 2, and law 3 against another cutting of the same bytes."""
    names = [next(iter(event)) for event in outcome.events]
    assert names.count('Closed') <= 1
    if 'Closed' in names:
        behind = names[names.index('Closed') + 1:]
        assert set(behind) <= {'raised'}, 'Closed is the last event'
        reason = outcome.events[names.index('Closed')]['Closed']['reason']['error'][0]
        assert issubclass(getattr(exceptions, reason), exceptions.AMQPConnectionError)
        assert sorted(outcome.returned) == sorted(outcome.given), 'each context comes back once'
    assert not Counter(outcome.returned) - Counter(outcome.given)
    if baseline is not None:
        assert json.dumps(outcome.events) == json.dumps(baseline.events)
        assert outcome.sent == baseline.sent
        assert outcome.returned == baseline.returned


def run(session, received, into_buffer=False):
    """Bounded: every event takes a frame, and a frame takes 8 bytes."""
    changed = session.with_received(received)
    outcome = changed.replay((), into_buffer)
    commands = sum(step[0] not in ('event', 'sent', 'receive_data') for step in session.steps)
    assert len(outcome.events) <= len(received) // frame.OVERHEAD + commands + 1
    check(outcome)
    check(changed.replay(itertools.repeat(1), into_buffer), outcome)
    check(changed.replay(itertools.cycle((3, 11, 7)), not into_buffer), outcome)


def rebuilt(old, kind=None, channel=None, payload=None, size=None, end=b'\xce'):
    """A frame with something changed."""
    old_kind, old_channel, _ = frame.HEAD.unpack_from(old)
    payload = old[7:-1] if payload is None else payload
    return frame.HEAD.pack(old_kind if kind is None else kind,
                           old_channel if channel is None else channel,
                           len(payload) if size is None else size) + payload + end


def changed_bytes(draw, old):
    data = bytearray(old)
    for _ in range(draw(st.integers(1, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return [bytes(data)]


def changed_payload(draw, old):
    payload = bytearray(old[7:-1] or b'\0')
    for _ in range(draw(st.integers(1, 4))):
        octet = draw(st.sampled_from([0, 1, 255]) | st.integers(0, 255))
        payload[draw(st.integers(0, len(payload) - 1))] = octet
    return [rebuilt(old, payload=bytes(payload))]


def changed_length(draw, old):
    payload = old[7:-1]
    if draw(st.booleans()):
        return [rebuilt(old, payload=payload[:draw(st.integers(0, len(payload)))])]
    return [rebuilt(old, payload=payload + draw(st.binary(max_size=20)))]


def changed_size(draw, old):
    return [rebuilt(old, size=draw(st.integers(0, 300) | st.integers(0, 2**32 - 1)))]


def changed_type(draw, old):
    return [rebuilt(old, kind=draw(st.sampled_from([1, 2, 3, 8, 0, 4, 255])))]


def changed_channel(draw, old):
    return [rebuilt(old, channel=draw(st.integers(0, 4) | st.integers(0, 65535)))]


def changed_method(draw, old):
    index = draw(st.sampled_from(METHODS) | st.integers(0, 2**32 - 1))
    return [rebuilt(old, kind=1, payload=index.to_bytes(4, 'big') + old[11:-1])]


def changed_body_size(draw, old):
    size = draw(st.integers(0, 100) | st.sampled_from([2**29, 2**29 + 1, 2**63, 2**64 - 1]))
    return [rebuilt(old, payload=old[7:11] + size.to_bytes(8, 'big') + old[19:-1])]


def doubled(draw, old):
    return [old] * draw(st.integers(2, 4))


def dropped(draw, old):
    return []


def cut_off(draw, old):
    return [old[:draw(st.integers(0, len(old) - 1))]]


def with_another_before(draw, old):
    return [made_up(draw), old]


def made_up(draw):
    """A frame of a method as this library encodes it, or of anything."""
    channel = draw(st.integers(0, 3))
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return frame.HEAD.pack(draw(st.sampled_from([1, 2, 3, 8])), channel, 4) + draw(
            st.binary(min_size=4, max_size=4)) + b'\xce'
    return frame.method_frame(channel, draw(st.sampled_from(WELL_FORMED)))


WELL_FORMED = [
    spec.Connection.Close(320, 'forced', 0, 0),
    spec.Connection.CloseOk(),
    spec.Connection.Blocked('memory'),
    spec.Connection.Unblocked(),
    spec.Connection.UpdateSecretOk(),
    spec.Channel.OpenOk(b''),
    spec.Channel.Flow(False),
    spec.Channel.FlowOk(True),
    spec.Channel.Close(404, 'gone', 50, 10),
    spec.Channel.CloseOk(),
    spec.Queue.DeclareOk('q', 1, 1),
    spec.Queue.BindOk(),
    spec.Basic.QosOk(),
    spec.Basic.ConsumeOk('mine'),
    spec.Basic.CancelOk('mine'),
    spec.Basic.Cancel('mine', True),
    spec.Basic.GetEmpty(),
    spec.Basic.GetOk(1, False, '', 'q', 0),
    spec.Basic.Deliver('mine', 1, False, '', 'q'),
    spec.Basic.Return(312, 'NO_ROUTE', '', 'q'),
    spec.Basic.Ack(1),
    spec.Basic.Ack(0, True),
    spec.Basic.Nack(2, True),
    spec.Confirm.SelectOk(),
    spec.Tx.SelectOk(),
    spec.Tx.CommitOk(),
]
CHANGES = [
    changed_bytes, changed_payload, changed_length, changed_size, changed_type, changed_channel,
    changed_method, changed_body_size, doubled, dropped, cut_off, with_another_before
]


@pytest.mark.parametrize('change', CHANGES)
@given(data=st.data())
def test_changed_session_gives_events_and_nothing_else(change, data):
    """Law 6, with one or a few frames changed in this way."""
    session, handshake, frames = SESSIONS[data.draw(st.sampled_from(sorted(SESSIONS)))]
    frames = list(frames)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(frames) - 1))
        frames[place:place + 1] = change(data.draw, frames[place]) or [b'']
        frames = [item for item in frames if len(item) >= frame.OVERHEAD] or [made_up(data.draw)]
    run(session, handshake + b''.join(frames), data.draw(st.booleans()))


@given(data=st.data())
def test_session_in_another_order_gives_events_and_nothing_else(data):
    """Law 6."""
    session, handshake, frames = SESSIONS[data.draw(st.sampled_from(sorted(SESSIONS)))]
    frames = list(frames)
    for _ in range(data.draw(st.integers(1, 5))):
        item = frames.pop(data.draw(st.integers(0, len(frames) - 1)))
        frames.insert(data.draw(st.integers(0, len(frames))), item)
    run(session, handshake + b''.join(frames), data.draw(st.booleans()))


@given(data=st.data())
def test_session_of_frames_that_are_made_up_gives_events_and_nothing_else(data):
    """Law 6."""
    session, handshake, _ = SESSIONS[data.draw(st.sampled_from(sorted(SESSIONS)))]
    frames = [made_up(data.draw) for _ in range(data.draw(st.integers(1, 12)))]
    run(session, handshake + b''.join(frames), data.draw(st.booleans()))


@given(data=st.data())
def test_session_that_ends_anywhere_gives_events_and_nothing_else(data):
    """Rule 19: and the end comes last."""
    session, _, _ = SESSIONS[data.draw(st.sampled_from(sorted(SESSIONS)))]
    end = data.draw(st.integers(0, len(session.received)))
    cut = session.with_received(session.received[:end])
    cut.steps.append(['connection_lost', 'reset', 0.0])
    outcome = cut.replay()
    check(outcome)
    assert any('Closed' in event for event in outcome.events)


@pytest.mark.parametrize('when', ['idle', 'start', 'tune', 'open-ok', 'open'])
@given(data=st.binary(max_size=200), sizes=st.lists(st.integers(1, 20), min_size=1))
@example(data=b'HTTP/1.1 400 Bad Request\r\n\r\n', sizes=[1])
@example(data=b'\3\0\0\0\0\0\5AMQP\0\xcd', sizes=[1])
@example(data=b'\x08\0\0\0\0\0\0\xceAMQP\0\0\x09\x01', sizes=[1])
def test_random_bytes_give_events_and_nothing_else(when, data, sizes):
    """Law 6, and law 3: the same reason however they are cut."""
    reasons = []
    for cutting in (itertools.repeat(len(data) or 1), itertools.repeat(1), itertools.cycle(sizes)):
        protocol = Protocol(ConnectionParameters())
        if when == 'open':
            open_connection(protocol)
        elif when != 'idle':
            protocol.connect(0.0)
            known = ('start', 'tune', 'open-ok').index(when)
            for method in HANDSHAKE[:known]:
                protocol.receive_data(frame.method_frame(0, method), 0.0)
                assert protocol.next_event() is None
        protocol.data_to_send()
        seen = []
        start = 0
        for size in cutting:
            if start >= len(data):
                break
            protocol.receive_data(data[start:start + size], 0.0)
            start += size
            event = protocol.next_event()
            while event is not None:
                seen.append(event)
                assert len(seen) <= len(data)
                event = protocol.next_event()
        if protocol.state == 'closed':
            assert isinstance(seen[-1].reason, exceptions.AMQPConnectionError)
            assert str(seen[-1].reason)
        kinds = [(type(event), getattr(event, 'reason', None)) for event in seen]
        reasons.append(([
            (kind, type(reason), getattr(reason, 'args', None)) for kind, reason in kinds
        ], b''.join(protocol.data_to_send())))
    assert reasons[0] == reasons[1] == reasons[2]


@given(st.binary(min_size=1, max_size=60))
def test_random_payload_in_a_frame_gives_events_and_nothing_else(payload):
    """Law 6: methods and headers of random bytes, on an open channel."""
    for kind in (1, 2, 3):
        session, handshake, _ = SESSIONS['transactions']
        data = frame.HEAD.pack(kind, 1, len(payload)) + payload + b'\xce'
        run(session, handshake + frame.method_frame(1, spec.Channel.OpenOk(b'')) + data)
