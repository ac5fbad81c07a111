"""From the protocol header to Connection.OpenOk.

Rule: each step waits for one method of the broker (clause 2.2.4). What else comes ends the attempt,
and until Open is sent it ends without another byte: "There is no hand-shaking for errors on
connections that are not fully open" (clause 2.2.4).
"""

from __future__ import annotations

import sys

from pika import exceptions, frame, spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar

    from pika import amqp_object
    from pika.parameters import Parameters

START = 'Connection.Start'
TUNE = 'Connection.Tune'
OPEN_OK = 'Connection.OpenOk'
DONE = 'done'

# Bytes that a broker takes before tuning: RabbitMQ's initial_frame_max, 4096 before 4.1 (rule 2).
INITIAL_FRAME_MAX = 8192

PRODUCT = 'Pika Python Client Library'  # what pika 1.x calls itself

CAPABILITIES = {
    'authentication_failure_close': True,
    'basic.nack': True,
    'connection.blocked': True,
    'consumer_cancel_notify': True,
    'exchange_exchange_bindings': True,
    'publisher_confirms': True,
}

_REFUSED_VIRTUAL_HOST = frozenset(
    (spec.ACCESS_REFUSED, spec.NOT_ALLOWED, spec.NOT_FOUND, spec.INVALID_PATH))
_TLS_RECORDS = (0x15, 0x16)  # alert, handshake


class Handshake:
    """What to answer to the broker until the connection is open.

    parameters: changed in place to what was negotiated. connection: what a heartbeat callable gets
    as its first argument.
    """

    def __init__(self, parameters: Parameters, connection: Any) -> None:  # adapters differ
        self.awaits = START
        self.server_properties: dict[str, Any] = {}  # whatever the broker tells of itself
        self.heartbeat = 0  # seconds
        self._parameters = parameters
        self._connection = connection

    def on_method(self, method: amqp_object.Method) -> list[amqp_object.Method]:
        """Take the broker's method and return the answers to it.

        Raises:
          AMQPConnectionError: the attempt has failed; what credentials or a heartbeat callable
          raise, as it is.
        """
        handler = self._STEPS.get((self.awaits, type(method)))
        if handler is None:
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID, f'{method.NAME} in the handshake, where {self.awaits} is due')
        return handler(self, method)

    def refusal(self, method: spec.Connection.Close) -> exceptions.AMQPConnectionError:
        """What the broker means by closing the connection now (rule 7)."""
        said = f'({method.reply_code}) {method.reply_text!r}'
        if self.awaits == TUNE and method.reply_code == spec.ACCESS_REFUSED:
            return exceptions.ProbableAuthenticationError(
                f'the broker refused the credentials: {said}')
        if self.awaits == OPEN_OK and method.reply_code in _REFUSED_VIRTUAL_HOST:
            return exceptions.ProbableAccessDeniedError(
                f'the broker refused virtual host {self._parameters.virtual_host!r}: {said}')
        return exceptions.ConnectionClosedByBroker(method.reply_code,
                                                   method.reply_text,
                                                   class_id=method.class_id,
                                                   method_id=method.method_id)

    def _on_start(self, method: spec.Connection.Start) -> list[amqp_object.Method]:
        version = (method.version_major, method.version_minor)
        if version != spec.PROTOCOL_VERSION[:2]:
            raise exceptions.IncompatibleProtocolError(
                f'the broker offers AMQP {version[0]}-{version[1]}, not 0-9-1')
        self.server_properties = method.server_properties
        mechanism, response = self._parameters.credentials.response_for(method)
        if mechanism is None or response is None:
            offered = _text(method.mechanisms)
            raise exceptions.AuthenticationError(
                f'{self._parameters.credentials.TYPE}, the broker offers {offered}')
        locales = _text(method.locales).split()
        wanted = self._parameters.locale
        start_ok = spec.Connection.StartOk(
            client_properties=self._client_properties(),
            mechanism=mechanism,
            response=response,
            # One of those offered: an unknown one makes a broker hang up (rule 8).
            locale=wanted if wanted in locales or not locales else locales[0])
        size = len(frame.method_frame(0, start_ok))
        if size > INITIAL_FRAME_MAX:
            raise exceptions.AMQPConnectionError(
                f'credentials and client_properties take {size} bytes together, a broker takes '
                f'{INITIAL_FRAME_MAX} before tuning')
        self.awaits = TUNE
        return [start_ok]

    def _on_secure(self, method: spec.Connection.Secure) -> list[amqp_object.Method]:
        credentials = self._parameters.credentials
        answer = getattr(credentials, 'secure', None)
        if answer is None:
            raise exceptions.AuthenticationError(
                f'{credentials.TYPE}, the broker asks what these credentials cannot answer')
        return [spec.Connection.SecureOk(answer(method.challenge))]

    def _on_tune(self, method: spec.Connection.Tune) -> list[amqp_object.Method]:
        parameters = self._parameters
        parameters.credentials.erase_credentials()
        if 0 < method.frame_max < spec.FRAME_MIN_SIZE:
            raise exceptions.ProtocolViolationError(
                spec.SYNTAX_ERROR,
                f'frame_max {method.frame_max} of the broker is under {spec.FRAME_MIN_SIZE}')
        # 0 is no limit, and may be echoed only to a server that said so (rule 3); ours never is 0.
        parameters.channel_max = min(method.channel_max or parameters.channel_max,
                                     parameters.channel_max)
        parameters.frame_max = min(method.frame_max or parameters.frame_max, parameters.frame_max)
        self.heartbeat = self._choose_heartbeat(method.heartbeat)
        parameters.heartbeat = self.heartbeat
        self.awaits = OPEN_OK
        return [
            spec.Connection.TuneOk(parameters.channel_max, parameters.frame_max, self.heartbeat),
            spec.Connection.Open(parameters.virtual_host)
        ]

    def _on_open_ok(self, method: spec.Connection.OpenOk) -> list[amqp_object.Method]:
        self.awaits = DONE
        return []

    def _choose_heartbeat(self, offered: int) -> int:
        """The client's value wins, even above the broker's, as in pika 1.x; None: the broker's."""
        wanted = self._parameters.heartbeat
        if callable(wanted):
            wanted = wanted(self._connection, offered)
        if wanted is None:
            return offered
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted <= 65535:
            raise exceptions.ParameterValueError('heartbeat', wanted,
                                                 'an int from 0 to 65535 seconds')
        return wanted

    def _client_properties(self) -> dict[str, Any]:  # a table holds whatever can be sent
        from pika import __version__  # the package imports this module
        properties: dict[str, Any] = {
            'product': PRODUCT,
            'platform': 'Python ' + '.'.join(map(str, sys.version_info[:3])),
            'version': __version__,
            'information': 'pika-core, AMQP 0-9-1 without I/O',
            'capabilities': dict(CAPABILITIES),
        }
        properties.update(self._parameters.client_properties or {})
        return properties

    _STEPS: ClassVar[dict[tuple[str, type[amqp_object.Method]],
                          Callable[..., list[amqp_object.Method]]]] = {
                              (START, spec.Connection.Start): _on_start,
                              (TUNE, spec.Connection.Secure): _on_secure,
                              (TUNE, spec.Connection.Tune): _on_tune,
                              (OPEN_OK, spec.Connection.OpenOk): _on_open_ok,
                          }


def hung_up(awaits: str, beginning: bytes) -> exceptions.AMQPConnectionError:
    """What a stream that began with these bytes and ends amid the handshake probably means."""
    if awaits == START and beginning and beginning[0] != frame.METHOD:
        return not_amqp(beginning)
    if awaits == START:
        return exceptions.StreamLostError(
            'the peer hung up before it said anything: it may not be ready, its port may '
            'be for TLS (or not), or it is no AMQP broker')  # not "incompatible" (rule 1)
    if awaits == TUNE:
        return exceptions.ProbableAuthenticationError(
            'the broker hung up when it had the credentials')
    return exceptions.ProbableAccessDeniedError(
        'the broker hung up when it was asked for the virtual host')


def not_amqp(beginning: bytes) -> exceptions.AMQPConnectionError:
    """What a peer's first 8 bytes mean when they are no frame with Connection.Start."""
    if beginning.startswith(b'AMQP'):
        version = '-'.join(str(octet) for octet in beginning[4:8])
        return exceptions.IncompatibleProtocolError(
            f'the broker does not speak AMQP 0-9-1: it answered with protocol header {version}')
    if beginning[0] in _TLS_RECORDS:
        return exceptions.IncompatibleProtocolError(
            'the peer speaks TLS on this port, set ssl_options or use the port for plain AMQP')
    return exceptions.IncompatibleProtocolError(
        f'the peer does not speak AMQP: its first bytes are {beginning!r}')


def _text(value: object) -> str:
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)
