"""Queues: declaring, purging, deleting, and what belongs to whom."""

from pika import spec

from scenarios.client import Session


def declare(session: Session) -> None:
    """A declaration tells the numbers of messages and consumers."""
    channel = session.channel()
    channel.declare('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.declare('q')
    channel.consume('q', 'tag')
    channel.settle()
    channel.declare('q')
    channel.declare('q', passive=True)


def server_named(session: Session) -> None:
    """An empty name lets the broker choose one."""
    channel = session.channel()
    channel.declare('')
    channel.declare('', exclusive=True)


def declare_again(session: Session) -> None:
    """Nothing of a queue may differ when it is declared again."""
    connection = session.client()
    connection.channel().declare('q')
    for options in ({
            'durable': True
    }, {
            'auto_delete': True
    }, {
            'exclusive': True
    }, {
            'x_message_ttl': 1000
    }, {
            'x_max_length': 3
    }, {
            'some': 1
    }, {
            'passive': True,
            'durable': True,
            'x_max_length': 4
    }):
        connection.channel().declare('q', **options)


def declare_again_with_arguments(session: Session) -> None:
    """The known arguments are compared, the others are not."""
    connection = session.client()
    connection.channel().declare('q', x_max_length=3, x_message_ttl=60000, own=1)
    connection.channel().declare('q', x_max_length=3, x_message_ttl=60000)
    connection.channel().declare('q', x_max_length=3, x_message_ttl=60000, own=2)
    connection.channel().declare('q', x_max_length=3)
    connection.channel().declare('q', x_max_length=4, x_message_ttl=60000)
    connection.channel().declare('q', x_max_length='3', x_message_ttl=60000)
    connection.channel().declare('q', x_message_ttl=60000)


def passive_missing(session: Session) -> None:
    """A passive declaration makes nothing."""
    session.channel().declare('q', passive=True)


def reserved_name(session: Session) -> None:
    """Names with amq. are the broker's."""
    session.channel().declare('amq.mine')


def bad_arguments(session: Session) -> None:
    """Each argument has a type and a range."""
    connection = session.client()
    for number, (name, value) in enumerate(
        (('x-message-ttl', -1), ('x-message-ttl', 'ten'), ('x-message-ttl', 1.5),
         ('x-message-ttl', 2**33), ('x-expires', 0), ('x-expires', -1), ('x-expires', 'x'),
         ('x-max-length', -1), ('x-max-length', 'x'), ('x-max-length-bytes', -1),
         ('x-overflow', 'drop-tail'), ('x-overflow', 1), ('x-dead-letter-exchange', 1),
         ('x-dead-letter-routing-key', 'key'), ('x-dead-letter-routing-key',
                                                1), ('x-max-priority', -1), ('x-max-priority', 256),
         ('x-max-priority', 'x'), ('x-single-active-consumer',
                                   'yes'), ('x-queue-type', 'strange'), ('x-queue-mode', 'strange'),
         ('x-queue-type', 1), ('x-delivery-limit', -1), ('x-delivery-limit', 3), ('x-message-ttl',
                                                                                  True))):
        connection.channel().call(spec.Queue.Declare(0, f'q{number}', arguments={name: value}))


def purge(session: Session) -> None:
    """Purging takes what is ready, not what is unacked."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.call(spec.Queue.Purge(0, 'q'))
    channel.call(spec.Queue.Purge(0, 'q'))
    channel.nack(1)
    channel.get_all('q')
    channel.call(spec.Queue.Purge(0, 'no queue'))


def delete(session: Session) -> None:
    """Deleting tells how many messages were there, and is no error when nothing is."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.call(spec.Queue.Delete(0, 'q'))
    channel.call(spec.Queue.Delete(0, 'q'))
    channel.declare('q')


def delete_if_empty(session: Session) -> None:
    """Not while there is a message; an unacked one counts as none."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.settle()
    connection.channel().call(spec.Queue.Delete(0, 'q', if_empty=True))
    channel.get('q', no_ack=False)
    connection.channel().call(spec.Queue.Delete(0, 'q', if_empty=True))


def delete_if_unused(session: Session) -> None:
    """Not while there is a consumer."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.consume('q', 'tag')
    connection.channel().call(spec.Queue.Delete(0, 'q', if_unused=True))
    channel.call(spec.Basic.Cancel('tag'))
    connection.channel().call(spec.Queue.Delete(0, 'q', if_unused=True))


def exclusive(session: Session) -> None:
    """An exclusive queue belongs to its connection, and goes with it."""
    mine = session.client()
    channel = mine.channel()
    channel.queue('q', exclusive=True)
    others = session.client()
    others.channel().declare('q')
    others.channel().declare('q', passive=True)
    others.channel().declare('q', exclusive=True)
    others.channel().call(spec.Queue.Bind(0, 'q', 'amq.direct', 'key'))
    others.channel().call(spec.Queue.Unbind(0, 'q', 'amq.direct', 'key'))
    others.channel().call(spec.Queue.Purge(0, 'q'))
    others.channel().call(spec.Queue.Delete(0, 'q'))
    others.channel().get('q')
    others.channel().call(spec.Basic.Consume(0, 'q'))
    others.channel().publish('', 'q', b'1')
    channel.get_all('q')
    channel.declare('q', exclusive=True)
    mine.close()
    others.channel().declare('q', passive=True)


def exclusive_goes_with_lost_connection(session: Session) -> None:
    """However the connection ends."""
    mine = session.client()
    mine.channel().queue('q', exclusive=True)
    mine.ended = True
    mine.stream.close()
    session.sleep(0.2)
    session.channel().count('q')


def auto_delete(session: Session) -> None:
    """An auto-delete queue goes with its last consumer; one that had none stays."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q', auto_delete=True)
    channel.queue('unused', auto_delete=True)
    channel.consume('q', 'one')
    channel.consume('q', 'two')
    channel.call(spec.Basic.Cancel('one'))
    channel.declare('q', passive=True)
    channel.call(spec.Basic.Cancel('two'))
    session.settle()
    channel.declare('unused', passive=True)
    channel.declare('q', passive=True)


def auto_delete_when_channel_closes(session: Session) -> None:
    """A channel that closes takes its consumers, and their last one the queue."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q', auto_delete=True)
    channel.consume('q', 'one')
    channel.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()
    connection.channel().declare('q', passive=True)


def delete_cancels(session: Session) -> None:
    """A deleted queue cancels its consumers, where the client said it can be told."""
    told = session.channel(capabilities=['consumer_cancel_notify'])
    told.queue('q')
    told.consume('q', 'told')
    untold = session.channel()
    untold.consume('q', 'untold')
    untold.call(spec.Queue.Delete(0, 'q'))
    session.settle()
    told.call(spec.Basic.Cancel('told'))
    untold.call(spec.Basic.Cancel('untold'))


def delete_own(session: Session) -> None:
    """So it does when the consumer's own channel deletes."""
    channel = session.channel(capabilities=['consumer_cancel_notify'])
    channel.queue('q')
    channel.consume('q', 'tag')
    channel.call(spec.Queue.Delete(0, 'q'))
    session.settle()
    channel.consume('q', 'tag')


def delete_with_unacked(session: Session) -> None:
    """An ack of what was in a deleted queue is no error."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.call(spec.Queue.Delete(0, 'q'))
    channel.ack(1)
    channel.declare('q')


def expires(session: Session) -> None:
    """A queue with x-expires goes when nobody has used it for so long."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q', x_expires=1000)
    channel.queue('used', x_expires=1000)
    channel.consume('used', 'tag')
    session.sleep(0.5)
    channel.count('q')
    session.sleep(1.6)
    connection.channel().count('q')
    channel.count('used')
    channel.call(spec.Basic.Cancel('tag'))
    session.sleep(0.5)
    channel.count('used')
    session.sleep(1.6)
    connection.channel().count('used')


def expires_with_get(session: Session) -> None:
    """Basic.Get is use, a message that arrives is not."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q', x_expires=1500)
    channel.queue('fed', x_expires=1500)
    for _ in range(3):
        session.sleep(0.8)
        channel.get('q')
        channel.publish('', 'fed', b'1')
    connection.channel().count('q')
    connection.channel().count('fed')


def nowait(session: Session) -> None:
    """With nowait there is no answer, only effects."""
    channel = session.channel()
    channel.say(spec.Exchange.Declare(0, 'x', 'fanout', nowait=True))
    channel.say(spec.Queue.Declare(0, 'q', nowait=True))
    channel.say(spec.Queue.Bind(0, 'q', 'x', '', nowait=True))
    channel.say(spec.Confirm.Select(nowait=True))
    channel.publish('x', '', b'1')
    channel.say(spec.Basic.Consume(0, 'q', 'tag', nowait=True))
    channel.settle()
    channel.say(spec.Basic.Cancel('tag', nowait=True))
    channel.say(spec.Queue.Purge(0, 'q', nowait=True))
    channel.say(spec.Exchange.Delete(0, 'x', nowait=True))
    channel.say(spec.Queue.Delete(0, 'q', nowait=True))
    channel.settle()
    channel.declare('q', passive=True)


def nowait_error(session: Session) -> None:
    """An error closes the channel all the same."""
    channel = session.channel()
    channel.say(spec.Queue.Declare(0, 'q', passive=True, nowait=True))
    channel.settle()


def durable_exclusive(session: Session) -> None:
    """All flags at once."""
    channel = session.channel()
    channel.declare('q', durable=True, exclusive=True, auto_delete=True)
    channel.declare('q', durable=True, exclusive=True, auto_delete=True)
    channel.declare('q', durable=True)


def quorum(session: Session) -> None:
    """A quorum queue is durable, and neither exclusive nor auto-delete."""
    connection = session.client()
    connection.channel().declare('q', durable=True, x_queue_type='quorum')
    connection.channel().declare('q', durable=True)
    for number, options in enumerate(({}, {
            'durable': True,
            'exclusive': True
    }, {
            'durable': True,
            'auto_delete': True
    })):
        connection.channel().declare(f'q{number}', x_queue_type='quorum', **options)
    connection.channel().declare('q4', durable=True, x_queue_type='quorum', x_max_priority=3)
    connection.channel().declare('q5',
                                 durable=True,
                                 x_queue_type='quorum',
                                 x_overflow='reject-publish')
    connection.channel().declare('q6', durable=True, x_queue_type='quorum', x_message_ttl=1000)
    connection.channel().declare('q7', durable=True, x_queue_type='classic')
    connection.channel().declare('q7', durable=True)


def auto_delete_server_named(session: Session) -> None:
    """The usual queue for replies."""
    channel = session.channel()
    name = channel.queue('', exclusive=True, auto_delete=True)
    channel.consume(name, 'tag')
    channel.publish('', name, b'1')
    channel.settle()
    channel.call(spec.Basic.Cancel('tag'))
    session.settle()
    channel.call(spec.Queue.Declare(0, name, passive=True))


def delete_with_both_conditions(session: Session) -> None:
    """Which of them is told."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.qos(1)
    channel.consume('q', 'tag')
    channel.settle()
    connection.channel().call(spec.Queue.Delete(0, 'q', if_unused=True, if_empty=True))
    connection.channel().call(spec.Queue.Delete(0, 'q', if_empty=True))
    connection.channel().call(spec.Queue.Delete(0, 'no queue', if_unused=True, if_empty=True))


def expires_after_channel_closed(session: Session) -> None:
    """A channel that goes ends the use."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q', x_expires=800)
    channel.consume('q', 'tag')
    session.sleep(1.2)
    channel.count('q')
    channel.call(spec.Channel.Close(200, '', 0, 0))
    session.sleep(1.6)
    connection.channel().count('q')
