"""The paths of the adapters in pika 1.x; the adapters themselves are other distributions.

Rule: nothing is defined here and below, and nothing imported before somebody looks at it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_blocking import BlockingConnection
    from pika_select import IOLoop, SelectConnection
    from pika_tornado import TornadoConnection

    from pika.adapters import blocking_connection as blocking_connection
    from pika.adapters import select_connection as select_connection
    from pika.adapters import tornado_connection as tornado_connection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(), {
            'BlockingConnection': 'pika_blocking:BlockingConnection',
            'IOLoop': 'pika_select:IOLoop',
            'SelectConnection': 'pika_select:SelectConnection',
            'TornadoConnection': 'pika_tornado:TornadoConnection',
            'blocking_connection': 'pika.adapters.blocking_connection',
            'select_connection': 'pika.adapters.select_connection',
            'tornado_connection': 'pika.adapters.tornado_connection',
        })

__all__ = ['BlockingConnection', 'IOLoop', 'SelectConnection', 'TornadoConnection']
