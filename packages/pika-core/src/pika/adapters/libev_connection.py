"""`pika_libev` under its path in pika 1.x."""

from pika import _adapters

_adapters.load('pika_libev')  # or say how to get it

from pika_libev import LibevConnection as LibevConnection
