"""A worker: threads do the work, and the connection's thread acknowledges.

A connection belongs to one thread. Another one asks it, by `add_callback_threadsafe`, to do what
has to be done on it.
"""
import functools
import os
import threading
import time

import pika

TASKS = 6


def work(connection, channel, delivery_tag, body, done):
    """Runs in a thread of its own."""
    time.sleep(0.01 * int(body))  # the work
    connection.add_callback_threadsafe(
        functools.partial(acknowledge, channel, delivery_tag, body, done))


def acknowledge(channel, delivery_tag, body, done):
    """Runs in the thread of the connection."""
    channel.basic_ack(delivery_tag)
    done.append(int(body))
    if len(done) == TASKS:
        channel.stop_consuming()


def main():
    """Publish the tasks, and do them, three at a time."""
    connection = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))
    channel = connection.channel()
    queue = channel.queue_declare('', exclusive=True).method.queue
    for number in range(TASKS):
        channel.basic_publish('', queue, str(number))
    channel.basic_qos(prefetch_count=3)
    threads, done = [], []

    def on_message(channel, method, properties, body):
        thread = threading.Thread(target=work,
                                  args=(connection, channel, method.delivery_tag, body, done))
        thread.start()
        threads.append(thread)

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    for thread in threads:
        thread.join()
    print('done:', sorted(done))
    print('left:', channel.queue_declare(queue, passive=True).method.message_count)
    connection.close()


main()
