"""A broker in memory behind a port, plain or with TLS, in a thread.

Rule: the thread holds `lock` whenever it touches the broker, and so does whoever else does. It
never waits for one client: what a client does not take is kept, and no more is delivered to it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import selectors
import socket
import ssl
import threading
import urllib.parse
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any, Union

    from pika_testing.broker import MemoryBroker
    from pika_testing.broker.connection import ServerConnection

    Chunk = Union[bytes, memoryview]

LOGGER = logging.getLogger(__name__)

_READ_SIZE = 65536
_BUFFERS = 64  # that are written at once
_TLS_TIMEOUT = 10.0  # seconds for the handshake of TLS
_LONGEST_WAIT = 3600.0  # seconds; selectors take no larger numbers everywhere


class BrokerServer:
    """Serves a broker to clients on this machine; a context manager.

    Args:
      broker: what to serve.
      host: the address to listen on.
      port: where; 0 for any that is free.
      ssl_context: a server's context; None for plain TCP. If it asks for certificates, a client's
        common name can log in with EXTERNAL.

    Attributes:
      port: where it listens, once it has started.
      lock: held by the thread when it touches the broker. Hold it, too, or use `locked`.
    """

    def __init__(self,
                 broker: MemoryBroker,
                 host: str = '127.0.0.1',
                 port: int = 0,
                 ssl_context: ssl.SSLContext | None = None,
                 lock: threading.RLock | None = None) -> None:
        self.broker = broker
        self.host = host
        self.port: int = port
        self.lock = lock or threading.RLock()
        self._context = ssl_context
        self._stopping = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> BrokerServer:
        if self._thread is None:
            self.start()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, and serve from now on.

        Raises:
          OSError: the port cannot be had.
        """
        self._listener = socket.create_server((self.host, self.port), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._clients: dict[_Client, None] = {}
        self._restless: dict[_Client, None] = {}  # who has something to send
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name=f'broker {self.port}', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all connections at once, and the thread; no harm when that has been done."""
        if self._stopping or self._thread is None:
            return
        self._stopping = True
        self.wake()
        self._thread.join()
        with self.lock:
            for client in list(self._clients):
                client.close()
        self._selector.close()
        for sock in (self._listener, self._woken, self._waker):
            sock.close()

    def url(self, virtual_host: str = '/', user: str = 'guest', password: str = 'guest') -> str:
        """`amqp://`, or `amqps://` with TLS, with all that a client needs."""
        scheme = 'amqp' if self._context is None else 'amqps'
        parts = [urllib.parse.quote(part, safe='') for part in (user, password, virtual_host)]
        return f'{scheme}://{parts[0]}:{parts[1]}@{self.host}:{self.port}/{parts[2]}'

    def wake(self) -> None:
        """Have the thread look at the broker again."""
        with contextlib.suppress(OSError):  # so many wake it up that it does anyway, or it ended
            self._waker.send(b'\0')

    @contextlib.contextmanager
    def locked(self) -> Iterator[MemoryBroker]:
        """The broker, for the block alone; what the block has changed is sent afterwards."""
        with self.lock:
            yield self.broker
        self.wake()

    # The thread.

    def _run(self) -> None:
        while not self._stopping:
            with self.lock:
                due = self.broker.next_timeout()
                now = self.broker.clock.now()
            timeout = _LONGEST_WAIT if due is None else min(max(0.0, due - now), _LONGEST_WAIT)
            ready = self._selector.select(timeout)
            with self.lock:
                for key, mask in ready:
                    self._serve(key, mask)
                try:
                    self.broker.handle_timeout()
                except Exception:  # a mistake in there: clients are served all the same
                    LOGGER.exception('%r', self.broker)
                while self._restless:
                    client, _ = self._restless.popitem()
                    self._guard(client, client.write)

    def _serve(self, key: selectors.SelectorKey, mask: int) -> None:
        client = key.data
        if isinstance(client, _Client):
            if mask & selectors.EVENT_READ:
                self._guard(client, client.read)
            if mask & selectors.EVENT_WRITE:
                self._guard(client, client.write)
        elif key.fileobj is self._listener:
            self._accept()
        else:
            with contextlib.suppress(BlockingIOError):
                while len(self._woken.recv(4096)) == 4096:
                    pass

    def _guard(self, client: _Client, step: Callable[[], None]) -> None:
        """Whatever goes wrong with one client, the others go on."""
        try:
            step()
        except Exception:
            LOGGER.exception('%r', client)
            client.close()

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except OSError:  # it has gone again
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = f'{address[0]}:{address[1]}'
        tls = None if self._context is None else _TLS(self._context)
        _Client(self, sock, name, tls)

    # What clients ask.

    def add(self, client: _Client) -> None:
        """A client is there."""
        self._clients[client] = None
        self._selector.register(client.socket, selectors.EVENT_READ, client)

    def watch(self, client: _Client, mask: int) -> None:
        """Tell a client when it can read or write."""
        if client not in self._clients:
            return
        if not mask:  # blocked: its end is seen when it goes on
            with contextlib.suppress(KeyError):
                self._selector.unregister(client.socket)
        elif client.socket.fileno() in self._selector.get_map():
            self._selector.modify(client.socket, mask, client)
        else:
            self._selector.register(client.socket, mask, client)

    def remove(self, client: _Client) -> bool:
        """A client has gone; False when it had already."""
        if client not in self._clients:
            return False
        del self._clients[client]
        self._restless.pop(client, None)
        with contextlib.suppress(KeyError):
            self._selector.unregister(client.socket)
        return True

    def has_output(self, client: _Client) -> None:
        """The broker has something for a client."""
        self._restless[client] = None
        if threading.current_thread() is not self._thread:
            self.wake()


class _Client:
    """One socket and its connection."""

    def __init__(self, server: BrokerServer, sock: socket.socket, name: str,
                 tls: _TLS | None) -> None:
        self.socket = sock
        self._server = server
        self._name = name
        self._tls = tls
        self._connection: ServerConnection | None = None
        self._unsent: deque[Chunk] = deque()
        self._mask = selectors.EVENT_READ
        server.add(self)
        if tls is None:
            self._begin(None)
        else:  # the connection, which bounds the rest of the login, begins behind TLS
            clock = server.broker.clock
            server.broker.timers.add(clock.now() + _TLS_TIMEOUT, self._give_up)

    def _begin(self, certified: str | None) -> ServerConnection:
        connection = self._server.broker.accept(self._name, certified)
        connection.on_output = lambda: self._server.has_output(self)
        self._connection = connection
        return connection

    def _give_up(self, now: float) -> None:
        if self._connection is None:
            self.close()

    def read(self) -> None:
        """Take what the client has sent."""
        try:
            data = self.socket.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.close()
            return
        if self._tls is not None:
            try:
                data = self._tls.receive(data)
            except ssl.SSLError:
                self._flush_tls()
                self.close()
                return
            if self._tls.connected and self._connection is None:
                self._begin(self._tls.common_name())
        if data and self._connection is not None:
            self._connection.receive_data(data)
        if self._tls is not None and self._tls.ended:
            self._end()
        else:
            self.write()

    def write(self) -> None:
        """Send what there is, as far as the client takes it."""
        connection = self._connection
        if connection is not None and not self._unsent:
            chunks = connection.data_to_send()
            self._unsent.extend(chunks if self._tls is None else self._tls.encrypt(chunks))
        self._flush_tls()
        if not self._send():
            self.close()
        elif connection is not None and connection.is_over and not self._unsent:
            self._end()
        else:
            self._watch()

    def _flush_tls(self) -> None:
        if self._tls is not None:
            self._unsent.extend(self._tls.data_to_send())

    def _send(self) -> bool:
        """Whether the client is still there."""
        split = self._server.broker.faults.split_writes is not None
        while self._unsent:
            buffers = list(itertools.islice(self._unsent, 1 if split else _BUFFERS))
            try:
                sent = self.socket.sendmsg(buffers) if hasattr(
                    self.socket, 'sendmsg') else self.socket.send(buffers[0])
            except BlockingIOError:
                return True
            except OSError:
                return False
            while sent:
                first = self._unsent.popleft()
                if sent < len(first):
                    self._unsent.appendleft(memoryview(first)[sent:])
                    break
                sent -= len(first)
        connection = self._connection
        # What has waited for what has gone now; after a stall `resume` asks for it.
        stalled = self._server.broker.faults.stalled
        if connection is not None and connection.bytes_pending and not stalled:
            self._server.has_output(self)
        return True

    def _watch(self) -> None:
        wants = self._connection is None or self._connection.wants_data
        mask = (selectors.EVENT_READ if wants else 0) | (selectors.EVENT_WRITE
                                                         if self._unsent else 0)
        if mask != self._mask:
            self._mask = mask
            self._server.watch(self, mask)

    def _end(self) -> None:
        """Close after the last words: what the client still sends must not turn it into a reset."""
        if self._tls is not None:
            self._tls.close()
            self._flush_tls()
            self._send()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(_READ_SIZE):
                pass
        self.close()

    def close(self) -> None:
        """Close at once; no harm when it is closed."""
        if not self._server.remove(self):
            return
        self.socket.close()
        if self._connection is not None:
            self._connection.on_output = _nothing
            self._connection.receive_eof()


class _TLS:
    """The server's side of TLS, without a socket."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.connected = False
        self.ended = False  # the client sends no more
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def receive(self, ciphertext: bytes) -> bytes:
        """Take what the client sent; return what it meant."""
        self._incoming.write(ciphertext)
        if not self.connected:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                return b''
            self.connected = True
        plaintext = []
        try:
            while not self.ended:
                record = self._ssl.read(_READ_SIZE)
                plaintext.append(record)
                self.ended = not record
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b''.join(plaintext)

    def encrypt(self, chunks: list[Chunk]) -> list[Chunk]:
        """The ciphertext of these chunks."""
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[self._ssl.write(view):]
        return self.data_to_send()

    def data_to_send(self) -> list[Chunk]:
        """The ciphertext that waits."""
        return [self._outgoing.read()] if self._outgoing.pending else []

    def close(self) -> None:
        """Say close_notify; the client's own is not waited for."""
        if self.connected:
            with contextlib.suppress(ssl.SSLError):
                self._ssl.unwrap()

    def common_name(self) -> str | None:
        """The name in the client's certificate."""
        certificate: Any = self._ssl.getpeercert()  # typeshed allows strings where there are none
        for part in (certificate or {}).get('subject', ()):
            for key, value in part:
                if key == 'commonName':
                    return str(value)
        return None


def _nothing() -> None:
    pass
