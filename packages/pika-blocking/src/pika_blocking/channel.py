"""`BlockingChannel`: the operations of one channel, each of which returns with the broker's answer.

Rule: a channel object acts on its number only while it is open. When the channel has ended, each
call says so and why, whoever has that number by then.
"""

from __future__ import annotations

import functools
import logging

from pika import events, exceptions, frame, spec
from pika.exchange_type import ExchangeType
from pika.validators import require_callback

from pika_blocking.consumers import Consumers, _ConsumerInfo
from pika_blocking.driver import Pending
from pika_blocking.window import ConfirmWindow, ReturnedMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType
    from typing import Callable, NoReturn, TypeVar, Union, overload

    from pika import amqp_object

    from pika_blocking.connection import BlockingConnection
    from pika_blocking.consumers import (
        Arguments,
        CancelCallback,
        Consumer,
        Message,
        MessageCallback,
        NoMessage,
    )

    Body = Union[bytes, bytearray, memoryview, str]
    ReturnCallback = Callable[['BlockingChannel', spec.Basic.Return, spec.BasicProperties, bytes],
                              object]
    _AnswerT = TypeVar('_AnswerT', bound=amqp_object.Method)

LOGGER = logging.getLogger(__name__)


class BlockingChannel:
    """A channel of a `BlockingConnection`; its method `channel` makes it.

    A call that waits for the broker raises `ChannelClosedByBroker` when the broker closes the
    channel over it, and an `AMQPConnectionError` when the connection ends. On a channel that has
    ended each call raises `ChannelWrongStateError`, whose `__cause__` is the reason.

    Values that cannot be sent raise `ParameterTypeError`, `ParameterValueError` or
    `ShortStringTooLong` before anything is sent.
    """

    def __init__(self, channel_number: int, connection: BlockingConnection) -> None:
        self.channel_number = channel_number
        self._connection = connection
        self._driver = connection._driver
        self._open = True
        self._closing = False
        self._reason: Exception | None = None
        self._ended_by_peer = False
        self._confirming = False
        # Mandatory publishes that are not confirmed yet, by delivery tag: they may still come back.
        self._mandatory: dict[int, Pending] = {}
        self._window: ConfirmWindow | None = None
        self._return_callbacks: list[ReturnCallback] = []
        self._consumers = Consumers(self)

    def __int__(self) -> int:
        return self.channel_number

    def __enter__(self) -> BlockingChannel:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self.is_open:
            self.close()

    def __repr__(self) -> str:
        state = 'open' if self._open else 'closing' if self._closing else 'closed'
        return f'<{type(self).__name__} {self.channel_number} {state} of {self._connection!r}>'

    @property
    def _consumer_infos(self) -> dict[str, Consumer]:
        """Instrumentation of pika 1.x looks for this."""
        return self._consumers.infos

    @property
    def connection(self) -> BlockingConnection:
        """The connection that this channel belongs to."""
        return self._connection

    @property
    def consumer_tags(self) -> list[str]:
        """The tags of the consumers of this channel, that of `consume` included."""
        return list(self._consumer_infos)

    @property
    def is_open(self) -> bool:
        """Whether the channel is open, as far as is known: what nobody has read is not known."""
        return self._open

    @property
    def is_closed(self) -> bool:
        """Whether the channel has ended."""
        return not self._open and not self._closing

    def close(self, reply_code: int = 0, reply_text: str = 'Normal shutdown') -> None:
        """Close the channel; messages that were not acknowledged go back to their queues.

        Raises:
          ChannelWrongStateError: the channel is not open.
          ChannelClosedByBroker: the broker was closing it too, and says why.
        """
        self._require_open()
        pending = Pending()
        method = spec.Channel.Close(reply_code, reply_text, 0, 0)
        self._driver.command(self._driver.protocol.call, self.channel_number, method, pending)
        self._open = False
        self._closing = True
        self._connection._wait(pending)

    def flow(self, active: bool) -> bool:
        """Ask the broker to stop (False) or resume (True) sending messages; return what it does.

        RabbitMQ closes the connection with 540 when asked to stop; use `basic_qos`.
        """
        return self._call(spec.Channel.Flow(active), spec.Channel.FlowOk).method.active

    def add_on_return_callback(self, callback: ReturnCallback) -> None:
        """Run `callback(channel, method, properties, body)` for each message that comes back."""
        require_callback(callback)
        self._return_callbacks.append(callback)

    def add_on_cancel_callback(self, callback: CancelCallback) -> None:
        """Run `callback(method_frame)` when the broker cancels a consumer of `basic_consume`.

        It does so when the queue is deleted, for example. `method_frame.method.consumer_tag` names
        the consumer, which is gone already.
        """
        require_callback(callback)
        self._consumers.cancel_callbacks.append(callback)

    # Publishing.

    def confirm_delivery(self) -> None:
        """Have `basic_publish` wait from now on until the broker confirms."""
        self._require_open()
        if self._confirming:
            LOGGER.info('Channel %s confirms already', self.channel_number)
            return
        self._call(spec.Confirm.Select(), spec.Confirm.SelectOk)
        self._confirming = True

    def confirm_window(self, size: int = 1000, timeout: float | None = None) -> ConfirmWindow:
        """Publish without waiting for each confirm: up to `size` may be outstanding at once.

        ::

            with channel.confirm_window(1000):
                for body in bodies:
                    channel.basic_publish('', 'queue', body, mandatory=True)
            # here the broker has all of them

        Inside of the block `basic_publish` returns at once, or when there is room in the window
        again; what it publishes leaves as in `BlockingConnection.coalesce`. Leaving it waits for
        all confirms and raises a `NackError` or an `UnroutableError` for all that were refused or
        came back, see `ConfirmWindow.wait`, which may be called in between too. If the block ends
        by an exception nothing is waited for; `ConfirmWindow.unconfirmed` says what is open.
        Switches confirms on, if they are not.

        size: messages, 1 or more. timeout: seconds for each wait; None: as long as it takes.
        """
        if not isinstance(size, int):
            raise exceptions.ParameterTypeError('size', size, 'int')
        if size < 1:
            raise exceptions.ParameterValueError('size', size, '1 or more messages')
        if timeout is not None and not timeout >= 0:
            raise exceptions.ParameterValueError('timeout', timeout, 'None or 0 or more seconds')
        self._require_open()
        if not self._confirming:
            self.confirm_delivery()
        return ConfirmWindow(self, size, timeout)

    def basic_publish(self,
                      exchange: str,
                      routing_key: str,
                      body: Body,
                      properties: spec.BasicProperties | None = None,
                      mandatory: bool = False) -> None:
        """Publish a message.

        When this returns its bytes are in the kernel; after `confirm_delivery`, at the broker. In
        `confirm_window` and in `BlockingConnection.coalesce` they leave together with others.

        Without confirms an exchange that does not exist shows later, when the broker has closed
        the channel over it.

        body: a str is sent as UTF-8. mandatory: a message that goes to no queue comes back.

        Raises:
          UnroutableError: (confirms) it came back; `messages` holds it.
          NackError: (confirms) the broker did not take it, since its queue is full for example.
        """
        if not self._open:
            self._raise_wrong_state()
        driver = self._driver
        if self._confirming:
            if self._window is None:
                self._publish_and_wait(exchange, routing_key, body, properties, mandatory)
            else:
                self._window._publish(exchange, routing_key, body, properties, mandatory)
            return
        driver.protocol.publish(self.channel_number, exchange, routing_key, body, properties,
                                mandatory)
        driver.send()
        if not self._open:
            self._raise_if_ended_by_peer()

    def _publish_and_wait(self, exchange: str, routing_key: str, body: Body,
                          properties: spec.BasicProperties | None, mandatory: bool) -> None:
        pending = Pending()
        tag = self._driver.command(self._driver.protocol.publish, self.channel_number, exchange,
                                   routing_key, body, properties, mandatory, pending)
        if mandatory:
            self._mandatory[tag] = pending
        try:
            confirmed = self._connection._wait(pending)
        finally:
            self._mandatory.pop(tag, None)
        assert isinstance(confirmed, events.Confirmed)
        nacked = type(confirmed.method) is spec.Basic.Nack
        if nacked or pending.returned:
            messages = [
                ReturnedMessage(returned.method, returned.properties, returned.body)
                for returned in pending.returned
            ]
            raise exceptions.NackError(messages) if nacked else exceptions.UnroutableError(messages)

    # Acknowledging. While handlers of messages are quick and more messages are here, acks leave
    # together; see `driver`.

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Acknowledge the message `delivery_tag`, or with `multiple` all up to it (0: all).

        While more messages are waiting here, the ack may wait for theirs until the handler returns,
        or the loop over `consume` asks for the next message or ends. A loop over a generator that
        is kept in a variable is not seen to end: the ack may wait for the next call on the
        connection. That of the last message here leaves at once, and all before it.

        The broker closes the channel with 406 over a tag that is not outstanding.
        """
        if not self._open:
            self._raise_wrong_state()
        driver = self._driver
        driver.protocol.ack(self.channel_number, delivery_tag, multiple)
        driver.send_soon()
        if not self._open:
            self._raise_if_ended_by_peer()

    def basic_nack(self,
                   delivery_tag: int = 0,
                   multiple: bool = False,
                   requeue: bool = True) -> None:
        """Refuse the message `delivery_tag`, or with `multiple` all up to it (0: all).

        requeue: put it back into its queue; False drops it, or sends it to the queue's dead letter
        exchange.
        """
        self._settle(spec.Basic.Nack(delivery_tag, multiple, requeue))

    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:
        """Refuse the message `delivery_tag`; see `basic_nack`."""
        self._settle(spec.Basic.Reject(delivery_tag, requeue))

    def _settle(self, method: spec.Basic.Nack | spec.Basic.Reject) -> None:
        self._require_open()
        self._driver.protocol.send(self.channel_number, method)
        self._driver.send_soon()
        if not self._open:
            self._raise_if_ended_by_peer()

    # Consuming.

    def basic_qos(self,
                  prefetch_size: int = 0,
                  prefetch_count: int = 0,
                  global_qos: bool = False) -> None:
        """Limit the messages that consumers hold without having acknowledged them; 0 is no limit.

        prefetch_size: bytes; RabbitMQ has no such limit and closes the connection with 540 unless
        it is 0.
        prefetch_count: messages, for each consumer that starts later; with `global_qos` for the
        channel as a whole.
        """
        self._call(spec.Basic.Qos(prefetch_size, prefetch_count, global_qos), spec.Basic.QosOk)

    def basic_recover(self, requeue: bool = False) -> None:
        """Have the broker put back all messages that are not acknowledged.

        RabbitMQ does that with `requeue=True` only, and closes the connection with 540 over False.
        """
        self._call(spec.Basic.Recover(requeue), spec.Basic.RecoverOk)

    def basic_get(
            self,
            queue: str,
            auto_ack: bool = False
    ) -> tuple[spec.Basic.GetOk, spec.BasicProperties, bytes] | NoMessage:
        """Take a message from a queue: (method, properties, body), or three times None.

        `method.message_count` says how many are left. auto_ack: as for `basic_consume`.
        """
        self._require_open()
        answer = self._connection._call(self.channel_number, spec.Basic.Get(0, queue, auto_ack))
        if isinstance(answer.method, spec.Basic.GetOk):
            assert answer.properties is not None and answer.body is not None
            return answer.method, answer.properties, answer.body
        return None, None, None

    def basic_consume(self,
                      queue: str,
                      on_message_callback: MessageCallback,
                      auto_ack: bool = False,
                      exclusive: bool = False,
                      consumer_tag: str | None = None,
                      arguments: Arguments = None) -> str:
        """Run `on_message_callback(channel, method, properties, body)` for each message of a queue.

        It runs when callbacks run, see `BlockingConnection`; `start_consuming` is the usual way.
        When it raises, the exception comes out of there; the consumer stays, and the messages
        behind wait for the next call.

        auto_ack: the broker takes messages for acknowledged when it has sent them. exclusive: no
        other consumer may have this queue. consumer_tag: made up unless given.

        Returns:
          The consumer tag, for `basic_cancel`.

        Raises:
          DuplicateConsumerTag: this channel has a consumer with that tag.
        """
        require_callback(on_message_callback, 'on_message_callback')
        self._require_open()
        info = _ConsumerInfo(self, auto_ack, on_message_callback)
        return self._consumers.start(info, queue, exclusive, consumer_tag, arguments)

    def basic_cancel(self, consumer_tag: str) -> list[Message]:
        """End a consumer; messages that it was not given go back to the queue.

        Returns:
          With `auto_ack` those messages, which the broker does not have any more, as (method,
          properties, body); else an empty list, and for an unknown tag too.
        """
        return self._consumers.cancel(consumer_tag)

    def start_consuming(self) -> None:
        """Run the callbacks of the connection until this channel has no consumer with a callback.

        Raises:
          ReentrancyError: inside a callback.
          ChannelClosedByBroker: the broker closed this channel, or another one while nobody waited
            for an answer on it.
        """
        if self._connection._dispatcher.running:
            raise exceptions.ReentrancyError(
                'start_consuming cannot be called from within a callback')
        self._require_open()
        while self._consumers.have_callbacks:
            self._connection._process(None)
        self._raise_if_ended_by_peer()

    def stop_consuming(self, consumer_tag: str | None = None) -> None:
        """End one consumer, or all, from a callback mostly; then `start_consuming` returns.

        Messages of a consumer with `auto_ack` that were not handed over are lost; `basic_cancel`
        returns them.
        """
        for tag in self.consumer_tags if consumer_tag is None else [consumer_tag]:
            self._consumers.cancel(tag)

    if TYPE_CHECKING:

        @overload
        def consume(self,
                    queue: str,
                    auto_ack: bool = False,
                    exclusive: bool = False,
                    arguments: Arguments = None,
                    inactivity_timeout: None = None,
                    consumer_tag: str | None = None) -> Generator[Message, None, None]:
            ...

        @overload
        def consume(self,
                    queue: str,
                    auto_ack: bool = False,
                    exclusive: bool = False,
                    arguments: Arguments = None,
                    inactivity_timeout: float | None = None,
                    consumer_tag: str | None = None) -> Generator[Message | NoMessage, None, None]:
            ...

    def consume(self,
                queue: str,
                auto_ack: bool = False,
                exclusive: bool = False,
                arguments: Arguments = None,
                inactivity_timeout: float | None = None,
                consumer_tag: str | None = None) -> Generator[Message | NoMessage, None, None]:
        """Yield the messages of a queue as (method, properties, body).

        The consumer starts with the first message asked for. Leaving the loop leaves it there, and
        the messages that have arrived: the next `consume` with the same `queue`, `auto_ack` and
        `exclusive` goes on. `cancel` ends it and puts them back. The generator ends when the
        consumer is cancelled, by whomever, and when the program closes the channel.

        inactivity_timeout: seconds; when nothing arrived for so long, (None, None, None) is
        yielded. The others are as for `basic_consume`.

        Raises:
          ValueError: the channel has another `consume`.
          ChannelClosedByBroker: the broker closed the channel.
        """
        return self._consumers.messages((queue, auto_ack, exclusive), arguments, inactivity_timeout,
                                        consumer_tag)

    def cancel(self) -> int:
        """End `consume`: its generators stop, and what they did not yield goes back to the queue.

        Returns:
          0, as pika 1.x does.
        """
        self._consumers.cancel_generator()
        return 0

    def get_waiting_message_count(self) -> int:
        """How many messages have arrived that `consume` has not yielded yet."""
        generator = self._consumers.generator
        if generator is None:
            return 0
        self._driver.pull()
        return len(generator.pending_events)

    # Queues.

    def queue_declare(self,
                      queue: str,
                      passive: bool = False,
                      durable: bool = False,
                      exclusive: bool = False,
                      auto_delete: bool = False,
                      arguments: Arguments = None) -> frame.Method[spec.Queue.DeclareOk]:
        """Make a queue, or with `passive` only see whether it is there.

        queue: '' lets the broker make up a name, which is `method.queue` of what is returned;
        `method.message_count` and `method.consumer_count` are there, too. durable: it survives the
        broker. exclusive: it belongs to this connection and goes with it. auto_delete: it goes
        with its last consumer.

        The broker closes the channel over a queue that differs (406), is not there (404), or is
        another's (405).
        """
        return self._call(
            spec.Queue.Declare(0, queue, passive, durable, exclusive, auto_delete, False,
                               arguments), spec.Queue.DeclareOk)

    def queue_delete(self,
                     queue: str,
                     if_unused: bool = False,
                     if_empty: bool = False) -> frame.Method[spec.Queue.DeleteOk]:
        """Delete a queue, if there is one; `method.message_count` of what is returned went with it.

        if_unused, if_empty: the broker closes the channel with 406 instead, if it has consumers,
        or messages.
        """
        return self._call(spec.Queue.Delete(0, queue, if_unused, if_empty), spec.Queue.DeleteOk)

    def queue_purge(self, queue: str) -> frame.Method[spec.Queue.PurgeOk]:
        """Delete the messages of a queue that no consumer holds, `method.message_count` of them."""
        return self._call(spec.Queue.Purge(0, queue), spec.Queue.PurgeOk)

    def queue_bind(self,
                   queue: str,
                   exchange: str,
                   routing_key: str | None = None,
                   arguments: Arguments = None) -> frame.Method[spec.Queue.BindOk]:
        """Have an exchange send to a queue what fits.

        That depends on its type, on `routing_key` (None: the queue's name) and on `arguments`.
        """
        key = queue if routing_key is None else routing_key
        return self._call(spec.Queue.Bind(0, queue, exchange, key, False, arguments),
                          spec.Queue.BindOk)

    def queue_unbind(self,
                     queue: str,
                     exchange: str,
                     routing_key: str | None = None,
                     arguments: Arguments = None) -> frame.Method[spec.Queue.UnbindOk]:
        """End the binding that `queue_bind` made with the same arguments."""
        key = queue if routing_key is None else routing_key
        return self._call(spec.Queue.Unbind(0, queue, exchange, key, arguments),
                          spec.Queue.UnbindOk)

    # Exchanges.

    def exchange_declare(self,
                         exchange: str,
                         exchange_type: ExchangeType | str = ExchangeType.direct,
                         passive: bool = False,
                         durable: bool = False,
                         auto_delete: bool = False,
                         internal: bool = False,
                         arguments: Arguments = None) -> frame.Method[spec.Exchange.DeclareOk]:
        """Make an exchange, or with `passive` only see whether it is there.

        durable: it survives the broker. auto_delete: it goes with its last binding. internal: only
        exchanges publish to it.

        The broker closes the channel over an exchange that differs (406) or is not there (404),
        and over names that begin with 'amq.' (403).
        """
        kind = exchange_type.value if isinstance(exchange_type, ExchangeType) else exchange_type
        return self._call(
            spec.Exchange.Declare(0, exchange, kind, passive, durable, auto_delete, internal, False,
                                  arguments), spec.Exchange.DeclareOk)

    def exchange_delete(self,
                        exchange: str | None = None,
                        if_unused: bool = False) -> frame.Method[spec.Exchange.DeleteOk]:
        """Delete an exchange, if there is one.

        if_unused: the broker closes the channel with 406 instead, if it has bindings.
        """
        return self._call(spec.Exchange.Delete(0, exchange or '', if_unused),
                          spec.Exchange.DeleteOk)

    def exchange_bind(self,
                      destination: str,
                      source: str,
                      routing_key: str = '',
                      arguments: Arguments = None) -> frame.Method[spec.Exchange.BindOk]:
        """Have the exchange `source` send to the exchange `destination` what fits."""
        return self._call(spec.Exchange.Bind(0, destination, source, routing_key, False, arguments),
                          spec.Exchange.BindOk)

    def exchange_unbind(self,
                        destination: str | None = None,
                        source: str | None = None,
                        routing_key: str = '',
                        arguments: Arguments = None) -> frame.Method[spec.Exchange.UnbindOk]:
        """End the binding that `exchange_bind` made with the same arguments."""
        return self._call(
            spec.Exchange.Unbind(0, destination or '', source or '', routing_key, False, arguments),
            spec.Exchange.UnbindOk)

    # Transactions, which exclude confirms on the same channel (rule 25).

    def tx_select(self) -> frame.Method[spec.Tx.SelectOk]:
        """From now on what is published and acknowledged takes effect with `tx_commit` only."""
        return self._call(spec.Tx.Select(), spec.Tx.SelectOk)

    def tx_commit(self) -> frame.Method[spec.Tx.CommitOk]:
        """Let it take effect; without a `tx_select` the broker closes the channel with 406."""
        return self._call(spec.Tx.Commit(), spec.Tx.CommitOk)

    def tx_rollback(self) -> frame.Method[spec.Tx.RollbackOk]:
        """Let it not have happened. Messages that had been acknowledged are outstanding again."""
        return self._call(spec.Tx.Rollback(), spec.Tx.RollbackOk)

    # For the connection and the consumers of this channel.

    def _call(self, method: amqp_object.Method, answer: type[_AnswerT]) -> frame.Method[_AnswerT]:
        self._require_open()
        found = self._connection._call(self.channel_number, method).method
        assert isinstance(found, answer)
        return frame.Method(self.channel_number, found)

    def _require_open(self) -> None:
        if not self._open:
            self._raise_wrong_state()

    def _raise_wrong_state(self) -> NoReturn:
        reason = self._connection._take_reason(self)
        if isinstance(reason, exceptions.StreamLostError):
            raise reason
        raise exceptions.ChannelWrongStateError(
            'Channel is closing.' if self._closing else 'Channel is closed.') from self._reason

    def _raise_if_ended_by_peer(self) -> None:
        """Raise why the channel has ended, if the program has not ended it."""
        if self._ended_by_peer:
            self._connection._take_reason(self)
            assert self._reason is not None
            raise self._reason

    def _on_returned(self, event: events.Returned) -> None:
        mandatory = self._mandatory
        # 0: changed by the broker, so that no publish fits; the oldest is the likeliest.
        tag = event.delivery_tag or next(iter(mandatory), 0)
        if tag in mandatory:
            mandatory[tag].returned.append(event)
        for callback in self._return_callbacks:
            self._connection._dispatcher.put(
                functools.partial(callback, self, event.method, event.properties, event.body))

    def _on_closed(self, reason: Exception, by_peer: bool) -> None:
        self._open = self._closing = False
        self._reason = reason
        self._ended_by_peer = by_peer
        self._consumers.on_closed(by_peer)
