"""The driver of adapters of the callback API: `pika.connection.Connection` on a loop.

Rule: the loop runs in short turns, and ends each as soon as what is waited for has happened.
"""

from __future__ import annotations

import ssl
import time

from pika import exceptions, spec

from pika_testing.contract.interface import SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

    from pika import frame
    from pika.channel import Channel
    from pika.connection import Connection
    from pika.parameters import Parameters

    from pika_testing.contract.interface import Message

_TURN = 0.01  # seconds between two looks at what no callback tells of


class CallbackDriver:
    """Drives `connection_class`, on one loop.

    A subclass says what the loop is and, where that has other names for it than `pika`'s `IOLoop`,
    how to `start` and `stop` it, to call something `call_later`, or soon from another thread. A
    loop that does not let out of `start` what callbacks raise adds it to `errors`.
    """

    connection_class: ClassVar[Any]  # a subclass of Connection with the constructor of pika 1.x
    callbacks = frozenset([
        'message', 'return', 'cancel', 'timer', 'threadsafe', 'blocked', 'unblocked', 'reply',
        'get', 'confirm', 'channel open', 'channel close', 'connection close'
    ])
    pipelines = True
    connects = True
    certificate_errors = ssl.SSLCertVerificationError

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.loop = self.new_loop()
        self._clients: list[CallbackClient] = []
        self._until: Callable[[], object] | None = None
        self._turn = 0

    # What a subclass gives. Any: each loop has its own class.

    def new_loop(self) -> Any:
        """Make a loop."""
        raise NotImplementedError

    def start(self) -> None:
        """Run the loop until `stop`."""
        self.loop.start()

    def stop(self) -> None:
        """End the present turn of the loop."""
        self.loop.stop()

    def call_later(self, delay: float, callback: Callable[[], object]) -> object:
        """Have the loop call `callback` in `delay` seconds."""
        return self.loop.call_later(delay, callback)

    def add_callback_threadsafe(self, callback: Callable[[], object]) -> object:
        """Have the loop call `callback`; from any thread."""
        return self.loop.add_callback(callback)

    def close_loop(self) -> None:
        """Close the loop."""
        self.loop.close()

    # What the contract asks.

    def connect(self, *parameters: Parameters) -> CallbackClient:
        """See `Driver.connect`."""
        client = CallbackClient(self)
        self._clients.append(client)
        if len(parameters) == 1:
            client.connect(parameters[0])
        else:
            self.connection_class.create_connection(parameters,
                                                    self.noted(client.on_done),
                                                    custom_ioloop=self.loop)
        client.run(lambda: client.opened or client.ends)
        if not client.opened:
            raise client.ends[0]
        return client

    def take_errors(self) -> list[BaseException]:
        """See `Driver.take_errors`."""
        errors, self.errors = self.errors, []
        return errors

    def close(self) -> None:
        """See `Driver.close`."""
        for client in self._clients:
            if not client.ends:
                client.close()
        over = time.monotonic() + 5 * _TURN  # streams may close in turns of their own
        self.run(lambda: time.monotonic() > over, SECONDS)
        self.close_loop()
        for client in self._clients:
            assert len(client.ends) == 1, client.ends
            assert client.opened <= 1

    def noted(self, callback: Callable[..., object]) -> Callable[..., None]:
        """`callback`, after which the loop stops if what is waited for has happened."""

        def call(*arguments: object) -> None:
            callback(*arguments)
            if self._until is not None and self._until():
                self.stop()

        return call

    def run(self, until: Callable[[], object], seconds: float) -> None:
        """See `Client.run`."""
        deadline = time.monotonic() + seconds
        self._until = until
        try:
            while not until():
                if time.monotonic() >= deadline:
                    raise TimeoutError(f'what was waited for has not happened in {seconds} s')
                self._end_turn_later()
                try:
                    self.start()
                except Exception as error:
                    self.errors.append(error)
        finally:
            self._until = None
            self._turn += 1

    def _end_turn_later(self) -> None:
        self._turn += 1
        turn = self._turn
        # It may come too late, when another turn has begun.
        self.call_later(_TURN, lambda: self.stop() if self._turn == turn else None)


class CallbackClient:
    """See `Client`."""

    native: Any

    def __init__(self, driver: CallbackDriver) -> None:
        self.driver = driver
        self.opened = 0
        self.ends: list[Exception] = []
        self.blocked: list[str] = []
        self.call_later = driver.call_later
        self.add_callback_threadsafe = driver.add_callback_threadsafe

    def connect(self, parameters: Parameters) -> None:
        """Make the connection, which then connects."""
        noted = self.driver.noted
        self.native = self.driver.connection_class(parameters,
                                                   on_open_callback=noted(self._on_open),
                                                   on_open_error_callback=noted(self._on_end),
                                                   on_close_callback=noted(self._on_end),
                                                   custom_ioloop=self.driver.loop)
        self._watch()

    def on_done(self, outcome: Connection | Exception) -> None:
        """What `create_connection` reports."""
        if isinstance(outcome, Exception):
            self.ends.append(outcome)
        else:
            self.native = outcome
            outcome.add_on_close_callback(self.driver.noted(self._on_end))
            self._watch()
            self._on_open(outcome)

    def _watch(self) -> None:
        noted = self.driver.noted
        self.native.add_on_connection_blocked_callback(
            noted(lambda connection, frame: self.blocked.append('blocked')))
        self.native.add_on_connection_unblocked_callback(
            noted(lambda connection, frame: self.blocked.append('unblocked')))

    def _on_open(self, connection: Connection) -> None:
        assert connection is self.native and connection.is_open and not self.ends
        self.opened += 1

    def _on_end(self, connection: Connection, reason: Exception) -> None:
        assert connection is self.native and connection.is_closed
        self.ends.append(reason)

    def run(self, until: Callable[[], object], seconds: float = SECONDS) -> None:
        """See `Client.run`."""
        self.driver.run(until, seconds)

    def channel(self) -> CallbackChannel:
        """See `Client.channel`."""
        opened: list[Channel] = []
        native = self.native.channel(on_open_callback=self.driver.noted(opened.append))
        channel = CallbackChannel(self, native)
        self.run(lambda: opened or channel.ends)
        if not opened:
            raise channel.ends[0]
        return channel

    def close(self) -> None:
        """See `Client.close`."""
        self.native.close(200, 'as the contract says')
        self.run(lambda: self.ends)
        end, = self.ends
        assert isinstance(end, exceptions.ConnectionClosedByClient), end
        assert (end.reply_code, end.reply_text) == (200, 'as the contract says')


class CallbackChannel:
    """See `Channel`."""

    def __init__(self, client: CallbackClient, native: Channel) -> None:
        self.client = client
        self.native: Any = native
        self.ends: list[Exception] = []
        self.returned: list[Message] = []
        self.cancelled: list[str] = []
        self.outcomes: dict[int, str] = {}  # of publishes, by delivery tag
        self._published = 0
        noted = client.driver.noted
        native.add_on_close_callback(noted(self._on_close))
        native.add_on_return_callback(
            noted(lambda channel, *message: self.returned.append(message)))
        native.add_on_cancel_callback(
            noted(lambda frame: self.cancelled.append(frame.method.consumer_tag)))

    def _on_close(self, channel: Channel, reason: Exception) -> None:
        assert channel is self.native and channel.is_closed
        self.ends.append(reason)

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """See `Channel.call`."""
        answers: list[object] = []
        getattr(self.native, operation)(*arguments,
                                        callback=self.client.driver.noted(answers.append),
                                        **options)
        self.client.run(lambda: answers or self.ends)
        if not answers:
            raise self.ends[0]
        return answers[0]

    def do(self, operation: str, *arguments: Any, **options: Any) -> None:
        """See `Channel.do`."""
        getattr(self.native, operation)(*arguments, **options)

    def begin(self, callback: Callable[[Any], object], operation: str, *arguments: Any,
              **options: Any) -> None:
        """See `Channel.begin`."""
        getattr(self.native, operation)(*arguments, callback=callback, **options)

    def confirm(self) -> None:
        """See `Channel.confirm`."""
        self.call('confirm_delivery', self.client.driver.noted(self._on_confirm))

    def _on_confirm(self, method_frame: frame.Method[spec.Basic.Ack | spec.Basic.Nack]) -> None:
        method = method_frame.method
        outcome = 'ack' if isinstance(method, spec.Basic.Ack) else 'nack'
        for tag in range(1, method.delivery_tag + 1) if method.multiple else [method.delivery_tag]:
            self.outcomes.setdefault(tag, outcome)

    def publish_confirmed(self,
                          exchange: str,
                          routing_key: str,
                          bodies: Sequence[bytes],
                          mandatory: bool = False) -> list[str]:
        """See `Channel.publish_confirmed`."""
        first = self._published + 1
        tags = range(first, first + len(bodies))
        self._published += len(bodies)
        back = len(self.returned)
        for tag, body in zip(tags, bodies):
            self.native.basic_publish(exchange, routing_key, body,
                                      spec.BasicProperties(message_id=str(tag)), mandatory)
        self.client.run(lambda: self.ends or all(tag in self.outcomes for tag in tags))
        if self.ends:
            raise self.ends[0]
        for _, properties, _ in self.returned[back:]:
            self.outcomes[int(properties.message_id or 0)] = 'returned'
        return [self.outcomes[tag] for tag in tags]

    def consume(self, queue: str, on_message: Callable[..., object], **options: Any) -> str:
        """See `Channel.consume`."""
        noted = self.client.driver.noted
        started: list[object] = []
        tag: str = self.native.basic_consume(queue,
                                             noted(lambda channel, *message: on_message(*message)),
                                             callback=noted(started.append),
                                             **options)
        self.client.run(lambda: started or self.ends)
        if not started:
            raise self.ends[0]
        return tag

    def get(self, queue: str, auto_ack: bool = False) -> Message | None:
        """See `Channel.get`."""
        noted = self.client.driver.noted
        answers: list[Message | None] = []
        empty = noted(lambda frame: answers.append(None))
        self.native.add_callback(empty, [spec.Basic.GetEmpty])
        self.native.basic_get(queue, noted(lambda channel, *message: answers.append(message)),
                              auto_ack)
        self.client.run(lambda: answers or self.ends)
        if not answers:
            raise self.ends[0]
        return answers[0]

    def close(self) -> None:
        """See `Channel.close`."""
        self.native.close()
        self.client.run(lambda: self.ends)
        assert isinstance(self.ends[0], exceptions.ChannelClosedByClient), self.ends
