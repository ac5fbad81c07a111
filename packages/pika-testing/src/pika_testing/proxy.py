"""A TCP proxy that misbehaves on demand, to be put between a client and a broker.

Rule: it never looks into the bytes, so it does the same to TLS. It listens on 127.0.0.1 and runs in
threads of its own, all of which end with the `with` block.
"""

from __future__ import annotations

import contextlib
import socket
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_CHUNK = 65536


class FaultProxy:
    """Passes connections on to a broker until it is told otherwise; a context manager.

    Args:
      target: host and port to pass connections on to.

    Attributes:
      port: where it listens, on 127.0.0.1.
      connections: how many it has accepted so far.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.connections = 0
        self._target = target
        self._server = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._server.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> FaultProxy:
        self._start(self._accept)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._server.close()
        self.cut()
        self._flowing.set()
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()

    def stall(self) -> None:
        """Pass on nothing from now on, in either direction; both ends stay connected."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on what has waited, and all that follows."""
        self._flowing.set()

    def cut(self) -> None:
        """End every connection at once, in both directions."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target,
                                  args=arguments,
                                  name=f'FaultProxy {self.port}',
                                  daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._server.accept()[0]
            except OSError:  # it was shut down
                return
            self.connections += 1
            self._sockets.append(client)
            try:
                broker = socket.create_connection(self._target)
            except OSError:  # as the client would have seen without us
                client.shutdown(socket.SHUT_RDWR)
                continue
            self._sockets.append(broker)
            self._start(self._pump, client, broker)
            self._start(self._pump, broker, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                data = source.recv(_CHUNK)
                self._flowing.wait()
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
