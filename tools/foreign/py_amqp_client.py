"""py-amqp against a broker: a round of messages, and the errors it must see as what they are.

    python -m pika_testing -- python tools/foreign/py_amqp_client.py

Rule: it knows nothing of the broker in memory, and does the same on RabbitMQ.
"""
from __future__ import annotations

import os
import urllib.parse

import amqp
from amqp import exceptions


def main() -> None:
    """Connect to the broker of ``AMQP_URL`` and go through all of it."""
    parts = urllib.parse.urlsplit(os.environ['AMQP_URL'])
    address = f'{parts.hostname}:{parts.port}'
    with amqp.Connection(address,
                         userid=parts.username,
                         password=parts.password,
                         confirm_publish=True) as connection:
        channel = connection.channel()
        channel.exchange_declare('x', 'topic', auto_delete=False)
        queue, _, _ = channel.queue_declare('q', auto_delete=False)
        channel.queue_bind(queue, 'x', 'key.#')
        for number in range(100):
            message = amqp.Message(f'{number}', delivery_mode=2, application_headers={'n': number})
            channel.basic_publish_confirm(message, 'x', f'key.{number}')

        seen: list[str] = []

        def on_message(message: amqp.Message) -> None:
            assert message.headers['n'] == len(seen)
            seen.append(message.body)
            channel.basic_ack(message.delivery_tag)

        channel.basic_qos(0, 10, False)
        tag = channel.basic_consume(queue, callback=on_message)
        while len(seen) < 100:
            connection.drain_events(timeout=10)
        channel.basic_cancel(tag)
        assert seen == [str(number) for number in range(100)]
        assert channel.queue_declare(queue, passive=True).message_count == 0
        channel.basic_publish_confirm(amqp.Message('large' * 100_000), '', 'q')
        assert len(channel.basic_get('q', no_ack=True).body) == 500_000
        assert channel.basic_get('q') is None
        expect(connection, exceptions.NotFound,
               lambda channel: channel.queue_declare('nothing', passive=True))
        expect(connection, exceptions.PreconditionFailed,
               lambda channel: channel.queue_declare('q', durable=True, auto_delete=False))
        expect(connection, exceptions.AccessRefused,
               lambda channel: channel.queue_declare('amq.mine'))
    try:
        amqp.Connection(address, userid='guest', password='wrong').connect()
    except exceptions.AccessRefused:
        pass
    else:
        raise AssertionError('a wrong password was taken')
    print(f'py-amqp {amqp.__version__}: 101 messages, 4 errors')


def expect(connection: amqp.Connection, error: type[Exception], call) -> None:
    """`call(channel)` raises `error`, and the connection goes on."""
    try:
        call(connection.channel())
    except error:
        return
    raise AssertionError(f'no {error.__name__}')


if __name__ == '__main__':
    main()
