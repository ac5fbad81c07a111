"""BlockingConnection, ours and that of pika 1.4; with `coalesced` in blocks of 100, ours only."""

import contextlib

import measure
import pika

TASK = measure.task()
CLOCK = measure.Clock()
COALESCED = 'coalesced' in TASK.rest
BATCH = 100


def connect():
    """A connection."""
    return pika.BlockingConnection(pika.URLParameters(TASK.url))


def batch(connection):
    """Where it can, what is published inside leaves together."""
    return connection.coalesce() if COALESCED else contextlib.nullcontext()


def publish(connection, channel):
    """See `measure`."""
    body, queue, option = TASK.body, TASK.queue, TASK.option
    properties = pika.BasicProperties('text/plain', delivery_mode=1) if option == 'reused' else None
    CLOCK.start()
    for start in range(0, TASK.messages, BATCH):
        with batch(connection):
            for number in range(start, min(start + BATCH, TASK.messages)):
                if option == 'fresh':
                    properties = pika.BasicProperties('text/plain', headers=measure.headers(number))
                channel.basic_publish('', queue, body, properties)
    channel.queue_declare(queue, passive=True)
    CLOCK.stop()


def confirm(connection, channel):
    """See `measure`."""
    body, queue = TASK.body, TASK.queue
    if TASK.option == '1':
        channel.confirm_delivery()
        CLOCK.start()
        for _ in range(TASK.messages):
            channel.basic_publish('', queue, body)
    else:
        CLOCK.start()
        with channel.confirm_window(int(TASK.option)), batch(connection):
            for _ in range(TASK.messages):
                channel.basic_publish('', queue, body)
    CLOCK.stop()


def consume(connection, channel):
    """See `measure`."""
    every = int(TASK.option)
    channel.basic_qos(prefetch_count=500)
    seen = 0

    def on_message(channel, method, properties, body):
        nonlocal seen
        seen += 1
        if every and not seen % every:
            channel.basic_ack(method.delivery_tag, every > 1)
        if seen == TASK.messages:
            channel.stop_consuming()

    CLOCK.start()
    channel.basic_consume(TASK.queue, on_message, auto_ack=not every)
    channel.start_consuming()
    CLOCK.stop()


def rpc(connection, channel):
    """See `measure`."""
    reply_to = channel.queue_declare('', exclusive=True).method.queue
    properties = pika.BasicProperties(reply_to=reply_to)
    answered = []
    channel.basic_consume(reply_to, lambda *message: answered.append(1), auto_ack=True)
    body = TASK.body
    CLOCK.start()
    for number in range(TASK.messages):
        channel.basic_publish('', TASK.queue, body, properties)
        while len(answered) == number:
            connection.process_data_events(None)
    CLOCK.stop()


with connect() as first:
    measure.chosen(TASK.kind, publish, confirm, consume, rpc,
                   *measure.of_calls_that_wait(TASK, connect))(first, first.channel())
