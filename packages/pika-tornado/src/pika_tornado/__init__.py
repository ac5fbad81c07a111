"""A RabbitMQ connection on Tornado's IOLoop."""

from pika import _adapters

_adapters.require('tornado')

from pika_tornado.connection import TornadoConnection

__all__ = ['TornadoConnection']
__version__ = '0.1.0'
