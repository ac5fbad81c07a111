"""A consumer that acknowledges ten messages at a time, and the rest when nothing comes."""
import os

import pika

BATCH = 10

connection = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))
channel = connection.channel()
queue = channel.queue_declare('', exclusive=True).method.queue
for number in range(25):
    channel.basic_publish('', queue, str(number))
channel.basic_qos(prefetch_count=2 * BATCH)

batch = []
for method, _, body in channel.consume(queue, inactivity_timeout=0.2):
    if method is not None:
        batch.append((method.delivery_tag, int(body)))
    if len(batch) == BATCH or method is None and batch:
        print('written:', [number for _, number in batch])
        channel.basic_ack(batch[-1][0], multiple=True)
        batch.clear()
    elif method is None:
        break
channel.cancel()
print('left:', channel.queue_declare(queue, passive=True).method.message_count)
connection.close()
