"""`AsyncioConnection` as far as it needs no broker."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pika
import pytest
from pika import exceptions
from pika_asyncio import AsyncioConnection


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def refusing():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return pika.ConnectionParameters('127.0.0.1', server.getsockname()[1])


def test_names():
    from pika.adapters import asyncio_connection
    assert pika.adapters.AsyncioConnection is asyncio_connection.AsyncioConnection
    assert asyncio_connection.AsyncioConnection is AsyncioConnection


def test_loop_is_the_one_given(loop):
    connection = AsyncioConnection(custom_ioloop=loop, internal_connection_workflow=False)
    assert connection.ioloop is loop


def test_loop_is_the_one_that_runs(loop):

    async def make():
        return AsyncioConnection(internal_connection_workflow=False).ioloop

    assert loop.run_until_complete(make()) is loop


def test_loop_is_made_where_none_runs():
    """And it is not made the current one."""
    connection = AsyncioConnection(refusing(), on_open_error_callback=lambda c, e: c.ioloop.stop())
    assert not connection.ioloop.is_running()
    connection.ioloop.run_forever()
    assert connection.is_closed
    connection.ioloop.close()


def test_importing_touches_nothing():
    code = ('import asyncio; policy = asyncio.events._event_loop_policy; import pika_asyncio; '
            'assert asyncio.events._event_loop_policy is policy is None')
    subprocess.run([sys.executable, '-c', code], check=True)


def test_open_error_without_a_callback_goes_to_the_handler_of_the_loop(loop):
    errors = []
    loop.set_exception_handler(lambda loop, context:
                               (errors.append(context['exception']), loop.stop()))
    AsyncioConnection(refusing(), custom_ioloop=loop)
    loop.run_forever()
    error, = errors
    assert isinstance(error, exceptions.AMQPConnectionError)
    assert error.phase == 'connect'


def test_close_while_connecting(loop):
    """Nothing of the attempt is left: no task, no socket."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        ends = []
        connection = AsyncioConnection(pika.ConnectionParameters('127.0.0.1',
                                                                 server.getsockname()[1]),
                                       on_open_error_callback=lambda c, error:
                                       (ends.append(error), loop.stop()),
                                       custom_ioloop=loop)
        loop.call_later(0.05, connection.close)
        loop.run_forever()
        assert isinstance(ends[0], exceptions.ConnectionOpenAborted)
        loop.run_until_complete(asyncio.sleep(0.01))
        assert not asyncio.all_tasks(loop)


def test_strange_tcp_option_is_an_open_error(loop):
    with socket.create_server(('127.0.0.1', 0)) as server:
        parameters = pika.ConnectionParameters('127.0.0.1',
                                               server.getsockname()[1],
                                               tcp_options={'TCP_KEEPIDLE': 'soon'})
        ends = []
        AsyncioConnection(parameters,
                          on_open_error_callback=lambda c, error: (ends.append(error), loop.stop()),
                          custom_ioloop=loop)
        loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0.01))  # the stream closes
    assert isinstance(ends[0], TypeError)
