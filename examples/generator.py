"""A consumer as a generator, which gives up when nothing has come for a while."""
import os

import pika

with pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL'])) as connection:
    channel = connection.channel()
    queue = channel.queue_declare('', exclusive=True).method.queue
    for number in range(5):
        channel.basic_publish('', queue, str(number), pika.BasicProperties(headers={'n': number}))

    for method, properties, body in channel.consume(queue, inactivity_timeout=0.2):
        if method is None:
            print('nothing for a while')
            break
        print(body.decode(), properties.headers)
        channel.basic_ack(method.delivery_tag)
    print('returned to the queue:', channel.cancel())
    print('left:', channel.queue_declare(queue, passive=True).method.message_count)
