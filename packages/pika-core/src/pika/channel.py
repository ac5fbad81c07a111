"""A channel with callbacks: each method of a broker as a method of Python.

Rule: one layer over `pika.protocol.Protocol`, which keeps the order of calls, the consumers and the
confirms. A channel object belongs to one channel of the broker: once that has ended it refuses
everything, also when the number is in use again.

Without a `callback` a declare, bind, delete, purge, cancel or confirm is sent with nowait: the
broker does not answer, and an error closes the channel. `nowait=False` has it answered all the
same, so that what is called next waits for it. The other methods are answered in any case.
"""

from __future__ import annotations

import logging

from pika import events, exceptions, frame, spec
from pika.exchange_type import ExchangeType
from pika.validators import require_callback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, NoReturn, TypeVar, Union

    from typing_extensions import Self

    from pika import amqp_object
    from pika.connection import Connection
    from pika.data import FieldValue
    from pika.spec import Basic, BasicProperties, Confirm, Exchange, Queue, Tx

    Arguments = Mapping[str, FieldValue]
    M = TypeVar('M', bound=amqp_object.Method)
    OnReply = Callable[[frame.Method[M]], object]
    OnMessage = Callable[['Channel', Basic.Deliver, BasicProperties, bytes], object]
    OnGetOk = Callable[['Channel', Basic.GetOk, BasicProperties, bytes], object]
    OnReturn = Callable[['Channel', Basic.Return, BasicProperties, bytes], object]
    Answerable = Union[Basic.Cancel, Confirm.Select, Exchange.Declare, Exchange.Delete,
                       Exchange.Bind, Exchange.Unbind, Queue.Declare, Queue.Bind, Queue.Purge,
                       Queue.Delete]
    OnConfirm = OnReply[Union[Basic.Ack, Basic.Nack]]

LOGGER = logging.getLogger(__name__)

MAX_CHANNELS = 65535
FLUSH_AT = 65536  # bytes that do not wait for the end of the turn


class Channel:
    """A channel; `Connection.channel` makes and opens them.

    As a context manager it is closed at the end of the block, unless it is closed or closing.

    All methods raise `ChannelWrongStateError` when the channel is not open, with the reason of its
    end as `__cause__`, and `ParameterTypeError`, `ParameterValueError` or `ShortStringTooLong`,
    naming parameter and value, for what cannot be sent; then nothing was.

    Attributes:
      connection: what it belongs to.
      channel_number: 1 to 65535; 0 until it is opened, where the connection chooses.
      flow_active: whether the broker takes what is published (clause 1.5.2.3; RabbitMQ always
        does).
    """

    CLOSED = 0
    OPENING = 1
    OPEN = 2
    CLOSING = 3

    def __init__(self,
                 connection: Connection,
                 channel_number: int,
                 on_open_callback: Callable[[Channel], object] | None = None) -> None:
        if on_open_callback is not None:
            require_callback(on_open_callback, 'on_open_callback')
        self.connection = connection
        self.channel_number = channel_number
        self.flow_active = True
        self._protocol = connection._protocol
        self._state = self.CLOSED
        self._closing_reason: Exception | None = None
        self._on_open_callback = on_open_callback
        self._consumers: dict[str, OnMessage] = {}
        self._getting = False  # a basic_get is not answered yet
        self._on_cancel: list[OnReply[Basic.Cancel]] = []
        self._on_close: list[Callable[[Channel, Exception], object]] = []
        self._on_flow: list[OnReply[spec.Channel.Flow]] = []
        self._on_return: list[OnReturn] = []
        self._on_confirm: list[OnConfirm] = []
        self._added: dict[type[amqp_object.Method], list[tuple[Callable[..., object], bool]]] = {}

    def __int__(self) -> int:
        return self.channel_number

    def __repr__(self) -> str:
        state = ('CLOSED', 'OPENING', 'OPEN', 'CLOSING')[self._state]
        return f'<{type(self).__name__} number={self.channel_number} {state}>'

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._state == self.CLOSED

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it, or its connection, and the end has not come yet."""
        return self._state == self.CLOSING

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._state == self.OPEN

    @property
    def is_opening(self) -> bool:
        """Whether the broker has still to say that it is open."""
        return self._state == self.OPENING

    @property
    def consumer_tags(self) -> list[str]:
        """The tags of the consumers that have not been cancelled."""
        return list(self._consumers)

    # Callbacks.

    def add_callback(self,
                     callback: OnReply[Any],
                     replies: Iterable[type[amqp_object.Method]],
                     one_shot: bool = True) -> None:
        """Have `callback(method_frame)` called when the broker sends one of the methods `replies`.

        It sees answers, such as `spec.Basic.GetEmpty` to a `basic_get` on an empty queue, and
        confirms, cancels and flow; no messages and no close. one_shot: only for the next one, of
        each of these methods.
        """
        require_callback(callback)
        for reply in replies:
            self._added.setdefault(reply, []).append((callback, one_shot))

    def add_on_cancel_callback(self, callback: OnReply[Basic.Cancel]) -> None:
        """Have `callback(method_frame)` called when the broker cancels a consumer.

        That is mostly since its queue is gone. `method_frame.method.consumer_tag` names it.
        """
        require_callback(callback)
        self._on_cancel.append(callback)

    def add_on_close_callback(self, callback: Callable[[Channel, Exception], object]) -> None:
        """Have `callback(channel, reason)` called when the channel, or the connection, has ended.

        reason: `ChannelClosedByBroker`, `ChannelClosedByClient`, also when the program has closed
        the connection, or the reason of the connection.
        """
        require_callback(callback)
        self._on_close.append(callback)

    def add_on_flow_callback(self, callback: OnReply[spec.Channel.Flow]) -> None:
        """Have `callback(method_frame)` called when the broker changes `flow_active`."""
        require_callback(callback)
        self._on_flow.append(callback)

    def add_on_return_callback(self, callback: OnReturn) -> None:
        """Have `callback(channel, method, properties, body)` called for each message returned.

        Those are published as mandatory and went nowhere. method: `spec.Basic.Return`. With
        publisher confirms it is called before the ack of the same message.
        """
        require_callback(callback)
        self._on_return.append(callback)

    # Opening and closing.

    def open(self) -> None:
        """Open the channel; `Connection.channel` has done so already.

        Raises:
          ChannelWrongStateError: it was opened before.
        """
        connection = self.connection
        if self._state != self.CLOSED or self._closing_reason is not None:
            raise exceptions.ChannelWrongStateError(f'open() on {self!r}, which was opened before')
        self._protocol = connection._protocol
        self.channel_number = self._protocol.open_channel(self._on_open_callback,
                                                          self.channel_number or None)
        self._state = self.OPENING
        connection._channels[self.channel_number] = self
        connection._flush_soon()

    def close(self, reply_code: int = 0, reply_text: str = 'Normal shutdown') -> None:
        """Close the channel; the callbacks of `add_on_close_callback` tell when that is done.

        What is published or acknowledged before is sent before; a call that still waits for the
        answer to another one is dropped. Deliveries that are not acknowledged go back to their
        queues.
        """
        if self._state in (self.CLOSED, self.CLOSING):
            self._raise_wrong_state()
        self._protocol.call(self.channel_number, spec.Channel.Close(reply_code, reply_text, 0, 0))
        self._state = self.CLOSING
        self.connection._flush_soon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self._state in (self.OPEN, self.OPENING):
            self.close()

    # Messages.

    def basic_publish(self,
                      exchange: str,
                      routing_key: str,
                      body: bytes | bytearray | memoryview | str,
                      properties: BasicProperties | None = None,
                      mandatory: bool = False) -> None:
        """Publish a message.

        It leaves with all else that is written in this turn of the loop, at the latest when 64 KiB
        wait.

        exchange: '' is the default exchange, which routes to the queue named by the routing key. An
        exchange that does not exist makes the broker close the channel with 404.
        body: a str is sent as UTF-8; bytes are referred to until they are sent, other buffers
          copied.
        mandatory: what reaches no queue comes back, see `add_on_return_callback`; else it is lost.
        """
        if self._state != 2:  # OPEN; this is the one method where a look-up counts
            self._raise_wrong_state()
        protocol = self._protocol
        protocol.publish(self.channel_number, exchange, routing_key, body, properties, mandatory)
        connection = self.connection
        if not connection._will_flush or protocol.bytes_pending >= FLUSH_AT:
            connection._flush_soon()

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Acknowledge a delivery, or with `multiple` all up to it (0: all there are).

        A tag that is not outstanding makes the broker close the channel with 406.
        """
        if self._state != 2:
            self._raise_wrong_state()
        self._protocol.ack(self.channel_number, delivery_tag, multiple)
        if not self.connection._will_flush:
            self.connection._flush_soon()

    def basic_nack(self,
                   delivery_tag: int = 0,
                   multiple: bool = False,
                   requeue: bool = True) -> None:
        """Refuse a delivery, or with `multiple` all up to it (0: all there are).

        requeue: the broker delivers it again, to whomever; else it is dead-lettered or dropped.
        """
        self._send(spec.Basic.Nack(delivery_tag, multiple, requeue))

    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:
        """Refuse one delivery, as `basic_nack` does."""
        self._send(spec.Basic.Reject(delivery_tag, requeue))

    def basic_consume(self,
                      queue: str,
                      on_message_callback: OnMessage,
                      auto_ack: bool = False,
                      exclusive: bool = False,
                      consumer_tag: str | None = None,
                      arguments: Arguments | None = None,
                      callback: OnReply[Basic.ConsumeOk] | None = None) -> str:
        """Have the messages of a queue delivered; return the consumer tag.

        on_message_callback: called with channel, `spec.Basic.Deliver`, properties and body (bytes)
          of each message.
        auto_ack: the broker takes each message for acknowledged when it has sent it.
        exclusive: nobody else may consume from the queue; 403 if somebody does.
        consumer_tag: made here unless given.

        Raises:
          DuplicateConsumerTag: the channel has a consumer with that tag.
        """
        require_callback(on_message_callback, 'on_message_callback')
        if callback is not None:
            require_callback(callback)
        if self._state != self.OPEN:
            self._raise_wrong_state()
        tag = self._protocol.consume(
            self.channel_number,
            spec.Basic.Consume(queue=queue,
                               consumer_tag=consumer_tag or '',
                               no_ack=auto_ack,
                               exclusive=exclusive,
                               arguments=arguments), callback, (self, on_message_callback))
        self._consumers[tag] = on_message_callback
        self.connection._flush_soon()
        return tag

    def basic_cancel(self,
                     consumer_tag: str = '',
                     callback: OnReply[Basic.CancelOk] | None = None,
                     *,
                     nowait: bool | None = None) -> None:
        """End a consumer.

        What is still delivered is given back to the broker, or handed over if `auto_ack` was set.
        A tag that is unknown, or cancelled already, is logged and nothing else.
        """
        if callback is not None:
            require_callback(callback)
        if self._state != self.OPEN:
            self._raise_wrong_state()
        if consumer_tag not in self._consumers:
            LOGGER.info('basic_cancel: channel %s has no consumer %r', self.channel_number,
                        consumer_tag)
            return
        self._ask(spec.Basic.Cancel(consumer_tag), callback, nowait)
        del self._consumers[consumer_tag]

    def basic_get(self, queue: str, callback: OnGetOk, auto_ack: bool = False) -> None:
        """Fetch one message: `callback(channel, method, properties, body)` with a `Basic.GetOk`.

        When the queue is empty `callback` is not called; `add_callback(..., [spec.Basic.GetEmpty])`
        tells of that.

        Raises:
          DuplicateGetOkCallback: the one before is not answered yet.
        """
        require_callback(callback)
        if self._getting:
            raise exceptions.DuplicateGetOkCallback()
        self._call(spec.Basic.Get(queue=queue, no_ack=auto_ack), callback)
        self._getting = True

    def basic_qos(self,
                  prefetch_size: int = 0,
                  prefetch_count: int = 0,
                  global_qos: bool = False,
                  callback: OnReply[Basic.QosOk] | None = None) -> None:
        """Bound the messages not acknowledged, for each consumer that is started from now on.

        global_qos: for the channel as a whole, where the broker still has that (rule 31). 0 is no
        bound. RabbitMQ has no prefetch_size (bytes).
        """
        self._call(spec.Basic.Qos(prefetch_size, prefetch_count, global_qos), callback)

    def basic_recover(self,
                      requeue: bool = False,
                      callback: OnReply[Basic.RecoverOk] | None = None) -> None:
        """Have all that is not acknowledged delivered again; RabbitMQ: 540 without `requeue`."""
        self._call(spec.Basic.Recover(requeue), callback)

    def confirm_delivery(self,
                         ack_nack_callback: OnConfirm,
                         callback: OnReply[Confirm.SelectOk] | None = None,
                         *,
                         nowait: bool | None = None) -> None:
        """Have the broker confirm what is published from now on.

        ack_nack_callback: called with the frame of each `spec.Basic.Ack` or `spec.Basic.Nack`; its
        delivery tags count what is published on this channel from 1, and with `multiple` it speaks
        for all up to its tag.

        Raises:
          MethodNotImplemented: the broker does not do that.
        """
        require_callback(ack_nack_callback, 'ack_nack_callback')
        if not (self.connection.publisher_confirms and self.connection.basic_nack):
            raise exceptions.MethodNotImplemented(
                'confirm.select: the broker has no publisher confirms')
        self._ask(spec.Confirm.Select(), callback, nowait)
        if ack_nack_callback not in self._on_confirm:
            self._on_confirm.append(ack_nack_callback)

    def flow(self, active: bool, callback: Callable[[bool], object] | None = None) -> None:
        """Ask the broker to pause deliveries (False) or to go on; `callback(active)`.

        RabbitMQ closes the connection with 540 for False.
        """
        self._call(spec.Channel.Flow(active), callback)

    # Exchanges.

    def exchange_declare(self,
                         exchange: str,
                         exchange_type: str = ExchangeType.direct,
                         passive: bool = False,
                         durable: bool = False,
                         auto_delete: bool = False,
                         internal: bool = False,
                         arguments: Arguments | None = None,
                         callback: OnReply[Exchange.DeclareOk] | None = None,
                         *,
                         nowait: bool | None = None) -> None:
        """Make an exchange, or with `passive` see whether it exists (else 404 closes the channel).

        durable: it survives a restart of the broker. auto_delete: it goes with its last binding.
        internal: only other exchanges publish to it. One that exists with other properties closes
        the channel with 406.
        """
        self._ask(
            spec.Exchange.Declare(0, exchange, exchange_type, passive, durable, auto_delete,
                                  internal, False, arguments), callback, nowait)

    def exchange_delete(self,
                        exchange: str | None = None,
                        if_unused: bool = False,
                        callback: OnReply[Exchange.DeleteOk] | None = None,
                        *,
                        nowait: bool | None = None) -> None:
        """Delete an exchange; `if_unused`: 406 closes the channel if it has bindings."""
        self._ask(spec.Exchange.Delete(0, exchange or '', if_unused), callback, nowait)

    def exchange_bind(self,
                      destination: str,
                      source: str,
                      routing_key: str = '',
                      arguments: Arguments | None = None,
                      callback: OnReply[Exchange.BindOk] | None = None,
                      *,
                      nowait: bool | None = None) -> None:
        """Have `source` pass on to `destination` what the routing key or `arguments` select."""
        self._ask(spec.Exchange.Bind(0, destination, source, routing_key, False, arguments),
                  callback, nowait)

    def exchange_unbind(self,
                        destination: str | None = None,
                        source: str | None = None,
                        routing_key: str = '',
                        arguments: Arguments | None = None,
                        callback: OnReply[Exchange.UnbindOk] | None = None,
                        *,
                        nowait: bool | None = None) -> None:
        """Undo an `exchange_bind` of the same arguments."""
        self._ask(
            spec.Exchange.Unbind(0, destination or '', source or '', routing_key, False, arguments),
            callback, nowait)

    # Queues.

    def queue_declare(self,
                      queue: str,
                      passive: bool = False,
                      durable: bool = False,
                      exclusive: bool = False,
                      auto_delete: bool = False,
                      arguments: Arguments | None = None,
                      callback: OnReply[Queue.DeclareOk] | None = None,
                      *,
                      nowait: bool | None = None) -> None:
        """Make a queue, or with `passive` see whether it exists (else 404 closes the channel).

        queue: '' lets the broker choose a name, which `callback` gets.
        durable: it survives a restart of the broker. exclusive: it belongs to this connection and
        goes with it; 405 for others. auto_delete: it goes with its last consumer. One that exists
        with other properties closes the channel with 406.
        """
        self._ask(
            spec.Queue.Declare(0, queue, passive, durable, exclusive, auto_delete, False,
                               arguments), callback, nowait)

    def queue_bind(self,
                   queue: str,
                   exchange: str,
                   routing_key: str | None = None,
                   arguments: Arguments | None = None,
                   callback: OnReply[Queue.BindOk] | None = None,
                   *,
                   nowait: bool | None = None) -> None:
        """Have an exchange pass on to a queue what the routing key or `arguments` select.

        routing_key: None is the name of the queue.
        """
        key = queue if routing_key is None else routing_key
        self._ask(spec.Queue.Bind(0, queue, exchange, key, False, arguments), callback, nowait)

    def queue_unbind(self,
                     queue: str,
                     exchange: str | None = None,
                     routing_key: str | None = None,
                     arguments: Arguments | None = None,
                     callback: OnReply[Queue.UnbindOk] | None = None) -> None:
        """Undo a `queue_bind` of the same arguments."""
        key = queue if routing_key is None else routing_key
        self._call(spec.Queue.Unbind(0, queue, exchange or '', key, arguments), callback)

    def queue_purge(self,
                    queue: str,
                    callback: OnReply[Queue.PurgeOk] | None = None,
                    *,
                    nowait: bool | None = None) -> None:
        """Drop the messages of a queue that are not delivered yet.

        `method_frame.method.message_count` says how many.
        """
        self._ask(spec.Queue.Purge(0, queue), callback, nowait)

    def queue_delete(self,
                     queue: str,
                     if_unused: bool = False,
                     if_empty: bool = False,
                     callback: OnReply[Queue.DeleteOk] | None = None,
                     *,
                     nowait: bool | None = None) -> None:
        """Delete a queue; `if_unused`, `if_empty`: 406 if it has consumers, messages.

        `method_frame.method.message_count` is the number of messages that went with it.
        """
        self._ask(spec.Queue.Delete(0, queue, if_unused, if_empty), callback, nowait)

    # Transactions.

    def tx_select(self, callback: OnReply[Tx.SelectOk] | None = None) -> None:
        """Publish and acknowledge in transactions from now on; not together with confirms (406)."""
        self._call(spec.Tx.Select(), callback)

    def tx_commit(self, callback: OnReply[Tx.CommitOk] | None = None) -> None:
        """Have what was published and acknowledged since the last commit take effect."""
        self._call(spec.Tx.Commit(), callback)

    def tx_rollback(self, callback: OnReply[Tx.RollbackOk] | None = None) -> None:
        """Drop what was published and acknowledged since the last commit."""
        self._call(spec.Tx.Rollback(), callback)

    # How it is sent.

    def _call(self, method: amqp_object.Method, callback: Callable[..., object] | None) -> None:
        if callback is not None:
            require_callback(callback)
        if self._state != self.OPEN:
            self._raise_wrong_state()
        self._protocol.call(self.channel_number, method, callback)
        self.connection._flush_soon()

    def _ask(self, method: Answerable, callback: Callable[..., object] | None,
             nowait: bool | None) -> None:
        """Send a method that the broker answers unless it is told that nobody listens."""
        if nowait and callback is not None:
            raise exceptions.ParameterValueError('nowait', nowait,
                                                 'False or None where there is a callback')
        method.nowait = callback is None if nowait is None else nowait
        self._call(method, callback)

    def _send(self, method: Basic.Nack | Basic.Reject) -> None:
        if self._state != self.OPEN:
            self._raise_wrong_state()
        self._protocol.send(self.channel_number, method)
        self.connection._flush_soon()

    def _raise_wrong_state(self) -> NoReturn:
        text = ('Channel is closed.', 'Channel is opening, but is not usable yet.', '',
                'Channel is closing.')[self._state]
        raise exceptions.ChannelWrongStateError(text) from self._closing_reason

    # What the broker sends. Callbacks are queued; the connection runs them before the next event.

    def _run(self, cause: str, callbacks: Iterable[Callable[..., object]], *arguments:
             object) -> None:
        for callback in callbacks:
            self.connection._calls.append((cause, callback, arguments))

    def _run_added(self, method: amqp_object.Method) -> None:
        """Those of `add_callback`."""
        added = self._added.pop(type(method), ())
        if added:
            self._run(method.NAME, [callback for callback, _ in added],
                      frame.Method(self.channel_number, method))
            kept = [entry for entry in added if not entry[1]]
            if kept:
                self._added[type(method)] = kept

    def _on_reply(self, event: events.Reply) -> None:
        method = event.method
        arguments = self._REPLIES.get(type(method), Channel._frame_of)(self, event)
        if event.context is not None and arguments is not None:
            self.connection._calls.append((method.NAME, event.context, arguments))
        if self._added:
            self._run_added(method)

    # What an answer changes, and the arguments of its callback; None: it is not called.

    def _frame_of(self, event: events.Reply) -> tuple[object, ...] | None:
        return frame.Method(self.channel_number, event.method),

    def _on_open_ok(self, event: events.Reply) -> tuple[object, ...] | None:
        self._state = self.OPEN
        return self,

    def _on_get_ok(self, event: events.Reply) -> tuple[object, ...] | None:
        self._getting = False
        return self, event.method, event.properties, event.body

    def _on_get_empty(self, event: events.Reply) -> tuple[object, ...] | None:
        self._getting = False
        return None

    def _on_flow_ok(self, event: events.Reply) -> tuple[object, ...] | None:
        assert isinstance(event.method, spec.Channel.FlowOk)
        return event.method.active,

    # What comes by itself.

    def _on_confirmed(self, event: events.Confirmed) -> None:
        self._run(event.method.NAME, self._on_confirm,
                  frame.Method(self.channel_number, event.method))
        if self._added:
            self._run_added(event.method)

    def _on_returned(self, event: events.Returned) -> None:
        self._run(event.method.NAME, self._on_return, self, event.method, event.properties,
                  event.body)

    def _on_consumer_cancelled(self, event: events.ConsumerCancelled) -> None:
        self._consumers.pop(event.method.consumer_tag, None)
        self._run(event.method.NAME, self._on_cancel, frame.Method(self.channel_number,
                                                                   event.method))
        self._run_added(event.method)

    def _on_flow_event(self, event: events.Flow) -> None:
        self.flow_active = event.active
        method = spec.Channel.Flow(event.active)
        self._run(method.NAME, self._on_flow, frame.Method(self.channel_number, method))
        self._run_added(method)

    def _on_channel_closed(self, event: events.ChannelClosed) -> None:
        self._end(event.reason)

    def _end(self, reason: Exception) -> None:
        del self.connection._channels[self.channel_number]
        self._state = self.CLOSED
        self._closing_reason = reason
        self._getting = False
        self._consumers.clear()
        self._run('channel end', self._on_close, self, reason)

    _REPLIES: ClassVar[dict[type, Callable[[Channel, events.Reply], tuple[object, ...] | None]]] = {
        spec.Channel.OpenOk: _on_open_ok,
        spec.Channel.FlowOk: _on_flow_ok,
        spec.Basic.GetOk: _on_get_ok,
        spec.Basic.GetEmpty: _on_get_empty,
    }
    _HANDLERS: ClassVar[dict[type[events.Event], Callable[..., None]]] = {
        events.Confirmed: _on_confirmed,
        events.Returned: _on_returned,
        events.ConsumerCancelled: _on_consumer_cancelled,
        events.Flow: _on_flow_event,
        events.ChannelClosed: _on_channel_closed,
    }
