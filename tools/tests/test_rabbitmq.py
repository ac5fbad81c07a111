"""The real broker: what its environment and its fixtures promise, and that nothing of it is left.

Rule: a test that starts a node of its own checks by pid and path that it is gone. One is started
here; the other tests take the run's.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse

import pytest
import rabbitmq
import rabbitmq_install
import rabbitmq_tree

TOOL = pathlib.Path(rabbitmq.__file__)


class Session:
    """The least of AMQP: logs in, opens the virtual host and channel 1, blocking."""

    def __init__(self,
                 url: str,
                 mechanism: str = 'PLAIN',
                 context: ssl.SSLContext | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        plain = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.socket = context.wrap_socket(plain,
                                          server_hostname=parts.hostname) if context else plain
        self.socket.sendall(b'AMQP\x00\x00\x09\x01')
        self.read(0x000A000A)
        answer = b'' if mechanism == 'EXTERNAL' else f'\0{parts.username}\0{parts.password}'.encode(
        )
        capability = _short('connection.blocked') + b't\x01'
        capabilities = _short('capabilities') + b'F' + _long(capability)
        self.write(0, 0x000A000B,
                   _long(capabilities) + _short(mechanism) + _long(answer) + _short('en_US'))
        self.read(0x000A001E)
        self.write(0, 0x000A001F, b'\x07\xff\x00\x02\x00\x00\x00\x00')
        self.write(0, 0x000A0028, _short(urllib.parse.unquote(parts.path[1:])) + b'\x00\x00')
        self.read(0x000A0029)
        self.write(1, 0x0014000A, b'\x00')
        self.read(0x0014000B)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_details: object) -> None:
        self.socket.close()

    def write(self, channel: int, method: int, arguments: bytes) -> None:
        payload = method.to_bytes(4, 'big') + arguments
        self.frame(1, channel, payload)

    def frame(self, kind: int, channel: int, payload: bytes) -> None:
        head = kind.to_bytes(1, 'big') + channel.to_bytes(2, 'big')
        self.socket.sendall(head + _long(payload) + b'\xce')

    def declare(self, queue: str) -> None:
        self.write(1, 0x0032000A, b'\x00\x00' + _short(queue) + b'\x00' + _long(b''))
        self.read(0x0032000B)

    def publish(self) -> None:
        self.write(1, 0x003C0028, b'\x00\x00\x00\x04none\x00')
        self.frame(2, 1, b'\x00\x3c' + bytes(12))

    def read(self, method: int) -> bytes:
        """The arguments of the next method, which has to be this one."""
        head = self._take(7)
        payload = self._take(int.from_bytes(head[3:], 'big') + 1)[:-1]
        assert payload[:4] == method.to_bytes(4, 'big'), (hex(method), payload)
        return payload[4:]

    def _take(self, size: int) -> bytes:
        data = b''
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, 'the broker has closed the connection'
            data += more
        return data


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(data: bytes) -> bytes:
    return len(data).to_bytes(4, 'big') + data


def test_virtual_host_is_open_to_the_user_and_to_the_client_certificate(
        amqp_url: str, tls_url: str, tls_context: ssl.SSLContext,
        client_context: ssl.SSLContext) -> None:
    Session(amqp_url).socket.close()
    Session(tls_url, context=tls_context).socket.close()
    Session(tls_url, 'EXTERNAL', client_context).socket.close()


def test_each_test_has_a_virtual_host_of_its_own(faults: rabbitmq.Broker,
                                                 virtual_host: str) -> None:
    exists = f'rabbit_vhost:exists(<<"{virtual_host}">>)'
    assert faults.call(exists) == 'true'
    faults.delete_virtual_host(virtual_host)
    assert faults.call(exists) == 'false'
    faults.add_virtual_host(virtual_host)


def test_close_connections_closes_those_of_one_virtual_host(faults: rabbitmq.Broker, amqp_url: str,
                                                            virtual_host: str) -> None:
    with Session(amqp_url) as ours, Session(faults.url) as other:
        faults.close_connections(virtual_host, 'told "so"')
        closed = ours.read(0x000A0032)
        assert closed[:2] == (320).to_bytes(2, 'big')
        assert b'told "so"' in closed
        other.write(1, 0x00140028, b'\x00\xc8\x00\x00\x00\x00\x00')
        other.read(0x00140029)


def test_memory_alarm_blocks_and_unblocks_who_publishes(faults: rabbitmq.Broker,
                                                        amqp_url: str) -> None:
    with Session(amqp_url) as session:
        with faults.memory_alarm():
            session.publish()
            session.read(0x000A003C)
        session.read(0x000A003D)


def test_call_says_what_went_wrong(faults: rabbitmq.Broker) -> None:
    with pytest.raises(RuntimeError, match='undef'):
        faults.call('no_such_module:at_all()')


def test_wrong_host_certificate_is_refused(certificates: pathlib.Path, tls_context: ssl.SSLContext,
                                           wrong_host_context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_context.wrap_bio(incoming, outgoing, server_hostname='localhost')
    server = wrong_host_context.wrap_bio(outgoing, incoming, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError, match='localhost'):
        while True:
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass


def processes_in(folder: pathlib.Path) -> list[str]:
    """The pids of what keeps its home somewhere in there."""
    marker = f'HOME={folder}/'.encode()
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
        with contextlib.suppress(OSError):
            if marker in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_interrupted_run_leaves_nothing(tmp_path: pathlib.Path) -> None:
    if not os.access(rabbitmq_install.SERVER, os.X_OK):
        pytest.skip('no rabbitmq-server on this machine')
    temporary = tmp_path / 'with spaces'
    temporary.mkdir()
    environment = {
        k: v for k, v in os.environ.items() if k not in (*rabbitmq.VARIABLES, 'RABBITMQ_VERSION')
    }
    script = 'import time; print("up", flush=True); time.sleep(60)'
    tool = subprocess.Popen([sys.executable, TOOL, 'run', '--', sys.executable, '-c', script],
                            stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL,
                            env={
                                **environment, 'TMPDIR': str(temporary)
                            })
    assert tool.stdout is not None
    assert tool.stdout.readline() == b'up\n'
    assert len(processes_in(temporary)) > 2
    tool.send_signal(signal.SIGTERM)
    tool.stdout.close()
    assert tool.wait(timeout=10) == 128 + signal.SIGTERM
    assert list(temporary.iterdir()) == []
    assert processes_in(temporary) == []


def test_answering_broker_of_the_environment_is_used_and_left_alone(
        broker: rabbitmq.Broker) -> None:
    with rabbitmq.running({'AMQP_URL': broker.url}) as found:
        assert found.environment() == {'AMQP_URL': broker.url}
    Session(broker.url).socket.close()


def test_version_that_is_not_known() -> None:
    with pytest.raises(rabbitmq.UnavailableError, match="RABBITMQ_VERSION is '2.0'"):
        with rabbitmq.running({'RABBITMQ_VERSION': '2.0'}):
            pass


def test_version_beside_a_broker_of_the_environment() -> None:
    with pytest.raises(rabbitmq.UnavailableError, match='AMQP_URL and RABBITMQ_VERSION'):
        with rabbitmq.running({'RABBITMQ_VERSION': '4.3', 'AMQP_URL': 'amqp://localhost'}):
            pass


def test_download_that_fails_leaves_no_tree(tmp_path: pathlib.Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """And is told in one line."""
    if any(shutil.which(tool) is None for tool in rabbitmq_tree.TOOLS):
        pytest.skip('no apt on this machine')
    monkeypatch.setattr(rabbitmq_tree, 'TREES', tmp_path)
    monkeypatch.setattr(rabbitmq_tree, '_mirrors', lambda: ('http://127.0.0.1:9/debian', None))
    with pytest.raises(rabbitmq.UnavailableError, match='apt-get: .+') as caught:
        rabbitmq_tree.fetch('4.3')
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_counts_and_deletion_of_a_queue(faults: rabbitmq.Broker, virtual_host: str) -> None:
    with Session(faults.url_of(virtual_host)) as session:
        session.declare('queue')
        assert faults.queue_counts(virtual_host, 'queue') == (0, 0, 0)
        faults.delete_queue(virtual_host, 'queue')
        with pytest.raises(RuntimeError, match='not_found'):
            faults.queue_counts(virtual_host, 'queue')


def test_version_is_that_of_the_broker(faults: rabbitmq.Broker) -> None:
    asked = os.environ.get('RABBITMQ_VERSION')
    assert len(faults.version) == 3
    assert not asked or asked == '.'.join(map(str, faults.version[:2]))


def test_mortal_broker_ends_at_once(mortal: rabbitmq.Broker, faults: rabbitmq.Broker) -> None:
    with Session(mortal.url) as session:
        assert mortal.version == faults.version
        mortal.kill()
        with contextlib.suppress(ConnectionResetError):
            assert session.socket.recv(1) == b''
    with pytest.raises(RuntimeError, match='may be killed'):
        rabbitmq.Broker(mortal.url).kill()


def test_without_a_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_install, 'SERVER', '/nowhere')
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    started = time.monotonic()
    with pytest.raises(rabbitmq.UnavailableError, match='apt-get install.*rabbitmq-server'):
        with rabbitmq.running({}):
            pass
    assert time.monotonic() - started < 1
