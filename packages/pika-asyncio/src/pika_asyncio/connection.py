"""`AsyncioConnection`: the callback API on asyncio's own resolver, transports and TLS.

Rule: no loop is made the current one, and none is run here. What a callback raises goes to the
loop's exception handler, as with any callback of asyncio.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from pika.tcp_socket_opts import set_sock_opts
from pika.transport import endpoints
from pika.transport.base_connection import BaseConnection
from pika.transport.tls import tls_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    from pika.connection import Timer, Transport
    from pika.parameters import Parameters, SSLOptions

    Chunk = Union[bytes, memoryview]

# Bytes that go to asyncio's transport at once. What the kernel does not take of them is copied
# there, and moved with each send (before Python 3.12): 1 MiB at once costs 0.8 ms, so 0.2.
_PIECE = 131072
# Seconds for TLS where `stack_timeout` is None: asyncio wants a number.
_NO_LIMIT = 1e6


class AsyncioConnection(BaseConnection):
    """A connection that lives on an event loop of asyncio.

    Args:
      parameters: where and how to connect; None: localhost with the defaults.
      on_open_callback: called with the connection when it is open.
      on_open_error_callback: called with the connection and the error when it could not be opened;
        it is that of the last address and attempt, and has those before it in `errors`. Without a
        callback the error goes to the loop's exception handler.
      on_close_callback: called with the connection and the reason when it has ended.
      custom_ioloop: the loop; None: the one that runs, else a new one, which `ioloop` gives.
      internal_connection_workflow: False: do not connect.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[AsyncioConnection], object] | None = None,
                 on_open_error_callback: Callable[[AsyncioConnection, Exception], object] |
                 None = None,
                 on_close_callback: Callable[[AsyncioConnection, Exception], object] | None = None,
                 custom_ioloop: asyncio.AbstractEventLoop | None = None,
                 internal_connection_workflow: bool = True) -> None:
        self._loop = custom_ioloop or _running_loop() or asyncio.new_event_loop()
        self._look_up: asyncio.Task[None] | None = None  # kept, else it might be collected
        super().__init__(parameters, on_open_callback, on_open_error_callback, on_close_callback,
                         internal_connection_workflow)

    @property
    def ioloop(self) -> asyncio.AbstractEventLoop:
        """The loop; nothing happens while it does not run."""
        return self._loop

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback)

    def _call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_at(when, callback)

    def _now(self) -> float:
        return self._loop.time()

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:

        async def look_up() -> None:
            outcome: endpoints.Outcome
            try:
                found = await self._loop.getaddrinfo(parameters.host,
                                                     parameters.port,
                                                     type=socket.SOCK_STREAM,
                                                     proto=socket.IPPROTO_TCP)
            except (OSError, ValueError) as error:
                outcome = endpoints.resolve_error(parameters, error)
            else:
                outcome = endpoints.addresses(found)
            # In a turn of its own: what it raises is the loop's and not this task's.
            self._loop.call_soon(done, outcome)

        self._look_up = self._loop.create_task(look_up())

    def _open_stream(self, step: endpoints.Connect, made: Callable[[Transport], None],
                     failed: Callable[[Exception], None]) -> _Stream:
        return _Stream(self, step, made, failed)


class _Stream(asyncio.Protocol):
    """A stream to one address; the connection hears of it until it is cancelled."""

    def __init__(self, connection: AsyncioConnection, step: endpoints.Connect,
                 made: Callable[[Transport], None], failed: Callable[[Exception], None]) -> None:
        self.tcp_connected = False
        self._connection: AsyncioConnection | None = connection
        self._loop = connection.ioloop
        self._step = step
        self._made = made
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self._unsent: deque[Chunk] = deque()  # while the transport has not sent what it was given
        self._full = False  # it has not
        self._closing = False  # once all is sent
        self._opening = self._loop.create_task(self._open())

    def cancel(self) -> None:
        """Tell the connection no more; a stream that it has got is its own to close."""
        self._connection = None
        if self._transport is None:
            self._opening.cancel()

    async def _open(self) -> None:
        options = self._step.parameters.ssl_options
        host, port, *_ = self._step.address
        try:
            transport, protocol = await self._loop.create_connection(
                asyncio.Protocol if options else lambda: self, host, port, family=self._step.family)
            self.tcp_connected = True
            if options is not None:
                transport = await self._start_tls(transport, options)
        except Exception as error:
            self._loop.call_soon(self._failed, self._explained(error))
        else:
            if options is not None:
                # In a turn of its own: what it raises is the loop's and not this task's.
                self._loop.call_soon(self.connection_made, transport)

    async def _start_tls(self, transport: asyncio.Transport,
                         options: SSLOptions) -> asyncio.Transport:
        parameters = self._step.parameters
        secured = await self._loop.start_tls(transport,
                                             self,
                                             options.context,
                                             server_hostname=options.server_hostname or
                                             parameters.host,
                                             ssl_handshake_timeout=parameters.stack_timeout or
                                             _NO_LIMIT)
        if secured is None:
            raise ConnectionError('EOF')
        return secured

    def _explained(self, error: Exception) -> Exception:
        if not self.tcp_connected:
            if isinstance(error, OSError):
                return endpoints.connect_error(self._step, error)
            return error  # of something else than the network
        if isinstance(error, ConnectionError):
            text = f'the peer ended the connection during the TLS handshake: {error or "EOF"}'
        else:
            text = f'TLS handshake failed: {error}'
        return tls_error(self._step.parameters, text, error)

    # What asyncio tells.

    def connection_made(self, transport: Any) -> None:  # that of uvloop is no asyncio.Transport
        self._transport = transport
        if self._step.parameters.ssl_options is None:  # 0 would stop that of TLS for ever
            transport.set_write_buffer_limits(high=0)
        if self._connection is None:
            transport.abort()
        elif self._ended:
            self._failed(self._explained(ConnectionError()))
        else:
            try:
                set_sock_opts(self._step.parameters.tcp_options, transport.get_extra_info('socket'))
            except Exception as error:
                transport.abort()
                self._failed(error)
            else:
                self._made(self)

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._guard(self._connection.data_received, data)

    def eof_received(self) -> bool:
        if self._connection is not None:
            self._guard(self._connection.eof_received)
        return self._step.parameters.ssl_options is None  # asyncio ends TLS in any case

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._unsent.clear()
        if self._connection is not None and self._transport is not None:
            self._connection.connection_lost(
                endpoints.lost_error(self._step.parameters, exc) if exc else None)

    def _guard(self, tell: Callable[..., None], *arguments: object) -> None:
        """Keep from asyncio what callbacks raise, since it would end the stream."""
        try:
            tell(*arguments)
        except Exception as error:
            self._loop.call_exception_handler({
                'message': 'Exception in a callback of AsyncioConnection',
                'exception': error,
                'protocol': self,
                'transport': self._transport,
            })

    # What the connection asks.

    def writelines(self, chunks: list[Chunk]) -> None:
        """Send these."""
        if self._open_transport() is not None:
            self._unsent.extend(chunks)
            self._send()

    def _send(self) -> None:
        """Give the transport as much as it sends at once, piece by piece."""
        transport = self._open_transport()
        unsent = self._unsent
        while unsent and not self._full and transport is not None:
            piece = [unsent.popleft()]
            size = len(piece[0])
            while unsent and size + len(unsent[0]) <= _PIECE:
                piece.append(unsent.popleft())
                size += len(piece[-1])
            transport.write(piece[0] if len(piece) == 1 else b''.join(piece))
        if self._closing and not unsent and transport is not None:
            transport.close()

    def close(self) -> None:
        """Send what was written, then close."""
        self._closing = True
        self._send()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Leave what the peer sends in the kernel."""
        transport = self._open_transport()
        if transport is not None:
            transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        transport = self._open_transport()
        if transport is not None:
            transport.resume_reading()

    def drain(self) -> bool:
        """Only the loop can read: see to it that it does."""
        self.resume_reading()
        return False

    def _open_transport(self) -> asyncio.Transport | None:
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
