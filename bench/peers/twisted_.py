"""TwistedProtocolConnection, ours and that of pika 1.4."""

import measure
import pika
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet import defer, endpoints, task

TASK = measure.task()
CLOCK = measure.Clock()
MEMORY = measure.Memory()
BATCH = 100  # publishes in one turn of the reactor


@defer.inlineCallbacks
def connect(reactor):
    """A connection that is open."""
    parameters = pika.URLParameters(TASK.url)
    endpoint = endpoints.TCP4ClientEndpoint(reactor, parameters.host, parameters.port)
    connection = yield endpoints.connectProtocol(endpoint, TwistedProtocolConnection(parameters))
    yield connection.ready
    return connection


@defer.inlineCallbacks
def publish(reactor, connection, channel):
    """See `measure`."""
    body, queue, option = TASK.body, TASK.queue, TASK.option
    properties = pika.BasicProperties('text/plain', delivery_mode=1) if option == 'reused' else None
    CLOCK.start()
    for start in range(0, TASK.messages, BATCH):
        for number in range(start, min(start + BATCH, TASK.messages)):
            if option == 'fresh':
                properties = pika.BasicProperties('text/plain', headers=measure.headers(number))
            channel.basic_publish('', queue, body, properties)
        yield task.deferLater(reactor, 0, lambda: None)
    yield channel.queue_declare(queue, passive=True)
    CLOCK.stop()


@defer.inlineCallbacks
def confirm(reactor, connection, channel):
    """See `measure`."""
    yield channel.confirm_delivery()
    body, queue, messages = TASK.body, TASK.queue, TASK.messages
    done = defer.Deferred()
    sent = confirmed = 0

    def send(count):
        nonlocal sent
        last = min(sent + count, messages)
        for _ in range(sent, last):
            channel.basic_publish('', queue, body).addCallback(on_confirm)
        sent = last

    def on_confirm(method):
        nonlocal confirmed
        confirmed += 1
        if confirmed == messages:
            done.callback(None)
        else:
            send(1)

    CLOCK.start()
    send(int(TASK.option))
    yield done
    CLOCK.stop()


@defer.inlineCallbacks
def consume(reactor, connection, channel):
    """See `measure`."""
    every = int(TASK.option)
    yield channel.basic_qos(prefetch_count=500)
    done = defer.Deferred()
    seen = 0

    def on_message(message):
        nonlocal seen
        seen += 1
        if every and not seen % every:
            channel.basic_ack(message.method.delivery_tag, every > 1)
        if seen == TASK.messages:
            done.callback(None)
        else:
            queue.get().addCallback(on_message)

    CLOCK.start()
    queue, _ = yield channel.basic_consume(TASK.queue, auto_ack=not every)
    queue.get().addCallback(on_message)
    yield done
    CLOCK.stop()


@defer.inlineCallbacks
def rpc(reactor, connection, channel):
    """See `measure`."""
    declared = yield channel.queue_declare('', exclusive=True)
    reply_to = declared.method.queue
    answers, _ = yield channel.basic_consume(reply_to, auto_ack=True)
    properties = pika.BasicProperties(reply_to=reply_to)
    body = TASK.body
    CLOCK.start()
    for _ in range(TASK.messages):
        channel.basic_publish('', TASK.queue, body, properties)
        yield answers.get()
    CLOCK.stop()


@defer.inlineCallbacks
def connections(reactor, connection, channel):
    """See `measure`."""
    CLOCK.start()
    for _ in range(TASK.messages):
        opened = yield connect(reactor)
        yield opened.close()
    CLOCK.stop()


@defer.inlineCallbacks
def channels(reactor, connection, channel):
    """See `measure`."""
    CLOCK.start()
    opened = []
    for _ in range(TASK.messages):
        channel = yield connection.channel()
        opened.append(channel)
    for channel in opened:
        channel.close()
    yield defer.DeferredList([channel.on_closed for channel in opened], consumeErrors=True)
    CLOCK.stop()


@defer.inlineCallbacks
def idle(reactor, connection, channel):
    """See `measure`."""
    held = []
    MEMORY.start()
    for _ in range(TASK.messages):
        opened = yield connection.channel() if TASK.option == 'channels' else connect(reactor)
        held.append(opened)
    MEMORY.stop(len(held))


@defer.inlineCallbacks
def main(reactor):
    """Connect, and do what is asked for."""
    connection = yield connect(reactor)
    channel = yield connection.channel()
    work = measure.chosen(TASK.kind, publish, confirm, consume, rpc, connections, channels, idle)
    yield work(reactor, connection, channel)
    yield connection.close()


task.react(main)
