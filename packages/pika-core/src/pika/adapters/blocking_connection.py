"""`pika_blocking` under its path in pika 1.x."""

from pika import _adapters, events

_adapters.load('pika_blocking')  # or say how to get it

from pika_blocking import BlockingChannel as BlockingChannel  # noqa: E402
from pika_blocking import BlockingConnection as BlockingConnection  # noqa: E402
from pika_blocking import ConfirmWindow as ConfirmWindow  # noqa: E402
from pika_blocking import ReturnedMessage as ReturnedMessage  # noqa: E402
from pika_blocking import consumers  # noqa: E402

# For instrumentation: what `pending_events` of the one holds is of the other.
_QueueConsumerGeneratorInfo = consumers._QueueConsumerGeneratorInfo
_ConsumerDeliveryEvt = events.Delivery
