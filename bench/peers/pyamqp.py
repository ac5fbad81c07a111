"""py-amqp, the client below kombu and Celery."""

import amqp
import measure

TASK = measure.task()
CLOCK = measure.Clock()


def connect(**options):
    """A connection that is open."""
    host, port, user, password = TASK.server
    connection = amqp.Connection(f'{host}:{port}', user, password, **options)
    connection.connect()
    return connection


def publish(connection, channel):
    """See `measure`."""
    body, queue, option = TASK.body, TASK.queue, TASK.option
    message = amqp.Message(body, content_type='text/plain', delivery_mode=1)
    CLOCK.start()
    for number in range(TASK.messages):
        if option == 'fresh':
            message = amqp.Message(body,
                                   content_type='text/plain',
                                   application_headers=measure.headers(number))
        elif option == 'none':
            message = amqp.Message(body)
        channel.basic_publish(message, '', queue)
    channel.queue_declare(queue, passive=True)
    CLOCK.stop()


def confirm(connection, channel):
    """See `measure`."""
    body, queue, window = TASK.body, TASK.queue, int(TASK.option)
    channel.confirm_select()
    confirmed = 0

    def on_ack(tag, multiple):
        nonlocal confirmed
        confirmed = tag if multiple else confirmed + 1

    channel.events['basic_ack'].add(on_ack)
    CLOCK.start()
    for sent in range(TASK.messages):
        while sent - confirmed >= window:
            connection.drain_events()
        channel.basic_publish(amqp.Message(body), '', queue)
    while confirmed < TASK.messages:
        connection.drain_events()
    CLOCK.stop()


def consume(connection, channel):
    """See `measure`."""
    every = int(TASK.option)
    channel.basic_qos(0, 500, False)
    seen = 0

    def on_message(message):
        nonlocal seen
        seen += 1
        if every and not seen % every:
            channel.basic_ack(message.delivery_tag, every > 1)

    CLOCK.start()
    channel.basic_consume(TASK.queue, callback=on_message, no_ack=not every)
    while seen < TASK.messages:
        connection.drain_events()
    CLOCK.stop()


def rpc(connection, channel):
    """See `measure`."""
    reply_to = channel.queue_declare('', exclusive=True).queue
    answered = []
    channel.basic_consume(reply_to, callback=answered.append, no_ack=True)
    CLOCK.start()
    for number in range(TASK.messages):
        channel.basic_publish(amqp.Message(TASK.body, reply_to=reply_to), '', TASK.queue)
        while len(answered) == number:
            connection.drain_events()
    CLOCK.stop()


with connect() as first:
    measure.chosen(TASK.kind, publish, confirm, consume, rpc,
                   *measure.of_calls_that_wait(TASK, connect))(first, first.channel())
