"""TTL, lengths, dead letters, priorities of messages, delivery limits."""

from pika import spec

from scenarios.client import Session


def queue_ttl(session: Session) -> None:
    """x-message-ttl: milliseconds that a message stays."""
    channel = session.channel()
    channel.queue('q', x_message_ttl=800)
    channel.publish('', 'q', b'1')
    channel.count('q')
    session.sleep(1.2)
    channel.count('q')
    channel.get('q')


def message_ttl(session: Session) -> None:
    """expiration: milliseconds; the shorter of both counts, once the message is at the head."""
    channel = session.channel()
    channel.queue('q')
    channel.queue('r', x_message_ttl=300)
    channel.publish('', 'q', b'1')
    channel.publish('', 'q', b'2', expiration='100')
    channel.publish('', 'r', b'3', expiration='100000')
    channel.publish('', 'r', b'4', expiration='50')
    session.sleep(0.6)
    channel.count('q')
    channel.get_all('q')
    channel.count('r')


def ttl_zero(session: Session) -> None:
    """A message that has no time at all reaches only who waits for it."""
    channel = session.channel()
    channel.queue('q', x_message_ttl=0)
    channel.publish('', 'q', b'1', mandatory=True)
    channel.settle()
    channel.count('q')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'2')
    channel.publish('', 'q', b'3', expiration='0')
    channel.settle()


def ttl_and_requeue(session: Session) -> None:
    """Time goes on while a message is unacked; requeued too late it is gone."""
    channel = session.channel()
    channel.queue('q', x_message_ttl=800)
    channel.publish('', 'q', b'1')
    channel.get('q', no_ack=False)
    session.sleep(1.2)
    channel.nack(1)
    channel.settle()
    channel.count('q')


def dead_letter_expired(session: Session) -> None:
    """An expired message goes to the dead letter exchange and says where it was."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  x_message_ttl=100,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1', headers={'own': 1}, expiration='50')
    channel.publish('', 'q', b'2')
    session.sleep(0.4)
    channel.get_all('dead')


def dead_letter_rejected(session: Session) -> None:
    """So does a rejected one, with its own routing keys."""
    channel = session.channel()
    channel.exchange('x', 'fanout')
    channel.exchange('dlx', 'topic')
    channel.queue('dead')
    channel.bind('dead', 'dlx', 'key.#')
    channel.queue('q', x_dead_letter_exchange='dlx')
    channel.bind('q', 'x')
    channel.publish('x', 'key.one', b'1', headers={'CC': ['key.two'], 'BCC': ['key.three']})
    channel.publish('x', 'key.two', b'2', delivery_mode=2)
    channel.publish('x', 'other', b'3')
    channel.settle()
    for _ in range(3):
        channel.get('q', no_ack=False)
    channel.reject(1, requeue=False)
    channel.nack(3, multiple=True, requeue=False)
    channel.get_all('dead')


def dead_letter_twice(session: Session) -> None:
    """x-death counts how often, and for what reason, by queue."""
    channel = session.channel()
    channel.queue('one', x_dead_letter_exchange='', x_dead_letter_routing_key='two')
    channel.queue('two', x_dead_letter_exchange='', x_dead_letter_routing_key='one')
    channel.publish('', 'one', b'1')
    for queue in ('one', 'two', 'one', 'two', 'one'):
        channel.settle()
        answer = channel.get(queue, no_ack=False)
        channel.reject(answer.delivery_tag, requeue=False)
    channel.get_all('two')


def dead_letter_in_a_circle(session: Session) -> None:
    """A message that expires in a circle without a rejection is dropped."""
    channel = session.channel()
    channel.queue('one',
                  x_message_ttl=50,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='two')
    channel.queue('two',
                  x_message_ttl=50,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='one')
    channel.publish('', 'one', b'1')
    session.sleep(0.6)
    channel.count('one')
    channel.count('two')


def dead_letter_to_itself(session: Session) -> None:
    """An expired message does not come back to its own queue; a rejected one does."""
    channel = session.channel()
    channel.queue('q', x_message_ttl=100, x_dead_letter_exchange='', x_dead_letter_routing_key='q')
    channel.publish('', 'q', b'1')
    session.sleep(0.4)
    channel.count('q')
    channel.queue('r', x_dead_letter_exchange='', x_dead_letter_routing_key='r')
    channel.publish('', 'r', b'2')
    channel.settle()
    channel.get('r', no_ack=False)
    channel.reject(1, requeue=False)
    channel.settle()
    channel.get('r')


def dead_letter_exchange_missing(session: Session) -> None:
    """No exchange: the message is dropped."""
    channel = session.channel()
    channel.queue('q', x_dead_letter_exchange='nowhere')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.reject(1, requeue=False)
    channel.settle()
    channel.count('q')


def max_length(session: Session) -> None:
    """x-max-length: the oldest goes, to the dead letter exchange if there is one."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q', x_max_length=2, x_dead_letter_exchange='', x_dead_letter_routing_key='dead')
    channel.confirm()
    channel.publish('', 'q', b'1', b'2', b'3', b'4')
    channel.settle()
    channel.get_all('q', 'dead')


def max_length_zero(session: Session) -> None:
    """A queue that holds nothing still feeds a consumer that waits."""
    channel = session.channel()
    channel.queue('q', x_max_length=0)
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.count('q')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'2')
    channel.settle()


def max_length_and_unacked(session: Session) -> None:
    """Unacked messages do not count; requeued ones do."""
    channel = session.channel()
    channel.queue('q', x_max_length=2)
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.get('q', no_ack=False)
    channel.publish('', 'q', b'3', b'4')
    channel.settle()
    channel.nack(2, multiple=True)
    channel.get_all('q')


def max_length_bytes(session: Session) -> None:
    """x-max-length-bytes counts bodies."""
    channel = session.channel()
    channel.queue('q', x_max_length_bytes=10)
    channel.publish('', 'q', b'1234', b'5678', b'90', b'x')
    channel.settle()
    channel.get_all('q')
    channel.publish('', 'q', b'x' * 11, message_id='too large')
    channel.settle()
    channel.count('q')


def reject_publish(session: Session) -> None:
    """x-overflow reject-publish: the newest is refused, and nacked."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  x_max_length=2,
                  x_overflow='reject-publish',
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1')
    channel.confirm()
    for body in (b'2', b'3', b'4'):
        channel.publish('', 'q', body)
        channel.settle()
    channel.get_all('q', 'dead')
    channel.publish('', 'q', b'5')
    channel.settle()


def reject_publish_dlx(session: Session) -> None:
    """reject-publish-dlx: the refused one is dead-lettered."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  x_max_length=1,
                  x_overflow='reject-publish-dlx',
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.confirm()
    for body in (b'1', b'2'):
        channel.publish('', 'q', body)
        channel.settle()
    channel.get_all('q', 'dead')


def reject_publish_of_one_of_two(session: Session) -> None:
    """One of two queues refuses: nack."""
    channel = session.channel()
    channel.queue('q', x_max_length=1, x_overflow='reject-publish')
    channel.queue('r')
    for queue in ('q', 'r'):
        channel.bind(queue, 'amq.fanout')
    channel.confirm()
    for body in (b'1', b'2'):
        channel.publish('amq.fanout', '', body)
        channel.settle()
    channel.get_all('q', 'r')


def priorities(session: Session) -> None:
    """The highest first, each in its order; above the maximum counts as the maximum."""
    channel = session.channel()
    channel.queue('q', x_max_priority=5)
    for number, priority in enumerate((None, 1, 5, 3, 9, 1, 0, 5)):
        channel.publish('', 'q', b'%d' % number, priority=priority)
    channel.get_all('q')


def priorities_and_requeue(session: Session) -> None:
    """A requeued message goes back among those of its priority."""
    channel = session.channel()
    channel.queue('q', x_max_priority=5)
    for number, priority in enumerate((1, 1, 3)):
        channel.publish('', 'q', b'%d' % number, priority=priority)
    channel.settle()
    for _ in range(3):
        channel.get('q', no_ack=False)
    channel.publish('', 'q', b'3', priority=1)
    channel.publish('', 'q', b'4', priority=4)
    channel.nack(0, multiple=True)
    channel.get_all('q')


def priorities_and_length(session: Session) -> None:
    """Which message has to go when a queue with priorities is full."""
    channel = session.channel()
    channel.queue('q', x_max_priority=5, x_max_length=2)
    for number, priority in enumerate((1, 3, 1, 5)):
        channel.publish('', 'q', b'%d' % number, priority=priority)
        channel.settle()
    channel.get_all('q')


def priorities_and_ttl(session: Session) -> None:
    """Each priority expires at its own head."""
    channel = session.channel()
    channel.queue('q', x_max_priority=5)
    channel.publish('', 'q', b'0', priority=5)
    channel.publish('', 'q', b'1', priority=1, expiration='50')
    channel.publish('', 'q', b'2', priority=1)
    session.sleep(0.4)
    channel.count('q')
    channel.get_all('q')


def delivery_limit(session: Session) -> None:
    """A quorum queue delivers again only so often, then the message is dead."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  durable=True,
                  x_queue_type='quorum',
                  x_delivery_limit=2,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1')
    session.sleep(0.2)
    for tag in (1, 2, 3):
        channel.nack(tag)
        session.sleep(0.2)
    session.sleep(0.3)
    channel.get_all('dead')


def delivery_limit_of_rejects(session: Session) -> None:
    """How a message is given back may count."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum', x_delivery_limit=1)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', headers={'own': 1})
    session.sleep(0.2)
    for tag in (1, 2):
        channel.reject(tag)
        session.sleep(0.2)
    channel.count('q')


def delivery_limit_when_channels_close(session: Session) -> None:
    """So may the end of its channel."""
    connection = session.client()
    connection.channel().queue('q', durable=True, x_queue_type='quorum', x_delivery_limit=1)
    connection.channel().publish('', 'q', b'1')
    for _ in range(4):
        session.sleep(0.2)
        channel = connection.channel()
        channel.get('q', no_ack=False)
        channel.call(spec.Channel.Close(200, '', 0, 0))


def quorum_requeue_order(session: Session) -> None:
    """Where a quorum queue puts what it gets back."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.publish('', 'q', b'1', b'2', b'3')
    session.sleep(0.3)
    for _ in range(2):
        channel.get('q', no_ack=False)
    channel.nack(1)
    session.sleep(0.2)
    channel.get_all('q')


def quorum_priorities(session: Session) -> None:
    """Whether a quorum queue looks at priorities."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.confirm()
    for number, priority in enumerate((None, 9, 1, 5, 4)):
        channel.publish('', 'q', b'%d' % number, priority=priority)
        session.sleep(0.1)
    for _ in range(6):
        channel.get('q')


def quorum_single_active(session: Session) -> None:
    """Whether a consumer of higher priority takes over."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum', x_single_active_consumer=True)
    channel.qos(1)
    channel.consume('q', 'low')
    session.sleep(0.1)
    channel.consume('q', 'high', arguments={'x-priority': 5})
    session.sleep(0.1)
    channel.publish('', 'q', b'1', b'2')
    session.sleep(0.3)
    channel.ack(1)
    session.sleep(0.3)


def quorum_single_active_gives_way(session: Session) -> None:
    """When the active one still has a message."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum', x_single_active_consumer=True)
    channel.consume('q', 'low')
    channel.publish('', 'q', b'1')
    session.sleep(0.2)
    channel.consume('q', 'high', arguments={'x-priority': 5})
    channel.publish('', 'q', b'2')
    session.sleep(0.3)
    channel.ack(1)
    session.sleep(0.3)


def quorum_overflow(session: Session) -> None:
    """A quorum queue that is full."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum', x_max_length=2)
    channel.confirm()
    for number in range(5):
        channel.publish('', 'q', b'%d' % number)
        session.sleep(0.1)
    session.sleep(0.3)
    for _ in range(3):
        channel.get('q')


def quorum_ttl_and_dead_letters(session: Session) -> None:
    """A quorum queue expires messages at its head, and dead-letters them."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  durable=True,
                  x_queue_type='quorum',
                  x_message_ttl=300,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1')
    session.sleep(1.5)
    channel.get_all('q', 'dead')


def quorum_nack_dead_letters(session: Session) -> None:
    """What a quorum queue's dead letters say."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  durable=True,
                  x_queue_type='quorum',
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', b'2')
    session.sleep(0.3)
    channel.nack(1, requeue=False)
    session.sleep(0.2)
    channel.reject(2, requeue=False)
    session.sleep(0.3)
    channel.get_all('dead')


def quorum_channel_prefetch(session: Session) -> None:
    """A quorum queue knows no prefetch of a whole channel."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.qos(1, global_qos=True)
    channel.call(spec.Basic.Consume(0, 'q', 'tag'))


def quorum_consumer_order(session: Session) -> None:
    """Consumers take turns, those of higher priority first."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.qos(2)
    channel.consume('q', 'low')
    channel.consume('q', 'high', arguments={'x-priority': 5})
    channel.consume('q', 'also low')
    for number in range(6):
        channel.publish('', 'q', b'%d' % number)
        session.sleep(0.1)


def quorum_delete_and_purge(session: Session) -> None:
    """Purging and deleting count what is ready."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.publish('', 'q', b'1', b'2', b'3')
    session.sleep(0.3)
    channel.get('q', no_ack=False)
    channel.call(spec.Queue.Purge(0, 'q'))
    channel.publish('', 'q', b'4')
    session.sleep(0.2)
    channel.call(spec.Queue.Delete(0, 'q'))


def recover_of_quorum(session: Session) -> None:
    """Basic.Recover gives messages again, and may count."""
    channel = session.channel()
    channel.queue('q', durable=True, x_queue_type='quorum')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1')
    session.sleep(0.2)
    channel.do(spec.Basic.Recover(True))
    session.sleep(0.3)


def dead_letter_with_copies(session: Session) -> None:
    """A dead letter routing key replaces all keys of a message."""
    channel = session.channel()
    for queue in ('dead', 'copy'):
        channel.queue(queue)
    channel.queue('q', x_dead_letter_exchange='', x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1', headers={'CC': ['copy']})
    channel.settle()
    channel.get('q', no_ack=False)
    channel.nack(1, requeue=False)
    channel.get_all('dead', 'copy')


def dead_letter_of_a_made_up_history(session: Session) -> None:
    """A client may have written x-death itself."""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q', x_max_length=0, x_dead_letter_exchange='', x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1', headers={'x-death': 'nonsense'})
    channel.publish('', 'q', b'2', headers={'x-first-death-queue': 'other'})
    channel.get_all('dead')


def dead_letter_of_several_reasons(session: Session) -> None:
    """Each reason has an entry of its own."""
    channel = session.channel()
    channel.queue('one',
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='two',
                  x_message_ttl=100)
    channel.queue('two', x_dead_letter_exchange='', x_dead_letter_routing_key='three')
    channel.queue('three',
                  x_max_length=0,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='end')
    channel.queue('end')
    channel.publish('', 'one', b'1', expiration='50', priority=3, delivery_mode=2)
    session.sleep(0.5)
    channel.get('two', no_ack=False)
    channel.reject(1, requeue=False)
    channel.get_all('end')


def reject_publish_with_consumer(session: Session) -> None:
    """What a consumer has does not count."""
    channel = session.channel()
    channel.queue('q', x_max_length=1, x_overflow='reject-publish')
    channel.qos(1)
    channel.consume('q', 'tag')
    channel.confirm()
    for number in range(3):
        channel.publish('', 'q', b'%d' % number)
        channel.settle()
    channel.ack(1)
    channel.settle()


def reject_publish_bytes(session: Session) -> None:
    """The same with a limit in bytes."""
    channel = session.channel()
    channel.queue('q', x_max_length_bytes=10, x_overflow='reject-publish')
    channel.confirm()
    for body in (b'12345678', b'123', b'12', b'1', b''):
        channel.publish('', 'q', body)
        channel.settle()
    channel.get_all('q')


def mandatory_and_full(session: Session) -> None:
    """A full queue is a route: no return."""
    channel = session.channel()
    channel.queue('q', x_max_length=0)
    channel.queue('r', x_max_length=0, x_overflow='reject-publish')
    channel.confirm()
    channel.publish('', 'q', b'1', mandatory=True)
    channel.settle()
    channel.publish('', 'r', b'2', mandatory=True)
    channel.settle()


def priorities_and_consumer(session: Session) -> None:
    """A consumer gets what is highest at that moment."""
    channel = session.channel()
    channel.queue('q', x_max_priority=10)
    channel.qos(1)
    channel.consume('q', 'tag')
    for priority in (1, 2, 9, 5):
        channel.publish('', 'q', b'%d' % priority, priority=priority)
    channel.settle()
    for tag in (1, 2, 3):
        channel.ack(tag)
        channel.settle()


def expiration_of_requeued(session: Session) -> None:
    """A message that waits behind a requeued one."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.publish('', 'q', b'2', expiration='200')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.nack(1)
    session.sleep(0.5)
    channel.count('q')
    channel.get_all('q')


def dead_letter_published_again(session: Session) -> None:
    """A client sends a dead letter once more, with the headers that it had: is it counted on?"""
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q', x_dead_letter_exchange='', x_dead_letter_routing_key='dead')
    headers = {}
    for _ in range(3):
        channel.publish('', 'q', b'1', headers=headers)
        channel.settle()
        answer = channel.get('q', no_ack=False)
        channel.nack(answer.delivery_tag, requeue=False)
        channel.settle()
        headers = channel.get('dead').get_properties().headers


def dead_letter_that_was_elsewhere(session: Session) -> None:
    """A history that a client has written may look like a circle."""
    channel = session.channel()
    channel.queue('two')
    channel.queue('one',
                  x_message_ttl=50,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='two')
    death = {
        'queue': 'two',
        'reason': 'expired',
        'count': 1,
        'exchange': '',
        'routing-keys': ['two']
    }
    channel.publish('', 'one', b'1', headers={'x-death': [death]})
    session.sleep(0.4)
    channel.get_all('two')
