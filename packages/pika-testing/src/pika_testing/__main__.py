"""A broker in memory as a program.

python -m pika_testing                      on 127.0.0.1:5672, until Ctrl-C
python -m pika_testing --port 0 --log       any free port; each frame in words
python -m pika_testing -- pytest tests      for one command, which finds it in AMQP_URL
"""

from __future__ import annotations

import argparse
import os
import signal
import ssl
import subprocess
import sys
import threading

from pika import spec

from pika_testing.broker import MemoryBroker
from pika_testing.broker.versions import VERSIONS
from pika_testing.server import BrokerServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pika_testing.broker.connection import ServerConnection

_SECRET = (spec.Connection.StartOk, spec.Connection.SecureOk, spec.Connection.UpdateSecret)


class LoggedBroker(MemoryBroker):
    """Prints each method and message of each connection in words."""

    def accept(self, name: str = 'a client', certified: str | None = None) -> ServerConnection:
        """A new connection, whose frames are printed."""
        connection = super().accept(name, certified)
        print(f'{name} has come', flush=True)
        connection.on_frame = lambda arrow, channel, method: print(
            f'{name} {arrow} channel {channel}: {_words(method)}', flush=True)
        return connection

    def forget(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        print(f'{connection.name} has gone', flush=True)
        super().forget(connection)


def _words(method: object) -> str:
    if isinstance(method, _SECRET):
        return f'<{method.NAME}, a secret>'
    return repr(method)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog='python -m pika_testing',
        description='A broker in memory that answers as RabbitMQ does.')
    parser.add_argument('--host',
                        default='127.0.0.1',
                        help='the address to listen on [%(default)s]')
    parser.add_argument('--port', type=int, help='0: any free port [5672; with a command any]')
    parser.add_argument('--version',
                        choices=list(VERSIONS),
                        default='4.3',
                        help='of RabbitMQ, as which it behaves [%(default)s]')
    parser.add_argument('--certificate',
                        nargs=2,
                        metavar=('CHAIN', 'KEY'),
                        help='files in PEM, for TLS instead of plain TCP')
    parser.add_argument('--log', action='store_true', help='print each frame in words')
    parser.add_argument('command',
                        nargs='*',
                        metavar='-- COMMAND',
                        help='run this with AMQP_URL set, and end with its exit status')
    options = parser.parse_args(arguments)
    if options.port is not None and not 0 <= options.port <= 65535:
        parser.error(f'argument --port: {options.port}, allowed are 0 to 65535')
    if '--' in arguments and not options.command:
        parser.error('no command behind --')
    return options


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Serve until Ctrl-C, SIGTERM or the end of the command; the exit status."""
    options = parse(arguments)
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options.certificate)
    kind = LoggedBroker if options.log else MemoryBroker
    port = options.port if options.port is not None else 0 if options.command else 5672
    server = BrokerServer(kind(options.version), options.host, port, context)
    try:
        server.start()
    except OSError as error:
        print(f'{options.host}:{port}: {error}', file=sys.stderr)
        return 1
    with server:
        if options.command:
            environment = {**os.environ, 'AMQP_URL': server.url()}
            try:
                return subprocess.run(options.command, env=environment).returncode
            except OSError as error:
                print(f'{options.command[0]}: {error.strerror}', file=sys.stderr)
                return 127
        print(server.url(), flush=True)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()
    return 0


if __name__ == '__main__':
    sys.exit(main())
