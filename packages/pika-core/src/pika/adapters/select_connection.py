"""`pika_select` under its path in pika 1.x."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_select import IOLoop as IOLoop
    from pika_select import SelectConnection as SelectConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(globals(), {
        'IOLoop': 'pika_select:IOLoop',
        'SelectConnection': 'pika_select:SelectConnection',
    })
