"""From the protocol header to Connection.OpenOk."""

from __future__ import annotations

import pytest
from pika import credentials, events, exceptions, frame, spec
from pika_testing import HANDSHAKE

START, TUNE, OPEN_OK = HANDSHAKE
PLAIN = credentials.PlainCredentials('me', 'secret')


def start(**arguments):
    return spec.Connection.Start(**{'mechanisms': 'PLAIN', 'locales': 'en_US', **arguments})


def sent(client):
    """The methods that the client has sent."""
    data = b''.join(client.protocol.data_to_send())
    methods = []
    while data:
        size, item = frame.decode_frame(data)
        assert item.channel_number == 0
        methods.append(item.method)
        data = data[size:]
    return methods


def connect(client):
    client.protocol.connect(0.0)
    client.says(b'AMQP\0\0\x09\x01')
    return client


def to_tune(client):
    connect(client)
    client.hears((0, START))
    client.protocol.data_to_send()
    return client


def test_connection_opens(make_client):
    client = make_client(heartbeat=None)
    protocol = client.protocol
    assert (protocol.state, protocol.is_open) == ('idle', False)
    assert (protocol.server_properties, protocol.server_capabilities) == ({}, {})
    connect(client)
    assert (protocol.state, protocol.is_open) == ('handshake', False)
    client.hears((0, START))
    (start_ok,) = sent(client)
    assert type(start_ok) is spec.Connection.StartOk
    assert protocol.server_properties['product'] == 'scripted peer'
    assert protocol.server_capabilities['basic.nack'] is True
    client.hears((0, TUNE))
    client.says((0, spec.Connection.TuneOk(2047, 131072, 60)), (0, spec.Connection.Open('/')))
    assert (protocol.state, protocol.is_open) == ('handshake', False)
    client.hears((0, OPEN_OK), gives=events.Opened())
    client.says()
    assert (protocol.state, protocol.is_open) == ('open', True)


def test_whole_handshake_comes_at_once(make_client):
    client = connect(make_client())
    client.hears(*((0, method) for method in HANDSHAKE), gives=events.Opened())


def test_connect_twice_is_refused(make_client):
    client = connect(make_client())
    with pytest.raises(exceptions.ConnectionWrongStateError, match='connect.. on .*handshake'):
        client.protocol.connect(0.0)
    client.says()


def test_client_tells_what_it_can(make_client):
    """Rules 7 and 9: capabilities, authentication_failure_close among them."""
    client = connect(make_client(client_properties={'connection_name': 'mine', 'product': 'my'}))
    client.hears((0, START))
    (start_ok,) = sent(client)
    properties = start_ok.client_properties
    assert properties.pop('capabilities') == {
        'authentication_failure_close': True,
        'basic.nack': True,
        'connection.blocked': True,
        'consumer_cancel_notify': True,
        'exchange_exchange_bindings': True,
        'publisher_confirms': True
    }
    assert properties['connection_name'] == 'mine'
    assert properties['product'] == 'my'
    assert properties['platform'].startswith('Python 3.')
    assert set(properties) == {'connection_name', 'product', 'platform', 'version', 'information'}


@pytest.mark.parametrize('told', [None, 'no table', []])
def test_server_tells_no_capabilities(make_client, told):
    client = connect(make_client())
    client.hears((0, start(server_properties={'capabilities': told})))
    assert client.protocol.server_capabilities == {}


@pytest.mark.parametrize(('kind', 'mechanism', 'response'), [
    (PLAIN, 'PLAIN', b'\0me\0secret'),
    (credentials.AMQPlainCredentials(
        'me', 'secret'), 'AMQPLAIN', b'\5LOGINS\0\0\0\2me\x08PASSWORDS\0\0\0\6secret'),
    (credentials.ExternalCredentials(), 'EXTERNAL', b''),
],
                         ids=['PLAIN', 'AMQPLAIN', 'EXTERNAL'])
def test_client_proves_who_it_is(make_client, monkeypatch, kind, mechanism, response):
    """Rule 8: a list of mechanisms separated by spaces; AMQPLAIN is a table without its length."""
    monkeypatch.setattr(credentials, 'VALID_TYPES',
                        [*credentials.VALID_TYPES, credentials.AMQPlainCredentials])
    client = connect(make_client(credentials=kind))
    client.hears((0, start(mechanisms='OTHER AMQPLAIN PLAIN EXTERNAL')))
    (start_ok,) = sent(client)
    assert (start_ok.mechanism, start_ok.response) == (mechanism, response)


class Questioned(credentials.PlainCredentials):
    """A mechanism of several steps."""

    def secure(self, challenge):
        return b'answer to ' + challenge


def test_server_asks_another_question(make_client, monkeypatch):
    """Rule 8: secure and secure-ok, any number of times."""
    monkeypatch.setattr(credentials, 'VALID_TYPES', [*credentials.VALID_TYPES, Questioned])
    client = to_tune(make_client(credentials=Questioned('me', 'secret')))
    for challenge in (b'one', b'two'):
        client.hears((0, spec.Connection.Secure(challenge)))
        client.says((0, spec.Connection.SecureOk(b'answer to ' + challenge)))
    client.hears((0, TUNE))
    client.hears((0, OPEN_OK), gives=events.Opened())


def test_credentials_are_erased_when_they_were_sent(make_client):
    kind = credentials.PlainCredentials('me', 'secret', erase_on_connect=True)
    client = to_tune(make_client(credentials=kind))
    assert client.protocol.parameters.credentials.password == 'secret'
    client.hears((0, TUNE))
    assert client.protocol.parameters.credentials.password is None
    assert kind.password == 'secret', 'the parameters are a copy'


@pytest.mark.parametrize(('offered', 'wanted', 'chosen'), [
    ('en_US', 'en_US', 'en_US'),
    ('de_DE en_US', 'en_US', 'en_US'),
    ('de_DE fr_FR', 'en_US', 'de_DE'),
    ('en_US', 'de_DE', 'en_US'),
    ('', 'de_DE', 'de_DE'),
])
def test_locale_is_one_of_those_offered(make_client, offered, wanted, chosen):
    """Rule 8."""
    client = connect(make_client(locale=wanted))
    client.hears((0, start(locales=offered)))
    assert sent(client)[0].locale == chosen


@pytest.mark.parametrize(('server', 'client', 'agreed'), [
    ((0, 0, 0), (2047, 131072, 0), (2047, 131072, 0)),
    ((100, 4096, 0), (2047, 131072, 0), (100, 4096, 0)),
    ((65535, 1048576, 0), (2047, 131072, 0), (2047, 131072, 0)),
    ((1, 131071, 0), (65535, 131072, 0), (1, 131071, 0)),
    ((2047, 131072, 60), (65535, 131072, None), (2047, 131072, 60)),
    ((0, 0, 60), (1, 4096, 580), (1, 4096, 580)),
    ((0, 0, 60), (1, 4096, 10), (1, 4096, 10)),
    ((0, 0, 60), (1, 4096, 0), (1, 4096, 0)),
    ((0, 0, 0), (1, 4096, 65535), (1, 4096, 65535)),
    ((0, 0, 0), (1, 4096, None), (1, 4096, 0)),
])
def test_limits_are_negotiated(make_client, server, client, agreed):
    """Rules 3 and 4: the smaller limit, never 0; the client's heartbeat if it has one."""
    names = ('channel_max', 'frame_max', 'heartbeat')
    talk = to_tune(make_client(**dict(zip(names, client))))
    talk.hears((0, spec.Connection.Tune(*server)))
    talk.says((0, spec.Connection.TuneOk(*agreed)), (0, spec.Connection.Open('/')))
    assert tuple(getattr(talk.protocol.parameters, name) for name in names) == agreed
    talk.hears((0, OPEN_OK), gives=events.Opened())
    if agreed[2]:
        assert talk.protocol.next_timeout() == agreed[2] / 2
    else:
        assert talk.protocol.next_timeout() is None


def test_defaults_are_those_of_the_parameters(make_client):
    """Rule 44."""
    parameters = make_client().protocol.parameters
    assert (parameters.channel_max, parameters.frame_max) == (65535, 131072)


def test_heartbeat_is_chosen_by_a_callable(make_client):
    asked = []

    def choose(connection, offered):
        asked.append((connection, offered))
        return 7

    client = to_tune(make_client(heartbeat=choose))
    client.hears((0, TUNE))
    assert asked == [(client.protocol, 60)]
    assert sent(client)[0].heartbeat == 7
    assert client.protocol.parameters.heartbeat == 7


def test_virtual_host_is_that_of_the_parameters(make_client):
    client = to_tune(make_client(virtual_host='my host'))
    client.hears((0, TUNE))
    assert sent(client)[1].virtual_host == 'my host'


def test_frame_size_counts_from_tune_on(make_client):
    client = to_tune(make_client(frame_max=131072))
    client.hears((0, spec.Connection.Tune(0, 4096, 0)))
    client.hears((0, OPEN_OK), gives=events.Opened())
    client.protocol.data_to_send()
    client.open(1)
    text = 'frame of 4089 bytes on channel 1, negotiated are 4088'
    client.hears(b'\1\0\1\0\0\x0f\xf9',
                 b'x',
                 gives=events.Closed(exceptions.ProtocolViolationError(501, text), []),
                 partial=True)
