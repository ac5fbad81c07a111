"""Parameters and credentials; nothing is sent."""

import copy
import ssl

import pika
from pika import connection, credentials

NAMES = ('host', 'port', 'virtual_host', 'credentials', 'channel_max', 'frame_max', 'heartbeat',
         'ssl_options', 'connection_attempts', 'retry_delay', 'socket_timeout', 'stack_timeout',
         'locale', 'blocked_connection_timeout', 'client_properties', 'tcp_options')


def _show(scene, parameters, *names):
    for name in names or NAMES:
        value = getattr(parameters, name)
        if isinstance(value, pika.PlainCredentials):
            value = value.username, value.password
        scene.say(name, value)


def defaults(scene):
    """What ConnectionParameters() has."""
    _show(scene, pika.ConnectionParameters())


def defaults_are_read_when_one_is_made(scene):
    """The constants DEFAULT_... of the class can be changed, by tests for instance."""
    port = connection.Parameters.DEFAULT_PORT
    connection.Parameters.DEFAULT_PORT = 12345
    try:
        scene.say(pika.ConnectionParameters().port)
    finally:
        connection.Parameters.DEFAULT_PORT = port
    scene.say(pika.ConnectionParameters().port)


def port_of_tls(scene):
    """5671 where there are ssl_options and no port."""
    options = pika.SSLOptions(ssl.create_default_context())
    scene.say(pika.ConnectionParameters(ssl_options=options).port)
    scene.say(pika.ConnectionParameters(ssl_options=options, port=5672).port)
    scene.say(pika.URLParameters('amqps://localhost').port)


def port(scene):
    """Whatever int() takes."""
    for value in ('5672', 1.9, True, 'x', None):
        scene.attempt(f'port={value!r}', lambda: pika.ConnectionParameters(port=value).port)


def values(scene):
    """A wrong type is a TypeError, a wrong value a ValueError.

    Differs: a number is kept as what the attribute is, an int or a float; True was kept as it is.
    """
    for name, tried in {
            'host': (5, None, b'x', ''),
            'virtual_host': (5, None, b'x', ''),
            'credentials': (5, None, ('a', 'b')),
            'channel_max': (0, 1, 65535, 65536, None, '5', 5.0, True),
            'frame_max': (4095, 4096, 131072, 131073, None, '5'),
            'heartbeat': (-1, 0, 60, None, '60', 0.5, True),
            'ssl_options': (5, None, {}),
            'connection_attempts': (0, 1, None, '1', 1.5),
            'retry_delay': (-1, 0, 0.5, None, '1'),
            'socket_timeout': (0, -1, 1, None, '1'),
            'stack_timeout': (0, -1, 1, None, '1'),
            'locale': (5, None, 'de_DE'),
            'blocked_connection_timeout': (-1, 0, 1, None, '1'),
            'client_properties': (5, None, {}, {
                'product': 'x'
            }),
            'tcp_options': (5, None, {}, {
                'TCP_KEEPIDLE': 60
            }),
    }.items():
        for value in tried:
            scene.attempt(f'{name}={value!r}',
                          lambda: getattr(pika.ConnectionParameters(**{name: value}), name))


def unknown_names(scene):
    """A name that is none is refused, as an argument and as an attribute."""
    scene.attempt('argument', lambda: pika.ConnectionParameters(hots='x'))
    parameters = pika.ConnectionParameters()
    scene.attempt('attribute', lambda: setattr(parameters, 'hots', 'x'))


def equality(scene):
    """Only host and port count, also between the classes; and none can be hashed."""
    first = pika.ConnectionParameters('h', 1, 'v', pika.PlainCredentials('a', 'b'))
    scene.say(first == pika.ConnectionParameters('h', 1, 'v', pika.PlainCredentials('a', 'b')))
    scene.say(first == pika.ConnectionParameters('h', 1))
    scene.say(first == pika.ConnectionParameters('h', 2, 'v', pika.PlainCredentials('a', 'b')))
    scene.say(pika.ConnectionParameters('h', 1) == pika.URLParameters('amqp://h:1'))
    scene.attempt('hash', lambda: hash(first))


def representation(scene):
    """No password in it."""
    scene.say(pika.ConnectionParameters('h', 1, 'v', pika.PlainCredentials('me', 'secret')))
    scene.say(pika.URLParameters('amqp://me:secret@h:1/v'))


def copies(scene):
    """Credentials and dicts are copied, the context of TLS is shared."""
    login = pika.PlainCredentials('a', 'b')
    properties = {'capabilities': {'x': True}}
    context = ssl.create_default_context()
    parameters = pika.ConnectionParameters(credentials=login,
                                           client_properties=properties,
                                           ssl_options=pika.SSLOptions(context, 'name'))
    login.username = 'c'
    properties['capabilities']['x'] = False
    scene.say(parameters.credentials.username, parameters.client_properties)
    scene.say(parameters.ssl_options.context is context, parameters.ssl_options.server_hostname)
    twin = copy.deepcopy(pika.ConnectionParameters('h', 7))
    scene.say(twin.host, twin.port)


def tls_options(scene):
    """A context is needed."""
    scene.attempt('SSLOptions(5)', lambda: pika.SSLOptions(5))
    scene.attempt('SSLOptions(None)', lambda: pika.SSLOptions(None))


URLS = ('amqp://', 'amqp:///', 'amqp://h', 'amqp://h:7', 'amqp://h:7/', 'amqp://h/v',
        'amqp://h/%2F', 'amqp://h//', 'amqp://h/a/b', 'amqp://h/a%2Fb', 'AMQP://h', 'http://h',
        'https://h', '//h:7/v', 'ftp://h', 'amqp://u:p@h', 'amqp://u%40x:p%3A@h', 'amqp://u@h',
        'amqp://:p@h', 'amqp://[::1]:7/v')


def urls(scene):
    """Host, port, virtual host and user of a URL."""
    for url in URLS:

        def parse():
            found = pika.URLParameters(url)
            return (found.host, found.port, found.virtual_host, found.credentials.username,
                    found.credentials.password, found.ssl_options is not None)

        scene.attempt(url, parse)


def url_without_a_scheme(scene):
    """A word is no URL.

    Differs: it is a ValueError that says so, and no IndexError.
    """
    scene.attempt('foo', lambda: pika.URLParameters('foo'))


QUERIES = ('heartbeat=30', 'heartbeat=0', 'heartbeat=None', 'heartbeat=x', 'heartbeat=',
           'frame_max=8192', 'channel_max=7', 'connection_attempts=3', 'retry_delay=1.5',
           'socket_timeout=2', 'stack_timeout=3', 'blocked_connection_timeout=4', 'locale=de_DE',
           "client_properties={'a': 1}", "tcp_options={'TCP_KEEPIDLE': 60}", 'client_properties=x',
           'unknown=1', 'heartbeat=1&heartbeat=2', 'ssl_options=None', 'heartbeat=30&retry_delay=2')


def queries(scene):
    """The query of a URL sets the other parameters."""
    for query in QUERIES:

        def parse():
            found = pika.URLParameters('amqp://h?' + query)
            default = pika.URLParameters('amqp://h')
            return {
                name: getattr(found, name)
                for name in NAMES
                if name != 'credentials' and getattr(found, name) != getattr(default, name)
            }

        scene.attempt(query, parse)


def query_of_tls(scene):
    """`ssl_options` of a URL is a Python literal of what a context needs.

    Differs: a name alone is enough, where pika 1.4 fails for want of a `protocol`.
    """
    for query in ("ssl_options={'server_hostname': 'x'}", "ssl_options={'ca_certs': '/no/such'}",
                  'ssl_options=None', 'ssl_options=5'):
        scene.attempt(query, lambda: pika.URLParameters('amqps://h?' + query).ssl_options is None)


def plain_credentials(scene):
    """What they answer, how they compare, and how they are erased."""
    login = pika.PlainCredentials('user', 'password')
    for mechanisms in (b'PLAIN', b'AMQPLAIN PLAIN', 'PLAIN', b'EXTERNAL', b''):
        scene.say(mechanisms, login.response_for(pika.spec.Connection.Start(mechanisms=mechanisms)))
    scene.say(login == pika.PlainCredentials('user', 'password'), login == 5)
    scene.attempt('hash', lambda: hash(login))
    login.erase_credentials()
    scene.say(login.username, login.password)
    login = pika.PlainCredentials('user', 'password', True)
    login.erase_credentials()
    scene.say(login.username, login.password, login.erase_on_connect, login.TYPE)


def external_credentials(scene):
    """An empty response, where the broker offers EXTERNAL."""
    login = credentials.ExternalCredentials()
    for mechanisms in (b'EXTERNAL PLAIN', b'PLAIN'):
        scene.say(mechanisms, login.response_for(pika.spec.Connection.Start(mechanisms=mechanisms)))
    scene.say(login == credentials.ExternalCredentials(), login.TYPE, login.erase_on_connect)


def own_credentials(scene):
    """A class of the program is taken once it stands in VALID_TYPES."""

    class Mine:
        TYPE = 'MINE'
        erase_on_connect = False

        def response_for(self, start):
            return self.TYPE, b'x'

        def erase_credentials(self):
            pass

    scene.attempt('before',
                  lambda: type(pika.ConnectionParameters(credentials=Mine()).credentials).__name__)
    credentials.VALID_TYPES.append(Mine)
    try:
        scene.attempt(
            'after',
            lambda: type(pika.ConnectionParameters(credentials=Mine()).credentials).__name__)
    finally:
        credentials.VALID_TYPES.remove(Mine)
