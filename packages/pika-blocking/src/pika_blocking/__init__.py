"""The blocking adapter of pika-core for RabbitMQ: each call returns when the broker has answered.

`BlockingConnection` and the `BlockingChannel` that it makes keep the API of pika 1.x. One socket,
one poll, no thread.
"""

from pika import _adapters

_adapters.require()

from pika_blocking.channel import BlockingChannel
from pika_blocking.connection import BlockingConnection
from pika_blocking.window import ConfirmWindow, ReturnedMessage

__all__ = ['BlockingChannel', 'BlockingConnection', 'ConfirmWindow', 'ReturnedMessage']
__version__ = '0.1.0'
