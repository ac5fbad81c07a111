"""Where and how to connect: every value is checked when it is assigned, not when it is first used.

A value of the wrong type raises `ParameterTypeError`, one out of range `ParameterValueError`; both
name the parameter and what is allowed, and no message and no repr ever shows a password.

Parameters are copied by the connection they are passed to, so that what the handshake negotiates
changes no object of the caller.
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Mapping

from pika import credentials as pika_credentials
from pika import spec
from pika.credentials import PlainCredentials
from pika.exceptions import ParameterTypeError, ParameterValueError, ShortStringTooLong
from pika.validators import require_string

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Callable, TypeVar, Union
    from urllib.parse import SplitResult

    from pika.connection import Connection
    from pika.credentials import Credentials
    from pika.data import FieldValue, Table

    # Asked once, with the broker's proposal in seconds; returns the seconds to use.
    Heartbeat = Union[int, Callable[[Connection, int], int], None]
    TCPOptions = dict[str, int]

    T = TypeVar('T')


def _short_string(name: str, value: str) -> str:
    require_string(value, name)
    encoded = value.encode('utf-8', 'surrogateescape')
    if len(encoded) > 255:
        raise ShortStringTooLong(encoded, parameter=name)
    return value


def _integer(name: str, value: int, low: int, high: int | None = None, also: str = '') -> int:
    allowed = (f'an int, {low} or more' if high is None else f'an int from {low} to {high}') + also
    if not isinstance(value, numbers.Integral):
        raise ParameterTypeError(name, value, allowed)
    if value < low or (high is not None and value > high):
        raise ParameterValueError(name, value, allowed)
    return int(value)


def _seconds(name: str, value: float | None, zero: bool = False) -> float | None:
    allowed = f'a number of seconds, {"0 or more" if zero else "more than 0"}, or None'
    if value is None:
        return None
    if not isinstance(value, numbers.Real):
        raise ParameterTypeError(name, value, allowed)
    if not (value > 0 or (zero and value == 0)):  # not so for NaN
        raise ParameterValueError(name, value, allowed)
    return float(value)


def _mapping(name: str, value: Mapping[str, T] | None) -> dict[str, T] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ParameterTypeError(name, value, 'a dict or None')
    return copy.deepcopy(dict(value))


class SSLOptions:
    """TLS for a connection: the context, and the name the certificate of the broker must have.

    `context` is used as it is and shared by copies. `server_hostname` is for SNI and for the check
    of the certificate; None means the host of the parameters.

    Raises:
      ParameterTypeError: `context` is no `ssl.SSLContext`.
    """

    __slots__ = ('context', 'server_hostname')

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        import ssl
        if not isinstance(context, ssl.SSLContext):
            raise ParameterTypeError('context', context, 'an ssl.SSLContext')
        self.context = context
        self.server_hostname = server_hostname

    def __repr__(self) -> str:
        return f'<SSLOptions server_hostname={self.server_hostname!r}>'

    def __deepcopy__(self, memo: object) -> SSLOptions:
        return self  # an SSLContext cannot be copied


class Parameters:
    """The defaults, and the base of `ConnectionParameters` and `URLParameters`.

    The defaults are the class attributes `DEFAULT_...`, read whenever an object is made.

    `==` compares host and port and nothing else, which tells whether two connections would go to
    the same broker. Objects have no hash.
    """

    __slots__ = ('_blocked_connection_timeout', '_channel_max', '_client_properties',
                 '_connection_attempts', '_credentials', '_frame_max', '_heartbeat', '_host',
                 '_locale', '_port', '_retry_delay', '_socket_timeout', '_stack_timeout',
                 '_ssl_options', '_virtual_host', '_tcp_options')

    DEFAULT_USERNAME: str = 'guest'
    DEFAULT_PASSWORD: str = 'guest'

    DEFAULT_BLOCKED_CONNECTION_TIMEOUT: float | None = None
    DEFAULT_CHANNEL_MAX: int = 65535
    DEFAULT_CLIENT_PROPERTIES: Table | None = None
    DEFAULT_CREDENTIALS: Credentials = PlainCredentials(DEFAULT_USERNAME, DEFAULT_PASSWORD)
    DEFAULT_CONNECTION_ATTEMPTS: int = 1
    DEFAULT_FRAME_MAX: int = spec.FRAME_MAX_SIZE
    DEFAULT_HEARTBEAT_TIMEOUT: Heartbeat = None
    DEFAULT_HOST: str = 'localhost'
    DEFAULT_LOCALE: str = 'en_US'
    DEFAULT_PORT: int = 5672
    DEFAULT_RETRY_DELAY: float = 2.0
    DEFAULT_SOCKET_TIMEOUT: float | None = 10.0
    DEFAULT_STACK_TIMEOUT: float | None = 15.0
    DEFAULT_SSL: bool = False
    DEFAULT_SSL_OPTIONS: SSLOptions | None = None
    DEFAULT_SSL_PORT: int = 5671
    DEFAULT_VIRTUAL_HOST: str = '/'
    DEFAULT_TCP_OPTIONS: TCPOptions | None = None

    def __init__(self) -> None:
        self.blocked_connection_timeout = self.DEFAULT_BLOCKED_CONNECTION_TIMEOUT
        self.channel_max = self.DEFAULT_CHANNEL_MAX
        self.client_properties = self.DEFAULT_CLIENT_PROPERTIES
        self.connection_attempts = self.DEFAULT_CONNECTION_ATTEMPTS
        self.credentials = self.DEFAULT_CREDENTIALS
        self.frame_max = self.DEFAULT_FRAME_MAX
        self.heartbeat = self.DEFAULT_HEARTBEAT_TIMEOUT
        self.host = self.DEFAULT_HOST
        self.locale = self.DEFAULT_LOCALE
        self.retry_delay = self.DEFAULT_RETRY_DELAY
        self.socket_timeout = self.DEFAULT_SOCKET_TIMEOUT
        self.ssl_options = self.DEFAULT_SSL_OPTIONS
        self.port = self._default_port()
        self.stack_timeout = self.DEFAULT_STACK_TIMEOUT
        self.tcp_options = self.DEFAULT_TCP_OPTIONS
        self.virtual_host = self.DEFAULT_VIRTUAL_HOST

    def _default_port(self) -> int:
        return self.DEFAULT_PORT if self.ssl_options is None else self.DEFAULT_SSL_PORT

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameters):
            return NotImplemented
        return self.host == other.host and self.port == other.port

    def __repr__(self) -> str:
        return (f'<{type(self).__name__} host={self.host} port={self.port} '
                f'virtual_host={self.virtual_host} ssl={self.ssl_options is not None}>')

    def __deepcopy__(self, memo: object) -> Parameters:
        twin = copy.copy(self)
        # The setters copy. A heartbeat callable stays itself, whatever object it is bound to.
        twin.credentials = self.credentials
        twin.client_properties = self.client_properties
        twin.tcp_options = self.tcp_options
        return twin

    @property
    def blocked_connection_timeout(self) -> float | None:
        """Seconds the broker may block the connection before it is closed; None: for ever."""
        return self._blocked_connection_timeout

    @blocked_connection_timeout.setter
    def blocked_connection_timeout(self, value: float | None) -> None:
        self._blocked_connection_timeout = _seconds('blocked_connection_timeout', value, zero=True)

    @property
    def channel_max(self) -> int:
        """The highest channel number to ask for, 1 to 65535; the broker may lower it."""
        return self._channel_max

    @channel_max.setter
    def channel_max(self, value: int) -> None:
        self._channel_max = _integer('channel_max', value, 1, 65535)

    @property
    def client_properties(self) -> Table | None:
        """Table that updates the client properties of the library ('connection_name' belongs here).

        A copy is kept of what is assigned.
        """
        return self._client_properties

    @client_properties.setter
    def client_properties(self, value: Mapping[str, FieldValue] | None) -> None:
        self._client_properties = _mapping('client_properties', value)

    @property
    def connection_attempts(self) -> int:
        """How often to try to connect, 1 or more."""
        return self._connection_attempts

    @connection_attempts.setter
    def connection_attempts(self, value: int) -> None:
        self._connection_attempts = _integer('connection_attempts', value, 1)

    @property
    def credentials(self) -> Credentials:
        """Object of one of `pika.credentials.VALID_TYPES`; a copy is kept of what is assigned."""
        return self._credentials

    @credentials.setter
    def credentials(self, value: Credentials) -> None:
        types = tuple(pika_credentials.VALID_TYPES)
        if not isinstance(value, types):
            names = ', '.join(kind.__name__ for kind in types)
            # The value may be a tuple of user and password.
            raise ParameterTypeError('credentials', value, f'an object of {names}', secret=True)
        self._credentials: Credentials = copy.deepcopy(value)

    @property
    def frame_max(self) -> int:
        """The largest frame to ask for, 4096 to 131072 bytes; the broker may lower it.

        RabbitMQ refuses less than 8192 from 4.1 on.
        """
        return self._frame_max

    @frame_max.setter
    def frame_max(self, value: int) -> None:
        self._frame_max = _integer('frame_max', value, spec.FRAME_MIN_SIZE, spec.FRAME_MAX_SIZE)

    @property
    def heartbeat(self) -> Heartbeat:
        """Seconds of silence after which the peer is dead: None, an int, or a callable.

        None takes the proposal of the broker, 0 turns heartbeats off, and any other int is used as
        it is, also when it exceeds the proposal. A callable is called once, with the connection
        and the proposal, and returns the int.
        """
        return self._heartbeat

    @heartbeat.setter
    def heartbeat(self, value: Heartbeat) -> None:
        if value is not None and not callable(value):
            value = _integer('heartbeat', value, 0, 65535, ', a callable or None')
        self._heartbeat: Heartbeat = value

    @property
    def host(self) -> str:
        """Name or address of the broker; an IPv6 address stands without brackets."""
        return self._host

    @host.setter
    def host(self, value: str) -> None:
        require_string(value, 'host')
        self._host = value

    @property
    def locale(self) -> str:
        """The language of the broker's texts; each broker has 'en_US'."""
        return self._locale

    @locale.setter
    def locale(self, value: str) -> None:
        self._locale = _short_string('locale', value)

    @property
    def port(self) -> int:
        """TCP port of the broker; what `int()` takes may be assigned."""
        return self._port

    @port.setter
    def port(self, value: int | str) -> None:
        try:
            self._port = int(value)
        except (TypeError, ValueError):
            raise ParameterTypeError('port', value, 'an int') from None

    @property
    def retry_delay(self) -> float:
        """Seconds between two attempts to connect."""
        return self._retry_delay

    @retry_delay.setter
    def retry_delay(self, value: float) -> None:
        if not isinstance(value, numbers.Real):
            raise ParameterTypeError('retry_delay', value, 'a number of seconds')
        self._retry_delay: float = float(value)

    @property
    def socket_timeout(self) -> float | None:
        """Seconds for the TCP connection to be made; None: as long as the system tries."""
        return self._socket_timeout

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = _seconds('socket_timeout', value)

    @property
    def stack_timeout(self) -> float | None:
        """Seconds for TCP, TLS and the AMQP handshake together; None: for ever."""
        return self._stack_timeout

    @stack_timeout.setter
    def stack_timeout(self, value: float | None) -> None:
        self._stack_timeout = _seconds('stack_timeout', value)

    @property
    def ssl_options(self) -> SSLOptions | None:
        """How to do TLS; None: no TLS."""
        return self._ssl_options

    @ssl_options.setter
    def ssl_options(self, value: SSLOptions | None) -> None:
        if value is not None and not isinstance(value, SSLOptions):
            # The value may be a dict with the passphrase of a key.
            raise ParameterTypeError('ssl_options', value, 'SSLOptions or None', secret=True)
        self._ssl_options = value

    @property
    def virtual_host(self) -> str:
        """Name of the virtual host, up to 255 bytes in UTF-8."""
        return self._virtual_host

    @virtual_host.setter
    def virtual_host(self, value: str) -> None:
        self._virtual_host = _short_string('virtual_host', value)

    @property
    def tcp_options(self) -> TCPOptions | None:
        """Options of the TCP socket: TCP_USER_TIMEOUT, TCP_KEEPIDLE, TCP_KEEPCNT, TCP_KEEPINTVL.

        None leaves them to the system. TCP keepalive is on where a TCP_KEEP... option is given.
        """
        return self._tcp_options

    @tcp_options.setter
    def tcp_options(self, value: Mapping[str, int] | None) -> None:
        self._tcp_options = _mapping('tcp_options', value)


class ConnectionParameters(Parameters):
    """Parameters from arguments; what is left out has its default, and None is a value.

    Without `port` it is 5672, or 5671 with `ssl_options`. For the arguments see the attributes of
    the same names.
    """

    __slots__ = ()

    class _DEFAULT:
        """Stands for an argument that was left out."""

    def __init__(
        self,
        host: str | type[_DEFAULT] = _DEFAULT,
        port: int | str | type[_DEFAULT] = _DEFAULT,
        virtual_host: str | type[_DEFAULT] = _DEFAULT,
        credentials: Credentials | type[_DEFAULT] = _DEFAULT,
        channel_max: int | type[_DEFAULT] = _DEFAULT,
        frame_max: int | type[_DEFAULT] = _DEFAULT,
        heartbeat: Heartbeat | type[_DEFAULT] = _DEFAULT,
        ssl_options: SSLOptions | None | type[_DEFAULT] = _DEFAULT,
        connection_attempts: int | type[_DEFAULT] = _DEFAULT,
        retry_delay: float | type[_DEFAULT] = _DEFAULT,
        socket_timeout: float | None | type[_DEFAULT] = _DEFAULT,
        stack_timeout: float | None | type[_DEFAULT] = _DEFAULT,
        locale: str | type[_DEFAULT] = _DEFAULT,
        blocked_connection_timeout: float | None | type[_DEFAULT] = _DEFAULT,
        client_properties: Mapping[str, FieldValue] | None | type[_DEFAULT] = _DEFAULT,
        tcp_options: Mapping[str, int] | None | type[_DEFAULT] = _DEFAULT,
    ) -> None:
        super().__init__()
        for name, value in (
            ('host', host),
            ('virtual_host', virtual_host),
            ('credentials', credentials),
            ('channel_max', channel_max),
            ('frame_max', frame_max),
            ('heartbeat', heartbeat),
            ('ssl_options', ssl_options),
            ('connection_attempts', connection_attempts),
            ('retry_delay', retry_delay),
            ('socket_timeout', socket_timeout),
            ('stack_timeout', stack_timeout),
            ('locale', locale),
            ('blocked_connection_timeout', blocked_connection_timeout),
            ('client_properties', client_properties),
            ('tcp_options', tcp_options),
            ('port', port),
        ):
            if value is not self._DEFAULT:
                setattr(self, name, value)
            elif name == 'port':
                self.port = self._default_port()


_URL = ('a URL like amqp://user:password@host:port/vhost?name=value, or amqps:// for TLS, '
        'with a port up to 65535, and user, password and vhost percent-encoded')


def redact_url(url: str) -> str:
    """The URL for a log: without password and query (which may hold the passphrase of a key).

    All between the user and the last '@' counts as the password, so that one in which somebody
    forgot to encode a '/' or a '@' is hidden as well.
    """
    import re
    head, at, tail = url.rpartition('@')
    # A scheme counts only where it cannot be a user.
    scheme, userinfo = re.findall(r'(?s)\A((?:[A-Za-z][\w+.-]*:)?//|(?:amqps?:)?)(.*)', head)[0]
    user, colon, _ = userinfo.partition(':')
    place, mark, _ = tail.partition('?')
    return f'{scheme}{user}{colon and ":***"}{at}{place}{mark and "?***"}'


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of a URL, and its port; what `urllib` says about errors may hold the password."""
    from urllib.parse import urlsplit
    parts = port = None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = None
    if (parts is None or parts.scheme not in ('amqp', 'amqps', 'http', 'https', '') or
            not (parts.path + '/').startswith('/')):
        raise ParameterValueError('url', redact_url(url), _URL)
    return parts, port


def _literal(text: str) -> object:
    """What a Python literal stands for; ValueError if it is none."""
    import ast
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(text) from None


# Names in the query of a URL, with what turns their text into a value, and in words.
_QUERY: dict[str, tuple[Callable[[str], object], str]] = {
    'blocked_connection_timeout': (float, 'a number of seconds'),
    'channel_max': (int, 'an int'),
    'client_properties': (_literal, 'a dict as a Python literal'),
    'connection_attempts': (int, 'an int'),
    'frame_max': (int, 'an int'),
    'heartbeat': (int, 'an int'),
    'locale': (str, 'a str'),
    'retry_delay': (float, 'a number of seconds'),
    'socket_timeout': (float, 'a number of seconds'),
    'ssl_options': (_literal, 'a dict as a Python literal'),
    'stack_timeout': (float, 'a number of seconds'),
    'tcp_options': (_literal, 'a dict as a Python literal'),
}

# Keys of ssl_options in a URL, with the older names for some.
_SSL_ALIASES = {'ca_certs': 'cafile', 'ca_path': 'capath', 'ca_data': 'cadata'}
_SSL_KEYS = ('protocol', 'cafile', 'capath', 'cadata', 'certfile', 'keyfile', 'password', 'ciphers',
             'server_hostname')


def _ssl_options(given: object) -> SSLOptions:
    """SSLOptions from the dict in a URL: the broker's certificate is verified in any case.

    Without certificates of authorities those of the system are used.
    """
    import ssl
    if not isinstance(given, dict):
        raise ParameterTypeError('ssl_options', given, 'a dict or None', secret=True)
    options: dict[Any, Any] = {_SSL_ALIASES.get(key, key): value for key, value in given.items()}
    for key in options:
        if key not in _SSL_KEYS:
            raise ParameterValueError('ssl_options', key,
                                      f'a dict with keys of {", ".join(_SSL_KEYS)}')
    cafile, capath, cadata = (options.get(key) for key in ('cafile', 'capath', 'cadata'))
    if options.get('protocol') is None:
        context = ssl.create_default_context(cafile=cafile, capath=capath, cadata=cadata)
    else:
        context = ssl.SSLContext(options['protocol'])
        context.check_hostname = True  # and verify_mode with it
        if cafile or capath or cadata:
            context.load_verify_locations(cafile, capath, cadata)
        else:
            context.load_default_certs()
    if options.get('certfile'):
        context.load_cert_chain(options['certfile'], options.get('keyfile'),
                                options.get('password'))
    if options.get('ciphers'):
        context.set_ciphers(options['ciphers'])
    return SSLOptions(context, options.get('server_hostname'))


class URLParameters(Parameters):
    """Parameters from `amqp://user:password@host:port/vhost?name=value&name=value`.

    User, password, host and virtual host are percent-decoded; what is left out has its default. The
    virtual host is the first segment of the path: none and '/' are the default '/', as is '%2f',
    and '//' is the empty name. An IPv6 address stands in brackets. `amqps://` is TLS with
    `ssl.create_default_context()`, unless `ssl_options` says otherwise.

    Names in the query: blocked_connection_timeout, channel_max, client_properties,
    connection_attempts, frame_max, heartbeat, locale, retry_delay, socket_timeout, ssl_options,
    stack_timeout, tcp_options. `client_properties`, `tcp_options` and `ssl_options` are Python
    literals; the keys of `ssl_options` are protocol, cafile (ca_certs), capath (ca_path), cadata
    (ca_data), certfile, keyfile, password, ciphers, server_hostname.

    Raises:
      ParameterTypeError: `url` is no str, or it has a user without a password.
      ParameterValueError: the URL has another form, or a name or a value in its query is unknown
        or out of range.
    """

    __slots__ = ()

    def __init__(self, url: str) -> None:
        super().__init__()
        if not isinstance(url, str):
            raise ParameterTypeError('url', url, _URL, secret=True)
        parts, port = _split(url)
        tls = parts.scheme in ('amqps', 'https')
        self._set_authority(url, parts)
        self._set_query(parts.query, tls)
        if tls and self.ssl_options is None:
            import ssl
            self.ssl_options = SSLOptions(ssl.create_default_context())
        # The scheme decides, not ssl_options in the query.
        self.port = port if port is not None else (
            self.DEFAULT_SSL_PORT if tls else self.DEFAULT_PORT)

    def _set_authority(self, url: str, parts: SplitResult) -> None:
        from urllib.parse import unquote
        if parts.hostname:
            self.host = unquote(parts.hostname)
        if parts.username is not None:
            if parts.password is None:
                raise ParameterTypeError('url', redact_url(url),
                                         'a URL with a password for its user, user:password@host')
            self.credentials = PlainCredentials(unquote(parts.username), unquote(parts.password))
        if parts.path not in ('', '/'):
            self.virtual_host = unquote(parts.path.split('/')[1])

    def _set_query(self, query: str, tls: bool) -> None:
        from urllib.parse import parse_qs
        for name, values in parse_qs(query).items():
            if name not in _QUERY:
                raise ParameterValueError('url.query', name,
                                          f'made of the names {", ".join(_QUERY)}')
            secret = name == 'ssl_options'
            if len(values) > 1:
                raise ParameterValueError(name, values, 'given once', secret=secret)
            convert, allowed = _QUERY[name]
            value: object = None
            failed = False
            try:
                value = convert(values[0])
            except ValueError:
                failed = True  # raised below, where the text is no context of the error
            if failed:
                raise ParameterValueError(name, values[0], allowed, secret=secret)
            if secret and value is not None:
                value = _ssl_options(value)
            elif secret and tls:
                raise ParameterValueError(name, value, 'other than None with the scheme amqps')
            setattr(self, name, value)
