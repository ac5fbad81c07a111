"""aio-pika against a broker: a round of messages, and the errors it must see as what they are.

    python -m pika_testing -- python tools/foreign/aio_pika_client.py

Rule: it knows nothing of the broker in memory, and does the same on RabbitMQ.
"""
from __future__ import annotations

import asyncio
import os
from importlib.metadata import version

import aio_pika
from aio_pika import exceptions
from aiormq.exceptions import ChannelAccessRefused

URL = os.environ['AMQP_URL']


async def main() -> None:
    """Connect to the broker of ``AMQP_URL`` and go through all of it."""
    connection = await aio_pika.connect(URL)
    async with connection:
        channel = await connection.channel(on_return_raises=True)  # with confirms
        exchange = await channel.declare_exchange('x', aio_pika.ExchangeType.HEADERS)
        queue = await channel.declare_queue('q')
        await queue.bind(exchange, arguments={'x-match': 'all', 'kind': 'wanted'})
        for number in range(100):
            message = aio_pika.Message(str(number).encode(),
                                       headers={
                                           'kind': 'wanted',
                                           'n': number
                                       })
            await exchange.publish(message, routing_key='')
        await channel.set_qos(prefetch_count=10)
        seen = []
        async with queue.iterator(timeout=10) as messages:
            async for message in messages:
                async with message.process():
                    assert message.headers['n'] == len(seen)
                    seen.append(message.body)
                if len(seen) == 100:
                    break
        assert seen == [str(number).encode() for number in range(100)]
        declared = await channel.declare_queue('q', passive=True)
        assert declared.declaration_result.message_count == 0
        large = aio_pika.Message(b'x' * 500_000)
        await channel.default_exchange.publish(large, routing_key='q')
        got = await queue.get(timeout=10)
        assert got is not None and got.body == large.body
        await got.ack()
        try:
            await channel.default_exchange.publish(large, routing_key='nowhere', mandatory=True)
        except exceptions.DeliveryError:
            pass
        else:
            raise AssertionError('an unroutable message was taken')
        for error, call in (
            (exceptions.ChannelNotFoundEntity, lambda c: c.declare_queue('nothing', passive=True)),
            (exceptions.ChannelPreconditionFailed, lambda c: c.declare_queue('q', durable=True)),
            (ChannelAccessRefused, lambda c: c.declare_queue('amq.mine')),
        ):
            try:
                await call(await connection.channel())
            except error:
                continue
            raise AssertionError(f'no {error.__name__}')
    try:
        await aio_pika.connect(URL.replace('guest:guest', 'guest:wrong'))
    except exceptions.AMQPConnectionError:
        pass
    else:
        raise AssertionError('a wrong password was taken')
    print(f'aio-pika {version("aio-pika")}: 101 messages, 5 errors')


asyncio.run(main())
