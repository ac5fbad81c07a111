"""`pika_twisted` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_twisted import ClosableDeferredQueue as ClosableDeferredQueue
    from pika_twisted import ReceivedMessage as ReceivedMessage
    from pika_twisted import TwistedChannel as TwistedChannel
    from pika_twisted import TwistedConnection as TwistedConnection
    from pika_twisted import TwistedProtocolConnection as TwistedProtocolConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(), {
            'ClosableDeferredQueue': 'pika_twisted:ClosableDeferredQueue',
            'ReceivedMessage': 'pika_twisted:ReceivedMessage',
            'TwistedChannel': 'pika_twisted:TwistedChannel',
            'TwistedConnection': 'pika_twisted:TwistedConnection',
            'TwistedProtocolConnection': 'pika_twisted:TwistedProtocolConnection',
        })
