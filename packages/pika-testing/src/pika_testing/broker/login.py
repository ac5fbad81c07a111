"""From the protocol header to Connection.OpenOk, on the broker's side.

Rule: each step waits for one method. Whatever goes wrong before Open ends the stream without a
word (clause 2.2.4), save a refused login that the client said it wants to be told of.
"""

from __future__ import annotations

from pika import data, exceptions, spec

from pika_testing.broker.refusals import HangUp, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from pika.amqp_object import Method

    from pika_testing.broker.connection import ServerConnection
    from pika_testing.broker.permissions import User

CAPABILITIES = ('publisher_confirms', 'exchange_exchange_bindings', 'basic.nack',
                'consumer_cancel_notify', 'connection.blocked', 'consumer_priorities',
                'authentication_failure_close', 'per_consumer_qos', 'direct_reply_to')


class Login:
    """What to answer to a client until its connection is open.

    certified: the name in the client's certificate, for EXTERNAL.

    Attributes:
      channel_max: what was negotiated; 0 before.
    """

    def __init__(self, connection: ServerConnection, certified: str | None) -> None:
        self.channel_max = 0
        self._connection = connection
        self._broker = connection.broker
        self._certified = certified
        self._awaits: type[Method] = spec.Connection.StartOk
        self._user: User | None = None
        self._client_properties: dict[str, Any] = {}

    def start(self) -> None:
        """Say who we are and which ways there are to log in."""
        broker = self._broker
        mechanisms = 'AMQPLAIN PLAIN' + (' EXTERNAL' if self._certified is not None else '')
        properties: dict[str, Any] = {
            'capabilities': dict.fromkeys(CAPABILITIES, True),
            'cluster_name': 'pika-testing@localhost',
            'product': 'RabbitMQ',
            'version': broker.version.release,
            'platform': 'Python',
            'information': 'A broker in memory, of pika-testing',
        }
        self._connection.send(
            0, spec.Connection.Start(0, 9, properties, mechanisms.encode(), b'en_US'))

    def on_method(self, method: Method) -> None:
        """Take the client's next method.

        Raises:
          HangUp, Refusal: it is another one than is due, or what it says cannot be.
        """
        if type(method) is not self._awaits:
            raise HangUp
        self._STEPS[type(method)](self, method)

    def _on_start_ok(self, method: spec.Connection.StartOk) -> None:
        self._client_properties = dict(method.client_properties or {})
        reader = self._MECHANISMS.get(method.mechanism)
        if reader is None or method.mechanism == 'EXTERNAL' and self._certified is None:
            raise HangUp
        response = method.response
        name, password = reader(
            self, response if isinstance(response, bytes) else response.encode(
                'utf-8', 'surrogateescape'))
        user = self._broker.users.get(name)
        if user is None or password is not None and password != user.password:
            self._refuse(method.mechanism)
            return
        self._user = user
        self._awaits = spec.Connection.TuneOk
        self._connection.send(
            0,
            spec.Connection.Tune(self._broker.channel_max, self._broker.frame_max,
                                 self._broker.heartbeat))

    def _refuse(self, mechanism: str) -> None:
        capabilities = self._client_properties.get('capabilities')
        if not isinstance(capabilities,
                          dict) or capabilities.get('authentication_failure_close') is not True:
            raise HangUp
        self._connection.close(
            Refusal(
                spec.ACCESS_REFUSED, 'Login was refused using authentication mechanism '
                f'{mechanism}. For details see the broker logfile.', 0))

    def _plain(self, response: bytes) -> tuple[str, str | None]:
        pieces = response.split(b'\0')
        if len(pieces) != 3:
            raise HangUp
        return _text(pieces[1]), _text(pieces[2])

    def _amqplain(self, response: bytes) -> tuple[str, str | None]:
        try:
            table, _ = data.decode_table(len(response).to_bytes(4, 'big') + response, 0)
        except exceptions.ProtocolSyntaxError as error:
            raise HangUp from error
        return _text(table.get('LOGIN')), _text(table.get('PASSWORD'))

    def _external(self, response: bytes) -> tuple[str, str | None]:
        return self._certified or '', None

    _MECHANISMS: ClassVar[dict[str, Callable[[Login, bytes], tuple[str, str | None]]]] = {
        'PLAIN': _plain,
        'AMQPLAIN': _amqplain,
        'EXTERNAL': _external,
    }

    def _on_tune_ok(self, method: spec.Connection.TuneOk) -> None:
        offered = self._broker
        if not offered.version.min_frame_max <= method.frame_max <= offered.frame_max:
            raise HangUp
        if not 1 <= method.channel_max <= offered.channel_max:
            raise HangUp
        self.channel_max = method.channel_max
        self._connection.tuned(method.frame_max, method.heartbeat,
                               self._client_properties.get('capabilities'))
        self._awaits = spec.Connection.Open

    def _on_open(self, method: spec.Connection.Open) -> None:
        assert self._user is not None
        name = method.virtual_host
        host = self._broker.virtual_hosts.get(name)
        if host is None:
            self._connection.close(
                Refusal(spec.NOT_ALLOWED, f'vhost {name} not found', method.INDEX))
        elif name not in self._user.permissions:
            self._connection.close(
                Refusal(spec.NOT_ALLOWED,
                        f"access to vhost '{name}' refused for user '{self._user.name}'",
                        method.INDEX))
        else:
            self._connection.opened(self._user, host)
            self._connection.send(0, spec.Connection.OpenOk())

    _STEPS: ClassVar[dict[type[Method], Callable[..., None]]] = {
        spec.Connection.StartOk: _on_start_ok,
        spec.Connection.TuneOk: _on_tune_ok,
        spec.Connection.Open: _on_open,
    }


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode('utf-8', 'surrogateescape')
    return str(value)
