"""The consumers of one channel: those that have a callback, and the one that `consume` yields from.

Rule: a message is the broker's until it is handed over. What is here undelivered when its consumer
ends goes back to its queue, or, when the broker takes it for acknowledged already, to the caller.

The names and attributes that begin with an underscore, and `pending_events`, are those that
instrumentation of pika 1.x looks for.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic

from pika import frame, spec

from pika_blocking.driver import Pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Callable, Optional, Union

    from pika import events
    from pika.data import FieldValue

    from pika_blocking.channel import BlockingChannel

    MessageCallback = Callable[['BlockingChannel', spec.Basic.Deliver, spec.BasicProperties, bytes],
                               object]
    CancelCallback = Callable[[frame.Method[spec.Basic.Cancel]], object]
    Arguments = Optional[Mapping[str, FieldValue]]
    Message = tuple[spec.Basic.Deliver, spec.BasicProperties, bytes]
    NoMessage = tuple[None, None, None]

LOGGER = logging.getLogger(__name__)


class _ConsumerInfo:
    """A consumer of `basic_consume`."""

    def __init__(self, channel: BlockingChannel, auto_ack: bool,
                 on_message_callback: MessageCallback) -> None:
        self.channel = channel
        self.auto_ack = auto_ack
        self.on_message_callback = on_message_callback

    def on_message(self, delivery: events.Delivery) -> None:
        """Hand a message over."""
        self.on_message_callback(self.channel, delivery.method, delivery.properties, delivery.body)


class _QueueConsumerGeneratorInfo:
    """The consumer of `consume`: `params` are (queue, auto_ack, exclusive).

    `pending_events` holds the messages that have not been yielded; `ended`: there will be no more
    of them.
    """

    def __init__(self, params: tuple[str, bool, bool], consumer_tag: str) -> None:
        self.params = params
        self.auto_ack = params[1]
        self.consumer_tag = consumer_tag
        self.pending_events: deque[events.Delivery] = deque()
        self.ended = False


if TYPE_CHECKING:
    Consumer = Union[_ConsumerInfo, _QueueConsumerGeneratorInfo]


class Consumers:
    """Starts, feeds and ends the consumers of `channel`.

    Attributes:
      infos: by consumer tag.
      generator: that of `consume`, while there is one.
      cancel_callbacks: run when the broker cancels a consumer that has a callback.
    """

    def __init__(self, channel: BlockingChannel) -> None:
        self.infos: dict[str, Consumer] = {}
        self.generator: _QueueConsumerGeneratorInfo | None = None
        self.cancel_callbacks: list[CancelCallback] = []
        self._channel = channel
        self._connection = channel.connection
        self._driver = channel.connection._driver

    @property
    def have_callbacks(self) -> bool:
        """Whether there is a consumer that has a callback."""
        return len(self.infos) > (self.generator is not None)

    def start(self, info: Consumer, queue: str, exclusive: bool, consumer_tag: str | None,
              arguments: Arguments) -> str:
        """Start a consumer; return its tag."""
        method = spec.Basic.Consume(queue=queue,
                                    consumer_tag='' if consumer_tag is None else consumer_tag,
                                    no_ack=info.auto_ack,
                                    exclusive=exclusive,
                                    arguments=arguments)
        pending = Pending()
        tag = self._driver.command(self._driver.protocol.consume, self._channel.channel_number,
                                   method, pending, info)
        self.infos[tag] = info
        if isinstance(info, _QueueConsumerGeneratorInfo):
            info.consumer_tag = tag
            self.generator = info
        try:
            self._connection._wait(pending)
        except BaseException:
            self._forget(tag)
            if self._channel.is_open:  # interrupted, by Ctrl-C for example
                self._give_back(self._take_undelivered(info))
            raise
        return tag

    def cancel(self, consumer_tag: str) -> list[Message]:
        """End a consumer; return messages that it was not given and that count as acknowledged."""
        info = self.infos.get(consumer_tag)
        if info is None:
            LOGGER.info('Channel %s has no consumer %r to cancel', self._channel.channel_number,
                        consumer_tag)
            return []
        try:
            self._channel._call(spec.Basic.Cancel(consumer_tag), spec.Basic.CancelOk)
        except BaseException:
            self._forget(consumer_tag)
            if self._channel.is_open and not info.auto_ack:  # interrupted, by Ctrl-C for example
                self._give_back(self._take_undelivered(info))
            raise
        self._forget(consumer_tag)
        undelivered = self._take_undelivered(info)
        if info.auto_ack:
            return [
                (delivery.method, delivery.properties, delivery.body) for delivery in undelivered
            ]
        self._give_back(undelivered)
        return []

    def messages(self, params: tuple[str, bool,
                                     bool], arguments: Arguments, inactivity_timeout: float | None,
                 consumer_tag: str | None) -> Generator[Message | NoMessage, None, None]:
        """Yield the messages of a queue; three times None when `inactivity_timeout` has passed."""
        channel = self._channel
        channel._require_open()
        info = self.generator
        if info is None:
            info = _QueueConsumerGeneratorInfo(params, '')
            self.start(info, params[0], params[2], consumer_tag, arguments)
        elif info.params != params:
            raise ValueError(
                f'this channel has a consume() with (queue, auto_ack, exclusive) = {info.params}, '
                f'which ends with cancel(); got {params}')
        driver = self._driver
        moment = monotonic()
        try:
            while True:
                if info.pending_events:
                    delivery = info.pending_events.popleft()
                    self._connection._message_arrived = False
                    yield delivery.method, delivery.properties, delivery.body
                    moment = driver.between_messages(moment, info.pending_events)
                elif info.ended:
                    break
                elif not self._connection._advance(None if inactivity_timeout is None else moment +
                                                   inactivity_timeout):
                    yield None, None, None
                    moment = monotonic()
                elif info.pending_events:
                    moment = monotonic()
        finally:
            driver.release()
        channel._raise_if_ended_by_peer()

    def cancel_generator(self) -> None:
        """End `consume`."""
        if self.generator is not None:
            self.cancel(self.generator.consumer_tag)

    # What the broker does.

    def on_cancelled(self, event: events.ConsumerCancelled) -> None:
        """The broker ended a consumer; what came before is handed over before that is told."""
        info = event.consumer
        if isinstance(info, _QueueConsumerGeneratorInfo):
            self._forget(event.method.consumer_tag)
        else:
            self._connection._dispatcher.put(lambda: self._tell_cancelled(event))

    def on_closed(self, by_peer: bool) -> None:
        """The channel has ended, and the broker puts back what was not acknowledged.

        by_peer: the program did not ask for it; then it still gets what nobody else will.
        """
        for tag, info in list(self.infos.items()):
            if not (by_peer and info.auto_ack):
                self._take_undelivered(info)
            self._forget(tag)

    def _tell_cancelled(self, event: events.ConsumerCancelled) -> None:
        if self.infos.get(event.method.consumer_tag) is event.consumer:
            self._forget(event.method.consumer_tag)
            for callback in self.cancel_callbacks:
                callback(frame.Method(event.channel, event.method))

    def _forget(self, consumer_tag: str) -> None:
        info = self.infos.pop(consumer_tag, None)
        if isinstance(info, _QueueConsumerGeneratorInfo):
            info.ended = True
            self.generator = None

    def _take_undelivered(self, info: Consumer) -> list[events.Delivery]:
        if isinstance(info, _QueueConsumerGeneratorInfo):
            taken = list(info.pending_events)
            info.pending_events.clear()
            return taken
        return self._connection._dispatcher.take_deliveries(info)

    def _give_back(self, deliveries: list[events.Delivery]) -> None:
        for delivery in deliveries:
            self._driver.protocol.send(
                self._channel.channel_number,
                spec.Basic.Reject(delivery.method.delivery_tag, requeue=True))
        if deliveries:
            self._driver.send()
