"""A RabbitMQ connection on Twisted's reactor, whose calls return Deferreds."""

try:
    import twisted as _twisted  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError('pip install twisted', name=error.name) from error

from pika_twisted.channel import TwistedChannel
from pika_twisted.connecting import TwistedConnection
from pika_twisted.connection import TwistedProtocolConnection
from pika_twisted.queues import ClosableDeferredQueue, ReceivedMessage

__all__ = [
    'ClosableDeferredQueue',
    'ReceivedMessage',
    'TwistedChannel',
    'TwistedConnection',
    'TwistedProtocolConnection',
]
__version__ = '0.1.0'
