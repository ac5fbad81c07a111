"""A stream to a broker on a transport of Twisted: opening it, TLS, its end.

Rule: it tells the connection of its attempt until that is cancelled, and always when it is gone.
"""

from __future__ import annotations

import os
import socket

from pika.tcp_socket_opts import set_sock_opts
from pika.transport import endpoints
from pika.transport.tls import TLSFilter, tls_error
from twisted.internet import error, interfaces, protocol
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pika.connection import Chunk, Transport
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from pika_twisted.engine import Engine


class Stream(protocol.Protocol):
    """A stream to one address, with the TLS that its transport has, if any."""

    transport: Any  # no interface has all that transports of streams have

    def __init__(self, engine: Engine, step: endpoints.Connect, made: Callable[[Transport], None],
                 failed: Callable[[Exception], None]) -> None:
        self.tcp_connected = False
        self._engine = engine
        self._step = step
        self._made = made
        self._failed = failed
        self._tcp: Deferred[Any] | None = None
        self._cancelled = False
        self._handed_over = False
        self._heard = False  # the peer has sent something

    def connect(self, reactor: Any) -> None:
        """Open TCP to the address of the step; its time is bounded by the connection."""
        family, (host, port, *_) = self._step.family, self._step.address
        kind = TCP6ClientEndpoint if family == socket.AF_INET6 else TCP4ClientEndpoint
        no_limit: Any = None  # which Twisted's types leave out
        tcp: Deferred[Any] = connectProtocol(  # type: ignore[no-untyped-call]
            kind(reactor, host, port, timeout=no_limit), self)
        self._tcp = tcp.addErrback(self._not_connected)

    def cancel(self) -> None:
        """Tell the connection no more of this attempt, and close what it has not been given."""
        self._cancelled = True
        if self._handed_over:
            return
        if self.transport is not None:
            self.transport.abortConnection()
        elif self._tcp is not None:
            self._tcp.cancel()

    def _not_connected(self, failure: Failure) -> None:
        # Not at once: nothing may fail before `connect` has returned.
        self._engine._call_soon(lambda: self._fail(_connect_error(self._step, failure.value)))

    def _fail(self, reason: Exception) -> None:
        if not self._cancelled:
            self._failed(reason)

    def _hand_over(self) -> None:
        if not self._cancelled and not self._handed_over:
            self._handed_over = True
            self._made(self)

    # What Twisted tells.

    def connectionMade(self) -> None:
        """There is a stream."""
        self.tcp_connected = True
        self._engine.streams.add(self)
        if hasattr(self.transport, 'setTcpNoDelay'):
            self.transport.setTcpNoDelay(True)  # what is written together is joined here already
        if self._step.address:
            try:
                set_sock_opts(self._step.parameters.tcp_options, self.transport.getHandle())
                self._begin()
            except Exception as error:
                self.transport.abortConnection()
                self._fail(error)
        # TLS of Twisted says when it is ready, to a protocol that it wraps itself.
        elif not interfaces.IHandshakeListener.providedBy(
                getattr(self.transport, 'wrappedProtocol', None)):
            self._hand_over()

    def _begin(self) -> None:
        """TCP is there."""
        self._hand_over()

    def handshakeCompleted(self) -> None:
        """TLS of Twisted's own is ready."""
        self._hand_over()

    def dataReceived(self, data: bytes) -> None:
        """The peer has sent this."""
        self._heard = True
        if not self._cancelled:
            self._engine.data_received(data)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """The stream has ended."""
        explained = self._explained(
            None if isinstance(reason.value, error.ConnectionDone) else reason.value)
        self.transport = None
        if self._handed_over and not self._cancelled:
            self._engine.connection_lost(explained)
        elif explained is not None:
            self._fail(explained)
        self._engine.stream_gone(self)

    def _explained(self, cause: Any) -> Exception | None:
        parameters = self._step.parameters
        if self._handed_over and not self._refused_late(cause):
            return None if cause is None else endpoints.lost_error(parameters, cause)
        result = tls_error(parameters,
                           f'TLS handshake failed: {cause or "the peer ended the connection"}',
                           cause)
        result.recoverable = cause is None or isinstance(cause, error.ConnectionLost)
        return result

    def _refused_late(self, cause: Any) -> bool:
        """Whether TLS of Twisted's, when older, has refused the host's name after the handshake."""
        return (hasattr(self.transport, 'getPeerCertificate') and not self._heard and
                cause is not None and not isinstance(cause, error.ConnectionLost))

    # What the connection asks.

    def writelines(self, chunks: list[Chunk]) -> None:
        """See `Transport`."""
        if self.transport is not None:
            self.transport.write(b''.join(chunks))  # that of Twisted takes no memoryview

    def close(self) -> None:
        """See `Transport`."""
        if self.transport is not None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """See `Transport`."""
        if self.transport is not None:
            self.transport.abortConnection()

    def pause_reading(self) -> None:
        """See `Transport`."""
        if self.transport is not None:
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """See `Transport`."""
        if self.transport is not None:
            self.transport.resumeProducing()

    def drain(self) -> bool:
        """See `Transport`: only the reactor can read."""
        self.resume_reading()
        return False


class FilteredStream(Stream):
    """A stream over TCP with the core's TLS, since pyOpenSSL takes no `ssl.SSLContext`."""

    _filter: TLSFilter | None = None  # it may never come to TLS

    def _begin(self) -> None:
        self._filter = TLSFilter(self._step.parameters)
        self._filter.start()
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """The peer has sent this; ciphertext."""
        tls = self._filter
        if tls is None:
            return
        plaintext = tls.receive(data)
        self._flush()
        if tls.connected:
            self._hand_over()
        if plaintext:
            super().dataReceived(plaintext)
        if (tls.error is not None or tls.close_notify) and self.transport is not None:
            self.transport.loseConnection()

    def _explained(self, cause: Any) -> Exception | None:
        if self._filter is not None:
            self._filter.receive_eof()
            if self._filter.error is not None:
                return self._filter.error
        return super()._explained(cause)

    def writelines(self, chunks: list[Chunk]) -> None:
        """See `Transport`."""
        if self._filter is not None:
            self._filter.send(chunks)
            self._flush()

    def close(self) -> None:
        """See `Transport`; says the end of TLS, too."""
        if self._filter is not None:
            self._filter.close()
            self._flush()
        super().close()

    def _flush(self) -> None:
        tls = self._filter
        if tls is not None and self.transport is not None:
            self.transport.writeSequence(tls.data_to_send())


def _connect_error(step: endpoints.Connect, cause: Any) -> Exception:
    """What Twisted raised when it did not connect, as the core says it."""
    if not isinstance(cause, OSError):
        number = getattr(cause, 'osError', None)
        cause = OSError(number, os.strerror(number)) if number else OSError(str(cause))
    return endpoints.connect_error(step, cause)
