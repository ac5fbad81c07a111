"""A consumer that ends in good order when it is told to by SIGTERM."""
import os
import signal
import threading

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))
channel = connection.channel()
queue = channel.queue_declare('', exclusive=True).method.queue


def on_signal(signum, frame):
    """Only ask: a handler may run amid anything."""
    print('told to end')
    connection.add_callback_threadsafe(channel.stop_consuming)


def on_message(channel, method, properties, body):
    """Take a message; after the last one somebody ends us."""
    print('got', body.decode())
    channel.basic_ack(method.delivery_tag)
    if body == b'2':
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


signal.signal(signal.SIGTERM, on_signal)
for number in range(3):
    channel.basic_publish('', queue, str(number))
channel.basic_consume(queue, on_message)
channel.start_consuming()
print('consumers:', channel.consumer_tags)
connection.close()
print('closed:', connection.is_closed)
