"""`SelectConnection` as far as it needs no broker and no port."""

from __future__ import annotations

import pika
import pytest
from pika import exceptions
from pika_select import IOLoop, SelectConnection


class Stream:
    closed = False

    def writelines(self, chunks):
        pass

    def close(self):
        self.closed = True

    abort = close


def test_names():
    from pika.adapters import select_connection
    assert pika.SelectConnection is select_connection.SelectConnection is SelectConnection
    assert select_connection.IOLoop is IOLoop


@pytest.mark.parametrize('connect', [True, False])
def test_close_before_the_loop_starts(connect):
    connection = SelectConnection(on_open_error_callback=lambda c, error: c.ioloop.stop(),
                                  internal_connection_workflow=connect)
    connection.close()
    connection.ioloop.start()
    assert connection.is_closed


def test_without_its_own_workflow_others_connect():
    errors = []
    connection = SelectConnection(on_open_error_callback=lambda c, error: errors.append(error),
                                  internal_connection_workflow=False)
    connection.ioloop.call_later(0.02, connection.ioloop.stop)
    connection.ioloop.start()
    assert not errors
    stream = Stream()
    connection.connection_made(stream)
    connection.data_received(b'HTTP/1.1 ')
    assert isinstance(errors[0], exceptions.IncompatibleProtocolError)
    assert stream.closed
