"""A broker's side over a real socket, played by a function in a thread of the test."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Callable

import pika_testing
import pytest
from pika import frame, spec
from pika.parameters import ConnectionParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.amqp_object import Method

PATIENCE = 10.0


class Peer:
    """What a broker does, step by step; each step that does not fit is an AssertionError."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.tag = ''
        sock.settimeout(PATIENCE)
        self._unparsed = b''

    def hear(self, expected: type) -> object:
        """The next frame or method, which has to be of this class; heartbeats are passed over."""
        while True:
            size, heard = frame.decode_frame(self._unparsed)
            if heard is None:
                data = self.socket.recv(1 << 20)
                assert data, f'end of the stream where {expected} was expected'
                self._unparsed += data
                continue
            self._unparsed = self._unparsed[size:]
            if isinstance(heard, frame.Heartbeat) and expected is not frame.Heartbeat:
                continue
            what = heard.method if isinstance(heard, frame.Method) else heard
            assert isinstance(what, expected), f'expected {expected.__name__}, heard {what!r}'
            return what

    def hear_until(self, expected: type) -> object:
        """The next method of this class, whatever comes before."""
        while True:
            heard = self.hear(object)
            if isinstance(heard, expected):
                return heard

    def hear_message(self) -> bytes:
        """The body of the next message, which has to be published now."""
        self.hear(spec.Basic.Publish)
        header = self.hear(frame.Header)
        body = b''
        while len(body) < header.body_size:
            body += self.hear(frame.Body).fragment
        return body

    def hear_end(self) -> None:
        """Nothing but heartbeats comes any more."""
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return
            if not data:
                return
            assert not data.replace(frame.HEARTBEAT_FRAME, b''), data

    def say(self, *methods: Method, channel: int = 1) -> None:
        """Send methods in one segment."""
        self.socket.sendall(b''.join(frame.method_frame(channel, method) for method in methods))

    def say_heartbeat(self) -> None:
        """Send a sign of life."""
        self.socket.sendall(frame.HEARTBEAT_FRAME)

    def deliver(self, *bodies: bytes, first: int = 1, then: bytes = b'') -> None:
        """Send deliveries to the consumer, and other bytes behind them, in one segment."""
        frames = []
        for number, body in enumerate(bodies, first):
            deliver = spec.Basic.Deliver(self.tag, number, False, '', 'q')
            frames += pika_testing.message_frames(1, deliver, body=body)
        self.socket.sendall(b''.join(frames) + then)

    def handshake(self, heartbeat: int = 0) -> None:
        """Open the connection."""
        start, tune, open_ok = pika_testing.HANDSHAKE
        self.hear(frame.ProtocolHeader)
        self.say(start, channel=0)
        self.hear(spec.Connection.StartOk)
        self.say(spec.Connection.Tune(tune.channel_max, tune.frame_max, heartbeat), channel=0)
        self.hear(spec.Connection.TuneOk)
        self.hear(spec.Connection.Open)
        self.say(open_ok, channel=0)

    def open_channel(self, heartbeat: int = 0) -> None:
        """Open the connection and channel 1."""
        self.handshake(heartbeat)
        self.hear(spec.Channel.Open)
        self.say(spec.Channel.OpenOk())

    def consume(self) -> None:
        """Let the client start a consumer."""
        self.tag = self.hear(spec.Basic.Consume).consumer_tag
        self.say(spec.Basic.ConsumeOk(self.tag))

    def close(self) -> None:
        """Let the client close the connection."""
        self.hear(spec.Connection.Close)
        self.say(spec.Connection.CloseOk(), channel=0)
        self.hear_end()


class Server:
    """Listens on loopback; `play` runs in a thread for each connection, one after the other."""

    def __init__(self, play: Callable[[Peer], None], family: int = socket.AF_INET) -> None:
        self.errors: list[BaseException] = []
        self.accepted = 0
        self._play = play
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind(('::1' if family == socket.AF_INET6 else '127.0.0.1', 0))
        self._socket.listen()
        self.port: int = self._socket.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            sock, _ = self._socket.accept()
            with sock:
                if self._stopping:
                    return
                self.accepted += 1
                try:
                    self._play(Peer(sock))
                except BaseException as error:
                    self.errors.append(error)

    def stop(self) -> None:
        """Stop, and raise what went wrong."""
        self._stopping = True
        socket.create_connection(self._socket.getsockname()[:2], timeout=PATIENCE).close()
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive(), 'the server still plays'
        if self.errors:
            raise self.errors[0]


Serve = Callable[..., ConnectionParameters]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(play, **parameters) starts a server and returns parameters that lead to it."""
    servers: list[Server] = []

    def start(play: Callable[[Peer], None], **parameters: object) -> ConnectionParameters:
        server = Server(play)
        servers.append(server)
        return ConnectionParameters(host='127.0.0.1', port=server.port, **parameters)

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]
