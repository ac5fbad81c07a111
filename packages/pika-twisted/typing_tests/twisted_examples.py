"""What users of the Twisted adapter write, and the types that they get."""

from __future__ import annotations

from typing import Union

import pika
from pika import spec
from pika.frame import Method
from pika_twisted import (
    ClosableDeferredQueue,
    ReceivedMessage,
    TwistedChannel,
    TwistedConnection,
    TwistedProtocolConnection,
)
from twisted.internet.defer import Deferred
from typing_extensions import assert_type


def on_return(message: ReceivedMessage[spec.Basic.Return]) -> None:
    assert_type(message.method.reply_code, int)


async def use(connection: TwistedProtocolConnection) -> None:
    assert_type(await connection.ready, TwistedProtocolConnection)
    assert_type(connection.is_open, bool)
    channel = await connection.channel()
    assert_type(channel, TwistedChannel)
    channel.add_on_return_callback(on_return)
    declared = await channel.queue_declare('', exclusive=True)
    assert_type(declared, Method[spec.Queue.DeclareOk])
    assert_type(declared.method.queue, str)
    assert_type(channel.confirm_delivery(), Deferred[Method[spec.Confirm.SelectOk]])
    assert_type(await channel.basic_publish('', 'test', b'x'), Union[spec.Basic.Ack, None])
    got = await channel.basic_get('test')
    if got is not None:
        assert_type(got.method.message_count, int)
        assert_type(got.body, bytes)
    queue, tag = await channel.basic_consume('test')
    assert_type(queue, ClosableDeferredQueue)
    assert_type(tag, str)
    message = await queue.get()
    assert_type(message, ReceivedMessage[spec.Basic.Deliver])
    assert_type(message.channel, TwistedChannel)
    assert_type(message.properties, pika.BasicProperties)
    message.channel.basic_ack(message.method.delivery_tag)
    assert_type(await channel.flow(True), bool)
    async with connection as entered, channel as used:
        assert_type(entered, TwistedProtocolConnection)
        assert_type(used, TwistedChannel)
    assert_type(channel.close(), Deferred[Exception])
    assert_type(await connection.close(), Exception)


def on_open(connection: TwistedConnection) -> None:
    assert_type(connection.closed, Deferred[Exception])


connection = TwistedConnection([pika.ConnectionParameters('localhost')], on_open_callback=on_open)
assert_type(pika.adapters.twisted_connection.TwistedConnection, type[TwistedConnection])
