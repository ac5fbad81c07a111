"""`TwistedChannel`: each method of a broker as a method that returns a Deferred.

Rule: a method that returns a Deferred raises nothing but `DuplicateGetOkCallback`: what cannot be
sent, and that the channel is not open, is an errback. A channel object belongs to one channel of
the broker; once that has ended it refuses everything, whoever has its number by then.
"""

from __future__ import annotations

from pika import events, exceptions, frame, spec
from pika.channel import Channel
from pika.exchange_type import ExchangeType
from pika.validators import require_callback
from twisted.internet import defer

from pika_twisted import callbacks
from pika_twisted.queues import ClosableDeferredQueue, ReceivedMessage
from pika_twisted.waiting import Pending, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Optional, TypeVar, Union

    from pika import amqp_object
    from pika.data import FieldValue
    from twisted.internet.defer import Deferred
    from typing_extensions import Self

    from pika_twisted.connection import DeferredConnection
    from pika_twisted.engine import Engine

    Arguments = Optional[Mapping[str, FieldValue]]
    Body = Union[bytes, bytearray, memoryview, str]
    M = TypeVar('M', bound=amqp_object.Method)
    T = TypeVar('T')
    OnReturn = Callable[[ReceivedMessage[spec.Basic.Return]], object]


class _Consumer:
    """What the protocol keeps for a consumer."""
    __slots__ = ('queue_name', 'auto_ack', 'messages')

    def __init__(self, queue_name: str, auto_ack: bool) -> None:
        self.queue_name = queue_name
        self.auto_ack = auto_ack
        self.messages = ClosableDeferredQueue()


class TwistedChannel:
    """A channel; `TwistedProtocolConnection.channel` opens it.

    The Deferreds fire with the frame of the broker's answer where nothing else is said, and fail
    with `ChannelClosedByBroker` or the reason of the connection when the channel ends before, with
    `ChannelWrongStateError` (whose `__cause__` is the reason of the end) when it is not open, and
    with `ParameterTypeError`, `ParameterValueError` or `ShortStringTooLong`, naming parameter and
    value, for what cannot be sent; then nothing was.

    Attributes:
      connection: what it belongs to.
      channel_number: 1 to 65535.
      flow_active: whether the broker takes what is published (clause 1.5.2.3; RabbitMQ always
        does).
      on_closed: fires with the reason (an exception as a result, not a failure) when the channel or
        its connection has ended.
    """

    def __init__(self, channel_number: int, connection: DeferredConnection, engine: Engine) -> None:
        self.connection = connection
        self.channel_number = channel_number
        self.flow_active = True
        self.on_closed: Deferred[Exception] = defer.Deferred()
        self._engine = engine
        self._protocol = engine._protocol
        self._state = Channel.OPEN
        self._reason: Exception | None = None
        self._closers: list[Deferred[Exception]] = []
        self._confirming = False
        self._get: Deferred[Any] | None = None
        self._consumers: dict[str, _Consumer] = {}
        self._return_callbacks: list[OnReturn] = []
        self._returned: dict[int, list[ReceivedMessage[spec.Basic.Return]]] = {}  # by delivery tag
        self._added: dict[type[amqp_object.Method], list[Deferred[Any]]] = {}

    def __int__(self) -> int:
        return self.channel_number

    def __repr__(self) -> str:
        state = 'open' if self.is_open else 'closing' if self.is_closing else 'closed'
        return f'<{type(self).__name__} {self.channel_number} {state} of {self.connection!r}>'

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._state == Channel.OPEN and self.connection.is_open

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it, or its connection, and the end has not come yet."""
        return self._state == Channel.CLOSING

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._state == Channel.CLOSED or self.connection.is_closed

    @property
    def consumer_tags(self) -> list[str]:
        """The tags of the consumers that have not ended."""
        return list(self._consumers)

    def add_on_return_callback(self, callback: OnReturn) -> None:
        """Have `callback(received_message)` called for each message returned.

        Those are published as mandatory and went nowhere. With publisher confirms it is called
        before the Deferred of that publish fails with `UnroutableError`.
        """
        require_callback(callback)
        self._return_callbacks.append(callback)

    def callback_deferred(self, deferred: Deferred[Any],
                          replies: Iterable[type[amqp_object.Method]]) -> None:
        """Fire `deferred` with the frame of the next method of the classes `replies`.

        It sees answers, confirms, cancels and flow; no messages. It fails with the reason when the
        channel ends.
        """
        self._require_open()
        for reply in replies:
            self._added.setdefault(reply, []).append(deferred)

    def close(self,
              reply_code: int = 0,
              reply_text: str = 'Normal shutdown') -> Deferred[Exception]:
        """Close the channel; what was published or acknowledged before is sent before.

        A call that waits for the answer to another one is dropped. Messages that are not
        acknowledged go back to their queues.

        Returns:
          A Deferred that fires with the reason of the end, as `on_closed` does.

        Raises:
          ChannelWrongStateError: at once: it is closing or closed already.
        """
        self._require_open()
        self._protocol.call(self.channel_number, spec.Channel.Close(reply_code, reply_text, 0, 0))
        self._state = Channel.CLOSING
        closer: Deferred[Exception] = defer.Deferred()
        self._closers.append(closer)
        self._engine._flush_soon()
        return closer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                        traceback: TracebackType | None) -> None:
        if self.is_open:
            await self.close()

    def flow(self, active: bool = True) -> Deferred[bool]:
        """Ask the broker to pause deliveries (False) or to go on; fires with what it does.

        RabbitMQ closes the connection with 540 for False; use `basic_qos`.
        """
        return self._ask(spec.Channel.Flow(active), lambda reply: bool(reply.method.active))

    # Publishing.

    def confirm_delivery(self) -> Deferred[frame.Method[spec.Confirm.SelectOk]]:
        """Have the broker confirm what is published from now on; see `basic_publish`.

        Fails with `MethodNotImplemented` when the broker does not do that.
        """
        capabilities = self.connection.server_capabilities
        if not (capabilities.get('publisher_confirms') and capabilities.get('basic.nack')):
            return defer.fail(
                exceptions.MethodNotImplemented(
                    'confirm.select: the broker has no publisher confirms'))
        result = self._call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        # The protocol counts from here, and so does the broker.
        self._confirming = self._confirming or not result.called
        return result

    def basic_publish(self,
                      exchange: str,
                      routing_key: str,
                      body: Body,
                      properties: spec.BasicProperties | None = None,
                      mandatory: bool = False) -> Deferred[spec.Basic.Ack | None]:
        """Publish a message.

        It leaves with all else that is written in this turn of the reactor, at the latest when
        64 KiB wait.

        exchange: '' is the default exchange, which routes to the queue named by the routing key. An
        exchange that does not exist makes the broker close the channel with 404.
        body: a str is sent as UTF-8; bytes are referred to until they are sent, other buffers
          copied.
        mandatory: what reaches no queue comes back, see `add_on_return_callback`; else it is lost.

        Returns:
          A Deferred that has fired with None; after `confirm_delivery`, one that fires with
          `spec.Basic.Ack` when the message is with the broker, or fails with `UnroutableError`
          (`messages` holds what came back) or `NackError` (the broker did not take it). When the
          connection is lost before, it is not known what became of the message.
        """
        context: Pending[spec.Basic.Ack | None] | None = None
        if self._confirming:
            context = Pending(self._engine.abandon, lambda method: method)
        try:
            self._require_open()
            self._protocol.publish(self.channel_number, exchange, routing_key, body, properties,
                                   mandatory, context)
        except exceptions.AMQPError:
            return defer.fail()
        self._engine._flush_soon()
        return defer.succeed(None) if context is None else context

    # Acknowledging: these three return nothing, and raise.

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Acknowledge a message, or with `multiple` all up to it (0: all there are).

        A tag that is not outstanding makes the broker close the channel with 406.
        """
        self._require_open()
        self._protocol.ack(self.channel_number, delivery_tag, multiple)
        self._engine._flush_soon()

    def basic_nack(self,
                   delivery_tag: int = 0,
                   multiple: bool = False,
                   requeue: bool = True) -> None:
        """Refuse a message, or with `multiple` all up to it (0: all there are).

        requeue: the broker delivers it again, to whomever; else it is dead-lettered or dropped.
        """
        self._settle(spec.Basic.Nack(delivery_tag, multiple, requeue))

    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:
        """Refuse one message, as `basic_nack` does."""
        self._settle(spec.Basic.Reject(delivery_tag, requeue))

    # Consuming.

    def basic_qos(self,
                  prefetch_size: int = 0,
                  prefetch_count: int = 0,
                  global_qos: bool = False) -> Deferred[frame.Method[spec.Basic.QosOk]]:
        """Bound the messages not acknowledged, for each consumer that is started from now on.

        It bounds the queue of the consumer, too. global_qos: for the channel as a whole, where the
        broker still has that (rule 31). 0 is no bound. RabbitMQ has no prefetch_size (bytes).
        """
        return self._call(spec.Basic.Qos(prefetch_size, prefetch_count, global_qos),
                          spec.Basic.QosOk)

    def basic_recover(self, requeue: bool = False) -> Deferred[frame.Method[spec.Basic.RecoverOk]]:
        """Have all that is not acknowledged delivered again; RabbitMQ: 540 without `requeue`."""
        return self._call(spec.Basic.Recover(requeue), spec.Basic.RecoverOk)

    def basic_get(self,
                  queue: str,
                  auto_ack: bool = False) -> Deferred[ReceivedMessage[spec.Basic.GetOk] | None]:
        """Fetch one message; fires with None when the queue is empty.

        Raises:
          DuplicateGetOkCallback: at once: the one before is not answered yet.
        """
        if self._get is not None and not self._get.called:
            raise exceptions.DuplicateGetOkCallback()
        self._get = result = self._ask(spec.Basic.Get(0, queue, auto_ack), self._got)
        return result

    def basic_consume(self,
                      queue: str,
                      auto_ack: bool = False,
                      exclusive: bool = False,
                      consumer_tag: str | None = None,
                      arguments: Arguments = None) -> Deferred[tuple[ClosableDeferredQueue, str]]:
        """Have the messages of a queue delivered.

        auto_ack: the broker takes each message for acknowledged when it has sent it.
        exclusive: nobody else may consume from the queue; 403 if somebody does.
        consumer_tag: made here unless given.

        Returns:
          A Deferred that fires with a queue of `ReceivedMessage` and the consumer tag. The queue
          ends with `ConsumerCancelled` after `basic_cancel`, `queue_delete`, or when the broker
          cancels the consumer, and with the reason when the channel ends. It fails with
          `DuplicateConsumerTag` when the channel has a consumer with that tag.
        """
        consumer = _Consumer(queue, auto_ack)
        pending: Pending[tuple[ClosableDeferredQueue,
                               str]] = Pending(lambda deferred: self._leave(deferred, tag),
                                               lambda reply: (consumer.messages, tag))
        method = spec.Basic.Consume(queue=queue,
                                    consumer_tag=consumer_tag or '',
                                    no_ack=auto_ack,
                                    exclusive=exclusive,
                                    arguments=arguments)
        try:
            self._require_open()
            tag = self._protocol.consume(self.channel_number, method, pending, consumer)
        except exceptions.AMQPError:
            return defer.fail()
        self._consumers[tag] = consumer
        self._engine._flush_soon()
        return pending

    def basic_cancel(self, consumer_tag: str = '') -> Deferred[frame.Method[spec.Basic.CancelOk]]:
        """End a consumer; its queue is closed once the broker has answered.

        What is delivered meanwhile is given back to the broker, or put into the queue if `auto_ack`
        was set. Cancelling the Deferred does not take this back. An unknown tag does no harm.
        """

        def cancelled(reply: Any) -> frame.Method[spec.Basic.CancelOk]:
            self._forget(consumer_tag, 'by basic_cancel')
            return frame.Method(self.channel_number, reply.method)

        # Nothing is abandoned, so that the answer comes back in any case.
        return self._ask(spec.Basic.Cancel(consumer_tag), cancelled, lambda deferred: None)

    # Queues.

    def queue_declare(self,
                      queue: str,
                      passive: bool = False,
                      durable: bool = False,
                      exclusive: bool = False,
                      auto_delete: bool = False,
                      arguments: Arguments = None) -> Deferred[frame.Method[spec.Queue.DeclareOk]]:
        """Make a queue, or with `passive` see whether it exists (else 404 closes the channel).

        queue: '' lets the broker choose a name, which is `method.queue` of the frame.
        durable: it survives a restart of the broker. exclusive: it belongs to this connection and
        goes with it; 405 for others. auto_delete: it goes with its last consumer. One that exists
        with other properties closes the channel with 406.
        """
        return self._call(
            spec.Queue.Declare(0, queue, passive, durable, exclusive, auto_delete, False,
                               arguments), spec.Queue.DeclareOk)

    def queue_bind(self,
                   queue: str,
                   exchange: str,
                   routing_key: str | None = None,
                   arguments: Arguments = None) -> Deferred[frame.Method[spec.Queue.BindOk]]:
        """Have an exchange pass on to a queue what the routing key or `arguments` select.

        routing_key: None is the name of the queue.
        """
        key = queue if routing_key is None else routing_key
        return self._call(spec.Queue.Bind(0, queue, exchange, key, False, arguments),
                          spec.Queue.BindOk)

    def queue_unbind(self,
                     queue: str,
                     exchange: str | None = None,
                     routing_key: str | None = None,
                     arguments: Arguments = None) -> Deferred[frame.Method[spec.Queue.UnbindOk]]:
        """Undo a `queue_bind` of the same arguments."""
        key = queue if routing_key is None else routing_key
        return self._call(spec.Queue.Unbind(0, queue, exchange or '', key, arguments),
                          spec.Queue.UnbindOk)

    def queue_purge(self, queue: str) -> Deferred[frame.Method[spec.Queue.PurgeOk]]:
        """Drop the messages of a queue that are not delivered yet, `method.message_count`."""
        return self._call(spec.Queue.Purge(0, queue), spec.Queue.PurgeOk)

    def queue_delete(self,
                     queue: str,
                     if_unused: bool = False,
                     if_empty: bool = False) -> Deferred[frame.Method[spec.Queue.DeleteOk]]:
        """Delete a queue, and end its consumers on this channel.

        `method.message_count` is the number of messages that went with it. `if_unused`, `if_empty`:
        406 closes the channel if it has consumers, messages.
        """

        def deleted(reply: Any) -> frame.Method[spec.Queue.DeleteOk]:
            for tag, consumer in list(self._consumers.items()):
                if consumer.queue_name == queue:
                    self._forget(tag, 'its queue was deleted')
            return frame.Method(self.channel_number, reply.method)

        return self._ask(spec.Queue.Delete(0, queue, if_unused, if_empty), deleted)

    # Exchanges.

    def exchange_declare(
            self,
            exchange: str,
            exchange_type: ExchangeType | str = ExchangeType.direct,
            passive: bool = False,
            durable: bool = False,
            auto_delete: bool = False,
            internal: bool = False,
            arguments: Arguments = None) -> Deferred[frame.Method[spec.Exchange.DeclareOk]]:
        """Make an exchange, or with `passive` see whether it exists (else 404 closes the channel).

        durable: it survives a restart of the broker. auto_delete: it goes with its last binding.
        internal: only other exchanges publish to it. One that exists with other properties closes
        the channel with 406.
        """
        kind = exchange_type.value if isinstance(exchange_type, ExchangeType) else exchange_type
        return self._call(
            spec.Exchange.Declare(0, exchange, kind, passive, durable, auto_delete, internal, False,
                                  arguments), spec.Exchange.DeclareOk)

    def exchange_delete(self,
                        exchange: str | None = None,
                        if_unused: bool = False) -> Deferred[frame.Method[spec.Exchange.DeleteOk]]:
        """Delete an exchange; `if_unused`: 406 closes the channel if it has bindings."""
        return self._call(spec.Exchange.Delete(0, exchange or '', if_unused),
                          spec.Exchange.DeleteOk)

    def exchange_bind(self,
                      destination: str,
                      source: str,
                      routing_key: str = '',
                      arguments: Arguments = None) -> Deferred[frame.Method[spec.Exchange.BindOk]]:
        """Have `source` pass on to `destination` what the routing key or `arguments` select."""
        return self._call(spec.Exchange.Bind(0, destination, source, routing_key, False, arguments),
                          spec.Exchange.BindOk)

    def exchange_unbind(
            self,
            destination: str | None = None,
            source: str | None = None,
            routing_key: str = '',
            arguments: Arguments = None) -> Deferred[frame.Method[spec.Exchange.UnbindOk]]:
        """Undo an `exchange_bind` of the same arguments."""
        return self._call(
            spec.Exchange.Unbind(0, destination or '', source or '', routing_key, False, arguments),
            spec.Exchange.UnbindOk)

    # Transactions, which exclude confirms on the same channel (rule 25).

    def tx_select(self) -> Deferred[frame.Method[spec.Tx.SelectOk]]:
        """Publish and acknowledge in transactions from now on; not together with confirms (406)."""
        return self._call(spec.Tx.Select(), spec.Tx.SelectOk)

    def tx_commit(self) -> Deferred[frame.Method[spec.Tx.CommitOk]]:
        """Have what was published and acknowledged since the last commit take effect."""
        return self._call(spec.Tx.Commit(), spec.Tx.CommitOk)

    def tx_rollback(self) -> Deferred[frame.Method[spec.Tx.RollbackOk]]:
        """Drop what was published and acknowledged since the last commit."""
        return self._call(spec.Tx.Rollback(), spec.Tx.RollbackOk)

    # How it is sent.

    def _call(self, method: amqp_object.Method, answer: type[M]) -> Deferred[frame.Method[M]]:
        """Send a method; fires with the frame of `answer`."""
        return self._ask(method, lambda reply: frame.Method(self.channel_number, reply.method))

    def _ask(self,
             method: amqp_object.Method,
             convert: Callable[[Any], T],
             canceller: Callable[[Deferred[Any]], None] | None = None) -> Deferred[T]:
        pending: Pending[T] = Pending(canceller or self._engine.abandon, convert)
        try:
            self._require_open()
            self._protocol.call(self.channel_number, method, pending)
        except exceptions.AMQPError:
            return defer.fail()
        self._engine._flush_soon()
        return pending

    def _settle(self, method: spec.Basic.Nack | spec.Basic.Reject) -> None:
        self._require_open()
        self._protocol.send(self.channel_number, method)
        self._engine._flush_soon()

    def _require_open(self) -> None:
        if not self.is_open:
            raise exceptions.ChannelWrongStateError('Channel is closing.' if self.is_closing else
                                                    'Channel is closed.') from self._reason

    # Consumers.

    def _leave(self, deferred: Deferred[Any], consumer_tag: str) -> None:
        """The caller of basic_consume has cancelled: the protocol ends the late consumer."""
        consumer = self._consumers.pop(consumer_tag)
        self._engine.abandon(deferred)
        if self.is_open and not consumer.auto_ack:
            for message in consumer.messages.pending:
                self.basic_reject(message.method.delivery_tag, requeue=True)

    def _forget(self, consumer_tag: str, why: str) -> None:
        consumer = self._consumers.pop(consumer_tag, None)
        if consumer is not None:
            consumer.messages.close(
                exceptions.ConsumerCancelled(f'consumer {consumer_tag!r}: {why}'))

    def _got(self, reply: events.Reply) -> ReceivedMessage[spec.Basic.GetOk] | None:
        self._get = None
        method = reply.method
        if not isinstance(method, spec.Basic.GetOk):
            return None
        assert reply.properties is not None and reply.body is not None
        return ReceivedMessage(self, method, reply.properties, reply.body)

    # What the broker sends.

    def _fire_added(self, method: amqp_object.Method) -> None:
        """Fire the Deferreds of `callback_deferred`."""
        for deferred in self._added.pop(type(method), ()):
            if not deferred.called:
                deferred.callback(frame.Method(self.channel_number, method))

    def _on_delivery(self, event: events.Delivery) -> None:
        event.consumer.messages.put(
            ReceivedMessage(self, event.method, event.properties, event.body))

    def _on_returned(self, event: events.Returned) -> None:
        message = ReceivedMessage(self, event.method, event.properties, event.body)
        if event.delivery_tag:
            self._returned.setdefault(event.delivery_tag, []).append(message)
        for callback in self._return_callbacks:
            callbacks.call(callback, message)

    def _on_confirmed(self, event: events.Confirmed) -> None:
        method = event.method
        acked = isinstance(method, spec.Basic.Ack)
        for tag, pending in zip(event.delivery_tags, event.contexts):
            messages = self._returned.pop(tag, []) if self._returned else []
            if acked and not messages:
                pending.answer(method)
            elif not pending.called:
                pending.errback(
                    (exceptions.UnroutableError if acked else exceptions.NackError)(messages))
        # Of publishes that nobody waits for any more.
        for tag in [tag for tag in self._returned if tag <= method.delivery_tag]:
            if method.multiple or tag == method.delivery_tag:
                del self._returned[tag]
        self._fire_added(method)

    def _on_consumer_cancelled(self, event: events.ConsumerCancelled) -> None:
        tag = event.method.consumer_tag
        if self._consumers.get(tag) is event.consumer:
            self._forget(tag, 'by the broker, mostly since its queue is gone')
        self._fire_added(event.method)

    def _on_flow(self, event: events.Flow) -> None:
        self.flow_active = event.active
        self._fire_added(spec.Channel.Flow(event.active))

    def _on_channel_closed(self, event: events.ChannelClosed) -> None:
        self._end(event.reason, event.contexts)

    def _end(self, reason: Exception, contexts: Iterable[Deferred[Any]] = ()) -> None:
        """Tell everybody who waits; messages that could be acknowledged no more are dropped."""
        del self._engine._channels[self.channel_number]
        self._state = Channel.CLOSED
        self._reason = reason
        consumers = list(self._consumers.values())
        self._consumers.clear()
        added = [deferred for deferreds in self._added.values() for deferred in deferreds]
        self._added.clear()
        for deferred in [*contexts, *added]:
            fail(deferred, reason)
        for consumer in consumers:
            if not consumer.auto_ack:
                consumer.messages.pending.clear()
            consumer.messages.close(reason)
        self.on_closed.callback(reason)
        for closer in self._closers:
            closer.callback(reason)

    _HANDLERS: ClassVar[dict[type[events.Event], Callable[..., None]]] = {
        events.Confirmed: _on_confirmed,
        events.Returned: _on_returned,
        events.ConsumerCancelled: _on_consumer_cancelled,
        events.Flow: _on_flow,
        events.ChannelClosed: _on_channel_closed,
    }
