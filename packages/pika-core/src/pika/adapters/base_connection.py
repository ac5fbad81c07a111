"""`pika.transport.base_connection.BaseConnection` under its path in pika 1.x."""

from pika.transport.base_connection import BaseConnection as BaseConnection

__all__ = ['BaseConnection']
