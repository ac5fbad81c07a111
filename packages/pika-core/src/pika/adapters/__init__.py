"""The paths of the adapters in pika 1.x; the adapters themselves are other distributions.

Rule: nothing is imported before somebody looks at it. A module below imports its adapter, and names
only what the first release of that had: adapters of any age stand beside one core.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_asyncio import AsyncioConnection
    from pika_blocking import BlockingConnection
    from pika_libev import LibevConnection
    from pika_select import IOLoop, SelectConnection
    from pika_tornado import TornadoConnection

    from pika.adapters import asyncio_connection as asyncio_connection
    from pika.adapters import base_connection as base_connection
    from pika.adapters import blocking_connection as blocking_connection
    from pika.adapters import gevent_connection as gevent_connection
    from pika.adapters import libev_connection as libev_connection
    from pika.adapters import select_connection as select_connection
    from pika.adapters import tornado_connection as tornado_connection
    from pika.adapters import twisted_connection as twisted_connection
    from pika.transport.base_connection import BaseConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(), {
            'AsyncioConnection': 'pika_asyncio:AsyncioConnection',
            'BaseConnection': 'pika.transport.base_connection:BaseConnection',
            'BlockingConnection': 'pika_blocking:BlockingConnection',
            'IOLoop': 'pika_select:IOLoop',
            'LibevConnection': 'pika_libev:LibevConnection',
            'SelectConnection': 'pika_select:SelectConnection',
            'TornadoConnection': 'pika_tornado:TornadoConnection',
            'asyncio_connection': 'pika.adapters.asyncio_connection',
            'base_connection': 'pika.adapters.base_connection',
            'blocking_connection': 'pika.adapters.blocking_connection',
            'gevent_connection': 'pika.adapters.gevent_connection',
            'libev_connection': 'pika.adapters.libev_connection',
            'select_connection': 'pika.adapters.select_connection',
            'tornado_connection': 'pika.adapters.tornado_connection',
            'twisted_connection': 'pika.adapters.twisted_connection',
        })

__all__ = [
    'AsyncioConnection', 'BaseConnection', 'BlockingConnection', 'IOLoop', 'LibevConnection',
    'SelectConnection', 'TornadoConnection'
]
