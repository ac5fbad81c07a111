"""What users of the blocking adapter write, and the types that they get."""

import pika
from pika import spec
from pika.frame import Method
from typing_extensions import assert_type


def publish() -> None:
    connection = pika.BlockingConnection()
    channel = connection.channel()
    channel.basic_publish(exchange='test', routing_key='test', body=b'Test message.')
    channel.basic_publish('', 'test', 'text', pika.BasicProperties(headers={'x-number': 1}))
    connection.close()


def consume() -> None:
    connection = pika.BlockingConnection(pika.URLParameters('amqp://localhost'))
    channel = connection.channel()
    for method_frame, properties, body in channel.consume('test'):
        assert_type(method_frame, spec.Basic.Deliver)
        assert_type(method_frame.delivery_tag, int)
        assert_type(method_frame.routing_key, str)
        assert_type(properties, spec.BasicProperties)
        assert_type(properties.content_type, 'str | None')
        assert_type(body, bytes)
        channel.basic_ack(method_frame.delivery_tag)
        if method_frame.delivery_tag == 10:
            break
    assert_type(channel.cancel(), int)
    connection.close()


def consume_with_pauses(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    for method, properties, body in channel.consume('test', inactivity_timeout=1):
        if method is None:
            break
        assert_type(method, spec.Basic.Deliver)
        assert_type(properties, 'spec.BasicProperties | None')
        assert_type(body, 'bytes | None')


def get(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    got = channel.basic_get('test')
    if got[0] is not None:
        method, properties, body = got
        assert_type(method, spec.Basic.GetOk)
        assert_type(method.message_count, int)
        assert_type(properties, spec.BasicProperties)
        assert_type(body, bytes)


def declare(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    result = channel.queue_declare('test', durable=True, arguments={'x-max-length': 10})
    assert_type(result, Method[spec.Queue.DeclareOk])
    assert_type(result.method.queue, str)
    assert_type(result.method.message_count, int)


def window(connection: pika.BlockingConnection,
           channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    with connection.coalesce(), channel.confirm_window(100, timeout=1.5) as confirms:
        channel.basic_publish('', 'test', b'')
        for message in confirms.unconfirmed:
            assert_type(message.method.routing_key, str)
            assert_type(message.body, bytes)


def on_message(channel: pika.adapters.blocking_connection.BlockingChannel,
               method: spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes) -> None:
    channel.basic_ack(delivery_tag=method.delivery_tag)


def start(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    assert_type(channel.basic_consume('test', on_message), str)
    channel.start_consuming()


def on_close(connection: pika.BlockingConnection, reason: Exception) -> None:
    assert_type(connection.is_closing, bool)


def manage(parameters: pika.ConnectionParameters) -> None:
    with pika.BlockingConnection([parameters]) as connection, connection.channel() as channel:
        assert_type(connection, pika.BlockingConnection)
        assert_type(channel, pika.adapters.blocking_connection.BlockingChannel)
        connection.add_on_close_callback(on_close)
        connection.remove_timeout(connection.call_later(0.5, channel.stop_consuming))
        connection.add_callback_threadsafe(lambda: channel.basic_ack(1))
        assert_type(connection.params.port, int)
        assert_type(channel.consumer_tags, list[str])
        for method, properties, body in channel.basic_cancel('tag'):
            assert_type(method.delivery_tag, int)
            assert_type(properties, spec.BasicProperties)
            assert_type(body, bytes)
        try:
            channel.basic_publish('', 'test', b'', mandatory=True)
        except pika.exceptions.UnroutableError as error:
            for message in error.messages:
                assert_type(message.method.reply_code, int)
        except pika.exceptions.ChannelClosedByBroker as error:
            assert_type(error.reply_code, int)
            assert_type(error.reply_text, str)
