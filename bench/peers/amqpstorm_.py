"""AMQPStorm; it has no way to keep several confirms outstanding."""

import amqpstorm
import measure

TASK = measure.task()
CLOCK = measure.Clock()


def connect():
    """A connection that is open."""
    host, port, user, password = TASK.server
    return amqpstorm.Connection(host, user, password, port=port)


def publish(connection, channel):
    """See `measure`."""
    body, queue, option = TASK.body, TASK.queue, TASK.option
    properties = {'content_type': 'text/plain', 'delivery_mode': 1} if option == 'reused' else None
    CLOCK.start()
    for number in range(TASK.messages):
        if option == 'fresh':
            properties = {'content_type': 'text/plain', 'headers': measure.headers(number)}
        channel.basic.publish(body, queue, properties=properties)
    channel.queue.declare(queue, passive=True)
    CLOCK.stop()


def confirm(connection, channel):
    """See `measure`."""
    channel.confirm_deliveries()
    body, queue = TASK.body, TASK.queue
    CLOCK.start()
    for _ in range(TASK.messages):
        channel.basic.publish(body, queue)
    CLOCK.stop()


def consume(connection, channel):
    """See `measure`."""
    every = int(TASK.option)
    channel.basic.qos(500)
    seen = 0

    def on_message(message):
        nonlocal seen
        seen += 1
        if every and not seen % every:
            channel.basic.ack(message.delivery_tag, every > 1)

    CLOCK.start()
    channel.basic.consume(on_message, TASK.queue, no_ack=not every)
    while seen < TASK.messages:
        channel.process_data_events()
    CLOCK.stop()


def rpc(connection, channel):
    """See `measure`."""
    reply_to = channel.queue.declare(exclusive=True)['queue']
    answered = []
    channel.basic.consume(answered.append, reply_to, no_ack=True)
    CLOCK.start()
    for number in range(TASK.messages):
        channel.basic.publish(TASK.body, TASK.queue, properties={'reply_to': reply_to})
        while len(answered) == number:
            channel.process_data_events()
    CLOCK.stop()


with connect() as first:
    measure.chosen(TASK.kind, publish, confirm, consume, rpc,
                   *measure.of_calls_that_wait(TASK, connect))(first, first.channel())
