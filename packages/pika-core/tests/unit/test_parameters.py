"""Parameters: defaults, checks on assignment, URLs, and that no password shows anywhere."""

from __future__ import annotations

import copy
import ssl
import subprocess
import sys
from fractions import Fraction
from urllib.parse import quote

import pytest
from pika import credentials, delivery_mode, exchange_type, validators
from pika.credentials import ExternalCredentials, PlainCredentials
from pika.exceptions import ParameterTypeError, ParameterValueError, ShortStringTooLong
from pika.parameters import ConnectionParameters, Parameters, SSLOptions, URLParameters, redact_url

DEFAULTS = dict(blocked_connection_timeout=None,
                channel_max=65535,
                client_properties=None,
                connection_attempts=1,
                credentials=PlainCredentials('guest', 'guest'),
                frame_max=131072,
                heartbeat=None,
                host='localhost',
                locale='en_US',
                port=5672,
                retry_delay=2.0,
                socket_timeout=10.0,
                ssl_options=None,
                stack_timeout=15.0,
                tcp_options=None,
                virtual_host='/')


def values(parameters):
    return {name: getattr(parameters, name) for name in DEFAULTS}


@pytest.fixture
def tls():
    return SSLOptions(ssl.create_default_context(), 'mq.example')


@pytest.mark.parametrize('make', [Parameters, ConnectionParameters, lambda: URLParameters('')])
def test_defaults(make):
    assert values(make()) == DEFAULTS


def test_class_defaults_are_read_at_construction(monkeypatch):
    monkeypatch.setattr(Parameters, 'DEFAULT_PORT', 15672)
    monkeypatch.setattr(Parameters, 'DEFAULT_HOST', 'mq')
    assert ConnectionParameters() == URLParameters('amqp://') == URLParameters('amqp://mq:15672')


def test_arguments_in_the_order_of_pika_1():
    given = ('mq', 1, 'v', PlainCredentials('u', 'p'), 5, 4096, 6, None, 2, 0.5, 3, None, 'de', 7, {
        'a': 1
    }, {
        'TCP_KEEPIDLE': 60
    })
    names = ('host', 'port', 'virtual_host', 'credentials', 'channel_max', 'frame_max', 'heartbeat',
             'ssl_options', 'connection_attempts', 'retry_delay', 'socket_timeout', 'stack_timeout',
             'locale', 'blocked_connection_timeout', 'client_properties', 'tcp_options')
    assert values(ConnectionParameters(*given)) == dict(zip(names, given))


def test_none_is_a_value_and_not_the_default():
    given = ConnectionParameters(socket_timeout=None, stack_timeout=None, heartbeat=None)
    assert (given.socket_timeout, given.stack_timeout, given.heartbeat) == (None, None, None)
    with pytest.raises(TypeError):
        ConnectionParameters(host=None)


def test_unknown_argument_and_unknown_attribute_are_refused():
    with pytest.raises(TypeError, match='heartbeat_interval'):
        ConnectionParameters(heartbeat_interval=3)
    for parameters in (Parameters(), ConnectionParameters(), URLParameters('')):
        with pytest.raises(AttributeError):
            parameters.hots = 'mq'


@pytest.mark.parametrize(('arguments', 'port'), [({}, 5672), ({'port': 1}, 1)])
def test_port_follows_tls_unless_given(arguments, port, tls):
    """Rule 43: default ports."""
    assert ConnectionParameters(**arguments).port == port
    assert ConnectionParameters(ssl_options=tls, **arguments).port == arguments.get('port', 5671)
    assert ConnectionParameters(ssl_options=None, **arguments).port == port


def heartbeat(connection, proposal):
    return proposal


@pytest.mark.parametrize(('name', 'given', 'kept'), [
    ('host', '', ''),
    ('port', '5672', 5672),
    ('port', 1.9, 1),
    ('port', True, 1),
    ('virtual_host', '', ''),
    ('virtual_host', 'x' * 255, 'x' * 255),
    ('channel_max', 1, 1),
    ('channel_max', 65535, 65535),
    ('channel_max', True, 1),
    ('frame_max', 4096, 4096),
    ('frame_max', 131072, 131072),
    ('heartbeat', 0, 0),
    ('heartbeat', True, 1),
    ('heartbeat', 65535, 65535),
    ('heartbeat', heartbeat, heartbeat),
    ('connection_attempts', 1, 1),
    ('retry_delay', -1, -1.0),
    ('retry_delay', Fraction(1, 2), 0.5),
    ('socket_timeout', 1, 1.0),
    ('socket_timeout', True, 1.0),
    ('stack_timeout', 0.1, 0.1),
    ('blocked_connection_timeout', 0, 0.0),
    ('client_properties', {}, {}),
    ('tcp_options', {
        'unknown': 1
    }, {
        'unknown': 1
    }),
    ('credentials', ExternalCredentials(), ExternalCredentials()),
])
def test_accepted(name, given, kept):
    assert getattr(ConnectionParameters(**{name: given}), name) == kept
    assert type(getattr(ConnectionParameters(**{name: given}), name)) is type(kept)


@pytest.mark.parametrize(('name', 'wrong'), [
    ('host', [b'h', None, 3]),
    ('port', ['x', '', None, []]),
    ('virtual_host', [None, b'/']),
    ('channel_max', [1.0, '5', None]),
    ('frame_max', [None, 8192.0, '8192']),
    ('heartbeat', [1.5, '5']),
    ('ssl_options', [{}, True]),
    ('connection_attempts', [1.5, '1', None]),
    ('retry_delay', ['1', None]),
    ('socket_timeout', ['1', []]),
    ('stack_timeout', ['1']),
    ('locale', [b'x', None]),
    ('blocked_connection_timeout', ['1']),
    ('client_properties', [[], 5, 'x']),
    ('tcp_options', [[], 5]),
    ('credentials', [None, 5, PlainCredentials]),
])
def test_wrong_type_is_a_type_error_that_names_the_parameter(name, wrong):
    for value in wrong:
        with pytest.raises(ParameterTypeError, match=f'^{name} must be ') as caught:
            setattr(ConnectionParameters(), name, value)
        assert caught.value.parameter == name


@pytest.mark.parametrize(('name', 'wrong'), [
    ('channel_max', [0, -1, 65536]),
    ('frame_max', [0, 4095, 131073]),
    ('heartbeat', [-1, 65536]),
    ('connection_attempts', [0, -1]),
    ('socket_timeout', [0, -1, float('nan')]),
    ('stack_timeout', [0, -0.5]),
    ('blocked_connection_timeout', [-1, float('nan')]),
])
def test_wrong_value_is_a_value_error_that_names_what_is_allowed(name, wrong):
    for value in wrong:
        with pytest.raises(ParameterValueError, match=f'^{name} must be (an int|a number)'):
            ConnectionParameters(**{name: value})


@pytest.mark.parametrize('name', ['virtual_host', 'locale'])
def test_short_strings_are_measured_in_bytes(name):
    """Rule 40."""
    with pytest.raises(ShortStringTooLong, match=f'^{name}: '):
        ConnectionParameters(**{name: '\xe9' * 128})


def test_refused_value_leaves_the_old_one():
    parameters = ConnectionParameters(frame_max=8192)
    with pytest.raises(ValueError):
        parameters.frame_max = 1
    assert parameters.frame_max == 8192


def test_credentials_that_are_refused_are_not_shown():
    with pytest.raises(ParameterTypeError,
                       match='credentials must be .*PlainCredentials') as caught:
        ConnectionParameters(credentials=('me', 'hunter2'))
    assert 'hunter2' not in f'{caught.value!r}{caught.value.args}{vars(caught.value)}'


def test_credentials_of_a_type_of_ones_own(monkeypatch):

    class Token:
        TYPE = 'TOKEN'

        def response_for(self, start):
            return self.TYPE, b''

        def erase_credentials(self):
            pass

    monkeypatch.setattr(credentials, 'VALID_TYPES', [*credentials.VALID_TYPES, Token])
    assert isinstance(ConnectionParameters(credentials=Token()).credentials, Token)


def test_what_is_assigned_is_copied():
    login, properties, options = PlainCredentials('u', 'p'), {'a': [1]}, {'TCP_KEEPIDLE': 1}
    parameters = ConnectionParameters(credentials=login,
                                      client_properties=properties,
                                      tcp_options=options)
    properties['a'].append(2)
    options.clear()
    parameters.credentials.erase_on_connect = True
    parameters.credentials.erase_credentials()
    assert parameters.client_properties == {'a': [1]}
    assert parameters.tcp_options == {'TCP_KEEPIDLE': 1}
    assert login == PlainCredentials('u', 'p')
    assert Parameters.DEFAULT_CREDENTIALS is not Parameters().credentials


class Sharer:
    """Something that cannot be copied, as what holds a lock or a socket."""

    def heartbeat(self, connection, proposal):
        return proposal

    def __deepcopy__(self, memo):
        raise AssertionError('must not be copied')


@pytest.mark.parametrize('make', [ConnectionParameters, Parameters, lambda: URLParameters('')])
def test_deepcopy_shares_tls_and_heartbeat_and_copies_the_rest(make, tls):
    one, owner = make(), Sharer()
    one.ssl_options, one.heartbeat, one.client_properties = tls, owner.heartbeat, {'a': [1]}
    two = copy.deepcopy(one)
    assert type(two) is type(one)
    assert values(two) == values(one)
    assert two.ssl_options is tls
    assert two.heartbeat.__self__ is owner
    assert two.credentials is not one.credentials
    two.client_properties['a'].append(2)
    two.frame_max = 4096
    assert (one.client_properties, one.frame_max) == ({'a': [1]}, 131072)


def test_equality_compares_host_and_port_only():
    assert ConnectionParameters('a', virtual_host='x') == URLParameters('amqp://a/y')
    assert ConnectionParameters('a') != ConnectionParameters('b')
    assert ConnectionParameters('a') != ConnectionParameters('a', 1)
    assert ConnectionParameters('a') != 'a'
    with pytest.raises(TypeError, match='unhashable'):
        hash(ConnectionParameters())


def test_repr_has_peer_and_virtual_host_and_no_password(tls):
    parameters = ConnectionParameters('mq', credentials=PlainCredentials('me', 'hunter2'))
    assert repr(parameters) == '<ConnectionParameters host=mq port=5672 virtual_host=/ ssl=False>'
    parameters.ssl_options = tls
    assert repr(parameters).endswith('ssl=True>')


def test_ssl_options_take_a_context_only(tls):
    assert tls.server_hostname == 'mq.example'
    assert SSLOptions(tls.context).server_hostname is None
    for wrong in (None, 5, ssl):
        with pytest.raises(ParameterTypeError, match='context must be an ssl.SSLContext'):
            SSLOptions(wrong)
    with pytest.raises(AttributeError):
        tls.contxt = None
    assert copy.deepcopy(tls) is tls


# URLs


@pytest.mark.parametrize(('url', 'expected'), [
    ('', {}),
    ('amqp://', {}),
    ('//h', dict(host='h')),
    ('amqp://h', dict(host='h')),
    ('AMQP://HoSt', dict(host='host')),
    ('http://h', dict(host='h')),
    ('amqp://h:', dict(host='h')),
    ('amqp://h:0', dict(host='h', port=0)),
    ('amqp://h:1', dict(host='h', port=1)),
    ('amqp://a%2db', dict(host='a-b')),
    ('amqp://[::1]', dict(host='::1')),
    ('amqp://u:p@[::1]:99/v',
     dict(host='::1', port=99, virtual_host='v', credentials=PlainCredentials('u', 'p'))),
    ('amqp://[fe80::1%25eth0]', dict(host='fe80::1%eth0')),
    ('amqp://u%40:p%3a%2F%C3%A9@h', dict(host='h', credentials=PlainCredentials('u@', 'p:/\xe9'))),
    ('amqp://u:@h', dict(host='h', credentials=PlainCredentials('u', ''))),
    ('amqp://u:p@', dict(credentials=PlainCredentials('u', 'p'))),
    ('amqp://h/', dict(host='h')),
    ('amqp://h/%2f', dict(host='h')),
    ('amqp://h//', dict(host='h', virtual_host='')),
    ('amqp://h/a/b', dict(host='h', virtual_host='a')),
    ('amqp://h/a%2Fb', dict(host='h', virtual_host='a/b')),
    ('amqp:///v', dict(virtual_host='v')),
    ('amqp://h?heartbeat=5&frame_max=8192&channel_max=3&connection_attempts=4',
     dict(host='h', heartbeat=5, frame_max=8192, channel_max=3, connection_attempts=4)),
    ('amqp://h?heartbeat=', dict(host='h')),
    ('amqp://h?socket_timeout=1.5&stack_timeout=2&retry_delay=-1&blocked_connection_timeout=0',
     dict(host='h',
          socket_timeout=1.5,
          stack_timeout=2.0,
          retry_delay=-1.0,
          blocked_connection_timeout=0.0)),
    ('amqp://h?locale=de', dict(host='h', locale='de')),
    ('amqp://h?client_properties={"a": [1]}', dict(host='h', client_properties={'a': [1]})),
    ('amqp://h?tcp_options={"TCP_KEEPIDLE":60}', dict(host='h', tcp_options={'TCP_KEEPIDLE': 60})),
    ('amqp://h?tcp_options=None&ssl_options=None', dict(host='h')),
])
def test_url(url, expected):
    """Rule 43, with the virtual host as in pika 1.x ('/' is the default one)."""
    assert values(URLParameters(url)) == {**DEFAULTS, **expected}


@pytest.mark.parametrize(('url', 'port'), [('amqps://h', 5671), ('HTTPS://h', 5671),
                                           ('amqps://h:1', 1), ('amqps://h?ssl_options=', 5671)])
def test_url_with_tls_verifies_by_default(url, port):
    parameters = URLParameters(url)
    context = parameters.ssl_options.context
    assert parameters.port == port
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert parameters.ssl_options.server_hostname is None


# Self-signed, for 'localhost', made for this test alone; only its form matters here.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIULg113tb5pEjtcwVEzrNujDTM8VAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzA3MDAyNVoYDzIxMjYxMDMw
MDcwMDI1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQgKNYHf3xICPyTDJWesZ1xKzriPudTr6+PErVgySx/7nLMWXwSdA96
NwXBXW0z69zEgn6MmrvuMfag48U/8PTTo1MwUTAdBgNVHQ4EFgQU5NpJDBBvP1K0
S/O4zydZ+hC5fHowHwYDVR0jBBgwFoAU5NpJDBBvP1K0S/O4zydZ+hC5fHowDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAoAZy7bt9WyPwb66bUqlF
xUmYmm9GsZPH6oA36vVTbW4CIQC7eU75FCX3RJRQng8vMSef+BDionbYVMcN9za0
NEVACA==
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize('key', ['cafile', 'ca_certs', 'cadata', 'ca_data'])
@pytest.mark.parametrize('more', [{}, {'protocol': int(ssl.PROTOCOL_TLS_CLIENT)}])
def test_url_with_authorities_trusts_these_alone(key, more, tmp_path):
    path = tmp_path / 'ca.pem'
    path.write_text(CERTIFICATE)
    given = {key: CERTIFICATE if 'data' in key else str(path), 'server_hostname': 'x', **more}
    options = URLParameters(f'amqps://h?ssl_options={quote(repr(given))}').ssl_options
    assert options.server_hostname == 'x'
    assert [dict(ca['subject'][0]) for ca in options.context.get_ca_certs()] == [{
        'commonName': 'localhost'
    }]
    assert (options.context.verify_mode, options.context.check_hostname) == (ssl.CERT_REQUIRED,
                                                                             True)


def test_ssl_options_alone_do_not_move_the_port():
    parameters = URLParameters('amqp://h?ssl_options={"server_hostname":"x"}')
    assert parameters.port == 5672
    assert parameters.ssl_options.server_hostname == 'x'


@pytest.mark.parametrize(
    'url',
    ['foo', 'localhost:5672', 'ftp://h', 'amqp:h', 'amqp://h:bad', 'amqp://h:70000', 'amqp://['])
def test_url_of_another_form_is_a_value_error_that_shows_the_form(url):
    with pytest.raises(ParameterValueError, match='^url must be a URL like amqp://user:password@'):
        URLParameters(url)


@pytest.mark.parametrize('url', [None, 5, b'amqp://h'])
def test_url_of_another_type_is_a_type_error(url):
    with pytest.raises(ParameterTypeError, match='^url must be '):
        URLParameters(url)


def test_user_without_password_is_a_type_error_that_says_so():
    with pytest.raises(ParameterTypeError, match="password for its user.*'amqp://me@h'"):
        URLParameters('amqp://me@h')


@pytest.mark.parametrize(('query', 'parameter', 'allowed'), [
    ('foo=5', 'url.query', 'blocked_connection_timeout, channel_max, .*tcp_options'),
    ('heartbeat=5&heartbeat=6', 'heartbeat', 'given once'),
    ('heartbeat=None', 'heartbeat', 'an int'),
    ('heartbeat=-1', 'heartbeat', 'an int from 0'),
    ('heartbeat=5;frame_max=4096', 'heartbeat', 'an int'),
    ('frame_max=abc', 'frame_max', 'an int'),
    ('stack_timeout=abc', 'stack_timeout', 'a number of seconds'),
    ('client_properties={', 'client_properties', 'a dict as a Python literal'),
    ('tcp_options=f()', 'tcp_options', 'a dict as a Python literal'),
])
def test_wrong_query_is_a_value_error_that_names_what_is_allowed(query, parameter, allowed):
    with pytest.raises(ParameterValueError, match=f'^{parameter} must be .*{allowed}'):
        URLParameters(f'amqp://h?{query}')


def test_wrong_literals_in_the_query():
    with pytest.raises(ParameterTypeError, match='client_properties must be a dict or None'):
        URLParameters('amqp://h?client_properties=5')
    with pytest.raises(ParameterTypeError, match='ssl_options must be a dict or None'):
        URLParameters('amqp://h?ssl_options=5')
    with pytest.raises(ParameterValueError, match='ssl_options .*keys of protocol.*cafille'):
        URLParameters('amqps://h?ssl_options={"cafille":"x"}')
    with pytest.raises(ValueError, match='other than None with the scheme amqps'):
        URLParameters('amqps://h?ssl_options=None')


def whole(error):
    """All that a traceback, a pickle or a reporter of errors could show of an error."""
    text = ''
    while error is not None:
        text += f'{error}{error!r}{error.args}{vars(error)}'
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize('url', [
    'ftp://me:hunter2@h', 'amqp://me:hunter2@h:bad', 'amqp://me:hunter2@h:70000',
    'amqp://me:hunter2/more@h', 'amqp://me:x/hunter2@h', 'amqp://me:x@hunter2@h:bad',
    'amqp:me:hunter2@h', 'me:hunter2@h', 'amqp://me:hunter2@[h',
    'amqp://me:hunter2@h?ssl_options={"password":"hunter2"',
    'amqp://h?ssl_options={"password":"hunter2"}&ssl_options=hunter2', 'amqp://me:hunter2@h?a=1',
    'amqp://h?ssl_options=["hunter2"]', 'amqp://me:hunter2@h\u2100/'
])
def test_no_error_shows_a_password(url):
    """Rule 43: never an unredacted URL."""
    with pytest.raises((ParameterValueError, ParameterTypeError)) as caught:
        URLParameters(url)
    assert 'hunter2' not in whole(caught.value)


@pytest.mark.parametrize(('url', 'redacted'), [
    ('amqp://h:1/v', 'amqp://h:1/v'),
    ('amqp://me:secret@h:1/v', 'amqp://me:***@h:1/v'),
    ('amqp://me@h', 'amqp://me@h'),
    ('amqp://me:se/cr@et@h', 'amqp://me:***@h'),
    ('me:secret@h', 'me:***@h'),
    ('//me:secret@h', '//me:***@h'),
    ('amqps:me:secret@h', 'amqps:me:***@h'),
    ('amqps://me:secret@h/v?ssl_options={"password":"x"}', 'amqps://me:***@h/v?***'),
    ('amqp://me:se\ncret@h', 'amqp://me:***@h'),
    ('', ''),
])
def test_redacted_url(url, redacted):
    """Rule 43: never log the URL unredacted."""
    assert redact_url(url) == redacted


# The small modules beside


def test_import_needs_no_ssl_socket_or_urllib():
    path = sys.modules['pika.parameters'].__file__
    code = (f'import sys; sys.path.insert(0, {path[:-len("pika/parameters.py")]!r}); '
            'import pika.parameters; '
            'print({"ssl", "socket", "urllib.parse", "ast", "typing"} & set(sys.modules))')
    done = subprocess.run([sys.executable, '-S', '-c', code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ('set()\n', '')


def test_validators():
    validators.require_string('', 'queue')
    validators.require_callback(print)
    for number in (0, 1.5, '5', -0.5):
        validators.zero_or_greater('prefetch_count', number)
    assert validators.rpc_completion_callback(None) is True
    assert validators.rpc_completion_callback(print) is False


@pytest.mark.parametrize(('check', 'error', 'parameter'), [
    (lambda: validators.require_string(b'x', 'queue'), ParameterTypeError, 'queue'),
    (lambda: validators.require_callback(None), ParameterTypeError, 'callback'),
    (lambda: validators.require_callback(3, 'on_open'), ParameterTypeError, 'on_open'),
    (lambda: validators.rpc_completion_callback(3), ParameterTypeError, 'callback'),
    (lambda: validators.zero_or_greater('n', -1), ParameterValueError, 'n'),
    (lambda: validators.zero_or_greater('n', 'x'), ParameterValueError, 'n'),
    (lambda: validators.zero_or_greater('n', float('inf')), ParameterValueError, 'n'),
    (lambda: validators.zero_or_greater('n', None), ParameterTypeError, 'n'),
])
def test_validators_name_the_argument(check, error, parameter):
    with pytest.raises(error, match=f'^{parameter} must be ') as caught:
        check()
    assert caught.value.parameter == parameter


def test_enumerations():
    assert [(kind.name, kind.value) for kind in exchange_type.ExchangeType
           ] == [(name, name) for name in ('direct', 'fanout', 'headers', 'topic')]
    assert exchange_type.ExchangeType.topic == 'topic'
    assert [(mode.name, mode.value) for mode in delivery_mode.DeliveryMode] == [('Transient', 1),
                                                                                ('Persistent', 2)]
