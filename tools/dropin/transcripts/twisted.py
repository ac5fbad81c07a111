"""TwistedProtocolConnection and its channels."""

import pika
from pika import exceptions
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet import defer, endpoints, reactor, task


def _play(scene, program, **changes):
    """Run a generator of Deferreds with an open connection and a channel."""
    parameters = scene.parameters(**changes)
    ended = []

    @defer.inlineCallbacks
    def play():
        endpoint = endpoints.TCP4ClientEndpoint(reactor, parameters.host, parameters.port)
        connection = yield endpoints.connectProtocol(endpoint,
                                                     TwistedProtocolConnection(parameters))
        ready = yield connection.ready
        scene.say('ready', ready is connection or ready is None)
        channel = yield connection.channel()
        yield program(connection, channel)
        if connection.is_open:
            yield connection.close()

    def end(result):
        ended.append(result)
        reactor.callLater(0.05, reactor.crash)
        return None

    def fail(failure):
        scene.say('the program fails')
        scene.error(failure.value)

    playing = play()
    playing.addErrback(fail)
    playing.addBoth(end)
    reactor.run(installSignalHandlers=False)


def _outcome(scene, what, deferred):
    """Note what a Deferred fires with."""

    def fired(result):
        scene.say(what, type(result).__name__ if result is not None else result)
        return result

    def failed(failure):
        scene.say(what, 'fails')
        scene.error(failure.value)

    return deferred.addCallbacks(fired, failed)


def life(scene):
    """Opening and closing.

    Differs: `closed` tells what ended the connection, and not Twisted's reason.
    """

    @defer.inlineCallbacks
    def program(connection, channel):
        scene.say(connection.is_open, connection.is_closed,
                  type(channel).__name__, channel.channel_number, channel.is_open)
        channel.on_closed.addCallbacks(lambda reason: scene.error(reason),
                                       lambda failure: scene.error(failure.value))
        connection.closed.addCallbacks(lambda reason: scene.error(reason),
                                       lambda failure: scene.error(failure.value))
        yield connection.close()
        yield task.deferLater(reactor, 0.05, lambda: None)
        scene.say(connection.is_open, connection.is_closed, channel.is_open)

    _play(scene, program)


def results(scene):
    """What the Deferreds fire with."""

    @defer.inlineCallbacks
    def program(connection, channel):
        other = scene.name + '.other'
        for what in (
                lambda: channel.exchange_declare(scene.name, 'topic'),
                lambda: channel.exchange_declare(other, 'fanout'),
                lambda: channel.exchange_bind(other, scene.name),
                lambda: channel.queue_declare(scene.name, exclusive=True),
                lambda: channel.queue_bind(scene.name, scene.name),
                lambda: channel.basic_qos(prefetch_count=1),
                lambda: channel.basic_recover(True),
                lambda: channel.queue_purge(scene.name),
                lambda: channel.queue_unbind(scene.name, scene.name, scene.name),
                lambda: channel.exchange_unbind(other, scene.name),
                lambda: channel.queue_delete(scene.name),
                lambda: channel.exchange_delete(scene.name),
                lambda: channel.exchange_delete(other),
        ):
            frame = yield what()
            scene.say(frame.method.NAME, sorted(vars(frame.method).items()))
        active = yield channel.flow(True)
        scene.say(active)

    _play(scene, program)


def get(scene):
    """A message or None."""

    @defer.inlineCallbacks
    def program(connection, channel):
        yield channel.queue_declare(scene.name, exclusive=True)
        yield channel.basic_publish('', scene.name, b'x', pika.BasicProperties('text/plain'))
        message = yield channel.basic_get(scene.name, auto_ack=True)
        scene.say(type(message).__name__, message._fields, message.channel is channel)
        scene.say(message.method.NAME, message.properties, message.body)
        first = channel.basic_get(scene.name)
        yield _outcome(scene, 'a second one', defer.maybeDeferred(channel.basic_get, scene.name))
        yield _outcome(scene, 'empty', first)

    _play(scene, program)


def publish(scene):
    """What basic_publish fires with, without and with confirms."""

    @defer.inlineCallbacks
    def program(connection, channel):
        yield channel.queue_declare(scene.name, exclusive=True)
        yield _outcome(scene, 'plain', channel.basic_publish('', scene.name, b'x'))
        yield _outcome(scene, 'confirm', channel.confirm_delivery())
        yield _outcome(scene, 'confirmed', channel.basic_publish('', scene.name, b'x'))
        nowhere = scene.name + '.nowhere'
        yield _outcome(scene, 'unroutable', channel.basic_publish('', nowhere, b'x'))
        try:
            yield channel.basic_publish('', nowhere, b'y', mandatory=True)
        except exceptions.UnroutableError as error:
            scene.say([(type(message).__name__, message.method.reply_text, message.body)
                       for message in error.messages])

    _play(scene, program)


def returned(scene):
    """Without confirms a callback gets what came back."""

    @defer.inlineCallbacks
    def program(connection, channel):
        channel.add_on_return_callback(
            lambda message: scene.say(type(message).__name__, message.method.NAME, message.body))
        yield channel.basic_publish('', scene.name + '.nowhere', b'x', mandatory=True)
        yield channel.basic_qos(prefetch_count=1)

    _play(scene, program)


def consume(scene):
    """A queue of messages, until the consumer is cancelled."""

    @defer.inlineCallbacks
    def program(connection, channel):
        yield channel.queue_declare(scene.name, exclusive=True)
        messages, tag = yield channel.basic_consume(scene.name, consumer_tag='a')
        scene.say(type(messages).__name__, tag)
        yield channel.basic_publish('', scene.name, b'x')
        message = yield messages.get()
        scene.say(type(message).__name__, message.method.NAME, message.body)
        channel.basic_ack(message.method.delivery_tag)
        waiting = messages.get()
        _outcome(scene, 'waiting', waiting)
        yield channel.basic_cancel('a')
        yield _outcome(scene, 'later', messages.get())

    _play(scene, program)


def broker_cancels(scene):
    """The queue is deleted: what waits for a message fails."""

    @defer.inlineCallbacks
    def program(connection, channel):
        other = yield connection.channel()
        yield channel.queue_declare(scene.name, exclusive=True)
        messages, _ = yield channel.basic_consume(scene.name)
        waiting = _outcome(scene, 'waiting', messages.get())
        yield other.queue_delete(scene.name)
        yield waiting

    _play(scene, program)


def broker_closes_a_channel(scene):
    """The call fails with the broker's words; the connection stays.

    Differs: the next call fails as it does with the other adapters; the reason is the cause.
    """

    @defer.inlineCallbacks
    def program(connection, channel):
        yield _outcome(scene, 'missing', channel.queue_declare(scene.name + '.missing',
                                                               passive=True))
        scene.say(channel.is_open, connection.is_open)
        yield _outcome(scene, 'next', defer.maybeDeferred(channel.queue_declare, scene.name))

    _play(scene, program)


def refused_by_the_broker(scene):
    """`ready` fails.

    Differs: with the broker's reason; pika 1.4 drops it.
    """
    parameters = scene.parameters(credentials=pika.PlainCredentials('guest', 'wrong'))
    endpoint = endpoints.TCP4ClientEndpoint(reactor, parameters.host, parameters.port)
    connecting = endpoints.connectProtocol(endpoint, TwistedProtocolConnection(parameters))
    connecting.addCallback(lambda connection: connection.ready)
    connecting.addErrback(lambda failure: scene.say(failure.type.__name__))
    connecting.addBoth(lambda _: reactor.callLater(0.05, reactor.crash))
    reactor.run(installSignalHandlers=False)


def queue_that_is_closed(scene):
    """Put and get fail with the reason."""
    from pika.adapters.twisted_connection import ClosableDeferredQueue
    queue = ClosableDeferredQueue()
    queue.put(1)
    _outcome(scene, 'get', queue.get())
    _outcome(scene, 'waiting', queue.get())
    queue.close(exceptions.ConsumerCancelled())
    scene.say('closed', queue.closed is not None)
    _outcome(scene, 'get', queue.get())
    _outcome(scene, 'put', queue.put(1))
