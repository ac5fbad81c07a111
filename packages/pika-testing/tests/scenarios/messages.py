"""Publishing: properties, returns, confirms, transactions."""

from pika import spec
from pika_testing import message_frames

from scenarios.client import Session


def properties(session: Session) -> None:
    """All properties come through, and none is made up."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('',
                    'q',
                    b'1',
                    content_type='text/plain',
                    content_encoding='gzip',
                    headers={
                        'a': [1, {
                            'b': None
                        }],
                        'c': b'\xff',
                        'd': 1.5,
                        'e': True
                    },
                    delivery_mode=2,
                    priority=3,
                    correlation_id='c',
                    reply_to='r',
                    message_id='m',
                    timestamp=1,
                    type='t',
                    user_id='guest' if session.user == 'guest' else session.user,
                    app_id='a',
                    cluster_id='cl')
    channel.publish('', 'q', b'2')
    channel.get_all('q')


def bodies(session: Session) -> None:
    """Of any size, the empty one and one of several frames included."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'', b'x' * 200)
    channel.get_all('q')
    body = bytes(range(256)) * 1200
    channel.publish('', 'q', body)
    channel.settle()
    channel.say(spec.Basic.Get(0, 'q', True))
    answer = channel.client.answer(channel.number, (spec.Basic.GetOk,))
    session.note(answer.size, answer.get_body() == body)


def wrong_user_id(session: Session) -> None:
    """user_id has to be the user of the connection."""
    channel = session.channel()
    channel.publish('', 'q', b'1', user_id='somebody')
    channel.settle()


def bad_expiration(session: Session) -> None:
    """expiration is a number of milliseconds in digits."""
    connection = session.client()
    for expiration in ('ten', '-1', '1.5', '', '99999999999'):
        channel = connection.channel()
        channel.publish('', 'q', b'1', expiration=expiration)
        channel.settle()


def returned(session: Session) -> None:
    """A mandatory message that reaches no queue comes back, before it is confirmed."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'no queue', b'1')
    channel.publish('', 'no queue', b'2', mandatory=True, message_id='m')
    channel.publish('amq.fanout', 'key', b'', mandatory=True)
    channel.publish('', 'q', b'4', mandatory=True)
    channel.settle()
    channel.confirm()
    channel.publish('', 'no queue', b'5', mandatory=True)
    channel.settle()


def immediate(session: Session) -> None:
    """The flag immediate is not supported."""
    channel = session.channel()
    method = spec.Basic.Publish(0, '', 'q', immediate=True)
    channel.client.send(b''.join(message_frames(channel.number, method)))
    channel.settle()


def confirms(session: Session) -> None:
    """Each publish is confirmed, counted from the first one after Confirm.Select."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'0')
    channel.call(spec.Confirm.Select())
    channel.publish('', 'q', b'1', b'2')
    channel.publish('', 'no queue', b'3')
    channel.settle()
    channel.call(spec.Confirm.Select())
    channel.publish('', 'q', b'4', delivery_mode=2)
    channel.settle()


def confirms_of_missing_exchange(session: Session) -> None:
    """The channel closes, what was sent before is confirmed."""
    channel = session.channel()
    channel.queue('q')
    channel.confirm()
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.publish('nowhere', 'q', b'2')
    channel.settle()


def transaction(session: Session) -> None:
    """Publishes and acks take effect with the commit."""
    channel = session.channel()
    channel.queue('q')
    channel.queue('other')
    channel.publish('', 'q', b'old')
    channel.settle()
    channel.call(spec.Tx.Select())
    channel.get('q', no_ack=False)
    channel.publish('', 'other', b'1', b'2')
    channel.publish('', 'no queue', b'3', mandatory=True)
    channel.ack(1)
    channel.settle()
    channel.count('other')
    channel.call(spec.Tx.Commit())
    channel.settle()
    channel.count('other')
    channel.count('q')
    channel.call(spec.Tx.Commit())


def rollback(session: Session) -> None:
    """Nothing of it happens; the messages stay unacked."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.do(spec.Tx.Select())
    channel.get('q', no_ack=False)
    channel.publish('', 'q', b'3')
    channel.ack(1)
    channel.call(spec.Tx.Rollback())
    channel.settle()
    channel.count('q')
    channel.ack(1)
    channel.call(spec.Tx.Commit())
    channel.get_all('q')


def rejects_in_transaction(session: Session) -> None:
    """They take effect with the commit, too."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.do(spec.Tx.Select())
    for _ in range(3):
        channel.get('q', no_ack=False)
    channel.reject(1)
    channel.nack(2, requeue=False)
    channel.settle()
    channel.count('q')
    channel.call(spec.Tx.Commit())
    channel.settle()
    channel.count('q')
    channel.get('q')


def transaction_errors(session: Session) -> None:
    """No commit without select, no confirms in a transaction and the reverse."""
    connection = session.client()
    connection.channel().call(spec.Tx.Commit())
    connection.channel().call(spec.Tx.Rollback())
    channel = connection.channel()
    channel.do(spec.Tx.Select())
    channel.call(spec.Tx.Select())
    channel.call(spec.Confirm.Select())
    channel = connection.channel()
    channel.confirm()
    channel.call(spec.Tx.Select())


def transaction_with_bad_ack(session: Session) -> None:
    """An unknown tag closes the channel at once."""
    channel = session.channel()
    channel.do(spec.Tx.Select())
    channel.ack(7)
    channel.settle()


def transaction_to_missing_exchange(session: Session) -> None:
    """So does an exchange that is not there."""
    channel = session.channel()
    channel.do(spec.Tx.Select())
    channel.publish('nowhere', 'q', b'1')
    channel.settle()


def empty_get(session: Session) -> None:
    """An empty queue says so; no queue is an error."""
    channel = session.channel()
    channel.queue('q')
    channel.get('q')
    channel.get('no queue')


def get_counts(session: Session) -> None:
    """Basic.GetOk tells how many messages remain."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2', b'3')
    channel.settle()
    channel.get('q', no_ack=False)
    channel.get('q', no_ack=True)
    channel.get('q', no_ack=False)
    channel.get('q', no_ack=False)
    channel.ack(3, multiple=True)
    channel.count('q')


def direct_reply_to(session: Session) -> None:
    """Who consumes amq.rabbitmq.reply-to gets answers without a queue."""
    client = session.channel()
    client.queue('requests')
    client.consume('amq.rabbitmq.reply-to', 'replies', no_ack=True)
    client.publish('', 'requests', b'what?', reply_to='amq.rabbitmq.reply-to', correlation_id='1')
    session.settle()
    server = session.channel()
    request = server.get('requests')
    reply_to = request.get_properties().reply_to
    server.declare(reply_to, passive=True)
    server.confirm()
    server.publish('', reply_to, b'that', correlation_id='1', mandatory=True)
    session.settle()
    client.publish('', reply_to, b'self', mandatory=True)
    session.settle()
    client.call(spec.Basic.Cancel('replies'))
    server.publish('', reply_to, b'late', mandatory=True)
    session.settle()


def direct_reply_to_errors(session: Session) -> None:
    """What it does not allow."""
    connection = session.client()
    connection.channel().call(spec.Basic.Consume(0, 'amq.rabbitmq.reply-to', 'tag', no_ack=False))
    channel = connection.channel()
    channel.publish('', 'q', b'1', reply_to='amq.rabbitmq.reply-to')
    channel.settle()
    channel = connection.channel()
    channel.consume('amq.rabbitmq.reply-to', 'one', no_ack=True)
    channel.call(spec.Basic.Consume(0, 'amq.rabbitmq.reply-to', 'two', no_ack=True))
    channel = connection.channel()
    channel.publish('', 'amq.rabbitmq.reply-to.garbage', b'1', mandatory=True)
    channel.settle()
    channel.get('amq.rabbitmq.reply-to')
    connection.channel().declare('amq.rabbitmq.reply-to')
    connection.channel().declare('amq.rabbitmq.reply-to', passive=True)


def reply_after_channel_closed(session: Session) -> None:
    """The requester's channel has gone: the reply goes nowhere."""
    client = session.channel()
    client.queue('requests')
    client.consume('amq.rabbitmq.reply-to', 'replies', no_ack=True)
    client.publish('', 'requests', b'what?', reply_to='amq.rabbitmq.reply-to')
    session.settle()
    server = session.channel()
    reply_to = server.get('requests').get_properties().reply_to
    client.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()
    server.publish('', reply_to, b'late', mandatory=True)
    session.settle()
    server.declare(reply_to, passive=True)


def replies_beside_deliveries(session: Session) -> None:
    """How replies are numbered when the channel consumes a queue, too."""
    channel = session.channel()
    channel.queue('q')
    channel.consume('amq.rabbitmq.reply-to', 'replies', no_ack=True)
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'1', reply_to='amq.rabbitmq.reply-to')
    channel.settle()
    server = session.channel()
    server.queue('other')
    channel.publish('', 'other', b'2', reply_to='amq.rabbitmq.reply-to')
    session.settle()
    reply_to = server.get('other').get_properties().reply_to
    server.publish('', reply_to, b'reply')
    session.settle()
    channel.publish('', 'q', b'3')
    channel.settle()


def transaction_over_queues(session: Session) -> None:
    """Routes are those of the moment of publishing."""
    channel = session.channel()
    channel.do(spec.Tx.Select())
    channel.queue('q')
    channel.bind('q', 'amq.fanout')
    channel.publish('amq.fanout', '', b'1')
    channel.queue('r')
    channel.bind('r', 'amq.fanout')
    channel.publish('amq.fanout', '', b'2')
    channel.do(spec.Tx.Commit())
    channel.get_all('q', 'r')


def transaction_and_closed_channel(session: Session) -> None:
    """What was not committed is gone; what was acked in it comes back."""
    connection = session.client()
    channel = connection.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.settle()
    channel.do(spec.Tx.Select())
    channel.get('q', no_ack=False)
    channel.ack(1)
    channel.publish('', 'q', b'2')
    channel.call(spec.Channel.Close(200, '', 0, 0))
    session.settle()
    connection.channel().get_all('q')
