"""`pika_tornado` under its path in pika 1.x."""

from pika import _adapters

_adapters.load('pika_tornado')  # or say how to get it

from pika_tornado import TornadoConnection as TornadoConnection
