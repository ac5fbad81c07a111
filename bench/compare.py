"""What a message costs, client by client, against a real RabbitMQ.

    python tools/rabbitmq.py run -- python bench/compare.py [--rounds 5] [--scale 1] [--json FILE]
                                         [--plot FILE] [--clients PATTERN] [--workloads PATTERN]

Rule: each figure is of a process of its own, which does one workload once and counts its own CPU
time; what the broker spends is not in it. All clients take turns within each round, because the
machine is noisy, and the table shows the median of the rounds and their spread.

Clients that are not here are installed into environments of their own, in build/bench; rabbitmq-c
is left out, and named, where its headers or a compiler are missing. The broker is the one that
``AMQP_URL`` names.
"""
from __future__ import annotations

import argparse
import fnmatch
import itertools
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import threading
from typing import NamedTuple

import pika
import table

TOP = pathlib.Path(__file__).resolve().parents[1]
PEERS = TOP / 'bench' / 'peers'
ENVIRONMENTS = TOP / 'build' / 'bench'
MIB = 1024 * 1024


class Client(NamedTuple):
    """How a client is run."""

    name: str
    requirements: tuple[str, ...]  # () is this environment
    command: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # all of them, unless some are named


class Workload(NamedTuple):
    """What a client is asked for: see bench/peers/measure.py."""

    name: str
    kind: str
    messages: int
    size: int = 100
    option: str = '-'
    unit: str = 'us'


OLD = ('pika==1.4.4', 'tornado', 'twisted')
# A client whose calls wait confirms each message, one with callbacks has many outstanding.
WAITING = ('publish', 'confirm', 'consume', 'rpc', 'connect', 'channels', 'idle')
CALLED = ('publish', 'confirm-window', 'consume', 'rpc', 'connect', 'channels', 'idle')
CLIENTS = [
    Client('rabbitmq-c', (), ('rabbitmqc',),
           ('publish', 'confirm', 'confirm-window', 'consume', 'rpc', 'connect')),
    Client('blocking', (), ('blocking.py',)),
    Client('blocking, coalesced', (), ('blocking.py', 'coalesced'), ('publish', 'confirm-window')),
    *(Client(name, (), ('callbacks.py', name), CALLED)
      for name in ('select', 'asyncio', 'tornado', 'libev', 'gevent')),
    Client('twisted', (), ('twisted_.py',), CALLED),
    Client('pika 1.4 blocking', OLD, ('blocking.py',), WAITING),
    *(Client(f'pika 1.4 {name}', OLD, ('callbacks.py', name), CALLED)
      for name in ('select', 'asyncio', 'tornado')),
    Client('pika 1.4 twisted', OLD, ('twisted_.py',), CALLED),
    Client('py-amqp', ('amqp',), ('pyamqp.py',)),
    Client('aio-pika', ('aio-pika',), ('aiopika.py',)),
    Client('amqpstorm', ('amqpstorm',), ('amqpstorm_.py',), WAITING),
]
WORKLOADS = [
    Workload('publish', 'publish', 20_000, option='none'),
    Workload('publish, properties reused', 'publish', 20_000, option='reused'),
    Workload('publish, 3 headers', 'publish', 20_000, option='fresh'),
    Workload('confirm each', 'confirm', 1_000, option='1'),
    Workload('confirms, 1,000 outstanding', 'confirm', 20_000, option='1000'),
    Workload('consume', 'consume', 20_000, option='0'),
    Workload('consume, ack each', 'consume', 20_000, option='1'),
    Workload('consume, ack every 100', 'consume', 20_000, option='100'),
    Workload('publish 1 MiB', 'publish', 50, MIB, 'none'),
    Workload('consume 1 MiB', 'consume', 50, MIB, '0'),
    Workload('publish 16 MiB', 'publish', 4, 16 * MIB, 'none'),
    Workload('consume 16 MiB', 'consume', 4, 16 * MIB, '0'),
    Workload('RPC round trip', 'rpc', 1_000),
    Workload('open and close a connection', 'connect', 50),
    Workload('open and close a channel', 'channels', 1_000),
    Workload('idle connection', 'idle', 200, option='connections', unit='B'),
    Workload('idle channel', 'idle', 1_000, option='channels', unit='B'),
]


def takes_part(client: Client, workload: Workload) -> bool:
    """Whether a client can do that."""
    kind = workload.kind
    if kind == 'confirm' and workload.option != '1':
        kind = 'confirm-window'
    return not client.kinds or kind in client.kinds


def prepare(client: Client) -> list[str] | None:
    """Install a client; what runs its program, or None where it cannot be had."""
    program = client.command[0]
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    if program == 'rabbitmqc':
        target = ENVIRONMENTS / program
        compiler = shutil.which('cc')
        if compiler is None or subprocess.run(
            [compiler, '-O2',
             str(PEERS / f'{program}.c'), '-o',
             str(target), '-lrabbitmq'],
                stderr=subprocess.DEVNULL,
                check=False).returncode:
            return None
        return [str(target)]
    python = sys.executable
    if client.requirements:
        folder = ENVIRONMENTS / client.requirements[0].replace('==', '-')
        python = str(folder / 'bin' / 'python')
        if not os.path.exists(python):
            subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
            subprocess.run([python, '-m', 'pip', 'install', '-q', *client.requirements], check=True)
    return [python, str(PEERS / program)]


class Broker:
    """The queues of the benchmark."""

    def __init__(self) -> None:
        self.url = os.environ['AMQP_URL']
        self.queue = f'bench-{os.getpid()}'
        self.connection = pika.BlockingConnection(pika.URLParameters(self.url + '?heartbeat=0'))
        self.channel = self.connection.channel()
        self.channel.queue_declare(self.queue, auto_delete=False, exclusive=False)

    def ready(self, workload: Workload, messages: int) -> str:
        """Empty the queue, fill it for those who consume; its name, or that of the server."""
        if workload.kind == 'rpc':
            return f'{self.queue}-rpc'
        self.channel.queue_purge(self.queue)
        if workload.kind == 'consume':
            body = b'x' * workload.size
            with self.channel.confirm_window(500), self.connection.coalesce():
                for _ in range(messages):
                    self.channel.basic_publish('', self.queue, body)
        return self.queue

    def close(self) -> None:
        """Leave nothing behind."""
        self.channel.queue_delete(self.queue)
        self.connection.close()


def serve(url: str, queue: str, stop: threading.Event) -> None:
    """Answer requests, for the round trips, in a thread of this process."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, exclusive=True)
        channel.basic_consume(queue,
                              lambda channel, method, properties, body: channel.basic_publish(
                                  '', properties.reply_to, body),
                              auto_ack=True)
        while not stop.is_set():
            connection.process_data_events(0.2)


def run(program: list[str], rest: tuple[str, ...], workload: Workload, messages: int,
        broker: Broker) -> list[float]:
    """One figure per message, of CPU and of time; of memory the first alone counts."""
    queue = broker.ready(workload, messages)
    done = subprocess.run([
        *program, workload.kind,
        str(messages),
        str(workload.size), workload.option, broker.url, queue, *rest
    ],
                          capture_output=True,
                          text=True,
                          timeout=300,
                          check=False)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f'{" ".join(program)} {workload.kind}: {done.stderr[-2000:]}')
    figures = [float(figure) for figure in done.stdout.split()]
    if workload.unit == 'B':
        return figures
    return [figure / messages * 1e6 for figure in figures]


def measure(programs: dict[str, list[str]], workloads: list[Workload], rounds: int, scale: float,
            broker: Broker) -> table.Figures:
    """All rounds of all workloads by all clients."""
    figures: table.Figures = {}
    clients = [client for client in CLIENTS if client.name in programs]
    turns = itertools.product(range(rounds), workloads, clients)
    for number, workload, client in turns:
        if not takes_part(client, workload):
            continue
        messages = workload.messages
        if workload.unit != 'B':
            messages = max(2, round(messages * scale))
        found = run(programs[client.name], client.command[1:], workload, messages, broker)
        figures.setdefault(workload.name, {}).setdefault(client.name, []).append(found)
        print(f'\rround {number + 1} of {rounds}: {workload.name}, {client.name}' + ' ' * 20,
              end='',
              file=sys.stderr,
              flush=True)
    print(file=sys.stderr)
    return figures


def imports(rounds: int, programs: dict[str, list[str]]) -> dict[str, list[float]]:
    """CPU ms of importing, beyond a bare interpreter."""
    modules = {
        'core': (sys.executable, 'pika'),
        'blocking': (sys.executable, 'pika_blocking'),
        'pika 1.4': (programs.get('pika 1.4 blocking', [''])[0], 'pika'),
        'py-amqp': (programs.get('py-amqp', [''])[0], 'amqp'),
        'aio-pika': (programs.get('aio-pika', [''])[0], 'aio_pika'),
        'amqpstorm': (programs.get('amqpstorm', [''])[0], 'amqpstorm'),
    }
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (python, module) in modules.items():
            if python:
                cost = _cpu(python, f'import {module}') - _cpu(python, 'pass')
                found.setdefault(name, []).append(cost * 1e3)
    return found


def _cpu(python: str, code: str) -> float:
    """CPU seconds of a process; the least of three."""
    report = f'{code}\nimport time\nprint(time.process_time())'
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': ''}
    return min(
        float(
            subprocess.run([python, '-c', report],
                           stdout=subprocess.PIPE,
                           env=environment,
                           check=True).stdout) for _ in range(4))  # the first one compiles


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else '')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--scale', type=float, default=1.0, help='of the numbers of messages')
    parser.add_argument('--clients', default='*')
    parser.add_argument('--workloads', default='*')
    parser.add_argument('--json', type=pathlib.Path)
    parser.add_argument('--plot', type=pathlib.Path, help='an SVG or PNG')
    options = parser.parse_args()
    programs: dict[str, list[str]] = {}
    for client in CLIENTS:
        if fnmatch.fnmatchcase(client.name, options.clients):
            command = prepare(client)
            if command is None:
                print(f'{client.name}: left out, its headers or a compiler are missing')
            else:
                programs[client.name] = command
    workloads = [one for one in WORKLOADS if fnmatch.fnmatchcase(one.name, options.workloads)]
    broker = Broker()
    stop = threading.Event()
    server = threading.Thread(target=serve, args=(broker.url, f'{broker.queue}-rpc', stop))
    server.start()
    try:
        figures = measure(programs, workloads, options.rounds, options.scale, broker)
    finally:
        stop.set()
        server.join()
        broker.close()
    result = {
        'python': platform.python_version(),
        'machine': f'{platform.machine()}, {os.cpu_count()} cores',
        'rounds': options.rounds,
        'figures': figures,
        'imports': imports(options.rounds, programs),
    }
    print(table.text(result))
    if options.json:
        options.json.write_text(json.dumps(result) + '\n')
    if options.plot:
        table.plot(result, options.plot)


if __name__ == '__main__':
    main()
