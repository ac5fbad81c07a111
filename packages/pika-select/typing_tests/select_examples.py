"""What users of the select adapter write, and the types that they get."""

from __future__ import annotations

import pika
from pika import spec
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowAborted,
    AMQPConnectionWorkflowFailed,
)
from pika.channel import Channel
from pika.frame import Method
from typing_extensions import assert_type


def on_open(connection: pika.SelectConnection) -> None:
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


def on_close(connection: pika.SelectConnection, reason: Exception) -> None:
    assert_type(connection.ioloop, pika.adapters.select_connection.IOLoop)
    connection.ioloop.stop()


def on_done(
    outcome: pika.SelectConnection | AMQPConnectionWorkflowFailed | AMQPConnectionWorkflowAborted
) -> None:
    if isinstance(outcome, AMQPConnectionWorkflowFailed):
        assert_type(outcome.exceptions, tuple[BaseException, ...])
    elif isinstance(outcome, pika.SelectConnection):
        assert_type(outcome.params.port, int)


pika.SelectConnection.create_connection([pika.ConnectionParameters()], on_done).abort()


def use(connection: pika.SelectConnection) -> None:
    loop = connection.ioloop
    loop.remove_timeout(loop.call_later(1.5, loop.stop))
    workflow = pika.AMQPConnectionWorkflow()
    assert_type(
        pika.SelectConnection.create_connection([connection.params], on_done, workflow=workflow),
        pika.AMQPConnectionWorkflow)
    with pika.adapters.select_connection.IOLoop() as made, connection as entered:
        assert_type(made, pika.adapters.select_connection.IOLoop)
        assert_type(entered, pika.SelectConnection)
    with connection.channel() as channel:
        assert_type(channel, Channel)
        channel.queue_declare('test', nowait=False)
        channel.basic_cancel('tag', nowait=True)
        channel.confirm_delivery(on_confirm, callback=lambda frame: None)
        channel.basic_get('test', on_get)
        channel.flow(True, callback=on_flow)


def on_confirm(method_frame: Method[spec.Basic.Ack | spec.Basic.Nack]) -> None:
    assert_type(method_frame.method.delivery_tag, int)


def on_get(channel: Channel, method: spec.Basic.GetOk, properties: pika.BasicProperties,
           body: bytes) -> None:
    assert_type(method.message_count, int)


def on_flow(active: bool) -> None:
    ...


connection = pika.SelectConnection(pika.ConnectionParameters('localhost'),
                                   on_open_callback=on_open,
                                   on_close_callback=on_close)
connection.ioloop.start()
