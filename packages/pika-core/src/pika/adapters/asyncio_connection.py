"""`pika_asyncio` under its path in pika 1.x."""

from pika import _adapters

_adapters.load('pika_asyncio')  # or say how to get it

from pika_asyncio import AsyncioConnection as AsyncioConnection
