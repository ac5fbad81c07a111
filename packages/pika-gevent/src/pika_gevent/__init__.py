"""A RabbitMQ connection on gevent's hub, with callbacks that may wait."""

from pika import _adapters

_adapters.require('gevent')

from pika_gevent.connection import GeventConnection
from pika_gevent.ioloop import IOLoop

__all__ = ['GeventConnection', 'IOLoop']
__version__ = '0.1.0'
