"""All the ways in which a handshake fails, and what the client is told."""

from __future__ import annotations

import pytest
from pika import credentials, events, exceptions, frame, spec
from pika_testing import HANDSHAKE

START, TUNE, OPEN_OK = HANDSHAKE
HEARTBEAT = b'\x08\0\0\0\0\0\0\xce'


def start(**arguments):
    return spec.Connection.Start(**{'mechanisms': 'PLAIN', 'locales': 'en_US', **arguments})


def connect(client):
    client.protocol.connect(0.0)
    client.says(b'AMQP\0\0\x09\x01')
    return client


def to_tune(client):
    connect(client)
    client.hears((0, START))
    client.protocol.data_to_send()
    return client


def to_open(client):
    to_tune(client)
    client.hears((0, TUNE))
    client.protocol.data_to_send()
    return client


def check(reason, kind, *args):
    """The reason is this error, and says where."""
    assert (type(reason), reason.args) == (kind, args)
    assert (reason.host, reason.port, reason.phase) == ('localhost', 5672, 'handshake')


@pytest.mark.parametrize(('beginning', 'text'), [
    (b'AMQP\3\1\0\0', 'it answered with protocol header 3-1-0-0'),
    (b'AMQP\0\0\x09\x01', 'it answered with protocol header 0-0-9-1'),
    (b'HTTP/1.1', "its first bytes are b'HTTP/1.1'"),
    (b'\x15\3\3\0\2\2\x28\0', 'the peer speaks TLS on this port'),
    (b'\x16\3\3\0\2\2\x28\0', 'the peer speaks TLS on this port'),
    (b'\0\0\0\0\0\0\0\0', 'its first bytes are '),
    (b'220 smtp', "its first bytes are b'220 smtp'"),
],
                         ids=repr)
@pytest.mark.parametrize('more', [b'', b' 400 Bad Request\r\n\r\n'])
def test_peer_speaks_another_protocol(make_client, beginning, text, more):
    """Rule 1: the broker answers a header it does not like with its own; HTTP, TLS, anything."""
    client = connect(make_client())
    client.hears(beginning[:7], partial=True)
    reason = client.fails(beginning[7:] + more)
    assert text in str(reason)
    check(reason, exceptions.IncompatibleProtocolError, *reason.args)
    client.says()


def test_peer_hangs_up_before_it_said_anything(make_client):
    """Rule 1: not ready, wrong port or TLS, and not "incompatible protocol"."""
    client = connect(make_client())
    client.protocol.receive_eof(0.0)
    text = ('the peer hung up before it said anything: it may not be ready, its port may '
            'be for TLS (or not), or it is no AMQP broker')
    check(client.ends(), exceptions.StreamLostError, text)


@pytest.mark.parametrize(('beginning', 'kind'), [
    (b'\x15\3\3', exceptions.IncompatibleProtocolError),
    (b'AMQP', exceptions.IncompatibleProtocolError),
    (b'\0\1', exceptions.IncompatibleProtocolError),
    (b'\1', exceptions.StreamLostError),
    (b'\1\0\0\0\0\0\5\0', exceptions.StreamLostError),
],
                         ids=repr)
def test_peer_hangs_up_amid_its_first_frame(make_client, beginning, kind):
    """Rule 1: what it said tells what it is, though it is less than a frame."""
    client = connect(make_client())
    client.hears(beginning, partial=True)
    client.protocol.receive_eof(0.0)
    reason = client.ends()
    check(reason, kind, *reason.args)
    assert ('TLS' in str(reason)) is (beginning[0] in (1, 0x15))
    client.says()


@pytest.mark.parametrize('error', [None, ConnectionResetError('reset')])
def test_server_hangs_up_when_it_has_the_credentials(make_client, error):
    """Rule 7: a broker that does not know authentication_failure_close."""
    client = to_tune(make_client())
    client.protocol.connection_lost(error, 0.0)
    reason = client.ends()
    check(reason, exceptions.ProbableAuthenticationError,
          'the broker hung up when it had the credentials')
    assert reason.__cause__ is error


def test_server_hangs_up_when_it_is_asked_for_the_virtual_host(make_client):
    client = to_open(make_client())
    client.protocol.receive_eof(0.0)
    check(client.ends(), exceptions.ProbableAccessDeniedError,
          'the broker hung up when it was asked for the virtual host')


@pytest.mark.parametrize(('at', 'code', 'kind'), [
    (to_tune, 403, exceptions.ProbableAuthenticationError),
    (to_tune, 530, exceptions.ConnectionClosedByBroker),
    (to_open, 403, exceptions.ProbableAccessDeniedError),
    (to_open, 530, exceptions.ProbableAccessDeniedError),
    (to_open, 404, exceptions.ProbableAccessDeniedError),
    (to_open, 402, exceptions.ProbableAccessDeniedError),
    (to_open, 541, exceptions.ConnectionClosedByBroker),
    (connect, 403, exceptions.ConnectionClosedByBroker),
])
def test_server_refuses_with_a_close(make_client, at, code, kind):
    """Rule 7: ACCESS_REFUSED for the credentials, NOT_ALLOWED and others for the virtual host."""
    client = at(make_client())
    reason = client.fails((0, spec.Connection.Close(code, 'REFUSED', 10, 40)))
    assert str(code) in str(reason)
    assert 'REFUSED' in str(reason)
    check(reason, kind, *reason.args)
    client.says((0, spec.Connection.CloseOk()))


@pytest.mark.parametrize('method', [
    TUNE, OPEN_OK,
    spec.Connection.Secure(b''),
    spec.Connection.CloseOk(),
    spec.Connection.Blocked('memory'),
    spec.Basic.QosOk()
],
                         ids=lambda method: method.NAME)
def test_server_sends_another_method_than_is_due(make_client, method):
    """Clause 2.2.4: no byte more, the connection is not fully open."""
    client = connect(make_client())
    check(client.fails((0, method)), exceptions.ProtocolViolationError, 503,
          f'{method.NAME} in the handshake, where Connection.Start is due')
    client.says()


@pytest.mark.parametrize(('at', 'awaited', 'again'), [(to_tune, 'Tune', START),
                                                      (to_open, 'OpenOk', TUNE)])
def test_server_begins_again(make_client, at, awaited, again):
    client = at(make_client())
    check(client.fails((0, again)), exceptions.ProtocolViolationError, 503,
          f'{again.NAME} in the handshake, where Connection.{awaited} is due')
    client.says()


@pytest.mark.parametrize('data', [
    frame.method_frame(1, spec.Channel.OpenOk(b'')),
    frame.content_header_frame(1, 0, b'\0\0'),
    frame.Body(1, b'x').marshal(),
],
                         ids=['method', 'header', 'body'])
def test_server_uses_a_channel_in_the_handshake(make_client, data):
    """Rule 6: no frame on a channel before open-ok."""
    client = to_tune(make_client())
    check(client.fails(data), exceptions.ProtocolViolationError, 503,
          'frame on channel 1 in the handshake, where Connection.Tune is due')
    client.says()


def test_server_sends_heartbeats_in_the_handshake(make_client):
    client = connect(make_client())
    client.hears(HEARTBEAT, (0, START), HEARTBEAT)
    client.hears((0, TUNE), HEARTBEAT, (0, OPEN_OK), gives=events.Opened())


def test_peer_begins_with_a_heartbeat_and_goes_on_in_another_protocol(make_client):
    client = connect(make_client())
    reason = client.fails(HEARTBEAT, b'HTTP/1.1 400')
    check(reason, exceptions.IncompatibleProtocolError, *reason.args)
    client.says()


@pytest.mark.parametrize('bad', [
    frame.method_frame(0, START)[:-1] + b'\xcd',
    b'\3\0\0\0\0\0\5AMQP\0\xcd',
    b'\2\0\0\0\0\0\1x\0',
],
                         ids=['method', 'body', 'header'])
def test_server_ends_a_frame_with_another_octet_in_the_handshake(make_client, bad):
    """Rule 13: the stream ends without another byte."""
    client = connect(make_client())
    reason = client.fails(bad)
    assert isinstance(reason, exceptions.AMQPConnectionError)
    assert reason.phase == 'handshake'
    client.says()
    client = to_tune(make_client())
    check(client.fails(bad), exceptions.ProtocolViolationError, 501,
          f'Invalid frame received: frame ends with octet {bad[-1]}, not 206')
    client.says()


def test_server_offers_another_version(make_client):
    client = connect(make_client())
    check(client.fails((0, start(version_major=8, version_minor=0))),
          exceptions.IncompatibleProtocolError, 'the broker offers AMQP 8-0, not 0-9-1')
    client.says()


def test_server_offers_no_mechanism_for_these_credentials(make_client):
    """Rule 8: words, not parts of words."""
    client = connect(make_client())
    check(client.fails((0, start(mechanisms='AMQPLAIN EXTERNAL XPLAIN'))),
          exceptions.AuthenticationError, 'PLAIN, the broker offers AMQPLAIN EXTERNAL XPLAIN')
    client.says()


def test_server_asks_a_question_that_plain_credentials_cannot_answer(make_client):
    """Rule 8: secure."""
    client = to_tune(make_client())
    check(client.fails((0, spec.Connection.Secure(b'question'))), exceptions.AuthenticationError,
          'PLAIN, the broker asks what these credentials cannot answer')
    client.says()


@pytest.mark.parametrize('frame_max', [1, 4095])
def test_server_wants_frames_smaller_than_the_least(make_client, frame_max):
    """Rule 3."""
    client = to_tune(make_client())
    check(client.fails((0, spec.Connection.Tune(0, frame_max,
                                                0))), exceptions.ProtocolViolationError, 502,
          f'frame_max {frame_max} of the broker is under 4096')
    client.says()


@pytest.mark.parametrize('extra', [0, 1])
def test_start_ok_must_fit_what_a_server_takes_before_tuning(make_client, extra):
    """Rule 2: 8,192 bytes; a long token does not fit."""
    client = connect(make_client(client_properties={'platform': 'any'}))
    client.hears((0, START))
    room = 8192 - len(b''.join(client.protocol.data_to_send()))
    token = credentials.PlainCredentials('guest', 'guest' + 'x' * (room + extra))
    client = connect(make_client(credentials=token, client_properties={'platform': 'any'}))
    if not extra:
        client.hears((0, START))
        assert len(b''.join(client.protocol.data_to_send())) == 8192
        return
    reason = client.fails((0, START))
    assert isinstance(reason, exceptions.AMQPConnectionError)
    assert 'credentials and client_properties take 8193 bytes' in str(reason)
    assert '8192' in str(reason)
    assert 'xxx' not in str(reason)
    client.says()


class Failing(credentials.PlainCredentials):

    def response_for(self, start):
        raise LookupError('no keyring')


def test_credentials_raise_and_the_connection_fails_with_that(make_client, monkeypatch):
    """Law 1: what they raise fails the connection as itself."""
    monkeypatch.setattr(credentials, 'VALID_TYPES', [*credentials.VALID_TYPES, Failing])
    client = connect(make_client(credentials=Failing('me', 'secret')))
    reason = client.fails((0, START))
    assert (type(reason), reason.args) == (LookupError, ('no keyring',))
    client.says()


def test_heartbeat_callable_raises_and_the_connection_fails_with_that(make_client):

    def choose(connection, offered):
        raise LookupError(offered)

    client = to_tune(make_client(heartbeat=choose))
    reason = client.fails((0, TUNE))
    assert (type(reason), reason.args) == (LookupError, (60,))
    client.says()


@pytest.mark.parametrize('chosen', [-1, 65536, 1.5, True, 'long'])
def test_heartbeat_callable_gives_no_heartbeat(make_client, chosen):
    client = to_tune(make_client(heartbeat=lambda connection, offered: chosen))
    reason = client.fails((0, TUNE))
    assert isinstance(reason, exceptions.ParameterValueError)
    assert 'heartbeat must be an int from 0 to 65535' in str(reason)
    client.says()


# Giving up.


@pytest.mark.parametrize(('at', 'awaited'), [(connect, 'Start'), (to_tune, 'Tune'),
                                             (to_open, 'OpenOk')])
def test_server_says_nothing(make_client, at, awaited):
    """Rule 10: the whole handshake within stack_timeout."""
    client = at(make_client(stack_timeout=15))
    assert client.protocol.next_timeout() == 15.0
    client.at(14.9)
    client.protocol.handle_timeout(15.0)
    check(client.ends(), exceptions.AMQPConnectorStackTimeout,
          f'timeout: the peer sent no Connection.{awaited} within 15 s')
    client.says()


def test_handshake_may_take_for_ever_without_stack_timeout(make_client):
    client = connect(make_client(stack_timeout=None))
    assert client.protocol.next_timeout() is None
    client.at(1e9)


def test_handshake_in_time_leaves_no_timeout(client):
    assert client.protocol.next_timeout() is None


ABORTED = "closed by the client before it was open: (200) 'enough'"


@pytest.mark.parametrize('at', [lambda client: client, connect, to_tune, to_open])
def test_client_closes_before_the_connection_is_open(make_client, at):
    """It gives up: the event is there at once, whatever the broker still says."""
    client = at(make_client())
    client.protocol.close(3.0, 200, 'enough', 'close')
    assert client.protocol.next_timeout() == 3.0
    with pytest.raises(exceptions.ConnectionWrongStateError):
        client.protocol.close(3.0, context='again')
    client.protocol.receive_data(frame.method_frame(0, OPEN_OK), 3.0)
    client.protocol.handle_timeout(3.0)
    check(client.ends(), exceptions.ConnectionOpenAborted, ABORTED)
    assert client.returned == ['close']
    client.says()


def test_abandoned_close_before_the_connection_is_open(make_client):
    client = connect(make_client())
    client.protocol.close(0.0, 200, 'enough', context='close')
    client.protocol.abandon('close')
    check(client.ends(), exceptions.ConnectionOpenAborted, ABORTED)
    assert client.returned == []


def test_stream_breaks_by_an_alert_of_tls(make_client):
    """Its own words say more than where in the handshake it was, such as "certificate required"."""
    client = connect(make_client())
    alert = exceptions.StreamLostError('TLS: certificate required', phase='TLS')
    client.lost(alert, gives=events.Closed(alert, []))
