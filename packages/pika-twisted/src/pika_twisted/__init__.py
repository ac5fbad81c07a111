"""A RabbitMQ connection on Twisted's reactor, whose calls return Deferreds."""

from pika import _adapters

_adapters.require('twisted')

from pika_twisted.channel import TwistedChannel
from pika_twisted.connection import TwistedConnection, TwistedProtocolConnection
from pika_twisted.queues import ClosableDeferredQueue, ReceivedMessage

__all__ = [
    'ClosableDeferredQueue',
    'ReceivedMessage',
    'TwistedChannel',
    'TwistedConnection',
    'TwistedProtocolConnection',
]
__version__ = '0.1.0'
