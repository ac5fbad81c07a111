"""A consumer with callbacks that connects again when its connection was lost."""
import os

import pika
import pika.exceptions


class Consumer:
    """One connection after the other on one loop.

    The first connection is lost on purpose; then it waits, longer each time.
    """

    def __init__(self, url):
        self.parameters = pika.URLParameters(url)
        self.connections = 0
        self.delay = 0.05
        self.connection = None
        self.loop = None
        self.connect()

    def run(self):
        """Until all is done."""
        self.loop.start()

    def connect(self):
        """Make the next connection, on the same loop."""
        self.connections += 1
        self.connection = pika.SelectConnection(self.parameters,
                                                on_open_callback=self.on_open,
                                                on_open_error_callback=self.on_open_error,
                                                on_close_callback=self.on_close,
                                                custom_ioloop=self.loop)
        self.loop = self.connection.ioloop

    def on_open(self, connection):
        """Go on: a channel."""
        connection.channel(on_open_callback=self.on_channel_open)

    def on_open_error(self, connection, error):
        """Try again later."""
        print('could not open:', type(error).__name__)
        self.try_again()

    def on_close(self, connection, reason):
        """End, if that is what was wanted."""
        if isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self.connections -= 1
            print('lost and found again, times:', self.connections)
            self.loop.stop()
        else:
            print('lost:', type(reason).__name__, reason.reply_code)
            self.try_again()

    def try_again(self):
        """Connect when some time has passed."""
        self.loop.call_later(self.delay, self.connect)
        self.delay *= 2

    def on_channel_open(self, channel):
        """Go on: a queue."""
        channel.queue_declare('',
                              exclusive=True,
                              callback=lambda frame: self.on_declared(channel, frame.method.queue))

    def on_declared(self, channel, queue):
        """Go on: messages."""
        channel.basic_qos(prefetch_count=10)
        channel.basic_consume(queue, self.on_message)
        channel.basic_publish('', queue, b'message %d' % self.connections)

    def on_message(self, channel, method, properties, body):
        """Work; then lose the first connection: a message without its body is none."""
        print('got', body.decode())
        channel.basic_ack(method.delivery_tag)
        if self.connections == 1:
            # What the broker does not allow ends the connection: 540.
            channel.flow(False)
        else:
            channel.connection.close()


Consumer(os.environ['AMQP_URL']).run()
