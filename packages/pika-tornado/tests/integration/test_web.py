"""A connection on the loop of a web application."""

from __future__ import annotations

import asyncio

import pika
import pytest
from pika_tornado import TornadoConnection
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class Publish(RequestHandler):
    """Answers once the broker has confirmed the message."""

    def initialize(self, broker):
        self.broker = broker

    async def post(self):
        await self.broker.publish(self.request.body)
        self.set_status(202)


class Broker:
    """What the handlers of the application share."""

    def __init__(self, url):
        self.opened = asyncio.Future()
        self.closed = asyncio.Future()
        self.received = asyncio.Queue()
        self.waiting = {}
        self.published = 0
        self.connection = TornadoConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.prepare),
            on_open_error_callback=lambda connection, error: self.opened.set_exception(error),
            on_close_callback=lambda connection, reason: self.closed.set_result(reason))

    def prepare(self, channel):
        self.channel = channel
        channel.exchange_declare('test', auto_delete=True)
        channel.queue_declare('test', exclusive=True)
        channel.queue_bind('test', 'test')
        channel.basic_consume('test', self.on_message, auto_ack=True)
        channel.confirm_delivery(self.on_confirm, callback=self.opened.set_result)

    def publish(self, body):
        self.channel.basic_publish('test', 'test', body, mandatory=True)
        self.published += 1
        future = self.waiting[self.published] = asyncio.Future()
        return future

    def on_confirm(self, frame):
        tag = frame.method.delivery_tag
        for done in range(1 if frame.method.multiple else tag, tag + 1):
            if done in self.waiting:
                self.waiting.pop(done).set_result(None)

    def on_message(self, channel, method, properties, body):
        self.received.put_nowait(body)


@pytest.fixture
def run():
    """Runs a coroutine function on a loop of its own."""
    loop = IOLoop(make_current=False)
    yield loop.run_sync
    loop.close()


def test_inside_a_web_application(amqp_url, run):

    async def serve():
        broker = Broker(amqp_url)
        await broker.opened
        server = HTTPServer(Application([('/', Publish, {'broker': broker})]))
        socket, = bind_sockets(0, '127.0.0.1')
        server.add_sockets([socket])
        url = f'http://127.0.0.1:{socket.getsockname()[1]}/'
        bodies = {b'%d' % number for number in range(20)}
        client = AsyncHTTPClient()
        answers = await asyncio.gather(
            *(client.fetch(url, method='POST', body=body) for body in bodies))
        assert {answer.code for answer in answers} == {202}
        assert {await broker.received.get() for _ in bodies} == bodies
        server.stop()
        client.close()
        broker.connection.close()
        return await broker.closed

    assert isinstance(run(serve), pika.exceptions.ConnectionClosedByClient)
