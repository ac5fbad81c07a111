"""aio-pika, on asyncio."""

import asyncio

import aio_pika
import measure

TASK = measure.task()
CLOCK = measure.Clock()
MEMORY = measure.Memory()


async def connect():
    """A connection that is open."""
    return await aio_pika.connect(TASK.url)


async def publish(connection, channel):
    """See `measure`."""
    exchange, body, queue, option = channel.default_exchange, TASK.body, TASK.queue, TASK.option
    message = aio_pika.Message(body, content_type='text/plain')
    CLOCK.start()
    for number in range(TASK.messages):
        if option == 'fresh':
            message = aio_pika.Message(body,
                                       content_type='text/plain',
                                       headers=measure.headers(number))
        elif option == 'none':
            message = aio_pika.Message(body)
        await exchange.publish(message, queue)
    await channel.declare_queue(queue, passive=True)
    CLOCK.stop()


async def confirm(connection, channel):
    """See `measure`."""
    channel = await connection.channel(publisher_confirms=True)
    exchange, body, window = channel.default_exchange, TASK.body, asyncio.Semaphore(int(
        TASK.option))

    async def send():
        try:
            await exchange.publish(aio_pika.Message(body), TASK.queue)
        finally:
            window.release()

    CLOCK.start()
    sending = set()
    for _ in range(TASK.messages):
        await window.acquire()
        task = asyncio.ensure_future(send())
        sending.add(task)
        task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)
    CLOCK.stop()


async def consume(connection, channel):
    """See `measure`."""
    every = int(TASK.option)
    await channel.set_qos(prefetch_count=500)
    done = asyncio.Event()
    seen = 0

    async def on_message(message):
        nonlocal seen
        seen += 1
        if every and not seen % every:
            await message.ack(every > 1)
        if seen == TASK.messages:
            done.set()

    queue = await channel.get_queue(TASK.queue, ensure=False)
    CLOCK.start()
    await queue.consume(on_message, no_ack=not every)
    await done.wait()
    CLOCK.stop()


async def rpc(connection, channel):
    """See `measure`."""
    replies = await channel.declare_queue(exclusive=True)
    answers = asyncio.Queue()
    await replies.consume(answers.put, no_ack=True)
    CLOCK.start()
    for _ in range(TASK.messages):
        message = aio_pika.Message(TASK.body, reply_to=replies.name)
        await channel.default_exchange.publish(message, TASK.queue)
        await answers.get()
    CLOCK.stop()


async def connections(connection, channel):
    """See `measure`."""
    CLOCK.start()
    for _ in range(TASK.messages):
        await (await connect()).close()
    CLOCK.stop()


async def channels(connection, channel):
    """See `measure`."""
    CLOCK.start()
    for opened in [await connection.channel() for _ in range(TASK.messages)]:
        await opened.close()
    CLOCK.stop()


async def idle(connection, channel):
    """See `measure`."""
    make = connection.channel if TASK.option == 'channels' else connect
    held = [await make()]
    MEMORY.start()
    held = [await make() for _ in range(TASK.messages)]
    MEMORY.stop(len(held))
    if TASK.option == 'connections':
        for opened in held:
            await opened.close()


async def main():
    """Connect, and do what is asked for."""
    async with await connect() as connection:
        channel = await connection.channel(publisher_confirms=False)
        work = measure.chosen(TASK.kind, publish, confirm, consume, rpc, connections, channels,
                              idle)
        await work(connection, channel)


asyncio.run(main())
