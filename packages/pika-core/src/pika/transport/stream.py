"""A non-blocking TCP stream, with TLS where asked for, over any loop that can watch a descriptor.

Rule: the stream never waits, starts no thread and reads no clock. Whoever owns it bounds time with
timers of its own and calls `abort`. Of the loop it needs one method:

    watch(fd, on_readable, on_writable)

Call the one without arguments whenever `fd` can be read (or has an error), the other whenever it
can be written, level-triggered. A None is not watched; two stop the watching. Never call either
from inside `watch`.

The owner has four methods: on_connected() once, then on_data(bytes) and on_eof(), and in every case
on_lost(error) exactly once, as the last call. Any of them may call any method of the stream. An
owner that calls `connect`, `close` or `abort` may get its on_lost before that returns.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from itertools import islice

from pika.exceptions import AMQPConnectionError, StreamLostError
from pika.tcp_socket_opts import set_sock_opts
from pika.transport.endpoints import connect_error, lost_error
from pika.transport.tls import TLSFilter, tls_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from pika.transport.endpoints import Connect
    from pika.transport.tls import Chunk

    class Loop(Protocol):
        """What a stream needs of a loop; the rule above says when to call back."""

        def watch(self, fd: int, on_readable: Callable[[], None] | None,
                  on_writable: Callable[[], None] | None, /) -> None:
            """Watch `fd` from now on for these two, in place of what was watched before."""

    class Owner(Protocol):
        """Who uses a stream."""

        def on_connected(self) -> None:
            """Take note that the peer can be talked to: TCP, and TLS where asked for."""

        def on_data(self, data: bytes, /) -> None:
            """Take what the peer sent."""

        def get_body_buffer(self) -> memoryview | None:
            """Say where what comes next may be read to; None for `on_data`, always with TLS."""

        def on_body(self, size: int, /) -> None:
            """Take the bytes that the peer sent into that, one or more."""

        def on_eof(self) -> None:
            """Take note that the peer sends no more: close the stream once all is said."""

        def on_lost(self, error: Exception | None, /) -> None:
            """Take note of the end: None after `close` or `abort`, else what broke it."""


# Measured over loopback: 16 KiB, 256 KiB and 1 MiB are all slower.
_READ_SIZE = 65536
# Reads in one turn: other descriptors of the loop want theirs too.
_READS = 4
# The kernel takes 1024 at most; beyond some dozens nothing is gained.
_BUFFERS = 64
# A program that has set SIGPIPE back to its default must not be killed by a broken connection.
_FLAGS = getattr(socket, 'MSG_NOSIGNAL', 0)


def _send_some(sock: socket.socket, buffers: list[Chunk]) -> int:
    if hasattr(sock, 'sendmsg'):
        return sock.sendmsg(buffers, (), _FLAGS)
    return sock.send(b''.join(buffers[:8]))  # Windows; 8 bound what a full kernel makes us copy.


class Stream:
    """One connection to one address.

    Args:
        loop: watches the descriptor.
        owner: is told what happens.
        step: where to connect to, from `endpoint_plan`.

    Attributes:
        truncated: the peer ended a TLS connection without saying close_notify. No harm in AMQP,
            whose frames have lengths, but a hint: RabbitMQ 3 refuses a client's certificate so.
    """

    def __init__(self, loop: Loop, owner: Owner, step: Connect) -> None:
        self.truncated = False
        self._loop = loop
        self._owner = owner
        self._step = step
        self._socket: socket.socket | None = None
        self._tls: TLSFilter | None = None
        self._output: deque[Chunk] = deque()
        self._output_size = 0
        self._watched = (False, False)
        self._connecting = True  # TCP is not there yet.
        self._connected = False  # on_connected was called.
        self._paused = False
        self._closing = False
        self._eof = False
        self._ended = False  # on_lost was called.
        # Why writing failed. What the peer said before (often why it closes) is still read first.
        self._doom: Exception | None = None

    @property
    def pending(self) -> int:
        """Bytes that wait in this process, as they will go to the kernel."""
        return self._output_size + (self._tls.pending if self._tls else 0)

    @property
    def tcp_connected(self) -> bool:
        """Whether TCP is there, so that TLS, where asked for, is what is waited for."""
        return not self._connecting

    def connect(self) -> None:
        """Start to connect; on_connected or on_lost tells the outcome."""
        parameters = self._step.parameters
        try:
            if parameters.ssl_options is not None:
                self._tls = TLSFilter(parameters)
                self._tls.send(self._output)  # Written before `connect`: not in the clear.
                self._drop_output()
            self._socket = socket.socket(self._step.family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            set_sock_opts(parameters.tcp_options, self._socket)
            self._socket.connect(self._step.address)
        except (BlockingIOError, InterruptedError):
            pass  # The usual case: the handshake of TCP is under way.
        except Exception as error:  # Also a TypeError from a strange value in tcp_options.
            self._lost(error)
            return
        self._update_watch()

    def writelines(self, chunks: Iterable[Chunk]) -> None:
        """Send these at once, as far as the kernel takes them, and the rest when it can.

        Nothing may change them until then. Writes made before the connection is there are kept;
        those after `close`, or once the connection is broken, are dropped: on_lost tells.
        """
        if self._ended or self._closing or self._doom:
            return
        if self._tls:
            self._tls.send(chunks)
            self._send_ciphertext()
        else:
            self._send(chunks)

    def pause_reading(self) -> None:
        """Leave what the peer sends in the kernel until `resume_reading`.

        Once a write has failed, the last words of the peer are delivered all the same.
        """
        self._paused = True
        self._update_watch()

    def resume_reading(self) -> None:
        """Read again, from the loop's next turn on."""
        self._paused = False
        self._update_watch()

    def drain(self) -> bool:
        """Deliver at once what the kernel holds (256 KiB at most): before judging a silent peer."""
        if self._connected:
            self._read(even_if_paused=True)
        return True

    def close(self) -> None:
        """Send what is pending, then close; what still arrives is dropped.

        A peer that does not read can hold this up for ever: bound it, with `abort`.
        """
        if self._ended or self._closing:
            return
        if not self._connected or self._doom:
            self._lost(self._doom)
            return
        if self._tls:
            self._tls.close()
            self._send_ciphertext()
        self._closing = True
        self._flush()

    def abort(self, error: Exception | None = None) -> None:
        """Close now and drop what is pending.

        Args:
            error: handed to on_lost. An OSError, such as a TimeoutError, becomes the error of the
                phase that it ended, with names of host and port.
        """
        self._lost(error)

    # Reading.

    def _read(self, even_if_paused: bool = False) -> None:
        for _ in range(_READS):
            if self._socket is None or not (self._wants_to_read() or even_if_paused or self._doom):
                return
            room = None if self._tls or self._closing else self._owner.get_body_buffer()
            data = b''
            size = wanted = 0
            try:
                if room is None:
                    wanted = _READ_SIZE
                    data = self._socket.recv(wanted)  # EINTR: Python tries again by itself.
                    size = len(data)
                else:
                    wanted = len(room)
                    size = self._socket.recv_into(room)
            except BlockingIOError:
                if self._doom:
                    self._lost(self._doom)
                return
            except OSError as error:
                self._lost(self._doom or error)
                return
            except BaseException:
                self._interrupted()
                raise
            if not size:
                self._received_eof()
                return
            if room is None:
                self._received(data)
            else:
                self._owner.on_body(size)
            # A short read has emptied the kernel's buffer; the call that would say so is saved.
            if size < wanted and not self._doom:
                return

    def _received(self, data: bytes) -> None:
        if self._closing:
            return
        tls = self._tls
        if tls is None:
            self._owner.on_data(data)
            return
        data = tls.receive(data)
        self._send_ciphertext()
        try:
            if tls.connected and not self._connected:
                self._connected = True
                self._owner.on_connected()
            if data and self._socket and not self._closing:
                self._owner.on_data(data)
        finally:
            if tls.error:
                self._lost(tls.error)
            elif tls.close_notify:
                self._received_eof()

    def _received_eof(self) -> None:
        if self._doom:
            self._lost(self._doom)
        if self._eof or self._socket is None:
            return
        self._eof = True
        self._update_watch()
        if self._tls and not self._closing:
            self._tls.receive_eof()
            self.truncated = not self._tls.close_notify
            if self._tls.error:
                self._lost(self._tls.error)
                return
        if not self._closing:
            self._owner.on_eof()

    # Writing.

    def _on_writable(self) -> None:
        if self._connecting:
            self._tcp_connected()
        elif self._doom:
            self._read()
        else:
            self._flush()

    def _tcp_connected(self) -> None:
        if self._socket is None:  # Lost earlier in this turn of the loop.
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lost(OSError(code, os.strerror(code)))
            return
        self._connecting = False
        if self._tls:
            self._tls.start()
            self._send_ciphertext()
            self._update_watch()
            if self._tls.error:
                self._lost(self._tls.error)
        else:
            self._connected = True
            self._flush()
            self._owner.on_connected()

    def _send_ciphertext(self) -> None:
        if self._tls:
            self._send(self._tls.data_to_send())
            if self._tls.connected and self._tls.error:
                self._doom = self._doom or self._tls.error
                self._update_watch()

    def _send(self, chunks: Iterable[Chunk]) -> None:
        kernel_is_full = bool(self._output)
        for chunk in chunks:
            if len(chunk):
                self._output.append(chunk)
                self._output_size += len(chunk)
        if not kernel_is_full and not self._connecting:
            self._flush()

    def _flush(self) -> None:
        output = self._output
        while output and self._socket and not self._doom:
            try:
                sent = _send_some(self._socket, list(islice(output, _BUFFERS)))
                self._output_size -= sent
                while sent:
                    first = output.popleft()
                    if sent < len(first):
                        output.appendleft(memoryview(first)[sent:])
                        break
                    sent -= len(first)
            except BlockingIOError:
                break
            except OSError as error:
                self._doom = self._wrapped(error)
                break
            except BaseException:
                self._interrupted()
                raise
        if self._doom:
            self._drop_output()
        if self._closing and not output:
            self._end_politely()
        self._update_watch()

    def _drop_output(self) -> None:
        self._output.clear()
        self._output_size = 0

    # The end.

    def _end_politely(self) -> None:
        if self._socket is None:
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
            # Bytes left unread would turn the close into a reset, which destroys what we sent last.
            for _ in range(_READS):
                if not self._socket.recv(_READ_SIZE):
                    break
        except OSError:
            pass
        self._lost(self._doom)

    def _lost(self, error: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._socket:
            if any(self._watched):
                self._loop.watch(self._socket.fileno(), None, None)
            self._socket.close()
            self._socket = None
        self._drop_output()
        self._owner.on_lost(self._wrapped(error))

    def _interrupted(self) -> None:
        """A signal handler raised amid reading or writing: what went over the wire is unknown."""
        self._lost(StreamLostError('a signal handler raised while the stream was read or written'))

    def _wrapped(self, error: Exception | None) -> Exception | None:
        if not isinstance(error, OSError) or isinstance(error, AMQPConnectionError):
            return error
        parameters = self._step.parameters
        if self._connecting:
            return connect_error(self._step, error)
        if not self._connected:
            return tls_error(parameters, f'the TLS handshake did not end: {error}', error)
        return lost_error(parameters, error)

    # The loop.

    def _wants_to_read(self) -> bool:
        if self._connecting or self._eof:
            return False
        return not self._paused or self._closing or not self._connected

    def _update_watch(self) -> None:
        if self._socket is None:
            return
        broken = self._doom is not None  # Then both are ready at once, and `_read` finds the end.
        watched = (broken or self._wants_to_read(), broken or self._connecting or
                   bool(self._output))
        if watched != self._watched:
            self._watched = watched
            self._loop.watch(self._socket.fileno(), self._read if watched[0] else None,
                             self._on_writable if watched[1] else None)
