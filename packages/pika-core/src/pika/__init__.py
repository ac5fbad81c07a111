"""The AMQP 0-9-1 protocol of RabbitMQ without I/O, and the callback API on top of it.

Importing it does no I/O and imports nothing that could. The adapters are distributions of their
own, which are imported when they are first looked at: `pika.BlockingConnection` is in
pika-blocking, `pika.SelectConnection` in pika-select.
"""

__version__ = '1.5.0'

import logging

# All that importing pika binds in pika 1.x.
from pika import amqp_object as amqp_object
from pika import channel as channel
from pika import connection as connection
from pika import credentials as credentials
from pika import data as data
from pika import delivery_mode as delivery_mode
from pika import exceptions as exceptions
from pika import exchange_type as exchange_type
from pika import frame as frame
from pika import spec as spec
from pika import validators as validators
from pika.credentials import PlainCredentials
from pika.delivery_mode import DeliveryMode
from pika.parameters import ConnectionParameters, SSLOptions, URLParameters
from pika.spec import BasicProperties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_blocking import BlockingConnection
    from pika_select import SelectConnection

    from pika import adapters
    from pika import tcp_socket_opts as tcp_socket_opts
    from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflow
    from pika.transport.base_connection import BaseConnection
else:
    from pika import _adapters
    __getattr__, __dir__ = _adapters.lazy(
        globals(), {
            'AMQPConnectionWorkflow':
                'pika.adapters.utils.connection_workflow:AMQPConnectionWorkflow',
            'BaseConnection':
                'pika.transport.base_connection:BaseConnection',
            'BlockingConnection':
                'pika_blocking:BlockingConnection',
            'SelectConnection':
                'pika_select:SelectConnection',
            'adapters':
                'pika.adapters',
            'tcp_socket_opts':
                'pika.tcp_socket_opts',
        })

__all__ = [
    'AMQPConnectionWorkflow',
    'BaseConnection',
    'BasicProperties',
    'BlockingConnection',
    'ConnectionParameters',
    'DeliveryMode',
    'PlainCredentials',
    'SSLOptions',
    'SelectConnection',
    'URLParameters',
    'adapters',
]

_DISTRIBUTION = 'pika-core'  # the distribution `pika` has a module of this name, too

logging.getLogger(__name__).addHandler(logging.NullHandler())
