"""Exchanges, queues and bindings: made, looked at, and taken away again."""
import os
import uuid

import pika
import pika.exceptions
from pika.exchange_type import ExchangeType

NAME = f'topology-{uuid.uuid4().hex}'

connection = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))
channel = connection.channel()
channel.exchange_declare(NAME, ExchangeType.topic, durable=True)
channel.exchange_declare(f'{NAME}-all', ExchangeType.fanout, durable=True)
channel.exchange_bind(destination=NAME, source=f'{NAME}-all')
channel.queue_declare(NAME, durable=True, arguments={'x-max-length': 100, 'x-expires': 60000})
channel.queue_bind(NAME, NAME, routing_key='logs.#')

for exchange, routing_key in ((NAME, 'logs.app.error'), (NAME, 'metrics'), (f'{NAME}-all', 'logs')):
    channel.basic_publish(exchange, routing_key, routing_key.encode())
found = []
while len(found) < 2:
    method, properties, body = channel.basic_get(NAME, auto_ack=True)
    if method is not None:
        found.append((body, method.routing_key, method.exchange == NAME))
print(sorted(found))
print(channel.basic_get(NAME))

# The same name with other properties is an error, and costs the channel.
try:
    channel.queue_declare(NAME, durable=False)
except pika.exceptions.ChannelClosedByBroker as error:
    print(error.reply_code, channel.is_open, connection.is_open)

channel = connection.channel()
channel.queue_unbind(NAME, NAME, routing_key='logs.#')
print(type(channel.queue_delete(NAME).method).__name__)
channel.exchange_unbind(destination=NAME, source=f'{NAME}-all')
for exchange in (NAME, f'{NAME}-all'):
    channel.exchange_delete(exchange)
try:
    channel.exchange_declare(NAME, passive=True)
except pika.exceptions.ChannelClosedByBroker as error:
    print(error.reply_code)
connection.close()
