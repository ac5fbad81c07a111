"""Publishes that wait for their confirms together, and what is known of each.

Rule: a message leaves the window when the broker has confirmed it, and no other way. One that was
refused or came back is kept until `wait` has told of it.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from pika import content, events, exceptions, spec

from pika_blocking.driver import Pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Union

    from pika_blocking.channel import BlockingChannel

    Body = Union[bytes, bytearray, memoryview, str]


class ReturnedMessage:
    """A message that is not where it should be.

    It is in `messages` of `UnroutableError` and `NackError`, and in the lists of a `ConfirmWindow`.

    Attributes:
      method: the `spec.Basic.Return` that the broker sent with it. Of a message that was not
        returned, one that is made here, with the exchange and routing key of the publish and
        reply_code 0.
      properties, body: as they were published.
    """

    __slots__ = ('method', 'properties', 'body')

    def __init__(self, method: spec.Basic.Return, properties: spec.BasicProperties,
                 body: bytes) -> None:
        self.method = method
        self.properties = properties
        self.body = body


class _Publish(Pending):
    """A publish that the broker has not confirmed yet."""

    __slots__ = ('exchange', 'routing_key', 'properties', 'body')

    def __init__(self, exchange: str, routing_key: str, properties: spec.BasicProperties | None,
                 body: bytes) -> None:
        super().__init__()
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.body = body

    def message(self) -> ReturnedMessage:
        method = spec.Basic.Return(0, '', self.exchange, self.routing_key)
        return ReturnedMessage(method, self.properties or spec.BasicProperties(), self.body)


class ConfirmWindow:
    """A bounded number of publishes that are not confirmed yet; `BlockingChannel.confirm_window`.

    As a context manager it waits at the end of the block, unless that ends by an exception, for all
    confirms, and raises what `wait` raises.
    """

    def __init__(self, channel: BlockingChannel, size: int, timeout: float | None) -> None:
        self._channel = channel
        self._size = size
        self._timeout = timeout
        self._outer: ConfirmWindow | None = None
        self._outstanding: deque[_Publish] = deque()  # oldest first; some may be confirmed by now
        self._nacked: list[ReturnedMessage] = []
        self._returned: list[ReturnedMessage] = []

    def __enter__(self) -> ConfirmWindow:
        self._outer = self._channel._window
        self._channel._window = self
        self._channel._driver.coalescing += 1
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._channel._window = self._outer
        self._channel._driver.coalesce_no_more()
        if exc_type is None:
            self.wait()

    @property
    def unconfirmed(self) -> list[ReturnedMessage]:
        """The messages of which nothing is known yet, oldest first.

        When the channel or the connection has ended, the broker may have them or not (rule of
        publisher confirms: they may be published again, and then arrive twice).
        """
        return [publish.message() for publish in self._outstanding if not _is_confirmed(publish)]

    def wait(self) -> None:
        """Wait until the broker has confirmed all that was published in this window.

        After a TimeoutError one may wait again.

        Raises:
          NackError: the broker has refused some since the last `wait`, since a queue is full for
            example; `messages` has them. If others came back, the `UnroutableError` for these is
            its `__cause__`.
          UnroutableError: some came back, which is for mandatory ones only; `messages` has them.
          TimeoutError: some are not confirmed in the time of this window; `unconfirmed` has them.
          ChannelClosed, AMQPConnectionError: the channel or the connection has ended;
            `unconfirmed` has those of which it is not known whether the broker has them.
        """
        self._wait_until(0)
        nacked, self._nacked = self._nacked, []
        returned, self._returned = self._returned, []
        unroutable = exceptions.UnroutableError(returned) if returned else None
        if nacked:
            raise exceptions.NackError(nacked) from unroutable
        if unroutable is not None:
            raise unroutable

    def _publish(self, exchange: str, routing_key: str, body: Body,
                 properties: spec.BasicProperties | None, mandatory: bool) -> None:
        """What `basic_publish` does inside of the block."""
        if len(self._outstanding) >= self._size:
            self._wait_until(self._size - 1)
            self._channel._require_open()
        driver = self._channel._driver
        publish = _Publish(exchange, routing_key, properties, content.as_bytes(body))
        tag = driver.command(driver.protocol.publish, self._channel.channel_number, exchange,
                             routing_key, publish.body, properties, mandatory, publish)
        self._outstanding.append(publish)
        if mandatory:
            self._channel._mandatory[tag] = publish
        driver.send()

    def _wait_until(self, left: int) -> None:
        """Wait until no more than `left` are outstanding."""
        driver = self._channel._driver
        deadline = None if self._timeout is None else monotonic() + self._timeout
        while True:
            self._settle()
            outstanding = len(self._outstanding)
            if outstanding <= left:
                return
            if driver.take():
                continue
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError(
                    f'{outstanding} publishes on channel {self._channel.channel_number} were not '
                    f'confirmed within {self._timeout:g} s')
            driver.step(deadline)

    def _settle(self) -> None:
        """Take out those that are confirmed, up to the first that is not."""
        outstanding = self._outstanding
        while outstanding:
            publish = outstanding[0]
            event = publish.event
            if event is None:
                return
            if not isinstance(event, events.Confirmed):
                self._channel._connection._raise_end(event)
                assert isinstance(event, events.ChannelClosed)  # by the program itself
                raise event.reason
            outstanding.popleft()
            if type(event.method) is spec.Basic.Nack:
                self._nacked.append(publish.message())
            for returned in publish.returned:
                self._returned.append(
                    ReturnedMessage(returned.method, returned.properties, returned.body))


def _is_confirmed(publish: _Publish) -> bool:
    return isinstance(publish.event, events.Confirmed)
