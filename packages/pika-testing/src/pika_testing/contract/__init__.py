"""One set of behaviours that every adapter shows on a real RabbitMQ, plain and over TLS.

An adapter joins with a module of its tests that has a driver (`pika_testing.contract.interface`)::

    from pika_testing.contract import *
    from pika_testing.contract.callbacks import CallbackDriver

    class Driver(CallbackDriver):
        connection_class = MyConnection

        def new_loop(self):
            return MyLoop()

    @pytest.fixture
    def make_driver():
        return Driver

The suite asks for these fixtures besides: `amqp_url` and `tls_url` (a virtual host where all is
allowed), `virtual_host` (its name), `unique_name`, `tls_context` and `client_context` (contexts
that trust the broker; the second has the certificate of the user `client`), `wrong_host_context`
(a server's, whose certificate is of another host), `faults` (what the broker does when told to) and
`mortal` (a broker that may be killed).
"""

import pytest

pytest.register_assert_rewrite(*(f'{__name__}.{name}' for name in ('callbacks', 'channels',
                                                                   'confirms', 'connecting', 'ends',
                                                                   'loops', 'messages')))

from .channels import *  # noqa: F403
from .confirms import *  # noqa: F403
from .connecting import *  # noqa: F403
from .ends import *  # noqa: F403
from .fixtures import *  # noqa: F403
from .loops import *  # noqa: F403
from .messages import *  # noqa: F403
