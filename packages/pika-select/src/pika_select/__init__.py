"""A RabbitMQ connection on a small event loop over the standard library's selectors."""

from pika import _adapters

_adapters.require()

from pika_select.connection import SelectConnection
from pika_select.ioloop import IOLoop, PollEvents

__all__ = ['IOLoop', 'PollEvents', 'SelectConnection']
__version__ = '0.1.0'
