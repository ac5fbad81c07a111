"""`create_connection`: one report, whatever happens and whenever the program gives up."""

from __future__ import annotations

import socket

import pika
import pytest
from pika import exceptions
from pika.adapters.utils import connection_workflow
from pika.transport import endpoints
from pika_select import IOLoop, SelectConnection
from pika_testing import FaultProxy


@pytest.fixture
def loop():
    loop = IOLoop()
    loop.call_later(30, lambda: pytest.fail('the loop did not stop'))
    yield loop
    loop.close()


@pytest.fixture
def create(loop):
    """Starts to connect; returns the list of what `on_done` got, and the workflow."""

    def start(*configs, stop=True):
        done = []
        workflow = SelectConnection.create_connection(configs,
                                                      lambda outcome:
                                                      (done.append(outcome), stop and loop.stop()),
                                                      custom_ioloop=loop)
        assert done == []
        return done, workflow

    return start


def refusing(**options):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    return pika.ConnectionParameters('127.0.0.1', port, **options)


def settle(loop):
    """Whatever is still to be told is told."""
    loop.call_later(0.1, loop.stop)
    loop.start()


def test_open_connection_is_given(loop, create, parameters):
    done, workflow = create(parameters)
    loop.start()
    connection, = done
    assert connection.is_open and connection.ioloop is loop
    with pytest.raises(connection_workflow.AMQPConnectionWorkflowWrongState):
        workflow.abort()
    ends = []
    connection.add_on_close_callback(lambda connection, reason: (ends.append(reason), loop.stop()))
    connection.close()
    loop.start()
    assert len(ends) == 1
    assert done == [connection]


def test_second_of_two_with_parameters_of_its_own(loop, create, parameters):
    parameters.channel_max = 7
    done, _ = create(refusing(channel_max=3), parameters)
    loop.start()
    connection, = done
    assert connection.params.channel_max == 7
    assert connection.params.port == parameters.port
    connection.close()
    settle(loop)


def test_name_without_an_address_is_one_failure_of_several(loop, create, parameters):
    done, _ = create(pika.ConnectionParameters('no.such.host.invalid'), parameters)
    loop.start()
    assert done[0].is_open
    done[0].close()
    settle(loop)


def test_all_attempts_fail(loop, create):
    """As often as the last of the parameters says; each attempt is named."""
    first, second = refusing(connection_attempts=7), refusing(connection_attempts=3, retry_delay=0)
    done, workflow = create(first, second)
    loop.start()
    failed, = done
    assert isinstance(failed, connection_workflow.AMQPConnectionWorkflowFailed)
    assert isinstance(failed, exceptions.AMQPConnectionError)
    assert [error.port for error in failed.exceptions] == [first.port, second.port] * 3
    assert '6 attempts' in str(failed) and str(second.port) in str(failed)
    with pytest.raises(connection_workflow.AMQPConnectionWorkflowWrongState):
        workflow.abort()


def test_refused_login_is_a_failure(loop, create, parameters):
    parameters.credentials = pika.PlainCredentials('guest', 'wrong')
    done, _ = create(parameters, refusing())
    loop.start()
    assert [type(error) for error in done[0].exceptions
           ] == [exceptions.ProbableAuthenticationError, endpoints.ConnectError]


def aborted(done):
    outcome, = done
    return isinstance(outcome, connection_workflow.AMQPConnectionWorkflowAborted)


def test_abort_before_the_loop_starts(loop, create, parameters):
    done, workflow = create(parameters)
    workflow.abort()
    assert done == []
    with pytest.raises(connection_workflow.AMQPConnectionWorkflowWrongState):
        workflow.abort()
    loop.start()
    assert aborted(done)
    settle(loop)
    assert len(done) == 1


def test_abort_between_two_attempts(loop, create):
    done, workflow = create(refusing(connection_attempts=9, retry_delay=60))
    loop.call_later(0.1, workflow.abort)
    loop.start()
    assert aborted(done)


def test_abort_while_a_name_is_looked_up(loop, create, monkeypatch, parameters):

    def resolve(parameters):
        loop.add_callback_threadsafe(workflow.abort)
        return [(socket.AF_INET, ('127.0.0.1', parameters.port))]

    monkeypatch.setattr(endpoints, 'resolve', resolve)
    parameters.host = 'some.name.example'
    done, workflow = create(parameters)
    loop.start()
    settle(loop)
    assert aborted(done)


@pytest.mark.parametrize('tls', [False, True], ids=['handshake', 'TLS'])
def test_abort_while_the_peer_says_nothing(loop, create, parameters, tls_url, tls_context, tls):
    if tls:
        parameters = pika.URLParameters(tls_url)
        parameters.ssl_options = pika.SSLOptions(tls_context)
    with FaultProxy(('127.0.0.1', parameters.port)) as proxy:
        proxy.stall()
        parameters.port = proxy.port
        done, workflow = create(parameters)
        loop.call_later(0.1, workflow.abort)
        loop.start()
        settle(loop)
    assert aborted(done)


def test_abort_in_the_moment_of_opening(loop, create, parameters, monkeypatch):
    """The connection is open, and `on_done` is due: it hears of the abort all the same."""
    opened = SelectConnection._on_opened

    def abort(connection, event):
        opened(connection, event)
        workflow.abort()

    monkeypatch.setitem(SelectConnection._HANDLERS, pika.connection.events.Opened, abort)
    done, workflow = create(parameters)
    loop.start()
    settle(loop)
    assert aborted(done)


def test_exception_of_on_done_comes_out_of_the_loop(loop, parameters):
    made = []

    def on_done(connection):
        made.append(connection)
        raise ZeroDivisionError

    SelectConnection.create_connection([parameters], on_done, custom_ioloop=loop)
    with pytest.raises(ZeroDivisionError):
        loop.start()
    connection, = made
    assert connection.is_open
    connection.add_on_close_callback(lambda *_: loop.stop())
    connection.close()
    loop.start()


@pytest.mark.parametrize('configs, error', [([], ValueError),
                                            (['amqp://guest:secret@host'], TypeError),
                                            ('amqp://guest:secret@host', TypeError)])
def test_what_is_no_parameters(configs, error):
    with pytest.raises(error, match='connection_configs') as caught:
        SelectConnection.create_connection(configs, print)
    assert 'secret' not in str(caught.value)


def test_on_done_that_cannot_be_called(parameters):
    with pytest.raises(TypeError, match='on_done'):
        SelectConnection.create_connection([parameters], None)


def test_parameters_of_the_program_stay_as_they_are(loop, create, parameters):
    credentials = pika.PlainCredentials('guest', 'guest', erase_on_connect=True)
    parameters.credentials = credentials
    done, _ = create(refusing(), parameters)
    loop.start()
    assert parameters.credentials.password == 'guest'
    assert parameters.heartbeat is None
    done[0].close()
    settle(loop)
