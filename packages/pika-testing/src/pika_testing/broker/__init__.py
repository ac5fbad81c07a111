"""A broker in memory: the model, and the broker's side of the wire; no I/O in here."""

from pika_testing.broker.broker import MemoryBroker
from pika_testing.broker.clock import Clock

__all__ = ['Clock', 'MemoryBroker']
