"""`pika_asyncio` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_asyncio import AsyncioConnection as AsyncioConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(globals(), {
        'AsyncioConnection': 'pika_asyncio:AsyncioConnection',
    })
