"""A RabbitMQ connection on libev, through the API of pyev."""

from pika import _adapters

_adapters.require()

from pika_libev.connection import LibevConnection
from pika_libev.loop import EV_READ, EV_WRITE, Loop

__all__ = ['EV_READ', 'EV_WRITE', 'LibevConnection', 'Loop']
__version__ = '0.1.0'
