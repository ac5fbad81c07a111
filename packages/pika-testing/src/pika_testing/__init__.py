"""Tools for testing AMQP 0-9-1 adapters and programs without a socket."""

__version__ = '0.1.0'
