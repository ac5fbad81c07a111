"""Connections and channels with callbacks, on SelectConnection."""

import pika
from pika import exceptions, spec


def _declare(scene, channel, then, **arguments):
    """A queue that goes with the connection; `then` gets its name."""
    channel.queue_declare(scene.name,
                          exclusive=True,
                          arguments=arguments or None,
                          callback=lambda frame: then(frame.method.queue))


def _say_count(scene, channel):
    """How many messages are left, once the broker has them all."""
    channel.connection.ioloop.call_later(
        0.1, lambda: channel.queue_declare(scene.name,
                                           passive=True,
                                           callback=lambda frame: scene.say(
                                               'messages:', frame.method.message_count)))


def life(scene):
    """Open, a channel, close: who is called with what, and when."""

    def on_open(opened):
        scene.say('open', opened is connection, opened.is_open, opened.is_closed, opened.is_closing)
        channel = opened.channel(on_open_callback=on_channel)
        scene.say(type(channel).__name__, channel.is_opening, channel.is_open, int(channel))

    def on_channel(channel):
        scene.say('channel', channel.is_open, channel.is_opening, channel.connection is connection)
        channel.add_on_close_callback(on_channel_close)
        channel.close()
        scene.say(channel.is_closing, channel.is_closed)

    def on_channel_close(channel, reason):
        scene.say('channel closed', channel.is_closed)
        scene.error(reason)
        connection.close()
        scene.say(connection.is_closing, connection.is_open)

    def on_close(closed, reason):
        scene.say('closed', closed is connection, closed.is_closed)
        scene.error(reason)
        closed.ioloop.stop()

    connection = pika.SelectConnection(scene.parameters(), on_open, None, on_close)
    scene.say(connection.is_open, connection.is_closed, connection.is_closing)
    connection.ioloop.start()
    scene.attempt('channel', connection.channel)
    scene.attempt('close', connection.close)


def reason_of_channels_when_the_connection_closes(scene):
    """What close callbacks of channels get when the program closes the connection."""

    def on_channel(channel):
        channel.add_on_close_callback(lambda channel, reason: scene.error(reason))
        channel.connection.close(320, 'enough')

    scene.channel(on_channel)


def wrong_states(scene):
    """What a channel says that is opening, closing or closed."""

    def on_open(connection):
        channel = connection.channel(on_open_callback=on_channel)
        scene.attempt('opening', lambda: channel.queue_declare('q'))
        scene.attempt('opening', lambda: channel.basic_publish('', 'q', b''))

    def on_channel(channel):
        channel.add_on_close_callback(on_close)
        channel.close()
        scene.attempt('closing', lambda: channel.queue_declare('q'))
        scene.attempt('closing', channel.close)

    def on_close(channel, reason):
        for what in (lambda: channel.queue_declare('q'), channel.close,
                     lambda: channel.basic_ack(1), lambda: channel.basic_consume('q', print),
                     lambda: channel.basic_cancel('x')):
            try:
                what()
            except exceptions.ChannelWrongStateError as error:
                scene.say(str(error))

    scene.select(on_open)


def numbers_of_channels(scene):
    """The lowest free number; none is left beyond channel_max."""

    def on_open(connection):
        scene.say([int(connection.channel()) for _ in range(3)], int(connection.channel(6)))
        connection.channel(on_open_callback=lambda channel: channel.close())
        connection.ioloop.call_later(0.1, lambda: scene.say(int(connection.channel())))

    scene.select(on_open)

    def two(connection):
        scene.say(int(connection.channel()), int(connection.channel()))
        scene.attempt('a third one', connection.channel)

    scene.select(two, channel_max=2)


def number_in_use(scene):
    """A number that is in use.

    Differs: it is refused; pika 1.4 forgets the first channel, and the broker ends the connection.
    """

    def on_channel(channel):
        scene.attempt('again', lambda: int(channel.connection.channel(int(channel))))
        channel.connection.add_on_close_callback(lambda connection, reason: scene.error(reason))
        channel.connection.ioloop.call_later(
            0.2, lambda: scene.say('connection is open', channel.connection.is_open))

    scene.channel(on_channel)


def answers(scene):
    """What completion callbacks get, in the order of the calls."""

    def on_channel(channel):

        def told(frame):
            method = frame.method
            scene.say(
                type(frame).__name__, frame.channel_number, method.NAME,
                sorted(vars(method).items()))

        exchange = scene.name
        other = scene.name + '.other'
        channel.exchange_declare(exchange, 'topic', auto_delete=True, callback=told)
        channel.exchange_declare(other, 'fanout', callback=told)
        channel.exchange_bind(other, exchange, 'key', callback=told)
        channel.queue_declare(scene.name, exclusive=True, callback=told)
        channel.queue_bind(scene.name, exchange, callback=told)
        channel.basic_qos(prefetch_count=5, callback=told)
        channel.basic_recover(True, callback=told)
        channel.queue_unbind(scene.name, exchange, callback=told)
        channel.queue_purge(scene.name, callback=told)
        channel.exchange_unbind(other, exchange, 'key', callback=told)
        channel.queue_delete(scene.name, callback=told)
        channel.exchange_delete(other, callback=told)
        channel.exchange_delete(exchange, callback=told)
        channel.flow(True, callback=lambda active: scene.say('flow', active))
        channel.tx_select(callback=told)
        channel.tx_commit(callback=told)
        channel.tx_rollback(callback=told)

    scene.channel(on_channel)


def calls_without_a_callback(scene):
    """Declares, binds and deletes without callback are done, too, and in order."""

    def on_channel(channel):
        channel.exchange_declare(scene.name, 'fanout', auto_delete=True)
        channel.queue_declare(scene.name, exclusive=True)
        channel.queue_bind(scene.name, scene.name)
        channel.basic_publish(scene.name, '', b'x')
        _say_count(scene, channel)

    scene.channel(on_channel)


def binding_without_a_routing_key(scene):
    """It is the name of the queue."""

    def on_channel(channel):
        channel.exchange_declare(scene.name, 'direct', auto_delete=True)
        channel.queue_declare(scene.name, exclusive=True)
        channel.queue_bind(scene.name, scene.name)
        channel.add_on_return_callback(lambda *told: scene.say('returned', told[1].routing_key))
        channel.basic_publish(scene.name, scene.name, b'x', mandatory=True)
        channel.basic_publish(scene.name, '', b'x', mandatory=True)

    scene.channel(on_channel)


def messages(scene):
    """What a consumer gets."""

    def on_channel(channel):
        _declare(scene, channel, lambda queue: consume(channel, queue))

    def consume(channel, queue):
        channel.basic_consume(queue, on_message, consumer_tag='mine', callback=on_consume)
        channel.basic_publish('', queue, b'body', pika.BasicProperties('text/plain', priority=3))
        channel.basic_publish('', queue, 'text é')

    def on_consume(frame):
        scene.say(frame.method.NAME, frame.method.consumer_tag)

    def on_message(channel, method, properties, body):
        scene.say(type(channel).__name__, method.NAME, sorted(vars(method).items()))
        scene.say(properties, type(body).__name__, body, channel.consumer_tags)
        channel.basic_ack(method.delivery_tag)

    scene.channel(on_channel)


def bodies(scene):
    """Bodies are bytes or str.

    Differs: other buffers of bytes are taken as well.
    """

    def on_channel(channel):
        for body in (b'x', 'x', bytearray(b'x'), memoryview(b'x'), 5, None):
            scene.attempt(type(body).__name__, lambda: channel.basic_publish('', scene.name, body))

    scene.channel(on_channel)


def bytes_for_names(scene):
    """Where pika 1.4 takes bytes for a name."""

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        scene.attempt('publish', lambda: channel.basic_publish(b'', scene.name.encode(), b'x'))
        _say_count(scene, channel)
        for what in ('queue_declare', 'queue_delete', 'queue_purge', 'exchange_declare'):
            scene.attempt(what, lambda: getattr(channel, what)(b'x'))

    scene.channel(on_channel)


def large_bodies(scene):
    """Bodies are split into frames and put together again."""

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        sizes = (0, 1, 4088, 4089, 200_000)
        for size in sizes:
            channel.basic_publish('', scene.name, b'x' * size)
        channel.basic_consume(scene.name, lambda *told: scene.say(len(told[3])), auto_ack=True)

    scene.channel(on_channel, frame_max=4096)


def get(scene):
    """One message; an empty queue calls nothing but what waits for GetEmpty."""

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_publish('', scene.name, b'x')
        channel.basic_get(scene.name, got, auto_ack=True)
        scene.attempt('a second one', lambda: channel.basic_get(scene.name, got))

    def got(channel, method, properties, body):
        scene.say(method.NAME, sorted(vars(method).items()), properties, body)
        channel.add_callback(lambda frame: scene.say(frame.method.NAME), [spec.Basic.GetEmpty])
        channel.basic_get(scene.name, got)

    scene.channel(on_channel)


def tags(scene):
    """Tags that pika makes, tags that exist already, and tags that are unknown.

    Differs: the tag of a cancelled consumer is gone when the callback is called.
    """

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        tag = channel.basic_consume(scene.name, print)
        scene.say(tag[:6], len(tag))
        scene.say(channel.basic_consume(scene.name, print, consumer_tag='a'))
        scene.attempt('again', lambda: channel.basic_consume(scene.name, print, consumer_tag='a'))
        scene.say(sorted(channel.consumer_tags) == sorted([tag, 'a']))
        scene.attempt('unknown', lambda: channel.basic_cancel('b'))
        channel.basic_cancel('a',
                             callback=lambda frame: scene.say(frame.method.consumer_tag, channel.
                                                              consumer_tags == [tag]))

    scene.channel(on_channel)


def deliveries_of_a_cancelled_consumer(scene):
    """They go back to the queue."""

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        for number in range(5):
            channel.basic_publish('', scene.name, b'%d' % number)
        channel.basic_consume(scene.name, on_message, consumer_tag='a')

    def on_message(channel, method, properties, body):
        scene.say('got', body)
        channel.basic_ack(method.delivery_tag)
        channel.basic_cancel('a', callback=lambda frame: cancelled(channel))

    def cancelled(channel):
        scene.say('cancelled')
        _say_count(scene, channel)

    scene.channel(on_channel)


def broker_cancels(scene):
    """A consumer whose queue is deleted."""

    def on_channel(channel):
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_consume(scene.name, print, consumer_tag='a')
        channel.add_on_cancel_callback(lambda frame: scene.say(frame.method.NAME, frame.method.
                                                               consumer_tag, channel.consumer_tags))
        channel.queue_delete(scene.name, callback=lambda frame: scene.say(frame.method.NAME))

    scene.channel(on_channel)


def confirms(scene):
    """Acks of what is published; a callback is needed.

    Differs: None for it is a TypeError, as everywhere, and no ValueError.
    """

    def on_channel(channel):
        scene.attempt('None', lambda: channel.confirm_delivery(None))
        channel.confirm_delivery(confirmed, callback=lambda frame: publish(channel, frame))

    def publish(channel, frame):
        scene.say(frame.method.NAME)
        channel.add_on_return_callback(lambda channel, method, properties, body: scene.say(
            method.NAME, sorted(vars(method).items()), properties, body))
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_publish('', scene.name, b'x')
        channel.basic_publish('', scene.name + '.nowhere', b'y', mandatory=True)

    seen = []

    def confirmed(frame):
        method = frame.method
        seen.extend(range(seen[-1] + 1 if seen else 1, method.delivery_tag + 1))
        if seen[-1] == 2:
            scene.say(type(method).__name__, seen)

    scene.channel(on_channel)


def nacks(scene):
    """A queue that takes no more."""

    def on_channel(channel):
        channel.confirm_delivery(
            lambda frame: scene.say(frame.method.NAME, frame.method.delivery_tag))
        channel.queue_declare(scene.name,
                              exclusive=True,
                              arguments={
                                  'x-max-length': 1,
                                  'x-overflow': 'reject-publish'
                              },
                              callback=lambda frame: publish(channel))

    def publish(channel):
        channel.basic_publish('', scene.name, b'x')
        channel.connection.ioloop.call_later(0.1,
                                             lambda: channel.basic_publish('', scene.name, b'y'))

    scene.channel(on_channel)


def two_confirm_callbacks(scene):
    """confirm_delivery called twice."""

    def on_channel(channel):
        channel.confirm_delivery(lambda frame: scene.say('first', frame.method.delivery_tag))
        channel.confirm_delivery(lambda frame: scene.say('second', frame.method.delivery_tag))
        channel.basic_publish('', scene.name, b'x')

    scene.channel(on_channel)


def broker_closes_a_channel(scene):
    """The channel ends with the broker's words, the connection stays.

    Differs: the number of the channel is free when its close callback is called.
    """

    def on_channel(channel):
        channel.add_on_close_callback(on_close)
        channel.queue_declare(scene.name + '.missing',
                              passive=True,
                              callback=lambda frame: scene.say('not called'))

    def on_close(channel, reason):
        scene.error(reason)
        scene.say(channel.is_closed, channel.consumer_tags, channel.connection.is_open)
        channel.connection.channel(on_open_callback=lambda channel: scene.say(int(channel)))

    scene.channel(on_channel)


def broker_closes_the_connection(scene):
    """Close callbacks of the channel and then of the connection get the broker's words."""

    def on_channel(channel):
        channel.add_on_close_callback(lambda channel, reason:
                                      (scene.say('channel'), scene.error(reason)))
        channel.connection.add_on_close_callback(lambda connection, reason:
                                                 (scene.say('connection'), scene.error(reason)))
        channel.basic_recover(False)

    scene.channel(on_channel)


def callback_that_raises(scene):
    """An exception of a callback.

    Differs: it comes out of the loop, and the connection stays; pika 1.4 ends the connection.
    """

    def on_channel(channel):
        channel.connection.add_on_close_callback(lambda connection, reason: scene.error(reason))
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_publish('', scene.name, b'1')
        channel.basic_publish('', scene.name, b'2')
        channel.basic_consume(scene.name, on_message, auto_ack=True)

    def on_message(channel, method, properties, body):
        scene.say('got', body)
        if body == b'1':
            raise ZeroDivisionError

    scene.channel(on_channel)


def error_without_a_callback_for_it(scene):
    """The connection cannot be opened, and nobody asked to be told.

    Differs: the loop raises always; pika 1.4 only logs what comes once TCP is connected.
    """
    for parameters in (pika.ConnectionParameters('127.0.0.1', 1),
                       scene.parameters(credentials=pika.PlainCredentials('guest', 'wrong')),
                       pika.ConnectionParameters('no.such.host.invalid')):
        connection = pika.SelectConnection(parameters)
        connection.ioloop.call_later(0.5, connection.ioloop.stop)
        scene.run(connection.ioloop)
        scene.say(connection.is_closed)


def callbacks_that_are_none(scene):
    """What cannot be called is a TypeError.

    Differs: everywhere; pika 1.4 fails when it calls some of them.
    """

    def on_channel(channel):
        for what in (lambda: channel.basic_consume('q', 5), lambda: channel.basic_get('q', 5),
                     lambda: channel.queue_declare('q', callback=5),
                     lambda: channel.add_on_close_callback(5),
                     lambda: channel.add_on_return_callback(None),
                     lambda: channel.connection.add_on_open_callback('x'),
                     lambda: channel.add_callback(5, [])):
            scene.attempt('', what)

    scene.channel(on_channel)


def tags_that_are_none(scene):
    """Delivery tags are int.

    Differs: what is none is a TypeError in all three.
    """

    def on_channel(channel):
        for what in (channel.basic_ack, channel.basic_nack, channel.basic_reject):
            scene.attempt(what.__name__, lambda: what('1'))
        scene.say(channel.is_open)

    scene.channel(on_channel)


def one_shot(scene):
    """Callbacks of add_callback, once or always."""

    def on_channel(channel):
        channel.add_callback(lambda frame: scene.say('once', frame.method.NAME), [spec.Basic.QosOk])
        channel.add_callback(lambda frame: scene.say('always', frame.method.NAME),
                             [spec.Basic.QosOk],
                             one_shot=False)
        channel.basic_qos(prefetch_count=1)
        channel.basic_qos(prefetch_count=2)

    scene.channel(on_channel)


def update_secret(scene):
    """A new secret."""

    def on_open(connection):
        connection.update_secret('guest',
                                 'test',
                                 callback=lambda frame: scene.say(frame.method.NAME))

    scene.select(on_open)


def loop(scene):
    """Timers, their order, taking one back, and calls from elsewhere."""
    made = pika.adapters.select_connection.IOLoop()
    made.call_later(0.02, lambda: scene.say('second'))
    made.call_later(0.01, lambda: scene.say('first'))
    handle = made.call_later(0.01, lambda: scene.say('not called'))
    made.remove_timeout(handle)
    made.add_callback_threadsafe(lambda: scene.say('at once'))
    made.add_callback(lambda: scene.say('then'))
    made.call_later(0.05, made.stop)
    made.start()
    scene.attempt('late', lambda: made.remove_timeout(handle))
    scene.say(hasattr(made, 'add_timeout'), made.READ, made.WRITE, made.ERROR)
    made.close()


def negotiated_values(scene):
    """What is agreed on stands in `params`; those of the program stay as they were."""
    given = scene.parameters(heartbeat=600, channel_max=100, frame_max=8192)
    connection = pika.SelectConnection(given)
    connection.ioloop.call_later(0.4, connection.ioloop.stop)
    connection.ioloop.start()
    for parameters in (connection.params, given):
        scene.say(parameters.heartbeat, parameters.channel_max, parameters.frame_max)
    scene.say(connection.params is given, connection.params == given)


def heartbeat_as_a_function(scene):
    """It gets the connection and the broker's value."""

    def on_open(connection):
        scene.say(connection.params.heartbeat)

    def choose(connection, value):
        scene.say(type(connection).__name__, value)
        return 17

    scene.select(on_open, heartbeat=choose)
    scene.select(on_open, heartbeat=0)
    scene.select(on_open, heartbeat=None)


def server(scene):
    """What is known of the broker."""

    def on_open(connection):
        scene.say(connection.server_properties['product'], sorted(connection.server_capabilities))
        scene.say(connection.basic_nack, connection.publisher_confirms,
                  connection.consumer_cancel_notify, connection.exchange_exchange_bindings)

    scene.select(on_open)


def close_before_open(scene):
    """The program gives up."""
    connection = pika.SelectConnection(
        scene.parameters(),
        on_open_error_callback=lambda connection, error:
        (scene.error(error), connection.ioloop.stop()),
        on_close_callback=lambda connection, error: scene.say('not called'))
    scene.attempt('close', connection.close)
    connection.ioloop.start()
    scene.say(connection.is_closed)
    scene.attempt('close', connection.close)
