"""The recorder changes nothing, and what it noted can be saved, loaded and replayed."""

from __future__ import annotations

import itertools

import pytest
from pika import credentials, exceptions, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import HANDSHAKE, Recorder, Session, message_frames


class Owner:
    """The owner of a protocol, which may be a recorder."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.sent = b''
        self.events = []

    def hear(self, *frames, into_buffer=False):
        data = b''.join(frames)
        if into_buffer:
            self.protocol.get_buffer()[:len(data)] = data
            self.protocol.buffer_updated(len(data), 1.0)
        else:
            self.protocol.receive_data(data, 1.0)
        self.pull()

    def pull(self):
        event = self.protocol.next_event()
        while event is not None:
            self.events.append(type(event).__name__)
            event = self.protocol.next_event()
        self.sent += b''.join(self.protocol.data_to_send())


def make_protocol(**parameters):
    return Protocol(ConnectionParameters(client_properties={'platform': 'any'}, **parameters))


def live(protocol):
    """Do everything once; return the owner."""
    owner = Owner(protocol)
    protocol.connect(0.0)
    owner.pull()
    for method in HANDSHAKE:
        owner.hear(frame.method_frame(0, method))
    assert protocol.open_channel(object()) == 1
    owner.hear(frame.method_frame(1, spec.Channel.OpenOk()))
    protocol.call(1, spec.Confirm.Select(), ['a list'])
    shared = object()
    protocol.call(1, spec.Queue.Purge(queue='q'), shared)
    owner.hear(frame.method_frame(1, spec.Confirm.SelectOk()),
               frame.method_frame(1, spec.Queue.PurgeOk(3)),
               into_buffer=True)
    tag = protocol.consume(1, spec.Basic.Consume(queue='q'), 'consume', 'consumer')
    owner.hear(frame.method_frame(1, spec.Basic.ConsumeOk(tag)))
    deliver = spec.Basic.Deliver(tag, 1, False, '', 'q')
    owner.hear(*message_frames(1, deliver, spec.BasicProperties(type='t'), b'x' * 100))
    protocol.ack(1, 1)
    protocol.send(1, spec.Basic.Nack(1))
    assert protocol.publish(1, 'x', 'k', 'body', spec.BasicProperties(priority=1), True,
                            shared) == 1
    protocol.publish(1, 'x', 'k', b'body' * 50, context='abandoned')
    protocol.abandon('abandoned')
    owner.hear(frame.method_frame(1, spec.Basic.Ack(2, True)))
    assert protocol.next_timeout() == 31.0
    protocol.handle_timeout(31.0)
    owner.pull()
    protocol.call(1, spec.Tx.Select(), 'late')
    protocol.close(32.0, context='close')
    owner.hear(frame.method_frame(0, spec.Connection.CloseOk()))
    return owner


def test_recorder_changes_nothing():
    plain, recorded = live(make_protocol()), live(Recorder(make_protocol()))
    assert recorded.sent == plain.sent
    assert recorded.events == plain.events == [
        'Opened', 'Reply', 'Reply', 'Reply', 'Reply', 'Delivery', 'Confirmed', 'Closed'
    ]


def test_recorder_shows_what_its_protocol_shows():
    recorder = Recorder(make_protocol())
    assert (recorder.state, recorder.is_open, recorder.bytes_pending) == ('idle', False, 0)
    recorder.connect(0.0)
    assert (recorder.state, recorder.bytes_pending) == ('handshake', 8)
    assert recorder.next_timeout() == recorder.parameters.stack_timeout
    recorder.receive_data(b''.join(frame.method_frame(0, method) for method in HANDSHAKE), 0.0)
    recorder.next_event()
    assert recorder.is_open
    assert recorder.parameters is recorder.protocol.parameters
    assert recorder.server_properties['product'] == 'scripted peer'
    assert recorder.server_capabilities['basic.nack'] is True


def test_replay_gives_what_was_recorded_however_the_bytes_are_cut():
    owner = live(Recorder(make_protocol()))
    session = owner.protocol.session
    assert session.sent == owner.sent
    for sizes in ((), itertools.repeat(1), (1, 2, 3), itertools.cycle((7, 1))):
        for into_buffer in (False, True):
            outcome = session.replay(sizes, into_buffer)
            assert outcome.events == session.events
            assert outcome.sent == session.sent
            assert outcome.given == outcome.returned


def test_saved_session_comes_back_from_its_file(tmp_path):
    session = live(Recorder(make_protocol())).protocol.session
    session.save(tmp_path / 'session.json')
    loaded = Session.load(tmp_path / 'session.json')
    assert loaded.parameters == session.parameters
    assert loaded.steps == session.steps
    lines = (tmp_path / 'session.json').read_text(encoding='ascii').splitlines()
    assert len(lines) == len(session.steps) + 3
    assert loaded.replay() == session.replay()


def test_session_keeps_what_its_owner_did_in_order():
    session = live(Recorder(make_protocol())).protocol.session
    names = [step[0] for step in session.steps]
    assert names[:6] == ['connect', 'sent', 'receive_data', 'sent', 'receive_data', 'sent']
    commands = [step for step in session.steps if step[0] not in ('event', 'sent', 'receive_data')]
    assert commands[1:] == [
        ['open_channel', 1, None],
        ['call', 1, {
            'Confirm.Select': {}
        }, 2],
        ['call', 1, {
            'Queue.Purge': {
                'queue': 'q'
            }
        }, 3],
        ['consume', 1, {
            'Basic.Consume': {
                'queue': 'q'
            }
        }, 4, 5],
        ['ack', 1, 1, False],
        ['send', 1, {
            'Basic.Nack': {
                'delivery_tag': 1
            }
        }],
        ['publish', 1, 'x', 'k', 'body', {
            'BasicProperties': {
                'priority': 1
            }
        }, True, 3],
        ['publish', 1, 'x', 'k', {
            'bytes': (b'body' * 50).hex()
        }, None, False, 6],
        ['abandon', 6],
        ['handle_timeout', 31.0],
        ['call', 1, {
            'Tx.Select': {}
        }, 7],
        ['close', 32.0, 200, 'Normal shutdown', 8],
    ]


@pytest.mark.parametrize('lost', [None, OSError('reset by peer')])
def test_end_of_the_stream_is_recorded(lost):
    recorder = Recorder(make_protocol())
    recorder.connect(0.0)
    if lost is None:
        recorder.receive_eof(2.0)
    else:
        recorder.connection_lost(lost, 2.0)
    event = recorder.next_event()
    assert isinstance(event.reason, exceptions.AMQPConnectionError)
    outcome = recorder.session.replay()
    assert outcome.events == recorder.session.events
    assert len(outcome.events) == 1


def test_command_that_is_refused_is_not_recorded():
    recorder = Recorder(make_protocol())
    with pytest.raises(exceptions.ConnectionWrongStateError):
        recorder.open_channel('context')
    assert recorder.session.steps == []


def test_command_that_a_replay_refuses_is_told_in_its_place():
    session = live(Recorder(make_protocol())).protocol.session
    opened = b''.join(frame.method_frame(0, method) for method in HANDSHAKE)
    close = spec.Channel.Close(404, 'gone', 0, 0)
    outcome = session.with_received(opened + frame.method_frame(1, close)).replay()
    assert [next(iter(event)) for event in outcome.events
           ] == ['Opened', 'ChannelClosed', 'raised', 'raised']
    assert outcome.events[2]['raised'] == [
        'call', {
            'error': ['ChannelWrongStateError', 'Channel is closed.']
        }
    ]
    assert outcome.given == outcome.returned == [1]


def test_session_with_other_bytes_has_them_where_the_first_ones_were():
    session = live(Recorder(make_protocol())).protocol.session
    other = session.with_received(b'HTTP/1.1 400')
    assert other.received == b'HTTP/1.1 400'
    closed = other.replay().events[0]
    assert closed['Closed']['reason']['error'][0] == 'IncompatibleProtocolError'
    assert session.with_received(b'').received == b''


@pytest.mark.parametrize('kind', [
    credentials.PlainCredentials('me', 'secret'),
    credentials.AMQPlainCredentials('me', 'secret'),
    credentials.ExternalCredentials()
])
def test_session_keeps_the_parameters(kind, monkeypatch):
    monkeypatch.setattr(credentials, 'VALID_TYPES',
                        [*credentials.VALID_TYPES, credentials.AMQPlainCredentials])
    protocol = make_protocol(credentials=kind, virtual_host='v', channel_max=7, heartbeat=None)
    parameters = Recorder(protocol).session.protocol().parameters
    assert type(parameters.credentials) is type(kind)
    assert parameters.credentials == kind
    assert (parameters.virtual_host, parameters.channel_max, parameters.heartbeat) == ('v', 7, None)
    assert parameters.client_properties == {'platform': 'any'}


def test_what_cannot_be_recorded_is_refused():

    class Own(credentials.PlainCredentials):
        pass

    with pytest.raises(ValueError, match='class Own cannot be recorded'):
        Recorder(make_protocol(credentials=Own('me', 'secret')))
    with pytest.raises(exceptions.UnsupportedAMQPFieldException):
        Recorder(make_protocol(heartbeat=lambda connection, offered: offered))
