"""Remote calls: a server answers to the queue that the client names, with the client's id."""
import os
import threading
import uuid

import pika

PARAMETERS = pika.URLParameters(os.environ['AMQP_URL'])
QUEUE = f'rpc-{uuid.uuid4().hex}'


class Server(threading.Thread):
    """Squares numbers until it is asked for 'stop'; has a connection of its own."""

    def __init__(self):
        super().__init__()
        self.ready = threading.Event()

    def run(self):
        """The thread."""
        with pika.BlockingConnection(PARAMETERS) as connection:
            channel = connection.channel()
            channel.queue_declare(QUEUE, auto_delete=True)
            channel.basic_qos(prefetch_count=1)
            channel.basic_consume(QUEUE, self.on_request)
            self.ready.set()
            channel.start_consuming()

    @staticmethod
    def on_request(channel, method, properties, body):
        """Answer one request."""
        if body == b'stop':
            channel.stop_consuming()
            answer = 'stopped'
        else:
            answer = str(int(body)**2)
        channel.basic_publish('', properties.reply_to, answer,
                              pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)


class Client:
    """Asks, and waits for the answer; RabbitMQ's direct reply-to needs no queue for it."""

    def __init__(self):
        self.connection = pika.BlockingConnection(PARAMETERS)
        self.channel = self.connection.channel()
        self.channel.basic_consume('amq.rabbitmq.reply-to', self.on_answer, auto_ack=True)
        self.answers = {}

    def on_answer(self, channel, method, properties, body):
        """Note an answer."""
        self.answers[properties.correlation_id] = body.decode()

    def call(self, request):
        """Return the answer to a request."""
        number = uuid.uuid4().hex
        self.channel.basic_publish(
            '', QUEUE, request,
            pika.BasicProperties(reply_to='amq.rabbitmq.reply-to', correlation_id=number))
        while number not in self.answers:
            self.connection.process_data_events(time_limit=1)
        return self.answers.pop(number)


server = Server()
server.start()
server.ready.wait()
client = Client()
for request in ('2', '3', '12', 'stop'):
    print(request, '->', client.call(request))
server.join()
client.connection.close()
