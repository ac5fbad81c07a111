"""`TornadoConnection` as far as it needs no broker."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys

import pika
import pika_tornado
import pytest
from pika import exceptions
from pika_tornado import TornadoConnection
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver


@pytest.fixture
def loop():
    loop = IOLoop(make_current=False)
    yield loop
    loop.close()


def refusing(host='127.0.0.1', **options):
    with socket.create_server(('127.0.0.1', 0)) as server:
        return pika.ConnectionParameters(host, server.getsockname()[1], **options)


def failure(loop, parameters):
    """The error that it ends with; it is told once."""
    ends = []
    connection = TornadoConnection(parameters,
                                   on_open_error_callback=lambda c, error:
                                   (ends.append(error), loop.stop()),
                                   custom_ioloop=loop)
    assert connection.ioloop is loop
    loop.start()
    error, = ends
    return error


def test_names():
    from pika.adapters import tornado_connection
    assert pika.adapters.TornadoConnection is tornado_connection.TornadoConnection
    assert tornado_connection.TornadoConnection is TornadoConnection


def test_loop_is_the_current_one(loop):

    async def make():
        return TornadoConnection(internal_connection_workflow=False).ioloop

    assert loop.run_sync(make) is loop


@pytest.mark.parametrize('code, answer', [
    ('import asyncio, pika_tornado; print(asyncio.events._event_loop_policy)', 'None'),
    ('import threading, pika_tornado; print(threading.active_count())', '1'),
    ('sys.modules["tornado"] = None\ntry:\n    import pika_tornado\n'
     'except ModuleNotFoundError as error:\n    print(error)', 'pip install tornado'),
])
def test_importing(code, answer):
    """It touches no loop and starts no thread; a missing Tornado says what to install."""
    path = pika_tornado.__path__[0].rpartition('pika_tornado')[0]
    code = f'import sys; sys.path.insert(0, {path!r})\n{code}'
    assert subprocess.check_output([sys.executable, '-c', code], text=True).strip() == answer


def test_address_that_refuses(loop):
    error = failure(loop, refusing(connection_attempts=2, retry_delay=0))
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'connect'
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert len(error.errors) == 1


def test_strange_tcp_option_is_an_open_error(loop):
    assert isinstance(failure(loop, refusing(tcp_options={'TCP_KEEPIDLE': 'soon'})), TypeError)


def test_open_error_without_a_callback_is_logged(loop, caplog):
    connection = TornadoConnection(refusing(), custom_ioloop=loop)

    def look():
        if connection.is_closed:
            loop.stop()
        else:
            loop.call_later(0.01, look)

    look()
    with caplog.at_level(logging.ERROR):
        loop.start()
        loop.run_sync(lambda: asyncio.sleep(0))
    record, = caplog.records
    assert record.name in ('tornado.application', 'asyncio')
    assert record.exc_info[1].phase == 'connect'


class Fixed(Resolver):
    """Knows one name."""

    def initialize(self):
        pass

    async def resolve(self, host, port, family=socket.AF_UNSPEC):
        if host != 'broker.test':
            raise OSError(socket.EAI_NONAME, 'no such name')
        return [(socket.AF_INET, ('127.0.0.1', port))]


def test_names_are_looked_up_by_the_configured_resolver(loop):
    saved = Resolver._save_configuration()
    try:
        Resolver.configure(Fixed)
        error = failure(loop, refusing('broker.test'))
        assert error.phase == 'connect' and '127.0.0.1' in str(error)
        error = failure(loop, refusing('other.test'))
        assert isinstance(error, socket.gaierror) and 'no such name' in str(error)
    finally:
        Resolver._restore_configuration(saved)


def test_close_while_connecting(loop):
    """Nothing of the attempt is left: no task, no socket."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        ends = []
        parameters = pika.ConnectionParameters('127.0.0.1', server.getsockname()[1])
        connection = TornadoConnection(parameters,
                                       on_open_error_callback=lambda c, error:
                                       (ends.append(error), loop.stop()),
                                       custom_ioloop=loop)
        loop.call_later(0.05, connection.close)
        loop.start()
        assert isinstance(ends[0], exceptions.ConnectionOpenAborted)

        async def tasks():
            await asyncio.sleep(0.01)
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert loop.run_sync(tasks) == set()
        peer, _ = server.accept()
        with peer:
            assert peer.recv(100) in (b'', b'AMQP\x00\x00\x09\x01')
