"""`pika_blocking` under its path in pika 1.x."""

from pika import _adapters, events

_adapters.load('pika_blocking')  # or say how to get it

from pika_blocking import BlockingChannel as BlockingChannel
from pika_blocking import BlockingConnection as BlockingConnection
from pika_blocking import ConfirmWindow as ConfirmWindow
from pika_blocking import ReturnedMessage as ReturnedMessage
from pika_blocking import consumers

# For instrumentation: what `pending_events` of the one holds is of the other.
_QueueConsumerGeneratorInfo = consumers._QueueConsumerGeneratorInfo
_ConsumerDeliveryEvt = events.Delivery
