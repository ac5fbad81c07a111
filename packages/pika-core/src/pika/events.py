"""What the protocol tells its owner, one object at a time.

Rule: an event is a fact about the past. It holds what the broker said and the contexts that the
owner gave; it holds no reference to the protocol, runs nothing, and nobody changes it.

`Protocol.next_event()` hands them out in the order in which the broker's bytes put them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika import amqp_object, spec
    from pika.exceptions import ChannelClosed as ChannelClosedError


class Event:
    """The base of all events; two are equal when their types and all they hold are equal."""
    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]  # events hold lists and tables

    def __repr__(self) -> str:
        held = ', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)
        return f'<{type(self).__name__} {held}>'.replace(' >', '>')


class Opened(Event):
    """The handshake is complete: channels can be opened (clause 2.2.4; rule 6)."""
    __slots__ = ()


class Reply(Event):
    """The broker's answer to a `call`, `consume` or `open_channel`.

    channel: the channel's number; 0 for a method of the connection.
    method: the answer, such as `spec.Queue.DeclareOk`, or `spec.Basic.GetEmpty` for a get on an
    empty queue.
    context: what the caller gave, for the one time that it comes back.
    properties, body: the message of a `spec.Basic.GetOk`; None in all other replies.
    """
    __slots__ = ('channel', 'method', 'context', 'properties', 'body')

    def __init__(
            self,
            channel: int,
            method: amqp_object.Method,
            context: Any,  # whatever the caller gave
            properties: spec.BasicProperties | None = None,
            body: bytes | None = None) -> None:
        self.channel = channel
        self.method = method
        self.context = context
        self.properties = properties
        self.body = body


class Delivery(Event):
    """A message for a consumer; `consumer` is what `consume` was given for it."""
    __slots__ = ('channel', 'method', 'properties', 'body', 'consumer')

    def __init__(
            self,
            channel: int,
            method: spec.Basic.Deliver,
            properties: spec.BasicProperties,
            body: bytes,
            consumer: Any  # whatever the caller gave
    ) -> None:
        self.channel = channel
        self.method = method
        self.properties = properties
        self.body = body
        self.consumer = consumer


class Returned(Event):
    """A mandatory message that the broker could not route came back.

    delivery_tag: that of the publish it belongs to; 0 without publisher confirms or when none fits.
    The `Confirmed` of that publish comes later (https://www.rabbitmq.com/docs/confirms).
    """
    __slots__ = ('channel', 'method', 'properties', 'body', 'delivery_tag')

    def __init__(self, channel: int, method: spec.Basic.Return, properties: spec.BasicProperties,
                 body: bytes, delivery_tag: int) -> None:
        self.channel = channel
        self.method = method
        self.properties = properties
        self.body = body
        self.delivery_tag = delivery_tag


class Confirmed(Event):
    """The broker took responsibility for publishes (`Basic.Ack`), or refused them (`Basic.Nack`).

    delivery_tags, contexts: of those publishes meant by `method` that were given a context, oldest
    first, side by side.
    """
    __slots__ = ('channel', 'method', 'delivery_tags', 'contexts')

    def __init__(self, channel: int, method: spec.Basic.Ack | spec.Basic.Nack,
                 delivery_tags: list[int], contexts: list[Any]) -> None:
        self.channel = channel
        self.method = method
        self.delivery_tags = delivery_tags
        self.contexts = contexts


class ConsumerCancelled(Event):
    """The broker ended a consumer, because its queue went away for example; it is gone already.

    https://www.rabbitmq.com/docs/consumer-cancel; `method.consumer_tag` names it, `consumer` is
    what `consume` was given.
    """
    __slots__ = ('channel', 'method', 'consumer')

    def __init__(
            self,
            channel: int,
            method: spec.Basic.Cancel,
            consumer: Any  # whatever the caller gave
    ) -> None:
        self.channel = channel
        self.method = method
        self.consumer = consumer


class Flow(Event):
    """The broker asks to stop (active False) or resume (True) publishing (clause 1.5.2.3).

    It has been answered already; publishing goes on unless the owner stops.
    """
    __slots__ = ('channel', 'active')

    def __init__(self, channel: int, active: bool) -> None:
        self.channel = channel
        self.active = active


class Blocked(Event):
    """The broker no longer reads what is published.

    https://www.rabbitmq.com/docs/connection-blocked
    """
    __slots__ = ('method',)

    def __init__(self, method: spec.Connection.Blocked) -> None:
        self.method = method


class Unblocked(Event):
    """The broker reads again."""
    __slots__ = ('method',)

    def __init__(self, method: spec.Connection.Unblocked) -> None:
        self.method = method


class ChannelClosed(Event):
    """A channel ended, and every context that was still waiting on it comes back here.

    reason: `ChannelClosedByBroker` or `ChannelClosedByClient`. The number may be used again.
    """
    __slots__ = ('channel', 'reason', 'contexts')

    def __init__(self, channel: int, reason: ChannelClosedError, contexts: list[Any]) -> None:
        self.channel = channel
        self.reason = reason
        self.contexts = contexts


class Closed(Event):
    """The connection ended, or never opened; the last event of all.

    reason: an `AMQPConnectionError`, or what the credentials or the heartbeat callable raised.
    contexts: all that were still waiting; whether their calls had an effect is unknown. What
    `data_to_send()` holds is still to be written (it may be the answer that the broker waits for),
    then the stream is to be closed.
    """
    __slots__ = ('reason', 'contexts')

    def __init__(self, reason: Exception, contexts: list[Any]) -> None:
        self.reason = reason
        self.contexts = contexts
