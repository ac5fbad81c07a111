"""A Tornado web application that publishes what it is sent and shows what it has consumed."""
import asyncio
import os

import pika
import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web
from pika.adapters.tornado_connection import TornadoConnection

EXCHANGE = 'example.web'


class Broker:
    """The connection of the application; it lives on the loop that serves the requests."""

    def __init__(self, url):
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.arrived = asyncio.Event()
        self.messages = []
        self.channel = None
        self.connection = TornadoConnection(pika.URLParameters(url),
                                            on_open_callback=self.on_open,
                                            on_open_error_callback=self.on_close,
                                            on_close_callback=self.on_close)

    def on_open(self, connection):
        """Open a channel."""
        connection.channel(on_open_callback=self.on_channel_open)

    def on_close(self, connection, reason):
        """Tell who waits."""
        print('closed:', reason.reply_text)
        self.closed.set()

    def on_channel_open(self, channel):
        """Declare the exchange."""
        self.channel = channel
        channel.exchange_declare(EXCHANGE, 'fanout', auto_delete=True, callback=self.on_exchange)

    def on_exchange(self, frame):
        """Declare a queue."""
        self.channel.queue_declare('', exclusive=True, callback=self.on_queue)

    def on_queue(self, frame):
        """Bind it and consume."""
        queue = frame.method.queue
        self.channel.queue_bind(queue, EXCHANGE)
        self.channel.basic_consume(queue,
                                   self.on_message,
                                   auto_ack=True,
                                   callback=lambda frame: self.opened.set())

    def on_message(self, channel, method, properties, body):
        """Keep the message."""
        self.messages.append(body.decode())
        self.arrived.set()


class Messages(tornado.web.RequestHandler):
    """POST publishes the body, GET lists what has been consumed."""

    def post(self):
        """Publish."""
        self.application.settings['broker'].channel.basic_publish(EXCHANGE, '', self.request.body)
        self.set_status(202)

    def get(self):
        """List."""
        self.write({'messages': self.application.settings['broker'].messages})


async def main():
    """Serve, and be the only guest."""
    broker = Broker(os.environ['AMQP_URL'])
    await broker.opened.wait()
    server = tornado.httpserver.HTTPServer(
        tornado.web.Application([('/messages', Messages)], broker=broker))
    sock, port = tornado.testing.bind_unused_port()
    server.add_socket(sock)
    client = tornado.httpclient.AsyncHTTPClient()
    url = f'http://127.0.0.1:{port}/messages'
    for text in ('one', 'two', 'three'):
        broker.arrived.clear()
        response = await client.fetch(url, method='POST', body=text)
        print('POST', response.code)
        await broker.arrived.wait()
    print('GET', (await client.fetch(url)).body.decode())
    server.stop()
    broker.connection.close()
    await broker.closed.wait()


asyncio.run(main())
