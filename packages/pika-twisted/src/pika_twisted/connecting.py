"""`TwistedConnection`: connects by itself, to whatever of its parameters can be had first.

Rule: one step of the core's plan after the other (`pika.transport.endpoints`), each answered by
`_advance`. Addresses come from the reactor's own resolver, TCP from Twisted's endpoints, TLS from
the core's filter, since `SSLOptions` hold an `ssl.SSLContext`. Every step is bounded.
"""

from __future__ import annotations

import copy
import os
import socket

from pika.exceptions import ParameterTypeError
from pika.parameters import ConnectionParameters, Parameters
from pika.tcp_socket_opts import set_sock_opts
from pika.transport import endpoints
from pika.transport.tls import TLSFilter, tls_error
from pika.validators import require_callback
from twisted.internet import error, interfaces, protocol
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from pika_twisted.connection import TwistedProtocolConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any, ClassVar

    from twisted.internet.base import DelayedCall
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IHostResolution


class TwistedConnection(TwistedProtocolConnection):
    """A connection to RabbitMQ that connects by itself, over TCP or with `SSLOptions` over TLS.

    It begins to connect in the next turn of the reactor. `ready` and `closed` tell what comes of
    it, and the callbacks do besides, in the way of the other adapters::

        connection = await TwistedConnection(parameters).ready

    Args:
      parameters: where and how to connect; several are tried in order, in as many rounds as
        `connection_attempts` of the last says. None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. `ready`
        fails with it besides, and is not logged if nobody looks at it.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_reactor: None: the reactor that is installed.
    """

    def __init__(self,
                 parameters: Parameters | Sequence[Parameters] | None = None,
                 on_open_callback: Callable[[TwistedConnection], object] | None = None,
                 on_open_error_callback: Callable[[TwistedConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[TwistedConnection, Exception], object] | None = None,
                 custom_reactor: Any = None) -> None:  # no interface has all that a reactor has
        if parameters is None:
            parameters = ConnectionParameters()
        configs = [parameters] if isinstance(parameters, Parameters) else list(parameters)
        for config in configs:
            if not isinstance(config, Parameters):
                raise ParameterTypeError('parameters', config, 'Parameters', secret=True)
        self._plan: Generator[endpoints.Step, endpoints.Outcome, Exception] | None
        self._plan = endpoints.endpoint_plan(copy.deepcopy(configs))
        first: Any = next(self._plan)  # a Resolve
        super().__init__(first.parameters, custom_reactor)
        for callback in (on_open_callback, on_open_error_callback, on_close_callback):
            if callback is not None:
                require_callback(callback)
        self._on_open = on_open_callback
        self._on_open_error = on_open_error_callback
        self._on_close = on_close_callback
        self._look_up: _LookUp | None = None
        self._attempt: _Attempt | None = None
        self._step_timer: DelayedCall = self._reactor.callLater(0, self._take, first)

    def _tell_open(self) -> None:
        super()._tell_open()
        if self._on_open is not None:
            self._run(self._on_open, self)

    def _tell(self, reason: Exception) -> None:
        callback = self._on_close if self._opened else self._on_open_error
        if callback is not None:
            self._run(callback, self, reason)
        super()._tell(reason)

    # Connecting.

    def _attempt_failed(self, reason: Exception) -> None:
        self._advance(reason)

    def _end(self, reason: Exception, contexts: list[Deferred[Any]]) -> None:
        self._plan = None
        self._leave_step()
        super()._end(reason, contexts)

    def _advance(self, outcome: endpoints.Outcome) -> None:
        self._leave_step()
        if self._plan is None:  # it has ended
            return
        try:
            step = self._plan.send(outcome)
        except StopIteration as end:
            super()._attempt_failed(end.value)
        else:
            self._take(step)

    def _take(self, step: endpoints.Step) -> None:
        self._STEPS[type(step)](self, step)

    def _leave_step(self) -> None:
        """Whatever the present step still has to tell comes too late."""
        if self._step_timer.active():
            self._step_timer.cancel()
        look_up, self._look_up = self._look_up, None
        if look_up is not None:
            look_up.cancel()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.give_up()

    def _resolve(self, step: endpoints.Resolve) -> None:
        self._look_up = _LookUp(self._reactor, step.parameters, self._advance)
        self._look_up.start()

    def _connect(self, step: endpoints.Connect) -> None:
        self._renew(step.parameters)
        self._attempt = _Attempt(self, step)
        self._attempt.start()

    def _wait(self, step: endpoints.Wait) -> None:
        self._step_timer = self._reactor.callLater(step.seconds, self._advance, None)

    _STEPS: ClassVar[dict[type[endpoints.Step], Callable[..., None]]] = {
        endpoints.Resolve: _resolve,
        endpoints.Connect: _connect,
        endpoints.Wait: _wait,
    }


@implementer(interfaces.IResolutionReceiver)
class _LookUp:
    """One look-up of a name, by the reactor's resolver, in `stack_timeout` seconds at most."""

    def __init__(self, reactor: Any, parameters: Parameters, advance: Callable[[endpoints.Outcome],
                                                                               None]) -> None:
        self._reactor = reactor
        self._parameters = parameters
        self._advance: Callable[[endpoints.Outcome], None] | None = advance
        self._found: list[endpoints.Address] = []
        self._timer: DelayedCall | None = None
        self._resolution: IHostResolution | None = None

    def start(self) -> None:
        """Ask; a host that is an address already needs no answer."""
        host, port = self._parameters.host, self._parameters.port
        if not 0 < port < 65536:
            self._fail(f'port {port} is not in 1..65535')
        elif isIPAddress(host):
            self._done([(socket.AF_INET, (host, port))])
        elif isIPv6Address(host):
            self._done([(socket.AF_INET6, (host, port))])
        else:
            seconds = self._parameters.stack_timeout
            if seconds is not None:
                self._timer = self._reactor.callLater(seconds, self._timed_out, seconds)
            self._reactor.nameResolver.resolveHostName(self, host, port)

    def cancel(self) -> None:
        """Tell nothing any more."""
        self._advance = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The resolver is at work."""

    def addressResolved(self, address: IAddress) -> None:
        """The resolver has found this."""
        family = socket.AF_INET6 if address.type == 'TCP6' else socket.AF_INET
        found = (family, (address.host, self._parameters.port))
        if found not in self._found:
            self._found.append(found)

    def resolutionComplete(self) -> None:
        """The resolver has found all."""
        if self._found:
            self._done(list(self._found))
        else:
            self._fail('it has no address')

    def _timed_out(self, seconds: float) -> None:
        self._fail(f'timed out after {seconds} s')

    def _fail(self, why: str) -> None:
        host, port = self._parameters.host, self._parameters.port
        self._done(
            endpoints.NameResolutionError(socket.EAI_NONAME,
                                          f'cannot resolve {host!r}: {why}',
                                          host=host,
                                          port=port,
                                          phase='resolve'))

    def _done(self, outcome: endpoints.Outcome) -> None:
        advance = self._advance
        self.cancel()
        if advance is not None:
            advance(outcome)


class _Attempt(protocol.Protocol):
    """A stream to one address; the connection hears of it until it gives it up.

    TCP has `socket_timeout` seconds, TCP and TLS together `stack_timeout`; from then on the
    protocol bounds the rest.
    """

    transport: Any  # no interface has all that transports of TCP have

    def __init__(self, connection: TwistedConnection, step: endpoints.Connect) -> None:
        self._connection: TwistedConnection | None = connection
        self._reactor = connection._reactor
        self._step = step
        self._started = connection._now()
        self._tcp: Deferred[Any] | None = None
        self._timer: DelayedCall | None = None
        self._tls: _TLSTransport | None = None
        self._made = False
        self._error: Exception | None = None  # why we have closed it

    def start(self) -> None:
        """Connect."""
        parameters = self._step.parameters
        host, port = self._step.address[:2]
        kind = TCP6ClientEndpoint if self._step.family == socket.AF_INET6 else TCP4ClientEndpoint
        seconds = parameters.stack_timeout
        if seconds is not None:
            self._timer = self._reactor.callLater(seconds, self._timed_out, seconds)
        limit: Any = parameters.socket_timeout  # None is no limit, which Twisted's types leave out
        endpoint = kind(self._reactor, host, port, timeout=limit)
        tcp: Deferred[Any] = connectProtocol(endpoint, self)  # type: ignore[no-untyped-call]
        self._tcp = tcp.addErrback(self._not_connected)

    def give_up(self) -> None:
        """Tell the connection no more; a stream that it has got is its own to close."""
        self._cancel_timer()
        if not self._made:
            self._connection = None
            if self.transport is not None:
                self.transport.abortConnection()
            elif self._tcp is not None:
                self._tcp.cancel()

    def connectionMade(self) -> None:
        """TCP is there."""
        parameters = self._step.parameters
        try:
            set_sock_opts(parameters.tcp_options, self.transport.getHandle())
            if parameters.ssl_options is not None:
                self._tls = _TLSTransport(self.transport, parameters)
        except Exception as error:
            self._close(error)
            return
        if self._tls is None:
            self._make(self.transport)
        else:
            self._tls.start()

    def dataReceived(self, data: bytes) -> None:
        """The peer has sent this."""
        tls = self._tls
        if tls is not None:
            data = tls.receive(data)
            if tls.filter.connected and not self._made:
                self._make(tls)
        if data and self._connection is not None:
            self._connection.dataReceived(data)
        if tls is not None and (tls.filter.error or tls.filter.close_notify):
            self._close(tls.filter.error)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """The stream has ended."""
        self._cancel_timer()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        cause = self._error
        if self._tls is not None:
            self._tls.filter.receive_eof()
            cause = cause or self._tls.filter.error
        if self._made:
            connection.connectionLost(reason if cause is None else _failure(cause))
        else:
            connection._advance(cause or _connect_error(self._step, reason.value))

    def _make(self, transport: Any) -> None:
        self._made = True
        self._cancel_timer()
        if self._connection is not None:
            self._connection.transport = transport
            self._connection._start(self._started)

    def _close(self, error: Exception | None) -> None:
        """End the stream for this reason, which `connectionLost` tells; None: the peer's wish."""
        self._error = self._error or error
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _timed_out(self, seconds: float) -> None:
        self._timer = None
        text = f'timed out after {seconds} s'
        if self.transport is None:
            assert self._tcp is not None
            self._error = TimeoutError(text)
            self._tcp.cancel()
        else:
            self._error = tls_error(self._step.parameters, f'the TLS handshake {text}',
                                    TimeoutError(text))
            self.transport.abortConnection()

    def _not_connected(self, failure: Failure) -> None:
        self._cancel_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection._advance(_connect_error(self._step, self._error or failure.value))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _TLSTransport:
    """A stream with the core's TLS filter, as the connection sees it.

    Attributes:
      filter: the filter.
    """

    def __init__(self, transport: Any, parameters: Parameters) -> None:
        self.filter = TLSFilter(parameters)
        self._transport = transport
        for name in ('abortConnection', 'getPeer', 'pauseProducing', 'resumeProducing',
                     'registerProducer', 'unregisterProducer'):
            setattr(self, name, getattr(transport, name))

    def start(self) -> None:
        """Begin the handshake."""
        self.filter.start()
        self._flush()

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext, and answer it where TLS wants that; return the plaintext."""
        plaintext = self.filter.receive(data)
        self._flush()
        return plaintext

    def write(self, data: bytes) -> None:
        """Encrypt this and send it."""
        self.filter.send([data])
        self._flush()

    def loseConnection(self) -> None:
        """Say the end of TLS, and close once all is sent."""
        self.filter.close()
        self._flush()
        self._transport.loseConnection()

    def _flush(self) -> None:
        self._transport.writeSequence(self.filter.data_to_send())


def _failure(error: Exception) -> Failure:
    return Failure(error)  # type: ignore[no-untyped-call]


def _connect_error(step: endpoints.Connect, cause: Any) -> Exception:
    """What Twisted raised when it did not connect, as the core says it."""
    if isinstance(cause, error.TimeoutError):
        cause = TimeoutError(f'timed out after {step.parameters.socket_timeout} s')
    elif not isinstance(cause, OSError):
        number = getattr(cause, 'osError', None)
        cause = OSError(number, os.strerror(number)) if number else OSError(str(cause))
    return endpoints.connect_error(step, cause)
