"""`pika_libev` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_libev import LibevConnection as LibevConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(globals(), {
        'LibevConnection': 'pika_libev:LibevConnection',
    })
