"""What users of the gevent adapter write, and the types that they get."""

from __future__ import annotations

import pika
from pika import spec
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowAborted,
    AMQPConnectionWorkflowFailed,
)
from pika.channel import Channel
from pika.frame import Method
from pika_gevent import GeventConnection, IOLoop
from typing_extensions import assert_type


def on_open(connection: GeventConnection) -> None:
    assert_type(connection.is_open, bool)
    connection.channel(on_open_callback=on_channel_open)


def on_channel_open(channel: Channel) -> None:
    channel.queue_declare('test', callback=on_declared)
    assert_type(channel.basic_consume('test', on_message), str)


def on_declared(method_frame: Method[spec.Queue.DeclareOk]) -> None:
    assert_type(method_frame.method.queue, str)
    assert_type(method_frame.method.message_count, int)


def on_message(channel: Channel, method: spec.Basic.Deliver, properties: pika.BasicProperties,
               body: bytes) -> None:
    assert_type(method.delivery_tag, int)
    channel.basic_ack(method.delivery_tag)


def on_close(connection: GeventConnection, reason: Exception) -> None:
    assert_type(connection.ioloop, IOLoop)
    connection.ioloop.stop()


def on_done(
    outcome: GeventConnection | AMQPConnectionWorkflowFailed | AMQPConnectionWorkflowAborted
) -> None:
    if isinstance(outcome, AMQPConnectionWorkflowFailed):
        assert_type(outcome.exceptions, tuple[BaseException, ...])
    elif isinstance(outcome, GeventConnection):
        assert_type(outcome.params.port, int)


GeventConnection.create_connection([pika.ConnectionParameters()], on_done).abort()

connection = GeventConnection(pika.ConnectionParameters('localhost'),
                              on_open_callback=on_open,
                              on_close_callback=on_close)
connection.ioloop.start()
