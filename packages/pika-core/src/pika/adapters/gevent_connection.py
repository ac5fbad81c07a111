"""`pika_gevent` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_gevent import GeventConnection as GeventConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(globals(), {
        'GeventConnection': 'pika_gevent:GeventConnection',
    })
