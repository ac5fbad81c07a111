"""What users of the libev adapter write, and the types that they get."""

import pika
from pika.adapters.libev_connection import LibevConnection
from pika.channel import Channel
from pika_libev import Loop
from typing_extensions import assert_type


def on_open(connection: LibevConnection) -> None:
    assert_type(connection.is_open, bool)
    connection.channel(on_open_callback=on_channel_open)
    connection.add_callback_threadsafe(connection.close)


def on_channel_open(channel: Channel) -> None:
    assert_type(channel.channel_number, int)


def on_close(connection: LibevConnection, reason: Exception) -> None:
    connection.ioloop.stop()


def on_signal(name: str) -> None:
    assert_type(name.lower(), str)


loop = Loop()
assert_type(loop.backend, int)
connection = LibevConnection(pika.ConnectionParameters('localhost'),
                             on_open_callback=on_open,
                             on_open_error_callback=lambda connection, error: assert_type(
                                 connection, LibevConnection).ioloop.stop(),
                             on_close_callback=on_close,
                             custom_ioloop=loop,
                             on_signal_callback=on_signal)
assert_type(loop.start(), bool)
