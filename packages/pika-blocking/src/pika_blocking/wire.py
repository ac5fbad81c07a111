"""One TCP connection, with TLS where asked for.

Rule: nothing here blocks but `wait`, and nothing here raises. What the kernel does not take is
kept and leaves before all else; what breaks the connection is told to the protocol, after what the
peer said before.
"""

from __future__ import annotations

import itertools
import math
import select
import socket
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Union

    from pika.protocol import Protocol
    from pika.transport.tls import TLSFilter

    Chunk = Union[bytes, memoryview]

# Measured over loopback; larger reads are slower.
_READ_SIZE = 65536
# Bytes of output that are copied together for one `send`; more goes out where it lies.
_JOIN_LIMIT = 65536
# The kernel takes 1024 buffers at most; beyond some dozens nothing is gained.
_BUFFERS = 64
# A program that has set SIGPIPE back to its default must not be killed by a broken connection.
_FLAGS = getattr(socket, 'MSG_NOSIGNAL', 0)
_READS_AT_THE_END = 64
# Seconds in one wait: poll() takes milliseconds in 32 bits.
_LONGEST_WAIT = 1_000_000.0


class Wire:
    """A connected, non-blocking socket.

    Args:
      sock: belongs to the wire from now on.
      tls: the filter to speak through; its handshake begins now.
      wake: the reading end of a pair; `wait` with `wake=True` returns when it becomes readable.

    Attributes:
      tls: that filter; None for plain TCP.
      error: why nothing can be sent any more; None as long as it can.
      unsent: what the kernel has not taken yet.
      reads: how often something arrived.
    """

    def __init__(self,
                 sock: socket.socket,
                 tls: TLSFilter | None = None,
                 wake: socket.socket | None = None) -> None:
        self.error: Exception | None = None
        self.unsent: deque[Chunk] = deque()
        self.reads = 0
        self._socket = sock
        self.tls = tls
        self._waiter = _Waiter(sock, None)
        self._waiter_with_wake = _Waiter(sock, wake)
        if tls is not None:
            tls.start()
            self._send(tls.data_to_send())

    def write(self, chunks: list[Chunk], size: int) -> bool:
        """Send `chunks`, which are `size` bytes; True when the kernel has taken all.

        Else some of it is in `unsent`, or `error` says why it was dropped.
        """
        if self.tls is not None:
            self.tls.send(chunks)
            return self._send_ciphertext()
        if self.unsent or self.error is not None or (len(chunks) > 1 and size > _JOIN_LIMIT):
            return self._send(chunks)
        data = chunks[0] if len(chunks) == 1 else b''.join(chunks)
        try:
            sent = self._socket.send(data, _FLAGS)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.error = error
            return False
        if sent == len(data):
            return True
        self.unsent.append(memoryview(data)[sent:])
        return False

    def flush(self) -> bool:
        """Send of `unsent` what the kernel takes now; True when that was all."""
        unsent = self.unsent
        while unsent:
            buffers = list(itertools.islice(unsent, _BUFFERS))
            try:
                if hasattr(self._socket, 'sendmsg'):
                    sent = self._socket.sendmsg(buffers, (), _FLAGS)
                else:  # Windows
                    sent = self._socket.send(buffers[0])
            except BlockingIOError:
                return False
            except OSError as error:
                self.error = error
                unsent.clear()
                return False
            while sent:
                first = unsent.popleft()
                if sent < len(first):
                    unsent.appendleft(memoryview(first)[sent:])
                    break
                sent -= len(first)
        return self.error is None

    def read(self, protocol: Protocol, now: float) -> bool:
        """Hand the protocol what has arrived, one buffer of it at most; False when nothing had.

        The end of the stream counts as something.
        """
        if self.tls is not None:
            return self._read_tls(self.tls, protocol, now)
        room = protocol.get_body_buffer()
        data = b''
        try:
            if room is None:
                data = self._socket.recv(_READ_SIZE)
                size = len(data)
            else:
                size = self._socket.recv_into(room)
        except BlockingIOError:
            return False
        except OSError as error:
            protocol.connection_lost(self.error or error, now)
            return True
        self.reads += 1
        if not size:
            protocol.receive_eof(now)
        elif room is None:
            protocol.receive_data(data, now)
        else:
            protocol.buffer_updated(size, now)
        return True

    def lose(self, protocol: Protocol, now: float) -> None:
        """Tell the protocol that nothing can be sent, after all that the peer said (rule 19)."""
        for _ in range(_READS_AT_THE_END):
            if not self.read(protocol, now):
                break
        protocol.connection_lost(self.error, now)

    def wait(self, timeout: float | None, wake: bool = False) -> tuple[bool, bool]:
        """Block until something arrives or can be sent, for about `timeout` seconds at most.

        None, and any number of days, is no limit. Nothing is moved here, so an interrupt (Ctrl-C)
        loses nothing.

        Returns:
          Whether something has arrived, and whether `flush` will send something.
        """
        waiter = self._waiter_with_wake if wake else self._waiter
        if timeout is not None:
            timeout = min(timeout, _LONGEST_WAIT)
        return waiter.wait(timeout, bool(self.unsent))

    def close(self, timeout: float) -> None:
        """Close the socket; what is unsent may take `timeout` seconds before."""
        if self.tls is not None:
            self.tls.close()
            self._send_ciphertext()
        if not self.flush() and self.error is None:
            self._waiter.wait(timeout, True)
            self.flush()
        try:
            self._socket.shutdown(socket.SHUT_WR)
            # Bytes left unread would turn the close into a reset, which destroys what we sent last.
            for _ in range(_READS_AT_THE_END):
                if not self._socket.recv(_READ_SIZE):
                    break
        except OSError:
            pass
        self.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        self.unsent.clear()
        self._socket.close()

    def _send(self, chunks: Iterable[Chunk]) -> bool:
        if self.error is not None:
            return False
        self.unsent.extend(chunk for chunk in chunks if len(chunk))
        return self.flush()

    def _send_ciphertext(self) -> bool:
        assert self.tls is not None
        sent = self._send(self.tls.data_to_send())
        if self.tls.error is not None and self.error is None:
            self.error = self.tls.error
            return False
        return sent

    def _read_tls(self, tls: TLSFilter, protocol: Protocol, now: float) -> bool:
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return False
        except OSError as error:
            protocol.connection_lost(self.error or error, now)
            return True
        self.reads += 1
        if not data:
            tls.receive_eof()
        plaintext = tls.receive(data)
        # Reading may require writing: handshake, key update, alert.
        self._send_ciphertext()
        if plaintext:
            protocol.receive_data(plaintext, now)
        if tls.error is not None:
            protocol.connection_lost(tls.error, now)
        elif tls.close_notify or not data:
            protocol.receive_eof(now)
        return True


class _Waiter:
    """Waits for a socket, and for the wake-up of another thread where there is one."""

    def __init__(self, sock: socket.socket, wake: socket.socket | None) -> None:
        self._socket = sock
        self._wake = wake
        self._fd = sock.fileno()
        self._poll = None
        if hasattr(select, 'poll'):
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
            if wake is not None:
                self._poll.register(wake.fileno(), select.POLLIN)
        self._for_writing: bool | None = False

    def wait(self, timeout: float | None, for_writing: bool) -> tuple[bool, bool]:
        """Whether the socket is readable and writable; an error makes it readable."""
        if self._poll is None:
            return self._select(timeout, for_writing)
        if for_writing != self._for_writing:
            self._for_writing = None  # unknown, should an interrupt come between
            self._poll.modify(self._fd, select.POLLIN | (select.POLLOUT if for_writing else 0))
            self._for_writing = for_writing
        # Rounded up: a wait that ends too early would be repeated until the moment has come.
        milliseconds = None if timeout is None else math.ceil(timeout * 1000)
        readable = writable = False
        for fd, event in self._poll.poll(milliseconds):
            if fd == self._fd:
                readable = event != select.POLLOUT
                writable = bool(event & select.POLLOUT)
            else:
                self._hear()
        return readable, writable

    def _hear(self) -> None:
        """Take the knocks, so that the next wait waits."""
        assert self._wake is not None
        try:
            while len(self._wake.recv(4096)) == 4096:
                pass
        except OSError:
            pass

    def _select(self, timeout: float | None, for_writing: bool) -> tuple[bool, bool]:
        readers = [self._socket] if self._wake is None else [self._socket, self._wake]
        writers = [self._socket] if for_writing else []
        readable, writable, _ = select.select(readers, writers, [], timeout)
        if self._wake in readable:
            self._hear()
        return self._socket in readable, self._socket in writable
