"""A stream to one address on Tornado's `IOStream`: opening it, TLS, reading, writing, its end.

Rule: all of it happens in the loop, also what is written while the loop does not run. One read is
asked for at a time; what came before the end is told before the end.
"""

from __future__ import annotations

import asyncio
import socket

from pika.tcp_socket_opts import set_sock_opts
from pika.transport.endpoints import connect_error, lost_error
from tornado.iostream import IOStream, SSLIOStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pika.connection import Chunk, Connection, Transport
    from pika.parameters import Parameters
    from pika.transport.endpoints import Connect
    from tornado.ioloop import IOLoop

_READ_SIZE = 65536


class Stream:
    """Opens at once; the connection hears of it until `cancel`."""

    def __init__(self, connection: Connection, ioloop: IOLoop, step: Connect,
                 made: Callable[[Transport], None], failed: Callable[[Exception], None]) -> None:
        self.tcp_connected = False
        self._connection: Connection | None = connection
        self._ioloop = ioloop
        self._step = step
        self._made = made
        self._failed = failed
        self._stream: IOStream | None = None  # that the connection has been given
        self._read: asyncio.Future[bytes] | None = None
        self._held = False  # the read has ended while reading was paused
        self._paused = False
        self._unsent: list[Chunk] = []
        self._will_send = False
        self._closing = False
        self._opening = asyncio.ensure_future(self._open())
        ioloop.add_future(self._opening, self._opened)

    # Opening.

    def cancel(self) -> None:
        """Tell the connection nothing more, and close what it has not been given."""
        self._connection = None
        self._opening.cancel()

    async def _open(self) -> IOStream:
        step = self._step
        try:
            sock = socket.socket(step.family, socket.SOCK_STREAM)
        except OSError as error:
            raise connect_error(step, error) from error
        try:
            sock.setblocking(False)
            set_sock_opts(step.parameters.tcp_options, sock)
            await asyncio.get_running_loop().sock_connect(sock, step.address)
        except OSError as error:
            sock.close()
            raise connect_error(step, error) from error
        except BaseException:
            sock.close()
            raise
        self.tcp_connected = True
        if step.parameters.ssl_options is None:
            return IOStream(sock)
        return await _start_tls(sock, step.parameters)

    def _opened(self, opening: asyncio.Future[IOStream]) -> None:
        if opening.cancelled():
            return
        if self._connection is None:
            if opening.exception() is None:
                opening.result().close()
            return
        try:
            stream = opening.result()
        except Exception as error:
            self._failed(error)
            return
        self._stream = stream
        stream.set_close_callback(self._on_closed)
        try:
            self._made(self)
        finally:
            self._read_more()

    # Reading.

    def pause_reading(self) -> None:
        """See `Transport`."""
        self._paused = True

    def resume_reading(self) -> None:
        """See `Transport`."""
        self._paused = False
        if self._held and self._read is not None:
            self._held = False
            self._ioloop.add_future(self._read, self._on_read)
        else:
            self._read_more()

    def drain(self) -> bool:
        """See `Transport`: only the loop can read."""
        self.resume_reading()
        return False

    def _read_more(self) -> None:
        if self._paused or self._read is not None or self._stream is None:
            return
        try:
            read: Any = self._stream.read_bytes(_READ_SIZE, partial=True)  # a Future
        except OSError:  # it has ended, and all that came before is told
            self._ioloop.add_callback(self._lost)
        else:
            self._read = read
            self._ioloop.add_future(read, self._on_read)

    def _on_read(self, read: asyncio.Future[bytes]) -> None:
        if self._paused and not self._closing:
            self._held = True
            return
        self._read = None
        try:
            data = read.result()
        except OSError:
            self._lost()
            return
        try:
            if self._connection is not None and not self._closing:
                self._connection.data_received(data)
        finally:
            self._read_more()

    # Writing.

    def writelines(self, chunks: list[Chunk]) -> None:
        """See `Transport`; in one send where the socket takes it."""
        self._unsent += chunks
        if asyncio._get_running_loop() is not None:
            self._send()
        elif not self._will_send:  # IOStream makes futures, which want a loop that runs
            self._will_send = True
            self._ioloop.add_callback(self._send)

    def _send(self) -> None:
        self._will_send = False
        unsent, self._unsent = self._unsent, []
        if unsent and self._stream is not None and not self._stream.closed():
            self._stream.write(b''.join(unsent))

    # The end.

    def close(self) -> None:
        """See `Transport`."""
        self._closing = True
        self._ioloop.add_callback(self._close)

    def _close(self) -> None:
        self._send()
        if self._stream is not None and not self._stream.closed():
            # Nothing more, but done when all before it is.
            self._ioloop.add_future(self._stream.write(b''), lambda written: self.abort())

    def abort(self) -> None:
        """See `Transport`."""
        self._closing = True
        if self._stream is not None:
            self._stream.close()

    def _on_closed(self) -> None:
        if self._closing:  # else the read that follows what came before tells it
            self._lost()

    def _lost(self) -> None:
        stream, self._stream = self._stream, None
        connection, self._connection = self._connection, None
        if stream is not None and connection is not None:
            error = stream.error
            connection.connection_lost(
                lost_error(self._step.parameters, error) if isinstance(error, Exception) else None)


async def _start_tls(sock: socket.socket, parameters: Parameters) -> IOStream:
    from pika.transport.tls import tls_error  # not everybody needs ssl
    options = parameters.ssl_options
    assert options is not None
    stream: SSLIOStream | None = None
    try:
        sock = options.context.wrap_socket(sock,
                                           server_hostname=options.server_hostname or
                                           parameters.host,
                                           do_handshake_on_connect=False)
        stream = SSLIOStream(sock, ssl_options=options.context)
        return await stream.wait_for_handshake()
    except BaseException as error:
        if stream is not None:
            stream.close()
        sock.close()
        if not isinstance(error, (OSError, ValueError)):
            raise
        cause = getattr(error, 'real_error', error)  # StreamClosedError has one, or None
        if cause is None:
            text = 'the peer ended the connection during the TLS handshake'
        else:
            text = f'TLS handshake failed: {cause}'
        raise tls_error(parameters, text, cause) from cause
