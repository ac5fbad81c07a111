"""A publisher that knows what became of each message."""
import os

import pika
import pika.exceptions

connection = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))
channel = connection.channel()
channel.confirm_delivery()
queue = channel.queue_declare('', exclusive=True).method.queue

for routing_key in (queue, 'nowhere'):
    name = 'the queue' if routing_key == queue else routing_key
    try:
        channel.basic_publish('',
                              routing_key,
                              b'to ' + name.encode(),
                              pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
                              mandatory=True)
    except pika.exceptions.UnroutableError as error:
        for message in error.messages:
            print(name, message.method.reply_code, message.method.reply_text, message.body)
    else:
        print(name, 'has it')

# A queue that takes one message, and refuses what comes then.
full = channel.queue_declare('',
                             exclusive=True,
                             arguments={
                                 'x-max-length': 1,
                                 'x-overflow': 'reject-publish'
                             }).method.queue
for number in range(3):
    try:
        channel.basic_publish('', full, str(number).encode())
        print(number, 'confirmed')
    except pika.exceptions.NackError:
        print(number, 'refused')
connection.close()
