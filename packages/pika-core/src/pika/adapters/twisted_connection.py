"""`pika_twisted` under its path in pika 1.x."""

from pika import _adapters

_adapters.load('pika_twisted')  # or say how to get it

from pika_twisted import ClosableDeferredQueue as ClosableDeferredQueue
from pika_twisted import ReceivedMessage as ReceivedMessage
from pika_twisted import TwistedChannel as TwistedChannel
from pika_twisted import TwistedConnection as TwistedConnection
from pika_twisted import TwistedProtocolConnection as TwistedProtocolConnection
