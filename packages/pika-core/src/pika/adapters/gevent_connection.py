"""`pika_gevent` under its path in pika 1.x."""

from pika import _adapters

_adapters.load('pika_gevent')  # or say how to get it

from pika_gevent import GeventConnection as GeventConnection
