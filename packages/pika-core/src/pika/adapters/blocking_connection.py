"""`pika_blocking` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_blocking import BlockingChannel as BlockingChannel
    from pika_blocking import BlockingConnection as BlockingConnection
    from pika_blocking import ConfirmWindow as ConfirmWindow
    from pika_blocking import ReturnedMessage as ReturnedMessage
    from pika_blocking.consumers import _QueueConsumerGeneratorInfo as _QueueConsumerGeneratorInfo

else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(),
        {
            'BlockingChannel': 'pika_blocking:BlockingChannel',
            'BlockingConnection': 'pika_blocking:BlockingConnection',
            'ConfirmWindow': 'pika_blocking:ConfirmWindow',
            'ReturnedMessage': 'pika_blocking:ReturnedMessage',
            # For instrumentation: what `pending_events` of the one holds is of the other.
            '_ConsumerDeliveryEvt': 'pika.events:Delivery',
            '_QueueConsumerGeneratorInfo': 'pika_blocking.consumers:_QueueConsumerGeneratorInfo',
        })
