"""`pika_tornado` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_tornado import TornadoConnection as TornadoConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(globals(), {
        'TornadoConnection': 'pika_tornado:TornadoConnection',
    })
