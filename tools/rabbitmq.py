"""A RabbitMQ for one run of tests or of the demo; afterwards nothing of it is left.

    python tools/rabbitmq.py run -- COMMAND ...     COMMAND finds the broker in its environment

    with rabbitmq.running() as broker: ...          the same inside Python

The broker is the one of ``AMQP_URL`` if that is set, else a private node: of the version that
``RABBITMQ_VERSION`` names (see `rabbitmq_tree`), else of the `rabbitmq-server` on this machine,
which is installed with apt where it is absent and the user is root on Debian.

Rule: a private node listens on loopback only, keeps everything in one temporary folder, and is
ended by the pids that were started here. It holds nothing worth a clean shutdown, so it is killed.
A small shell, the janitor, does the same should this process be killed before it could.

The environment that COMMAND gets, and that may be set by hand for a broker from elsewhere:

    AMQP_URL            amqp://user:password@host:port/virtual-host
    AMQPS_URL           the same over TLS (optional)
    AMQP_CERTIFICATES   folder with ca.pem, server, client and wrong-host .pem and .key (optional)
    AMQP_NODE           token@address:port where a private node takes calls: makes virtual hosts
                        of one's own and faults possible (never set by hand)
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from typing import TYPE_CHECKING

import rabbitmq_tree
from rabbitmq_install import (
    SERVER,
    SIGNALS,
    UnavailableError,
    require_server,
    signals_held,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

# The common name in the client's certificate, hence the user that EXTERNAL logs in as.
CLIENT = 'client'
START_TIMEOUT = 90.0
# Where a version in a tree of its own sees the node's files under the same path.
SHARED = '/tmp'
CALLS = pathlib.Path(__file__).absolute().with_name('rabbitmq_calls.erl')
VARIABLES = ('AMQP_URL', 'AMQPS_URL', 'AMQP_CERTIFICATES', 'AMQP_NODE')

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
listeners.ssl.1 = 127.0.0.1:{amqps}
ssl_options.cacertfile = {folder}/certificates/ca.pem
ssl_options.certfile = {folder}/certificates/server.pem
ssl_options.keyfile = {folder}/certificates/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
disk_free_limit.absolute = 50MB
log.console = false
"""

# Sleeps until the other end of its input is closed, which the kernel does whatever way we end. The
# node has helpers in sessions of their own, one of which starts an epmd: all have the same HOME.
JANITOR = """\
read -r _
for try in 1 2 3 4 5 6 7 8 9; do
  found=$(grep -lsF "HOME=$1/home" /proc/[0-9]*/environ)
  [ -n "$found" ] || break
  for file in $found; do file=${file#/proc/}; kill -KILL "${file%/environ}"; done
  sleep 0.02
done
rm -rf "$1"
"""

CLOSE_CONNECTIONS = """\
[rabbit_networking:close_connection(P, {reason})
 || P <- rabbit_networking:connections(),
    catch rabbit_networking:connection_info(P, [vhost]) =:= [{{vhost, {virtual_host}}}]]"""


class StartError(Exception):
    """The node did not start; the text ends with the last lines of its log."""


class Broker:
    """A broker that answers, and what of it can be reached.

    Attributes:
        url: for the default user and virtual host.
        tls_url: the same over TLS, or None. Its host is the name in the server's certificate.
        certificates: folder with `ca.pem` and, each with its `.key`: `server.pem` (localhost,
            127.0.0.1, ::1), `client.pem` (of the user `client`), `wrong-host.pem` (a server's, of
            the same CA, for other.example); or None.
        node: `token@address:port` for `call()`, or None.
        pid: the process that `kill()` ends, of a node that `private()` has started; or None.
    """

    pid: int | None = None

    def __init__(self,
                 url: str,
                 tls_url: str | None = None,
                 certificates: str | None = None,
                 node: str | None = None) -> None:
        self.url = url
        self.tls_url = tls_url
        self.certificates = pathlib.Path(certificates) if certificates else None
        self.node = node
        self._version: tuple[int, ...] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Broker:
        """The broker that the variables above describe."""
        return cls(environment['AMQP_URL'], *(environment.get(name) for name in VARIABLES[1:]))

    def environment(self) -> dict[str, str]:
        """The variables that describe this broker."""
        values = (self.url, self.tls_url, self.certificates, self.node)
        return {name: str(value) for name, value in zip(VARIABLES, values) if value}

    def call(self, expression: str) -> str:
        """The value of an Erlang expression in the node, as Erlang writes it; in about 1 ms.

        Raises:
            RuntimeError: the node cannot be reached, or the expression raised.
        """
        if self.node is None:
            raise RuntimeError('AMQP_NODE is not set: no calls into this broker')
        token, address, port = re.split('[@:]', self.node)
        request = f'{token}{expression}.'.encode()
        try:
            with socket.create_connection((address, int(port)), timeout=60) as connection:
                connection.sendall(len(request).to_bytes(4, 'big') + request)
                with connection.makefile('rb') as reader:
                    answer = reader.read()[4:].decode()
        except OSError as error:
            raise RuntimeError(f'{expression}: {error}') from error
        if not answer.startswith('ok '):
            raise RuntimeError(f'{expression}: {answer}')
        return answer[3:]

    def url_of(self, virtual_host: str, *, tls: bool = False) -> str:
        """`url`, or `tls_url`, with another virtual host.

        Raises:
            RuntimeError: the broker has no listener for TLS.
        """
        url = self.tls_url if tls else self.url
        if url is None:
            raise RuntimeError('AMQPS_URL is not set: no TLS on this broker')
        path = '/' + urllib.parse.quote(virtual_host, safe='')
        return urllib.parse.urlsplit(url)._replace(path=path).geturl()

    @property
    def virtual_host(self) -> str:
        """The virtual host of `url`."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path[1:]) or '/'

    def add_virtual_host(self, name: str) -> None:
        """Makes a virtual host where the user of `url` and `client` may do everything."""
        user = urllib.parse.unquote(urllib.parse.urlsplit(self.url).username or 'guest')
        self.call(f'ok = rabbit_vhost:add({_binary(name)}, <<"tests">>), ' + ', '.join(
            f'rabbit_auth_backend_internal:set_permissions({_binary(who)}, {_binary(name)}, '
            '<<".*">>, <<".*">>, <<".*">>, <<"tests">>)' for who in (user, CLIENT)))

    def delete_virtual_host(self, name: str) -> None:
        """Deletes a virtual host; the broker closes its connections with 320."""
        self.call(f'rabbit_vhost:delete({_binary(name)}, <<"tests">>)')

    def close_connections(self, virtual_host: str, reason: str = 'closed by a test') -> None:
        """Has the broker close every open connection of a virtual host (320 CONNECTION_FORCED)."""
        self.call(
            CLOSE_CONNECTIONS.format(virtual_host=_binary(virtual_host), reason=_string(reason)))

    @property
    def version(self) -> tuple[int, ...]:
        """The broker's version, such as (3, 10, 8)."""
        if self._version is None:
            text = self.call('element(2, application:get_key(rabbit, vsn))').strip('"')
            self._version = tuple(int(part) for part in re.findall(r'\d+', text)[:3])
        return self._version

    def delete_queue(self, virtual_host: str, name: str) -> None:
        """Deletes a queue, as an operator does; its consumers are cancelled."""
        self.call(f'{{ok, Q}} = {_lookup(virtual_host, name)}, '
                  'rabbit_amqqueue:delete(Q, false, false, <<"tests">>)')

    def queue_counts(self, virtual_host: str, name: str) -> tuple[int, int, int]:
        """The messages that are ready, those that are not acknowledged, and the consumers."""
        answer = self.call(
            f'{{ok, Q}} = {_lookup(virtual_host, name)}, [N || {{_, N}} <- rabbit_amqqueue:info(Q, '
            '[messages_ready, messages_unacknowledged, consumers])]')
        ready, unacknowledged, consumers = (int(number) for number in re.findall(r'\d+', answer))
        return ready, unacknowledged, consumers

    def kill(self) -> None:
        """Ends the node at once, as a power failure does."""
        if self.pid is None:
            raise RuntimeError('only a node of its own may be killed')
        os.kill(self.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def memory_alarm(self) -> Iterator[None]:
        """Inside, memory counts as exhausted: who publishes gets connection.blocked.

        The alarm is the whole node's. The broker tells a connection only once that connection
        has published.
        """
        limit = self.call('vm_memory_monitor:get_vm_memory_high_watermark()')
        self.call('vm_memory_monitor:set_vm_memory_high_watermark(0)')
        try:
            # Once it is listed, the connections have been told: they hear of it before a publish.
            while 'memory' not in self.call('rabbit_alarm:get_alarms()'):
                time.sleep(0.01)
            yield
        finally:
            self.call(f'vm_memory_monitor:set_vm_memory_high_watermark({limit})')


def _string(text: str) -> str:
    """An Erlang string."""
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def _binary(text: str) -> str:
    """An Erlang binary in UTF-8."""
    return f'<<{_string(text)}/utf8>>'


def _lookup(virtual_host: str, queue: str) -> str:
    """The Erlang expression that finds a queue."""
    return (f'rabbit_amqqueue:lookup(rabbit_misc:r({_binary(virtual_host)}, queue, '
            f'{_binary(queue)}))')


@contextlib.contextmanager
def running(environment: Mapping[str, str] = os.environ) -> Iterator[Broker]:
    """A broker that answers: that of `AMQP_URL`, else a private node until the block is left.

    Raises:
        UnavailableError: no RabbitMQ here, and it cannot be installed.
        StartError: the node did not start, or nothing answers at `AMQP_URL`.
    """
    if environment.get('AMQP_URL') and environment.get('RABBITMQ_VERSION'):
        raise UnavailableError('AMQP_URL and RABBITMQ_VERSION are both set: which broker is meant?')
    if environment.get('AMQP_URL'):
        broker = Broker.from_environment(environment)
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(broker.url):
            if time.monotonic() > deadline:
                where = urllib.parse.urlsplit(broker.url).netloc.rpartition('@')[2]
                raise StartError(f'nothing answers at {where} (AMQP_URL) in {START_TIMEOUT:.0f} s')
            time.sleep(0.2)
        yield broker
        return
    with private(environment) as broker:
        yield broker


@contextlib.contextmanager
def private(environment: Mapping[str, str] = os.environ) -> Iterator[Broker]:
    """A node of one's own, which may be killed, until the block is left.

    Raises:
        UnavailableError: no RabbitMQ here, and it cannot be installed or fetched.
        StartError: the node did not start.
    """
    version = environment.get('RABBITMQ_VERSION')
    if version and version not in rabbitmq_tree.SUITES:
        raise UnavailableError(f'RABBITMQ_VERSION is {version!r}, and not one of '
                               f'{", ".join(rabbitmq_tree.SUITES)}')
    if not version:
        require_server()
    node = _Node(rabbitmq_tree.fetch(version) if version else None)
    try:
        yield node.start()
    finally:
        node.stop()


def _answers(url: str) -> bool:
    """Whether a broker speaks at that URL (over TLS: whether something accepts)."""
    parts = urllib.parse.urlsplit(url)
    tls = parts.scheme == 'amqps'
    address = parts.hostname or 'localhost', parts.port or (5671 if tls else 5672)
    try:
        with socket.create_connection(address, timeout=2) as connection:
            if tls:
                return True
            connection.sendall(b'AMQP\x00\x00\x09\x01')
            return connection.recv(1) == b'\x01'
    except OSError:
        return False


class _Node:
    """A private node, its epmd, its folder and the janitor.

    Args:
        tree: what it runs in; None: this machine's own server.
    """

    def __init__(self, tree: pathlib.Path | None) -> None:
        self._enter = rabbitmq_tree.enter(tree) if tree else []
        self._folder = pathlib.Path(
            tempfile.mkdtemp(prefix='pika-rabbitmq-', dir=SHARED if tree else None))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._janitor: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        """Starts everything, waits until the node answers and says so in one line."""
        started = time.monotonic()
        self._janitor = subprocess.Popen(['/bin/sh', '-c', JANITOR, 'janitor', self._folder],
                                         stdin=subprocess.PIPE,
                                         stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL,
                                         cwd='/',
                                         start_new_session=True)
        for name in ('home', 'log', 'certificates'):
            (self._folder / name).mkdir()
        make_certificates(self._folder / 'certificates')
        amqp, amqps, calls, distribution, epmd = _free_ports(5)
        token = secrets.token_hex(16)
        environment = self._configure(amqp, amqps, distribution, epmd)
        shutil.copy(CALLS, self._folder / 'calls.erl')  # a node in a tree does not see ours
        environment.update(CALLS_PORT=str(calls), CALLS_TOKEN=token)
        self._spawn('epmd', ['epmd', '-port', str(epmd), '-address', '127.0.0.1'], environment)
        # Without an epmd that answers, the node would start one of its own that outlives it.
        self._wait(lambda: _accepts(epmd))
        self._spawn('node', [SERVER], environment)
        broker = Broker(f'amqp://guest:guest@127.0.0.1:{amqp}/%2F',
                        f'amqps://guest:guest@localhost:{amqps}/%2F',
                        str(self._folder / 'certificates'), f'{token}@127.0.0.1:{calls}')
        self._wait(lambda: _answers(broker.url))
        # The listeners open a little before the boot ends; calls are taken after that.
        self._wait(lambda: broker.call('rabbit:is_running()') == 'true')
        user = _binary(CLIENT)
        broker.call(f'rabbit_auth_backend_internal:add_user({user}, {user}, <<"tests">>), '
                    f'rabbit_auth_backend_internal:set_permissions({user}, <<"/">>, '
                    '<<".*">>, <<".*">>, <<".*">>, <<"tests">>)')
        broker.pid = self._processes[-1].pid
        version = '.'.join(map(str, broker.version))
        print(
            f'RabbitMQ {version} on 127.0.0.1:{amqp}, TLS on localhost:{amqps}, '
            f'started in {time.monotonic() - started:.1f} s',
            file=sys.stderr,
            flush=True)
        return broker

    def stop(self) -> None:
        """Ends what start() has started, however far it came."""
        with signals_held():
            if self._janitor is None:
                self._folder.rmdir()
                return
            self._janitor.communicate()  # ends its input and waits for it
            for process in self._processes:
                process.kill()
                process.wait()

    def _configure(self, amqp: int, amqps: int, distribution: int, epmd: int) -> dict[str, str]:
        """Writes the configuration and returns the environment of node and epmd."""
        folder = self._folder
        configuration = CONFIGURATION.format(amqp=amqp, amqps=amqps, folder=folder)
        (folder / 'rabbitmq.conf').write_text(configuration, encoding='utf-8')
        (folder / 'plugins').write_text('[rabbitmq_auth_mechanism_ssl].\n', encoding='ascii')
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(('RABBITMQ_', 'ERL_'))
        }
        environment.update({
            'HOME':
                f'{folder}/home',
            'LC_ALL':
                'C.UTF-8',
            'ERL_CRASH_DUMP':
                f'{folder}/crash.dump',
            'ERL_EPMD_ADDRESS':
                '127.0.0.1',
            'ERL_EPMD_PORT':
                str(epmd),
            'RABBITMQ_DIST_PORT':
                str(distribution),
            'RABBITMQ_NODENAME':
                f'pika{amqp}@127.0.0.1',
            'RABBITMQ_USE_LONGNAME':
                'true',
            # A file that is not there: else that of the system's own broker is read.
            'RABBITMQ_CONF_ENV_FILE':
                f'{folder}/none',
            'RABBITMQ_CONFIG_FILE':
                f'{folder}/rabbitmq.conf',
            'RABBITMQ_CONFIG_FILES':
                f'{folder}/none',
            'RABBITMQ_ADVANCED_CONFIG_FILE':
                f'{folder}/none',
            'RABBITMQ_GENERATED_CONFIG_DIR':
                f'{folder}/generated',
            'RABBITMQ_ENABLED_PLUGINS_FILE':
                f'{folder}/plugins',
            'RABBITMQ_MNESIA_BASE':
                f'{folder}/data',
            'RABBITMQ_LOG_BASE':
                f'{folder}/log',
            'RABBITMQ_PID_FILE':
                f'{folder}/rabbitmq-own-pid',
            # Split at spaces, hence the detour for a path that may have some.
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1} -eval file:eval(os:getenv("CALLS"))',
            'CALLS':
                f'{folder}/calls.erl',
            # Makes the script replace itself with the Erlang machine, so that its pid is ours.
            'detached':
                '1',
        })
        return environment

    def _spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts a process away from the terminal, in its own session."""
        with open(self._folder / 'log' / f'{name}.out', 'wb') as output, signals_held() as before:
            process = subprocess.Popen(
                [*self._enter, *command],
                env=environment,
                cwd='/',
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))
            self._processes.append(process)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Returns once ready() is true.

        Raises:
            StartError: a process has ended instead, or it takes too long.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(RuntimeError):
                if ready():
                    return
            ended = any(process.poll() is not None for process in self._processes)
            if ended or time.monotonic() > deadline:
                what = 'ended' if ended else f'did not answer in {START_TIMEOUT:.0f} s'
                raise StartError(f'RabbitMQ {what} while starting; the end of its log:\n' +
                                 '\n'.join(self._last_lines()))
            time.sleep(0.05)

    def _last_lines(self) -> list[str]:
        """The last lines of everything that was logged."""
        return [
            f'  {path.name}: {line}' for path in sorted((self._folder / 'log').glob('*'))
            for line in path.read_text(encoding='utf-8', errors='replace').splitlines()[-12:]
        ]


def _accepts(port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection(('127.0.0.1', port), timeout=2).close()
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now.

    They are below those that the kernel gives to connections, and random, so that of two runs
    that start together each finds its own.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(('127.0.0.1', port))
            ports.append(port)
    return ports


def make_certificates(folder: pathlib.Path) -> None:
    """Writes what `Broker.certificates` lists."""
    try:
        import trustme
    except ImportError:
        raise UnavailableError('no certificates for the broker without trustme: '
                               f'{sys.executable} -m pip install trustme') from None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / 'ca.pem'))
    for name, certificate in (
        ('server', authority.issue_cert('localhost', '127.0.0.1', '::1')),
        ('client', authority.issue_cert(CLIENT, common_name=CLIENT)),
        ('wrong-host', authority.issue_cert('other.example')),
    ):
        certificate.private_key_pem.write_to_path(str(folder / f'{name}.key'))
        with open(folder / f'{name}.pem', 'wb') as file:
            file.writelines(blob.bytes() for blob in certificate.cert_chain_pems)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs the command, passes signals on to it, returns its exit code as a shell would."""
    with signals_held(signal.SIGCHLD) as before:
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before))
        except OSError as error:
            print(f'{command[0]}: {error.strerror}', file=sys.stderr)
            return 127
        while process.poll() is None:
            received = signal.sigwaitinfo({*SIGNALS, signal.SIGCHLD})
            # The terminal's Ctrl-C (the kernel sent it: a positive code) has reached the command.
            if received.si_signo != signal.SIGCHLD and received.si_code <= 0:
                process.send_signal(received.si_signo)
        return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _exit(number: int, _frame: FrameType | None) -> None:
    """Leaves through every `finally`."""
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """`run -- COMMAND ...`; the exit code is COMMAND's, 2 where there is no RabbitMQ to start."""
    if list(arguments[:2]) != ['run', '--'] or not arguments[2:]:
        print('usage: python tools/rabbitmq.py run -- COMMAND ...', file=sys.stderr)
        return 2
    for number in SIGNALS:
        signal.signal(number, _exit)
    try:
        with running() as broker:
            return _run(arguments[2:], {**os.environ, **broker.environment()})
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
