"""A channel on the broker's side: what the methods of a client do.

Rule: each method has one handler in `_METHODS`, which answers by itself. A handler that refuses
raises a `Refusal`, before it has changed anything.
"""

from __future__ import annotations

import base64
import re
import secrets

from pika import spec

from pika_testing.broker import settling
from pika_testing.broker.arguments import QUORUM, check_consumer
from pika_testing.broker.consumers import Consumer
from pika_testing.broker.messages import published, with_headers
from pika_testing.broker.permissions import CONFIGURE, READ, WRITE
from pika_testing.broker.refusals import Refusal, precondition
from pika_testing.broker.settling import Transaction, Unacked
from pika_testing.broker.virtual_host import EXCHANGE, QUEUE, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import ClassVar

    from pika.amqp_object import Method

    from pika_testing.broker.connection import ServerConnection
    from pika_testing.broker.messages import Entry, Message
    from pika_testing.broker.queues import Queue
    from pika_testing.broker.settling import Way

REPLY_TO = 'amq.rabbitmq.reply-to'  # https://www.rabbitmq.com/docs/direct-reply-to
_REPLY_NAME = re.compile(r'amq\.rabbitmq\.reply-to\.[\w-]+\.[\w-]+')


class Channel:
    """One channel of a connection.

    Attributes:
      closing: it was closed; where the broker did that, Channel.CloseOk is still to come.
      unacked: deliveries to be settled, by delivery tag.
      confirming: whether publishes are confirmed.
    """

    def __init__(self, number: int, connection: ServerConnection) -> None:
        self.number = number
        self.connection = connection
        self.closing = False
        self.unacked: dict[int, Unacked] = {}
        self.consumers: dict[str, Consumer] = {}
        self.confirming = False
        self._host = connection.virtual_host
        self._user = connection.user
        self._published = 0
        self._last_tag = 0
        self._queue = ''  # the one that was declared last
        self._prefetch = 0  # of consumers to come
        self._prefetch_of_all = 0
        self._volume = 0  # unacked deliveries that count for that
        self._reply_tag: str | None = None
        self._reply_name = ''
        self._transaction: Transaction | None = None

    # What comes from the client.

    def handle(self, method: Method) -> None:
        """Do what a method says.

        Raises:
          Refusal: it cannot be done.
        """
        if type(method) is spec.Basic.CancelOk:
            code, text = self._host.version.cancel_ok_refusal
            raise Refusal(code, text, method=None if text else 0)
        handler = self._METHODS.get(type(method))
        if handler is None:
            raise Refusal(spec.COMMAND_INVALID, 'unimplemented method')
        handler(self, method)

    def handle_message(self, method: Method, properties: bytes, body: bytes) -> None:
        """Take a message, with the encoded properties.

        Raises:
          Refusal: it cannot be published.
        """
        if not isinstance(method, spec.Basic.Publish):
            raise Refusal(spec.COMMAND_INVALID, 'unimplemented method')
        limit = self._host.version.max_message_size
        if len(body) > limit:
            raise precondition(
                f'message size {len(body)} is larger than configured max size {limit}')
        self._require(WRITE, EXCHANGE, method.exchange)
        if method.immediate:
            raise Refusal(spec.NOT_IMPLEMENTED, 'immediate=true')
        exchange = clean(method.exchange)
        message = published(exchange, method.routing_key, properties, body, self._user.name)
        if message.properties.reply_to == REPLY_TO:
            self._name_reply_queue(message)
        if not exchange and method.routing_key.startswith(f'{REPLY_TO}.'):
            self.connection.broker.note_published(message)
            self._publish_reply(message, method.mandatory)
            return
        queues = self._host.route(message)
        self.connection.broker.note_published(message)
        self._published += self.confirming
        if self._transaction is not None:
            self._transaction.published.append((message, queues, method.mandatory))
        else:
            self._deliver(message, queues, method.mandatory)

    def _deliver(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        """Put a message into queues, return it if there is none, and confirm it."""
        if mandatory and not queues:
            self._return(message)
        taken = True
        for queue in queues:
            if not queue.deleted and not queue.publish(message):
                taken = False
        self._confirm(taken)

    def _return(self, message: Message) -> None:
        method = spec.Basic.Return(spec.NO_ROUTE, 'NO_ROUTE', message.exchange, message.routing_key)
        self.connection.send_message(self.number, method, message.encoded, message.body)

    def _confirm(self, taken: bool) -> None:
        if self.confirming:
            self.connection.broker.faults.confirm(self, self._published, taken)

    def confirm(self, tag: int, taken: bool) -> None:
        """Tell the client what became of a publish, unless the channel has gone."""
        if not self.closing:
            kind = spec.Basic.Ack if taken else spec.Basic.Nack
            self.connection.send(self.number, kind(tag))

    # Direct reply-to.

    def _name_reply_queue(self, message: Message) -> None:
        if self._reply_tag is None:
            raise precondition('fast reply consumer does not exist')
        message.set_properties(
            with_headers(message.properties, message.properties.headers, reply_to=self._reply_name))

    def _publish_reply(self, message: Message, mandatory: bool) -> None:
        name = message.routing_key
        channel = self.connection.broker.reply_channels.get(name)
        routed = not self._host.version.replies_are_unroutable and _REPLY_NAME.fullmatch(name)
        if mandatory and not routed:
            self._return(message)
        if channel is not None:
            channel.deliver_reply(message)
        self._published += self.confirming
        self._confirm(True)

    def deliver_reply(self, message: Message) -> None:
        """Hand a reply to whoever consumes them here."""
        assert self._reply_tag is not None
        tag = self._last_tag + 1
        if self._host.version.numbers_replies:
            self._last_tag = tag
        method = spec.Basic.Deliver(self._reply_tag, tag, False, message.exchange,
                                    message.routing_key)
        self.connection.send_message(self.number, method, message.encoded, message.body)

    def _consume_replies(self, method: spec.Basic.Consume) -> None:
        if not method.no_ack:
            raise precondition('reply consumer cannot acknowledge')
        if self._reply_tag is not None:
            raise precondition('reply consumer already set')
        self._reply_tag = method.consumer_tag or _new_tag()
        self._reply_name = f'{REPLY_TO}.{_made_up(24)}.{_made_up(12)}'
        self.connection.broker.reply_channels[self._reply_name] = self
        self._answer(method, spec.Basic.ConsumeOk(self._reply_tag))

    def _end_replies(self) -> None:
        if self._reply_tag is not None:
            self._reply_tag = None
            del self.connection.broker.reply_channels[self._reply_name]

    # What goes to the client.

    @property
    def has_room(self) -> bool:
        """Whether the prefetch of the whole channel allows one more delivery."""
        return not self._prefetch_of_all or self._volume < self._prefetch_of_all

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Send a message to a consumer."""
        self._last_tag += 1
        message = entry.message
        method = spec.Basic.Deliver(consumer.tag, self._last_tag, entry.redelivered,
                                    message.exchange, message.routing_key)
        if not consumer.no_ack:
            self.unacked[self._last_tag] = Unacked(self._last_tag, entry, consumer.queue, consumer)
            consumer.unacked += 1
            if self._prefetch_of_all:
                self._volume += 1
        self.connection.send_message(self.number, method, self._properties(consumer.queue, entry),
                                     message.body)

    def _properties(self, queue: Queue, entry: Entry, got: bool = False) -> bytes:
        """The encoded properties; those from quorum queues tell how often they were delivered."""
        if queue.kind != QUORUM:
            return entry.message.encoded
        counts = {}
        if entry.deliveries or got and queue.version.counts_in_get:
            counts['x-delivery-count'] = entry.deliveries
        if entry.acquired and queue.version.tells_acquired:
            counts['x-acquired-count'] = entry.acquired
        if not counts:
            return entry.message.encoded
        properties = entry.message.properties
        return b''.join(with_headers(properties, {**(properties.headers or {}), **counts}).encode())

    def cancelled(self, consumer: Consumer) -> None:
        """A consumer's queue has gone; clients that understand it are told."""
        self.consumers.pop(consumer.tag, None)
        consumer.queue.cancel(consumer)
        if self.connection.can('consumer_cancel_notify') and not self.closing:
            self.connection.send(self.number, spec.Basic.Cancel(consumer.tag, nowait=True))

    def _answer(self, method: Method, answer: Method) -> None:
        if not getattr(method, 'nowait', False):
            self.connection.send(self.number, answer)

    # The end.

    def close(self) -> None:
        """Cancel consumers, and give back what is unacked."""
        self.closing = True
        self._end_replies()
        consumers, self.consumers = self.consumers, {}
        for consumer in consumers.values():
            consumer.queue.cancel(consumer)
        unacked, self.unacked = self.unacked, {}
        entries = list(unacked.values())
        if self._transaction is not None:
            entries += self._transaction.settled()
        by_queue: dict[Queue, list[Entry]] = {}
        for delivery in entries:
            by_queue.setdefault(delivery.queue, []).append(delivery.entry)
        for queue, given_back in by_queue.items():
            queue.requeue(given_back, failed=True)

    # Exchanges.

    def _on_exchange_declare(self, method: spec.Exchange.Declare) -> None:
        if not method.passive or self._host.version.guards_passive:
            self._require(CONFIGURE, EXCHANGE, method.exchange)
        alternate = (method.arguments or {}).get('alternate-exchange')
        if isinstance(alternate, str) and not method.passive:
            self._require(READ, EXCHANGE, method.exchange)
            self._require(WRITE, EXCHANGE, alternate)
        self._host.declare_exchange(method)
        self._answer(method, spec.Exchange.DeclareOk())

    def _on_exchange_delete(self, method: spec.Exchange.Delete) -> None:
        self._require(CONFIGURE, EXCHANGE, method.exchange)
        self._host.delete_exchange(clean(method.exchange), method.if_unused)
        self._answer(method, spec.Exchange.DeleteOk())

    def _on_exchange_bind(self, method: spec.Exchange.Bind) -> None:
        self._require(WRITE, EXCHANGE, method.destination)
        self._require(READ, EXCHANGE, method.source)
        self._host.bind(clean(method.source), (EXCHANGE, clean(method.destination)),
                        method.routing_key, method.arguments or {})
        self._answer(method, spec.Exchange.BindOk())

    def _on_exchange_unbind(self, method: spec.Exchange.Unbind) -> None:
        self._require(WRITE, EXCHANGE, method.destination)
        self._require(READ, EXCHANGE, method.source)
        self._host.unbind(clean(method.source), (EXCHANGE, clean(method.destination)),
                          method.routing_key, method.arguments or {})
        self._answer(method, spec.Exchange.UnbindOk())

    # Queues.

    def _on_queue_declare(self, method: spec.Queue.Declare) -> None:
        if method.queue == REPLY_TO or self._is_reply_name(method.queue):
            self._answer(method, spec.Queue.DeclareOk(method.queue, 0, 1))
            return
        made_up = not method.queue and not method.passive
        if made_up:
            method.queue = f'amq.gen-{_made_up(16)}'
        if not method.passive or self._host.version.guards_passive:
            self._require(CONFIGURE, QUEUE, method.queue)
        exchange = (method.arguments or {}).get('x-dead-letter-exchange')
        if isinstance(exchange, str) and not method.passive:
            self._require(WRITE, EXCHANGE, exchange)
        queue = self._host.declare_queue(method, self.connection, made_up)
        self._queue = queue.name
        self._answer(method, spec.Queue.DeclareOk(queue.name, len(queue.ready),
                                                  len(queue.consumers)))

    def _is_reply_name(self, name: str) -> bool:
        return name in self.connection.broker.reply_channels

    def _on_queue_delete(self, method: spec.Queue.Delete) -> None:
        name = self._name(method.queue)
        self._require(CONFIGURE, QUEUE, name)
        count = 0
        if name in self._host.queues:
            queue = self._host.queue(name, self.connection)
            count = self._host.delete_queue(queue, method.if_unused, method.if_empty)
        self._answer(method, spec.Queue.DeleteOk(count))

    def _on_queue_purge(self, method: spec.Queue.Purge) -> None:
        name = self._name(method.queue)
        self._require(READ, QUEUE, name)
        count = self._host.queue(name, self.connection).purge()
        self._answer(method, spec.Queue.PurgeOk(count))

    def _on_queue_bind(self, method: spec.Queue.Bind) -> None:
        name = self._name(method.queue)
        # Without both names the queue's is the routing key, too (clause 1.7.2.3.4).
        key = method.routing_key or ('' if method.queue else name)
        self._require(WRITE, QUEUE, name)
        self._require(READ, EXCHANGE, method.exchange)
        if name in self._host.queues:
            self._host.queue(name, self.connection)
        self._host.bind(clean(method.exchange), (QUEUE, name), key, method.arguments or {})
        self._answer(method, spec.Queue.BindOk())

    def _on_queue_unbind(self, method: spec.Queue.Unbind) -> None:
        name = self._name(method.queue)
        self._require(WRITE, QUEUE, name)
        self._require(READ, EXCHANGE, method.exchange)
        self._host.unbind(clean(method.exchange), (QUEUE, name), method.routing_key,
                          method.arguments or {})
        self._answer(method, spec.Queue.UnbindOk())

    def _name(self, queue: str) -> str:
        """A queue's name; an empty one stands for the queue that was declared last."""
        if queue:
            return clean(queue)
        if not self._queue:
            raise Refusal(spec.NOT_FOUND, 'no previously declared queue')
        return self._queue

    def _require(self, what: int, kind: str, name: str) -> None:
        self._user.require(what, kind, name, self._host.name, self._host.version.names_access)

    # Consuming.

    def _on_qos(self, method: spec.Basic.Qos) -> None:
        if method.prefetch_size:
            raise Refusal(spec.NOT_IMPLEMENTED, f'prefetch_size!=0 ({method.prefetch_size})')
        if method.global_qos and self._host.version.has_global_qos:
            if not self._prefetch_of_all:
                self._volume = len(self.unacked)
            self._prefetch_of_all = method.prefetch_count
        else:
            self._prefetch = method.prefetch_count
            self._prefetch_of_all = 0
        self._answer(method, spec.Basic.QosOk())
        self.wake()

    def wake(self) -> None:
        """All consumers may have room again."""
        for queue in {consumer.queue: None for consumer in self.consumers.values()}:
            queue.consumers.wake_all()
            queue.dispatch()

    def _on_consume(self, method: spec.Basic.Consume) -> None:
        if method.queue == REPLY_TO:
            self._consume_replies(method)
            return
        name = self._name(method.queue)
        self._require(READ, QUEUE, name)
        tag = method.consumer_tag or _new_tag()
        if tag in self.consumers:
            raise Refusal(spec.NOT_ALLOWED, f"attempt to reuse consumer tag '{tag}'")
        queue = self._host.queue(name, self.connection)
        if queue.kind == QUORUM and self._prefetch_of_all:
            raise Refusal(
                spec.NOT_IMPLEMENTED,
                f"queue '{name}' in vhost '{self._host.name}' does not support global qos")
        arguments = method.arguments or {}
        priority = check_consumer(name, self._host.name, arguments)
        single_active = bool(queue.arguments.get('x-single-active-consumer'))
        if queue.consumers.exclusive or method.exclusive and (queue.consumers or single_active):
            raise Refusal(spec.ACCESS_REFUSED,
                          f"queue '{name}' in vhost '{self._host.name}' in exclusive use")
        consumer = Consumer(tag, self, queue, method.no_ack, method.exclusive, priority,
                            self._prefetch, dict(arguments))
        self.consumers[tag] = consumer
        self._answer(method, spec.Basic.ConsumeOk(tag))
        queue.consumers.add(consumer)
        queue.dispatch()

    def _on_cancel(self, method: spec.Basic.Cancel) -> None:
        tag = method.consumer_tag
        consumer = self.consumers.pop(tag, None)
        if consumer is None and tag == self._reply_tag:
            self._end_replies()
        self._answer(method, spec.Basic.CancelOk(tag))
        if consumer is not None:
            consumer.queue.cancel(consumer)

    def _on_get(self, method: spec.Basic.Get) -> None:
        name = self._name(method.queue)
        self._require(READ, QUEUE, name)
        queue = self._host.queue(name, self.connection)
        found = queue.get(method.no_ack)
        if found is None:
            self.connection.send(self.number, spec.Basic.GetEmpty())
            return
        entry, remaining = found
        self._last_tag += 1
        if not method.no_ack:
            self.unacked[self._last_tag] = Unacked(self._last_tag, entry, queue, None)
        message = entry.message
        answer = spec.Basic.GetOk(self._last_tag, entry.redelivered, message.exchange,
                                  message.routing_key, remaining)
        self.connection.send_message(self.number, answer, self._properties(queue, entry, got=True),
                                     message.body)

    # Settling.

    def _on_ack(self, method: spec.Basic.Ack) -> None:
        self._settle(method.delivery_tag, method.multiple, settling.acked)

    def _on_nack(self, method: spec.Basic.Nack) -> None:
        self._settle(method.delivery_tag, method.multiple,
                     settling.requeued if method.requeue else settling.dropped)

    def _on_reject(self, method: spec.Basic.Reject) -> None:
        self._settle(method.delivery_tag, False,
                     settling.given_back if method.requeue else settling.rejected)

    def _on_recover(self, method: spec.Basic.Recover | spec.Basic.RecoverAsync) -> None:
        if not method.requeue:
            raise Refusal(spec.NOT_IMPLEMENTED, 'requeue=false')
        if isinstance(method, spec.Basic.Recover):
            self._answer(method, spec.Basic.RecoverOk())
        deliveries = list(self.unacked.values())
        self.unacked.clear()
        self._apply(deliveries, settling.requeued)

    def _settle(self, tag: int, multiple: bool, how: Way) -> None:
        deliveries = self._collect(tag, multiple)
        if self._transaction is not None:
            self._transaction.settlements.append((deliveries, how))
        else:
            self._apply(deliveries, how)

    def _collect(self, tag: int, multiple: bool) -> list[Unacked]:
        """Take deliveries out of those that are outstanding."""
        if multiple and not tag:
            found = list(self.unacked.values())
            self.unacked.clear()
            return found
        if tag not in self.unacked:
            raise precondition(f'unknown delivery tag {tag}')
        if not multiple:
            return [self.unacked.pop(tag)]
        tags = []
        for number in self.unacked:
            if number > tag:
                break
            tags.append(number)
        return [self.unacked.pop(number) for number in tags]

    def _apply(self, deliveries: Iterable[Unacked], how: Way) -> None:
        """Settle deliveries consumer by consumer, in the order of their tags, as RabbitMQ does."""
        groups: dict[tuple[str, str], list[Unacked]] = {}
        for delivery in deliveries:
            tag = '' if delivery.consumer is None else delivery.consumer.tag
            groups.setdefault((delivery.queue.name, tag), []).append(delivery)
        was_full = not self.has_room
        for key in sorted(groups):
            group = groups[key]
            consumer = group[0].consumer
            queue = group[0].queue
            woken = False
            if consumer is not None:
                consumer.unacked -= len(group)
                self._volume = max(0, self._volume - len(group))
                woken = queue.consumers.wake(consumer)
            how(queue, [delivery.entry for delivery in group])
            if woken:
                queue.dispatch()
        if was_full:
            self.wake()

    # Modes.

    def _on_confirm_select(self, method: spec.Confirm.Select) -> None:
        if self._transaction is not None:
            raise precondition('cannot switch from tx to confirm mode')
        self.confirming = True
        self._answer(method, spec.Confirm.SelectOk())

    def _on_tx_select(self, method: spec.Tx.Select) -> None:
        if self.confirming:
            raise precondition('cannot switch from confirm to tx mode')
        if self._transaction is None:
            self._transaction = Transaction()
        self._answer(method, spec.Tx.SelectOk())

    def _require_transaction(self) -> Transaction:
        if self._transaction is None:
            raise precondition('channel is not transactional')
        return self._transaction

    def _on_tx_commit(self, method: spec.Tx.Commit) -> None:
        done = self._require_transaction()
        self._transaction = Transaction()
        for message, queues, mandatory in done.published:
            self._deliver(message, queues, mandatory)
        for deliveries, how in done.settlements:
            self._apply(deliveries, how)
        self._answer(method, spec.Tx.CommitOk())

    def _on_tx_rollback(self, method: spec.Tx.Rollback) -> None:
        undone = self._require_transaction()
        self._transaction = Transaction()
        back = [*self.unacked.values(), *undone.settled()]
        self.unacked = {delivery.tag: delivery for delivery in sorted(back, key=settling.tag_of)}
        self._answer(method, spec.Tx.RollbackOk())

    def _on_flow(self, method: spec.Channel.Flow) -> None:
        if not method.active:
            raise Refusal(spec.NOT_IMPLEMENTED, 'active=false')
        self._answer(method, spec.Channel.FlowOk(True))

    def _on_access_request(self, method: spec.Access.Request) -> None:
        self._answer(method, spec.Access.RequestOk(1))

    _METHODS: ClassVar[dict[type[Method], Callable[..., None]]] = {
        spec.Access.Request: _on_access_request,
        spec.Basic.Ack: _on_ack,
        spec.Basic.Cancel: _on_cancel,
        spec.Basic.Consume: _on_consume,
        spec.Basic.Get: _on_get,
        spec.Basic.Nack: _on_nack,
        spec.Basic.Qos: _on_qos,
        spec.Basic.Recover: _on_recover,
        spec.Basic.RecoverAsync: _on_recover,
        spec.Basic.Reject: _on_reject,
        spec.Channel.Flow: _on_flow,
        spec.Confirm.Select: _on_confirm_select,
        spec.Exchange.Bind: _on_exchange_bind,
        spec.Exchange.Declare: _on_exchange_declare,
        spec.Exchange.Delete: _on_exchange_delete,
        spec.Exchange.Unbind: _on_exchange_unbind,
        spec.Queue.Bind: _on_queue_bind,
        spec.Queue.Declare: _on_queue_declare,
        spec.Queue.Delete: _on_queue_delete,
        spec.Queue.Purge: _on_queue_purge,
        spec.Queue.Unbind: _on_queue_unbind,
        spec.Tx.Commit: _on_tx_commit,
        spec.Tx.Rollback: _on_tx_rollback,
        spec.Tx.Select: _on_tx_select,
    }


def _new_tag() -> str:
    return f'amq.ctag-{_made_up(16)}'


def _made_up(size: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).decode().rstrip('=')
