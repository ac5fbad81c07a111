"""A RabbitMQ connection on asyncio's event loop, with callbacks."""

from pika import _adapters

_adapters.require()

from pika_asyncio.connection import AsyncioConnection

__all__ = ['AsyncioConnection']
__version__ = '0.1.0'
