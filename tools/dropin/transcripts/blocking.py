"""BlockingConnection and its channels."""

import threading

import pika
from pika import exceptions


def _queue(scene, channel, *bodies, **arguments):
    """A queue of this connection with these messages."""
    channel.queue_declare(scene.name, exclusive=True, arguments=arguments or None)
    for body in bodies:
        channel.basic_publish('', scene.name, body)
    if bodies:  # until they are there
        while channel.queue_declare(scene.name, passive=True).method.message_count < len(bodies):
            pass


def _let_arrive(channel):
    """Some round trips: what the broker has begun to send is here then."""
    for _ in range(5):
        channel.queue_declare('', exclusive=True)


def results(scene):
    """What each method returns."""
    with scene.blocking() as connection:
        channel = connection.channel()
        exchange, other = scene.name, scene.name + '.other'
        scene.say(type(channel).__name__, int(channel), channel.channel_number)
        for what in (
                lambda: channel.exchange_declare(exchange, 'topic'),
                lambda: channel.exchange_declare(other),
                lambda: channel.exchange_bind(other, exchange, 'key'),
                lambda: channel.queue_declare(scene.name, exclusive=True),
                lambda: channel.queue_bind(scene.name, exchange),
                lambda: channel.basic_qos(prefetch_count=1),
                lambda: channel.basic_publish('', scene.name, b'x'),
                lambda: channel.basic_recover(True),
                lambda: channel.queue_purge(scene.name),
                lambda: channel.queue_unbind(scene.name, exchange),
                lambda: channel.exchange_unbind(other, exchange, 'key'),
                lambda: channel.queue_delete(scene.name),
                lambda: channel.exchange_delete(exchange),
                lambda: channel.exchange_delete(other),
                lambda: channel.flow(True),
                lambda: channel.tx_select(),
                lambda: channel.tx_commit(),
                lambda: channel.tx_rollback(),
                lambda: connection.update_secret('guest', 'test'),
                lambda: channel.close(),
                lambda: connection.close(),
        ):
            result = what()
            if hasattr(result, 'method'):
                scene.say(result.method.NAME, sorted(vars(result.method).items()))
            else:
                scene.say(result)


def states(scene):
    """Open and closed, of connection and channel.

    Differs: `basic_get` of a closed channel says so, as all its methods do.
    """
    connection = pika.BlockingConnection(scene.parameters())
    channel = connection.channel()
    scene.say(connection.is_open, connection.is_closed, channel.is_open, channel.is_closed)
    scene.say(connection.publisher_confirms_supported, connection.basic_nack,
              connection.consumer_cancel_notify_supported,
              connection.exchange_exchange_bindings_supported)
    connection.close()
    scene.say(connection.is_open, connection.is_closed, channel.is_open, channel.is_closed)
    for what in (connection.close, connection.channel, channel.close,
                 lambda: channel.queue_declare('q'), lambda: channel.basic_publish('', 'q', b''),
                 lambda: channel.basic_get('q'), lambda: channel.basic_ack(1),
                 channel.start_consuming, lambda: connection.update_secret('a', 'b'),
                 lambda: connection.add_callback_threadsafe(print)):
        scene.attempt('closed', what)


def events_after_the_end(scene):
    """`process_data_events` and timers of a connection that is closed.

    Differs: it says that the connection is closed, where pika 1.4 fails inside.
    """
    connection = pika.BlockingConnection(scene.parameters())
    connection.close()
    scene.attempt('process_data_events', connection.process_data_events)
    scene.attempt('sleep', lambda: connection.sleep(0.01))
    scene.attempt('call_later', lambda: connection.call_later(1, print) and 'a timer')


def context_managers(scene):
    """They close what is still open."""
    with pika.BlockingConnection(scene.parameters()) as connection:
        with connection.channel() as channel:
            scene.say(channel.is_open)
        scene.say(channel.is_open, connection.is_open)
    scene.say(connection.is_open)
    with pika.BlockingConnection(scene.parameters()) as connection:
        connection.close()
    try:
        with pika.BlockingConnection(scene.parameters()) as connection, connection.channel():
            raise ZeroDivisionError
    except ZeroDivisionError:
        scene.say('came out', connection.is_open)


def get(scene):
    """A message, or three times None."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2')
        method, properties, body = channel.basic_get(scene.name)
        scene.say(method.NAME, sorted(vars(method).items()), properties, body)
        scene.say(channel.basic_get(scene.name, auto_ack=True)[2], channel.basic_get(scene.name))
        scene.attempt('missing', lambda: channel.basic_get(scene.name + '.missing'))


def callbacks_run_in_process_data_events(scene):
    """And not in other calls."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2')
        channel.basic_consume(scene.name, lambda *told: scene.say('got', told[3]), auto_ack=True)
        connection.call_later(0, lambda: scene.say('timer'))
        connection.add_callback_threadsafe(lambda: scene.say('callback'))
        _let_arrive(channel)
        scene.say('now')
        connection.process_data_events(0)
        connection.sleep(0.05)


def time_limit(scene):
    """`process_data_events` returns as soon as there was something."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel)
        channel.basic_consume(scene.name, lambda *told: scene.say('got', told[3]), auto_ack=True)
        connection.process_data_events(0.05)
        channel.basic_publish('', scene.name, b'x')
        connection.process_data_events(5)
        channel.basic_publish('', scene.name, b'y')
        connection.process_data_events(None)


def inside_a_callback(scene):
    """Calls work; nothing is dispatched."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2')

        def on_message(channel, method, properties, body):
            scene.say('got', body)
            if body == b'1':
                scene.attempt('start_consuming', channel.start_consuming)
                connection.process_data_events(0.05)
                scene.say(channel.queue_declare('', exclusive=True).method.NAME)
                scene.say(channel.basic_get(scene.name))
                channel.basic_publish('', scene.name, b'3')
            if body == b'3':
                channel.stop_consuming()
            scene.say('done', body)

        channel.basic_consume(scene.name, on_message, auto_ack=True)
        channel.start_consuming()


def callback_that_raises(scene):
    """The exception comes out, connection and consumer stay.

    Differs: messages that have arrived already are handed over by the next call, where pika 1.4
    waits for another event of the channel.
    """
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2', b'3')

        def on_message(channel, method, properties, body):
            scene.say('got', body)
            if body == b'1':
                raise ZeroDivisionError

        channel.basic_consume(scene.name, on_message, auto_ack=True, consumer_tag='a')
        _let_arrive(channel)
        try:
            while True:
                connection.process_data_events(0.2)
        except ZeroDivisionError:
            scene.say('came out', connection.is_open, channel.consumer_tags)
        connection.process_data_events(0.2)
        connection.process_data_events(0.2)


def start_consuming(scene):
    """It returns when no consumer is left, also at once."""
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.start_consuming()
        _queue(scene, channel, b'1', b'2', b'3')

        def on_message(channel, method, properties, body):
            scene.say('got', body)
            channel.basic_ack(method.delivery_tag)
            if body == b'2':
                channel.stop_consuming()
                scene.say(channel.consumer_tags)

        channel.basic_consume(scene.name, on_message, consumer_tag='a')
        channel.start_consuming()
        scene.say(channel.basic_get(scene.name)[2])


def stop_one_consumer(scene):
    """The others go on."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel)
        for tag in ('a', 'b'):
            channel.basic_consume(scene.name, print, consumer_tag=tag)
        channel.stop_consuming('a')
        scene.say(channel.consumer_tags)
        channel.stop_consuming()
        scene.say(channel.consumer_tags)
        scene.attempt('unknown', lambda: channel.basic_cancel('c'))


def cancel_a_consumer(scene):
    """basic_cancel gives back what an auto_ack consumer was not handed."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2')
        channel.basic_consume(scene.name, print, auto_ack=True, consumer_tag='a')
        _let_arrive(channel)
        left = channel.basic_cancel('a')
        scene.say([(type(message).__name__, message[0].NAME, message[2]) for message in left])
        channel.basic_publish('', scene.name, b'3')
        channel.basic_consume(scene.name, print, consumer_tag='b')
        _let_arrive(channel)
        scene.say(channel.basic_cancel('b'))
        scene.say(channel.basic_get(scene.name)[2])


def duplicate_tag(scene):
    """A consumer tag that the channel has."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel)
        channel.basic_consume(scene.name, print, consumer_tag='a')
        scene.attempt('again', lambda: channel.basic_consume(scene.name, print, consumer_tag='a'))
        scene.attempt('no callback', lambda: channel.basic_consume(scene.name, None))


def broker_cancels(scene):
    """start_consuming ends when the queue of the last consumer is gone."""
    with scene.blocking() as connection:
        channel, other = connection.channel(), connection.channel()
        _queue(scene, channel)
        channel.add_on_cancel_callback(
            lambda frame: scene.say(frame.method.NAME, frame.method.consumer_tag))
        channel.basic_consume(scene.name, print, consumer_tag='a')
        connection.call_later(0.1, lambda: other.queue_delete(scene.name))
        channel.start_consuming()
        scene.say(channel.consumer_tags, channel.is_open)


def confirms(scene):
    """Publishing waits for the broker; what it raises."""
    with scene.blocking() as connection:
        channel = connection.channel()
        scene.attempt('confirm', channel.confirm_delivery)
        scene.attempt('again', channel.confirm_delivery)
        _queue(scene, channel, **{'x-max-length': 1, 'x-overflow': 'reject-publish'})
        nowhere = scene.name + '.nowhere'
        scene.attempt('routed', lambda: channel.basic_publish('', scene.name, b'x', mandatory=True))
        scene.attempt('unroutable', lambda: channel.basic_publish('', nowhere, b'x'))
        for queue in (nowhere, scene.name):
            try:
                channel.basic_publish('', queue, b'y', mandatory=True)
            except (exceptions.UnroutableError, exceptions.NackError) as error:
                scene.error(error)
                scene.say([(type(returned).__name__, returned.method.reply_text, returned.body)
                           for returned in error.messages])


def returns(scene):
    """Without confirms a callback gets what came back."""
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.add_on_return_callback(lambda channel, method, properties, body: scene.say(
            method.NAME, method.reply_code, body))
        channel.basic_publish('', scene.name + '.nowhere', b'x', mandatory=True)
        channel.queue_declare('', exclusive=True)
        scene.say('now')
        connection.process_data_events(1)


def returns_with_confirms(scene):
    """The callback is called as well."""
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.add_on_return_callback(lambda *told: scene.say('returned', told[3]))
        try:
            channel.basic_publish('', scene.name + '.nowhere', b'x', mandatory=True)
        except exceptions.UnroutableError:
            scene.say('raised')
        connection.process_data_events(0)


def generator(scene):
    """Messages one by one; leaving the loop and going on."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2', b'3')
        messages = channel.consume(scene.name)
        scene.say(channel.consumer_tags, type(messages).__name__)
        for method, properties, body in messages:
            scene.say(method.NAME, properties, body, len(channel.consumer_tags))
            channel.basic_ack(method.delivery_tag)
            if body == b'2':
                break
        _let_arrive(channel)
        scene.say(channel.get_waiting_message_count())
        for method, properties, body in channel.consume(scene.name):
            scene.say(body)
            break
        scene.attempt('another one', lambda: next(channel.consume(scene.name, auto_ack=True)))
        scene.say(channel.cancel(), channel.consumer_tags, list(messages))
        scene.say(channel.basic_get(scene.name)[2])


def generator_with_inactivity_timeout(scene):
    """(None, None, None) when nothing came."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1')
        seen = 0
        for message in channel.consume(scene.name, auto_ack=True, inactivity_timeout=0.1):
            scene.say(message if message[0] is None else message[2])
            seen += 1
            if seen == 3:
                channel.cancel()
        scene.say('ended')


def generator_that_is_cancelled(scene):
    """By cancel() what was not yielded goes back to the queue."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1', b'2', b'3')
        for method, properties, body in channel.consume(scene.name):
            scene.say(body)
            channel.basic_ack(method.delivery_tag)
            channel.cancel()
        scene.say(channel.queue_declare(scene.name, passive=True).method.message_count)
        scene.say(channel.cancel())


def generator_cancelled_by_the_broker(scene):
    """It ends when the queue is gone.

    Differs: its tag is gone, too.
    """
    with scene.blocking() as connection:
        channel, other = connection.channel(), connection.channel()
        _queue(scene, channel, b'1')
        for method, properties, body in channel.consume(scene.name, consumer_tag='a'):
            scene.say(body)
            other.queue_delete(scene.name)
        scene.say('ended', channel.consumer_tags)


def broker_closes_a_channel_that_waits(scene):
    """The call raises it; the connection stays."""
    with scene.blocking() as connection:
        channel = connection.channel()
        scene.attempt('passive',
                      lambda: channel.queue_declare(scene.name + '.missing', passive=True))
        scene.say(channel.is_open, connection.is_open)
        scene.attempt('next', lambda: channel.queue_declare('', exclusive=True))
        scene.say(connection.channel().queue_declare('', exclusive=True).method.NAME)


def broker_closes_an_idle_channel(scene):
    """An ack of a tag that is none.

    Differs: `process_data_events` raises why; pika 1.4 says nothing, and the reason is lost.
    """
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.basic_ack(77)
        scene.attempt('process', lambda: connection.process_data_events(0.5))
        scene.say(channel.is_open)
        try:
            channel.queue_declare('', exclusive=True)
        except exceptions.ChannelWrongStateError as error:
            scene.say(str(error), type(error.__cause__).__name__)


def broker_closes_the_channel_of_a_consumer(scene):
    """start_consuming and consume raise it."""
    for use in (lambda channel: channel.start_consuming(),
                lambda channel: list(channel.consume(scene.name))):
        with scene.blocking() as connection:
            channel = connection.channel()
            _queue(scene, channel)
            channel.basic_consume(scene.name, print)
            connection.call_later(0.1, lambda: channel.basic_ack(77))
            scene.attempt('', lambda: use(channel))
            scene.say(connection.is_open)


def broker_closes_the_connection(scene):
    """The call that waits raises it; then connection and channels are closed."""
    with scene.blocking() as connection:
        channel = connection.channel()
        scene.attempt('recover', lambda: channel.basic_recover(False))
        scene.say(connection.is_open, connection.is_closed, channel.is_open)
        scene.attempt('channel', lambda: channel.queue_declare(''))
        scene.attempt('connection', connection.channel)
        scene.attempt('close', connection.close)


def timers(scene):
    """Their order; taking one back, also twice."""
    with scene.blocking() as connection:
        connection.call_later(0.02, lambda: scene.say('second'))
        connection.call_later(0.01, lambda: scene.say('first'))
        gone = connection.call_later(0.01, lambda: scene.say('not called'))
        connection.remove_timeout(gone)
        scene.attempt('again', lambda: connection.remove_timeout(gone))
        connection.sleep(0.1)
        scene.attempt('not callable', lambda: connection.call_later(1, 5))
        scene.attempt('negative', lambda: connection.call_later(-1, print) and 'a timer')


def callbacks_of_threads(scene):
    """add_callback_threadsafe wakes the connection up."""
    with scene.blocking() as connection:
        threading.Timer(
            0.1, lambda: connection.add_callback_threadsafe(lambda: scene.say('called'))).start()
        connection.process_data_events(5)
        scene.say('back')


def sleep(scene):
    """Not for less than no time.

    Differs: it is a ValueError, and no AssertionError.
    """
    with scene.blocking() as connection:
        scene.attempt('sleep(-1)', lambda: connection.sleep(-1))
        scene.attempt('sleep(0)', lambda: connection.sleep(0))


def callbacks_that_are_none(scene):
    """What cannot be called.

    Differs: it is refused at once; pika 1.4 takes it and fails later.
    """
    with scene.blocking() as connection:
        channel = connection.channel()
        scene.attempt('threadsafe', lambda: connection.add_callback_threadsafe(5))
        scene.attempt('return', lambda: channel.add_on_return_callback(5))
        scene.attempt('cancel', lambda: channel.add_on_cancel_callback(5))
        scene.attempt('blocked', lambda: connection.add_on_connection_blocked_callback(5))
        scene.attempt('events', connection.process_data_events)


def channel_numbers(scene):
    """The lowest free one; one that is in use.

    Differs: it is refused; pika 1.4 takes it, and the broker closes the connection.
    """
    with scene.blocking() as connection:
        first, second = connection.channel(), connection.channel()
        scene.say(int(first), int(second), int(connection.channel(7)))
        first.close()
        scene.say(int(connection.channel()))
        scene.attempt('in use', lambda: int(connection.channel(7)))
        scene.say(connection.is_open)


def transactions(scene):
    """What is published counts when it is committed."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel)
        channel.tx_select()
        for end in (channel.tx_rollback, channel.tx_commit):
            channel.basic_publish('', scene.name, b'x')
            end()
            scene.say(channel.queue_declare(scene.name, passive=True).method.message_count)


def nack_and_reject(scene):
    """A message that is refused comes again, or not."""
    with scene.blocking() as connection:
        channel = connection.channel()
        _queue(scene, channel, b'1')
        for refuse in (lambda tag: channel.basic_nack(tag), lambda tag: channel.basic_reject(tag),
                       lambda tag: channel.basic_reject(tag, requeue=False)):
            method, properties, body = channel.basic_get(scene.name)
            scene.say(body, method.redelivered)
            refuse(method.delivery_tag)
            connection.sleep(0.05)
        scene.say(channel.basic_get(scene.name))


def exchange_types(scene):
    """As an ExchangeType or a str."""
    from pika.exchange_type import ExchangeType
    with scene.blocking() as connection:
        channel = connection.channel()
        for kind in (ExchangeType.topic, 'fanout'):
            name = scene.name + kind
            channel.exchange_declare(name, kind, auto_delete=True)
            scene.say(channel.exchange_declare(name, kind, auto_delete=True).method.NAME)
            channel.exchange_delete(name)
        scene.attempt('unknown', lambda: channel.exchange_declare(scene.name, 'no-such-type'))
