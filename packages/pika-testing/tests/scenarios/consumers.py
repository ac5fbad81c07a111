"""Consuming: fair order, prefetch, acks, redelivery, priorities."""

from pika import spec

from scenarios.client import Session


def consume(session: Session) -> None:
    """Messages come in their order, those that waited first."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.call(spec.Basic.Consume(0, 'q', 'tag'))
    channel.settle()
    channel.publish('', 'q', b'3')
    channel.settle()
    channel.count('q')
    channel.ack(3, multiple=True)
    channel.count('q')


def no_ack(session: Session) -> None:
    """Without acks a message is gone when it is sent."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'tag', no_ack=True)
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.count('q')
    channel.ack(1)
    channel.settle()


def server_named_tag(session: Session) -> None:
    """An empty consumer tag lets the broker choose one."""
    channel = session.channel()
    channel.queue('q')
    channel.call(spec.Basic.Consume(0, 'q', ''))


def same_tag(session: Session) -> None:
    """A consumer tag is of one consumer in its channel; another channel may have it, too."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.consume('q', 'tag')
    connection.channel().call(spec.Basic.Consume(0, 'q', 'tag'))
    channel.call(spec.Basic.Consume(0, 'q', 'tag'))
    session.settle()


def missing_queue(session: Session) -> None:
    """Nothing to consume from."""
    session.channel().call(spec.Basic.Consume(0, 'no queue', 'tag'))


def cancel(session: Session) -> None:
    """No message after it; what is unacked stays so."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.call(spec.Basic.Cancel('tag'))
    channel.publish('', 'q', b'2')
    channel.settle()
    channel.count('q')
    channel.nack(1)
    channel.settle()
    channel.count('q')
    channel.call(spec.Basic.Cancel('no such tag'))


def round_robin(session: Session) -> None:
    """Consumers take turns."""
    first, second = session.channel(), session.channel()
    first.queue('q')
    first.consume('q', 'one')
    second.consume('q', 'two')
    second.consume('q', 'three')
    for number in range(7):
        first.publish('', 'q', b'%d' % number)
    session.settle()


def prefetch_of_consumers(session: Session) -> None:
    """Prefetch without global counts each consumer that begins afterwards."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(2)
    channel.consume('q', 'one')
    channel.qos(1)
    channel.consume('q', 'two')
    for number in range(6):
        channel.publish('', 'q', b'%d' % number)
        session.settle()
    channel.ack(1)
    channel.settle()
    channel.ack(0, multiple=True)
    channel.settle()


def prefetch_of_channel(session: Session) -> None:
    """Prefetch with global counts all of the channel, at once."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'one')
    channel.consume('q', 'two')
    channel.publish('', 'q', b'0')
    channel.settle()
    channel.qos(2, global_qos=True)
    for number in range(1, 5):
        channel.publish('', 'q', b'%d' % number)
        session.settle()
    channel.ack(1)
    channel.settle()
    channel.qos(0, global_qos=True)
    channel.settle()


def both_prefetches(session: Session) -> None:
    """The smaller room counts."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(3, global_qos=True)
    channel.qos(2)
    channel.consume('q', 'one')
    channel.consume('q', 'two')
    for number in range(6):
        channel.publish('', 'q', b'%d' % number)
        session.settle()
    channel.get('q', no_ack=False)


def prefetch_and_no_ack(session: Session) -> None:
    """Prefetch does not hold a consumer without acks."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(1)
    channel.consume('q', 'one', no_ack=True)
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()


def prefetch_size(session: Session) -> None:
    """RabbitMQ has no prefetch in bytes."""
    session.channel().call(spec.Basic.Qos(1000, 0, False))


def slow_consumer(session: Session) -> None:
    """A full consumer is passed over."""
    slow, fast = session.channel(), session.channel()
    slow.queue('q')
    slow.qos(1)
    slow.consume('q', 'slow')
    fast.consume('q', 'fast')
    for number in range(5):
        fast.publish('', 'q', b'%d' % number)
        session.settle()
    slow.ack(1)
    session.settle()
    for number in range(5, 8):
        fast.publish('', 'q', b'%d' % number)
        session.settle()


def requeue_order(session: Session) -> None:
    """Requeued messages go back to their place, and are marked as redelivered."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3', b'4', b'5')
    channel.settle()
    for _ in range(4):
        channel.get('q', no_ack=False)
    channel.nack(3)
    channel.reject(1)
    channel.nack(2)
    channel.get_all('q')
    channel.nack(4)
    channel.get_all('q')


def nack_multiple(session: Session) -> None:
    """Nack of all up to a tag, and of all."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3', b'4')
    channel.settle()
    for _ in range(4):
        channel.get('q', no_ack=False)
    channel.nack(2, multiple=True)
    channel.settle()
    channel.count('q')
    channel.nack(0, multiple=True, requeue=False)
    channel.settle()
    channel.get_all('q')
    channel.nack(0, multiple=True)
    channel.settle()
    channel.count('q')


def reject_and_redeliver(session: Session) -> None:
    """A rejected message may come back to the same consumer."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(1)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.reject(1)
    channel.settle()
    channel.reject(2, requeue=False)
    channel.settle()
    channel.count('q')


def close_requeues(session: Session) -> None:
    """What is unacked when a channel or connection ends goes back."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.get('q', no_ack=False)
    other = session.channel()
    other.get('q', no_ack=False)
    channel.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()
    connection.channel().count('q')
    other.client.close()
    session.sleep(0.1)
    connection.channel().get_all('q')


def unknown_ack(session: Session) -> None:
    """A tag that is not outstanding closes the channel."""
    connection = session.client()
    channel = connection.channel()
    channel.ack(1)
    channel.settle()
    channel = connection.channel()
    channel.ack(5, multiple=True)
    channel.settle()
    channel = connection.channel()
    channel.reject(1)
    channel.settle()
    channel = connection.channel()
    channel.nack(9)
    channel.settle()
    channel = connection.channel()
    channel.ack(0)
    channel.settle()
    channel = connection.channel()
    channel.ack(0, multiple=True)
    channel.settle()
    channel.count('q')


def double_ack(session: Session) -> None:
    """So does the second ack of a tag; all else of the channel goes back."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.get('q', no_ack=False)
    channel.ack(1)
    channel.ack(1)
    channel.settle()
    connection.channel().get_all('q')


def ack_of_another_channel(session: Session) -> None:
    """Delivery tags are of their channel."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.get('q', no_ack=False)
    other = connection.channel()
    other.ack(1)
    session.settle()


def recover(session: Session) -> None:
    """Basic.Recover with requeue gives all unacked messages again."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(2)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.call(spec.Basic.Recover(True))
    channel.settle()
    channel.ack(4, multiple=True)
    channel.settle()


def recover_async(session: Session) -> None:
    """The same without an answer."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.say(spec.Basic.RecoverAsync(True))
    channel.settle()
    channel.count('q')


def recover_without_requeue(session: Session) -> None:
    """Not implemented."""
    session.channel().call(spec.Basic.Recover(False))


def exclusive_consumer(session: Session) -> None:
    """An exclusive consumer is the only one."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.consume('q', 'only', exclusive=True)
    connection.channel().call(spec.Basic.Consume(0, 'q', 'second'))
    connection.channel().get('q')
    channel.call(spec.Basic.Cancel('only'))
    channel.consume('q', 'first')
    connection.channel().call(spec.Basic.Consume(0, 'q', 'only', exclusive=True))


def consumer_priorities(session: Session) -> None:
    """The consumer of higher priority gets messages as long as it has room."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(2)
    channel.consume('q', 'low', arguments={'x-priority': -1})
    channel.consume('q', 'high', arguments={'x-priority': 10})
    channel.consume('q', 'middle')
    for number in range(7):
        channel.publish('', 'q', b'%d' % number)
        session.settle()
    channel.ack(1)
    channel.settle()


def bad_consumer_priority(session: Session) -> None:
    """A priority is a number."""
    channel = session.channel()
    channel.queue('q')
    channel.call(spec.Basic.Consume(0, 'q', 'tag', arguments={'x-priority': 'high'}))


def single_active(session: Session) -> None:
    """Of several consumers one gets messages; when it goes, the next."""
    channel = session.channel()
    channel.queue('q', x_single_active_consumer=True)
    channel.qos(1)
    for tag in ('one', 'two', 'three'):
        channel.consume('q', tag)
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.ack(1)
    channel.settle()
    channel.call(spec.Basic.Cancel('one'))
    channel.settle()
    channel.ack(2)
    channel.settle()
    channel.count('q')


def single_active_goes_with_channel(session: Session) -> None:
    """Unacked messages of the active one go to the next."""
    first, second = session.channel(), session.channel()
    first.queue('q', x_single_active_consumer=True)
    first.consume('q', 'one')
    second.consume('q', 'two')
    first.publish('', 'q', b'1', b'2')
    session.settle()
    first.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()


def single_active_and_exclusive(session: Session) -> None:
    """Exclusive consumers and this do not go together."""
    channel = session.channel()
    channel.queue('q', x_single_active_consumer=True)
    channel.call(spec.Basic.Consume(0, 'q', 'one', exclusive=True))


def single_active_with_priorities(session: Session) -> None:
    """Who is active stays so; the next one is that of the highest priority."""
    channel = session.channel()
    channel.queue('q', x_single_active_consumer=True)
    channel.consume('q', 'first')
    channel.consume('q', 'low', arguments={'x-priority': -5})
    channel.consume('q', 'high', arguments={'x-priority': 5})
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.call(spec.Basic.Cancel('first'))
    channel.publish('', 'q', b'2')
    channel.settle()


def flow(session: Session) -> None:
    """A client may not stop the flow of deliveries."""
    channel = session.channel()
    channel.call(spec.Channel.Flow(True))
    channel.call(spec.Channel.Flow(False))
    session.settle()


def no_local(session: Session) -> None:
    """The flag no-local is ignored."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'tag', no_local=True)
    channel.publish('', 'q', b'1')
    channel.settle()


def two_queues(session: Session) -> None:
    """Delivery tags count through all consumers of a channel."""
    channel = session.channel()
    channel.queue('q')
    channel.queue('r')
    channel.consume('q', 'one')
    channel.consume('r', 'two')
    for number in range(3):
        channel.publish('', 'q', b'q%d' % number)
        channel.settle()
        channel.publish('', 'r', b'r%d' % number)
        channel.settle()
    channel.ack(4, multiple=True)
    channel.count('q')
    channel.count('r')


def ack_of_all_up_to_a_settled_tag(session: Session) -> None:
    """The tag itself must be outstanding."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    for _ in range(3):
        channel.get('q', no_ack=False)
    channel.ack(2)
    channel.ack(2, multiple=True)
    channel.settle()
    channel = connection.channel()
    channel.get('q', no_ack=False)
    channel.ack(10, multiple=True)
    channel.settle()


def small_prefetch_of_channel(session: Session) -> None:
    """How many messages one is."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(1, global_qos=True)
    channel.consume('q', 'one')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.ack(1)
    channel.settle()
    channel.ack(2)
    channel.settle()


def prefetch_of_channel_over_queues(session: Session) -> None:
    """It counts all queues together."""
    channel = session.channel()
    channel.queue('q')
    channel.queue('r')
    channel.qos(2, global_qos=True)
    channel.consume('q', 'one')
    channel.consume('r', 'two')
    for queue in ('q', 'r', 'q'):
        channel.publish('', queue, queue.encode())
        channel.settle()
    channel.ack(1)
    channel.settle()


def requeue_to_a_consumer(session: Session) -> None:
    """What one consumer gives back comes back to it, in order."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(3)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', b'2', b'3', b'4', b'5')
    channel.settle()
    channel.nack(0, multiple=True)
    channel.settle()
    channel.ack(6, multiple=True)
    channel.settle()


def requeue_to_several_consumers(session: Session) -> None:
    """What one gives back may go to another."""
    first, second = session.channel(), session.channel()
    first.queue('q')
    first.consume('q', 'one')
    second.consume('q', 'two')
    first.publish('', 'q', b'1', b'2', b'3', b'4')
    session.settle()
    first.nack(0, multiple=True)
    session.settle()
    second.reject(1)
    session.settle()


def channel_with_two_consumers_closes(session: Session) -> None:
    """All that both had goes to the others, in its order."""
    first, second = session.channel(), session.channel()
    first.queue('q')
    first.consume('q', 'one')
    first.consume('q', 'two')
    first.publish('', 'q', b'1', b'2', b'3', b'4')
    session.settle()
    second.consume('q', 'three')
    first.publish('', 'q', b'5')
    session.settle()
    first.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()


def connection_with_consumers_closes(session: Session) -> None:
    """The same when the connection goes."""
    first, second = session.channel(), session.channel()
    first.queue('q')
    first.qos(1)
    first.consume('q', 'one')
    second.consume('q', 'two')
    first.publish('', 'q', b'1', b'2', b'3')
    session.settle()
    first.client.close()
    session.sleep(0.1)


def ack_over_queues(session: Session) -> None:
    """Acks of several queues and consumers at once."""
    channel = session.channel()
    for queue in ('q', 'r'):
        channel.queue(queue)
        channel.qos(1)
        channel.consume(queue, f'of {queue}')
        channel.publish('', queue, queue.encode())
        channel.settle()
    channel.ack(2, multiple=True)
    channel.settle()
    channel.count('q')
    channel.count('r')


def recover_over_queues(session: Session) -> None:
    """Basic.Recover gives back of all queues, got messages included."""
    channel = session.channel()
    for queue in ('q', 'r'):
        channel.queue(queue)
        channel.publish('', queue, queue.encode())
    channel.settle()
    channel.get('r', no_ack=False)
    channel.consume('q', 'tag')
    channel.settle()
    channel.do(spec.Basic.Recover(True))
    channel.settle()
    channel.count('q')
    channel.count('r')


def prefetch_changes(session: Session) -> None:
    """A consumer keeps the prefetch that it began with."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(1)
    channel.consume('q', 'tag')
    channel.qos(0)
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.consume('q', 'free')
    channel.settle()


def cancel_and_consume_again(session: Session) -> None:
    """The tag is free at once; delivery tags go on."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.call(spec.Basic.Cancel('tag'))
    channel.call(spec.Basic.Consume(0, 'q', 'tag'))
    channel.publish('', 'q', b'2')
    channel.settle()
    channel.ack(2, multiple=True)
    channel.count('q')


def get_beside_consumers(session: Session) -> None:
    """Basic.Get takes what consumers cannot."""
    channel = session.channel()
    channel.queue('q')
    channel.qos(1)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.nack(2)
    channel.settle()
    channel.ack(1)
    channel.settle()
