"""A Twisted service: it answers requests from one queue, and a client of its own asks."""
import os

import pika
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.application.service import Service
from twisted.internet import defer, endpoints, task


class Squares(Service):
    """Squares numbers. `startService` returns a Deferred that fires when it is ready."""

    queue = 'example.service'

    def __init__(self, reactor, parameters):
        self.reactor = reactor
        self.parameters = parameters

    @defer.inlineCallbacks
    def startService(self):
        """Connect, declare, and consume."""
        super().startService()
        self.connection = yield connect(self.reactor, self.parameters)
        self.channel = yield self.connection.channel()
        yield self.channel.queue_declare(self.queue, auto_delete=True)
        yield self.channel.basic_qos(prefetch_count=10)
        requests, self.tag = yield self.channel.basic_consume(self.queue)
        self.serving = self.serve(requests)

    @defer.inlineCallbacks
    def serve(self, requests):
        """Until the consumer is cancelled."""
        while True:
            try:
                channel, method, properties, body = yield requests.get()
            except pika.exceptions.AMQPError as reason:
                print('the service ends:', type(reason).__name__)
                return
            print('asked for', body.decode())
            answer = pika.BasicProperties(correlation_id=properties.correlation_id)
            yield channel.basic_publish('', properties.reply_to, str(int(body)**2), answer)
            channel.basic_ack(method.delivery_tag)

    @defer.inlineCallbacks
    def stopService(self):
        """Take no more requests, and close."""
        super().stopService()
        yield self.channel.basic_cancel(self.tag)
        self.connection.close()
        yield self.serving


@defer.inlineCallbacks
def connect(reactor, parameters):
    """Return a Deferred that fires with the connection, once it is open."""
    endpoint = endpoints.TCP4ClientEndpoint(reactor, parameters.host, parameters.port)
    connection = yield endpoints.connectProtocol(endpoint, TwistedProtocolConnection(parameters))
    yield connection.ready
    return connection


@defer.inlineCallbacks
def main(reactor):
    """Start the service, ask it, and stop it."""
    parameters = pika.URLParameters(os.environ['AMQP_URL'])
    service = Squares(reactor, parameters)
    yield service.startService()
    connection = yield connect(reactor, parameters)
    channel = yield connection.channel()
    declared = yield channel.queue_declare('', exclusive=True)
    answers, tag = yield channel.basic_consume(declared.method.queue, auto_ack=True)
    for number in (2, 3, 4):
        yield channel.basic_publish(
            '', service.queue, str(number),
            pika.BasicProperties(reply_to=declared.method.queue, correlation_id=str(number)))
        channel_, method, properties, body = yield answers.get()
        print(properties.correlation_id, 'squared is', body.decode())
    yield service.stopService()
    yield connection.close()
    print('closed:', connection.is_closed)


task.react(main)
