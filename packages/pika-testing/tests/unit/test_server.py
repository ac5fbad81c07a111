"""The broker in memory behind real sockets."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading

import pytest
import trustme
from pika import frame, spec
from pika_testing import BrokerServer, MemoryBroker, ServedBroker
from scenarios.client import Session, SocketStream


@pytest.fixture
def served():
    with ServedBroker() as broker:
        yield broker


@pytest.fixture
def session(served):
    session = Session(lambda: SocketStream(served.url, 0.05))
    yield session
    session.close()


def test_a_message_goes_round(session):
    channel = session.channel()
    channel.queue('q')
    channel.consume('q', 'tag')
    channel.publish('', 'q', b'x' * 1_000_000)
    deliver = channel.client.answer(channel.number, (spec.Basic.Deliver,))
    assert deliver.get_body() == b'x' * 1_000_000


def test_the_port_is_free_afterwards(served):
    port = served._server.port
    before = threading.active_count()
    with BrokerServer(MemoryBroker()) as server:
        assert server.port != port
        with socket.create_connection(('127.0.0.1', server.port)):
            pass
    assert threading.active_count() == before
    with socket.create_server(('127.0.0.1', server.port)):
        pass


def test_a_port_in_use():
    with BrokerServer(MemoryBroker()) as server:
        with pytest.raises(OSError):
            BrokerServer(MemoryBroker(), port=server.port).start()


def test_garbage_stalls_nobody(served, session):
    channel = session.channel()
    channel.queue('q')
    for garbage in (b'\0' * 100_000, b'AMQP', b'AMQP\0\0\x09\x01' + b'\xff' * 1000, b''):
        sock = socket.create_connection(('127.0.0.1', served._server.port))
        sock.sendall(garbage)
        sock.close()
    channel.publish('', 'q', b'1')
    assert channel.get('q') is not None


def test_a_client_that_never_reads(served, session):
    """Its deliveries wait; others go on."""
    lazy = session.channel()
    lazy.queue('q')
    lazy.consume('q', 'tag', no_ack=True)
    channel = session.channel()
    channel.queue('r')
    body = b'x' * 1_000_000
    for _ in range(20):
        channel.publish('', 'q', body)
    channel.publish('', 'r', b'1')
    assert channel.get('r') is not None
    with served.locked() as broker:
        assert broker.virtual_hosts['/'].queues['q'].ready
    for number in range(20):
        deliver = lazy.client.answer(lazy.number, (spec.Basic.Deliver,))
        assert (deliver.delivery_tag, len(deliver.get_body())) == (number + 1, len(body))


def test_blocked_clients_are_not_read(served, session):
    channel = session.channel()
    channel.queue('q')
    with served.locked() as broker:
        broker.set_alarm()
    channel.publish('', 'q', b'1', b'2')
    served.assert_queue('q', messages=1)
    with served.locked() as broker:
        broker.clear_alarm()
    served.assert_queue('q', messages=[b'1', b'2'])


def test_the_server_closes_after_its_last_words(session, served):
    client = session.client()
    with served.locked() as broker:
        broker.close_connections(320, 'bye')
    assert client.answer(0, (spec.Connection.Close,)).reply_text == 'CONNECTION_FORCED - bye'
    assert client.answer(0, (spec.Connection.CloseOk,)) is None
    assert client.ended


def test_time_passes_for_clients(session, served):
    channel = session.channel()
    channel.queue('q', x_message_ttl=60_000)
    channel.publish('', 'q', b'1')
    served.assert_queue('q', messages=1)
    served.advance(61)
    served.assert_queue('q', messages=0)


def test_time_passes_by_itself(session, served):
    channel = session.channel()
    channel.queue('dead')
    channel.queue('q',
                  x_message_ttl=20,
                  x_dead_letter_exchange='',
                  x_dead_letter_routing_key='dead')
    channel.publish('', 'q', b'1')
    served.assert_queue('dead', messages=[b'1'])


def test_assertions_say_how_it_is(session, served, monkeypatch):
    monkeypatch.setattr('pika_testing.served.SECONDS', 0.0)
    monkeypatch.setattr(ServedBroker.wait_until, '__defaults__', (0.05,))
    channel = session.channel()
    channel.queue('q')
    channel.bind('q', 'amq.direct', 'key')
    channel.publish('amq.direct', 'key', b'1')
    served.assert_queue('q', messages=[b'1'], unacked=0, consumers=0)
    served.assert_bound('q', 'amq.direct', 'key')
    served.assert_bound('q', 'amq.direct')
    message, = served.assert_published(b'1', exchange='amq.direct', routing_key='key', count=1)
    assert message.body == b'1'
    for check, text in (
        (lambda: served.assert_queue('q', messages=2, consumers=1),
         "queue 'q': consumers: 0, expected 1; messages: 1, expected 2"),
        (lambda: served.assert_queue('q', messages=[b'2']),
         r"queue 'q': messages: \[b'1'\], expected \[b'2'\]"),
        (lambda: served.assert_queue('r'), r"no queue 'r', only \['q'\]"),
        (lambda: served.assert_bound('r', 'amq.direct'),
         r"'r' is not bound to exchange 'amq.direct': only"),
        (lambda: served.assert_bound('q', 'amq.direct', 'other'),
         r"'q' is not bound to exchange 'amq.direct' with 'other': only \[\('q', 'key'\)\]"),
        (lambda: served.assert_bound('q', 'x'), 'there is no such exchange'),
        (lambda: served.assert_published(b'2'), '0 messages, expected some; in all'),
        (lambda: served.assert_published(count=3), '1 messages, expected 3'),
    ):
        with pytest.raises(AssertionError, match=text):
            check()


def test_unacked_messages_are_seen(session, served):
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1', b'2')
    channel.settle()
    channel.get('q', no_ack=False)
    state = served.queue('q')
    assert [message.body for message in state.unacked] == [b'1']
    assert state.bodies == [b'2']


@pytest.fixture
def program():
    """Starts `python -m pika_testing`, ends it."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen([sys.executable, '-m', 'pika_testing', *arguments],
                                   stdout=subprocess.PIPE,
                                   text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=20)


def test_program(program):
    process = program('--port', '0', '--version', '3.10')
    url = process.stdout.readline().strip()
    session = Session(lambda: SocketStream(url, 0.05))
    assert session.client().start.server_properties['version'] == '3.10.8'
    session.close()
    process.terminate()
    assert process.wait(20) == 0


def test_log_of_frames(program):
    process = program('--log', '--', sys.executable, '-c', TUNED)
    log, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert '> channel 0: <Connection.Start(' in log
    assert '< channel 0: <Connection.StartOk, a secret>' in log
    assert '> channel 0: <Connection.Tune([' in log
    assert 'guest' not in log


START_OK = frame.method_frame(0, spec.Connection.StartOk({}, 'PLAIN', '\0guest\0guest', 'en_US'))
# A client that goes as far as Connection.Tune.
TUNED = f"""
import os, socket, urllib.parse
port = urllib.parse.urlsplit(os.environ['AMQP_URL']).port
with socket.create_connection(('127.0.0.1', port)) as sock:
    sock.sendall({frame.PROTOCOL_HEADER!r} + {START_OK!r})
    said = b''
    while {spec.Connection.Tune.INDEX.to_bytes(4, 'big')!r} not in said:
        said += sock.recv(9999)
"""


def test_exit_status_of_a_command(program):
    process = program('--', sys.executable, '-c', 'raise SystemExit(7)')
    assert process.wait(20) == 7


@pytest.mark.parametrize('stopped', [False, True])
def test_a_stalled_broker_can_be_resumed_and_stopped(served, session, stopped):
    channel = session.channel()
    with served.locked() as broker:
        broker.faults.stalled = True
    channel.say(spec.Queue.Declare(0, 'q'))
    served.assert_queue('q')
    if stopped:
        served.stop()
    else:
        with served.locked() as broker:
            broker.faults.resume()
        assert channel.client.answer(channel.number, (spec.Queue.DeclareOk,)) is not None


def test_faults_have_no_other_names(served):
    with served.locked() as broker, pytest.raises(AttributeError):
        broker.faults.stall = True
    assert 'nack_confirms=0' in repr(broker.faults)


def test_what_is_not_there_is_named(served):
    with served.locked() as broker:
        for call in (broker.delete_queue, broker.cancel_consumers, served.queue):
            with pytest.raises(KeyError, match=r"no queue 'q', only \[\]"):
                call('q')
    with pytest.raises(ValueError, match='seconds: -1'):
        served.advance(-1)


@pytest.mark.parametrize('arguments, code, text', [
    (['--port', '99999'], 2, 'argument --port: 99999, allowed are 0 to 65535'),
    (['--'], 2, 'no command behind --'),
    (['--', '/no/such/command'], 127, '/no/such/command: No such file or directory'),
])
def test_program_that_is_asked_for_nonsense(arguments, code, text):
    done = subprocess.run([sys.executable, '-m', 'pika_testing', *arguments],
                          capture_output=True,
                          text=True,
                          timeout=20)
    assert done.returncode == code
    assert text in done.stderr
    assert 'Traceback' not in done.stderr


def test_program_on_a_port_in_use():
    with BrokerServer(MemoryBroker()) as server:
        done = subprocess.run([sys.executable, '-m', 'pika_testing', '--port',
                               str(server.port)],
                              capture_output=True,
                              text=True,
                              timeout=20)
    assert done.returncode == 1
    assert f'127.0.0.1:{server.port}: ' in done.stderr


def test_tls_and_its_silent_clients():
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert('localhost').configure_cert(context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    with ServedBroker(ssl_context=context) as served:
        port = served._tls_server.port
        with socket.create_connection(('127.0.0.1', port)) as sock:
            with client_context.wrap_socket(sock, server_hostname='localhost') as secure:
                secure.sendall(frame.PROTOCOL_HEADER)
                assert secure.recv(1) == b'\1'
        with socket.create_connection(('127.0.0.1', port)) as sock:
            sock.sendall(b'no TLS at all')
            assert sock.recv(100)[:1] in (b'\x15', b'')  # an alert, or the end
        with socket.create_connection(('127.0.0.1', port)) as silent:
            assert served.wait_until(lambda: served._tls_server._clients)
            served.advance(11)
            assert silent.recv(1) == b''
