"""An adapter with callbacks, ours or that of pika 1.4: select, asyncio, tornado, libev, gevent."""

import asyncio

import measure
import pika

TASK = measure.task()
CLOCK = measure.Clock()
MEMORY = measure.Memory()
ADAPTER = TASK.rest[0]
TIMERS = []
BATCH = 100  # publishes in one turn of the loop


def adapter():
    """The class, and what runs its loop."""
    if ADAPTER == 'select':
        return pika.SelectConnection
    module = __import__(f'pika.adapters.{ADAPTER}_connection', fromlist=['x'])
    return getattr(module, f'{ADAPTER.capitalize()}Connection')


def connect(on_open, loop=None):
    """A connection on a loop of its own, or on the one given."""
    return adapter()(pika.URLParameters(TASK.url),
                     on_open_callback=on_open,
                     on_open_error_callback=failed,
                     on_close_callback=closed,
                     custom_ioloop=loop)


def failed(connection, error):
    """Nothing can be measured."""
    raise SystemExit(repr(error))


def closed(connection, reason):
    """The last one ends the program."""
    if not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
        raise SystemExit(repr(reason))
    if connection is first:
        connection.ioloop.stop()


def later(callback):
    """In the next turn of the loop."""
    if ADAPTER == 'libev':
        timer = first.ioloop.timer(0, 0, lambda watcher, revents: callback())
        timer.start()
        TIMERS[:] = [timer]  # which would be forgotten with the last reference
    else:
        first.ioloop.call_later(0, callback)


def end():
    """All is done."""
    CLOCK.stop()
    first.close()


class Publisher:
    """Publishes BATCH messages a turn."""

    def __init__(self, channel):
        self.channel = channel
        self.sent = 0
        self.option = TASK.option
        self.body = TASK.body
        self.properties = None
        if self.option == 'reused':
            self.properties = pika.BasicProperties('text/plain', delivery_mode=1)
        CLOCK.start()
        self.turn()

    def turn(self):
        """One turn."""
        publish, queue, body, properties = (self.channel.basic_publish, TASK.queue, self.body,
                                            self.properties)
        last = min(self.sent + BATCH, TASK.messages)
        for number in range(self.sent, last):
            if self.option == 'fresh':
                properties = pika.BasicProperties('text/plain', headers=measure.headers(number))
            publish('', queue, body, properties)
        self.sent = last
        if last < TASK.messages:
            later(self.turn)
        else:
            self.channel.queue_declare(queue, passive=True, callback=lambda frame: end())


class Confirmed:
    """Publishes as many as may be outstanding, and one for each confirm."""

    def __init__(self, channel):
        self.channel = channel
        self.sent = self.confirmed = 0
        self.body = TASK.body
        channel.confirm_delivery(self.on_confirm, callback=self.on_selected)

    def on_selected(self, frame):
        """Begin."""
        CLOCK.start()
        self.publish(int(TASK.option))

    def publish(self, count):
        """So many more, if so many are left."""
        last = min(self.sent + count, TASK.messages)
        publish, queue, body = self.channel.basic_publish, TASK.queue, self.body
        for _ in range(self.sent, last):
            publish('', queue, body)
        self.sent = last

    def on_confirm(self, frame):
        """One or all up to a tag; they come in order here."""
        count = frame.method.delivery_tag - self.confirmed if frame.method.multiple else 1
        self.confirmed += count
        if self.confirmed == TASK.messages:
            end()
        else:
            self.publish(count)


class Consumer:
    """Takes all messages of a queue."""

    def __init__(self, channel):
        self.seen = 0
        self.every = int(TASK.option)
        channel.basic_qos(prefetch_count=500, callback=lambda frame: self.start(channel))

    def start(self, channel):
        """Begin."""
        CLOCK.start()
        channel.basic_consume(TASK.queue, self.on_message, auto_ack=not self.every)

    def on_message(self, channel, method, properties, body):
        """Count, and ack."""
        self.seen += 1
        if self.every and not self.seen % self.every:
            channel.basic_ack(method.delivery_tag, self.every > 1)
        if self.seen == TASK.messages:
            end()


class Client:
    """Asks, and asks again when it is answered."""

    def __init__(self, channel):
        self.channel = channel
        self.left = TASK.messages
        channel.queue_declare('', exclusive=True, callback=self.on_queue)

    def on_queue(self, frame):
        """Have the answers sent here."""
        reply_to = frame.method.queue
        self.properties = pika.BasicProperties(reply_to=reply_to)
        self.channel.basic_consume(reply_to,
                                   self.on_answer,
                                   auto_ack=True,
                                   callback=lambda frame: self.start())

    def start(self):
        """Begin."""
        CLOCK.start()
        self.ask()

    def ask(self):
        """Once."""
        self.channel.basic_publish('', TASK.queue, TASK.body, self.properties)

    def on_answer(self, channel, method, properties, body):
        """And again."""
        self.left -= 1
        if self.left:
            self.ask()
        else:
            end()


class Connections:
    """Opens and closes connections, one after the other, on one loop."""

    def __init__(self, channel):
        self.left = TASK.messages
        CLOCK.start()
        self.open()

    def open(self):
        """The next one."""
        made = connect(lambda connection: connection.close(), first.ioloop)
        made.add_on_close_callback(self.on_close)

    def on_close(self, connection, reason):
        """Go on."""
        self.left -= 1
        if self.left:
            later(self.open)
        else:
            end()


class Channels:
    """Opens channels, then closes them."""

    def __init__(self, channel):
        self.opened = []
        self.left = TASK.messages
        CLOCK.start()
        self.open()

    def open(self):
        """The next one."""
        first.channel(on_open_callback=self.on_open)

    def on_open(self, channel):
        """Another one, or close all."""
        self.opened.append(channel)
        channel.add_on_close_callback(self.on_close)
        if len(self.opened) < TASK.messages:
            self.open()
        else:
            for channel in self.opened:
                channel.close()

    def on_close(self, channel, reason):
        """The last one ends it."""
        self.left -= 1
        if not self.left:
            end()


class Idle:
    """Holds connections or channels."""

    def __init__(self, channel):
        self.held = []
        MEMORY.start()
        self.open()

    def open(self):
        """The next one."""
        if TASK.option == 'channels':
            first.channel(on_open_callback=self.on_open)
        else:
            connect(self.on_open, first.ioloop)

    def on_open(self, opened):
        """Hold it."""
        self.held.append(opened)
        if len(self.held) < TASK.messages:
            later(self.open)
        else:
            MEMORY.stop(len(self.held))
            first.close()


def run():
    """Until the first connection has been closed."""
    if ADAPTER == 'asyncio':
        first.ioloop.run_forever()
    else:
        first.ioloop.start()


loop = None
if ADAPTER == 'asyncio':
    loop = asyncio.new_event_loop()
elif ADAPTER == 'tornado':
    from tornado.ioloop import IOLoop
    loop = IOLoop(make_current=False)
work = measure.chosen(TASK.kind, Publisher, Confirmed, Consumer, Client, Connections, Channels,
                      Idle)
first = connect(lambda connection: connection.channel(on_open_callback=work), loop)
run()
