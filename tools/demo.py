"""Send MESSAGES persistent messages through each adapter to a broker and back; print the cost.

    python tools/demo.py                                       a broker in memory, if there is none
    python tools/rabbitmq.py run -- python tools/demo.py       RabbitMQ

Rule: each adapter does it the way its users do. The blocking one waits for the confirm of every
message; those with callbacks keep up to WINDOW confirms outstanding; Twisted's awaits WINDOW
Deferreds at a time.

The broker is the one that ``AMQP_URL`` names, else one on this machine, else one in memory, in a
process of its own. An adapter joins by a function in ADAPTERS.
"""
from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pika

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DEFAULT_URL = 'amqp://guest:guest@localhost/%2F'
MESSAGES = 10_000
WINDOW = 1_000
PREFETCH = 500
BODY = b'x' * 100
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
# The queue survives the broker, and goes by itself when the demo is interrupted.
QUEUE_ARGUMENTS = {'x-expires': 60_000}


class Phase:
    """The clocks of one direction of one adapter, and its progress line."""

    def __init__(self, adapter: str, direction: str) -> None:
        self.adapter = adapter
        self.direction = direction
        self.done = 0
        self.seconds = -time.perf_counter()
        self.cpu_seconds = -time.process_time()

    def add(self, count: int = 1) -> bool:
        """Count messages; whether these were the last."""
        before = self.done
        self.done += count
        if before // WINDOW != self.done // WINDOW and sys.stderr.isatty():
            self._show('\r')
        return self.done == MESSAGES

    def stop(self) -> None:
        """Stop the clocks."""
        self.seconds += time.perf_counter()
        self.cpu_seconds += time.process_time()
        self._show('\r' if sys.stderr.isatty() else '', '\n')
        if self.done != MESSAGES:
            raise SystemExit(
                f'{self.adapter}, {self.direction}: {self.done} of {MESSAGES} messages')

    def _show(self, start: str, end: str = '') -> None:
        print(f'{start}{self.adapter}: {self.direction} {self.done:,} of {MESSAGES:,}',
              end=end,
              file=sys.stderr,
              flush=True)

    def row(self) -> tuple[str, ...]:
        """This phase as a row of the table."""
        return (self.adapter, self.direction, f'{self.done:,}', f'{self.seconds:.2f}',
                f'{self.done / self.seconds:,.0f}', f'{self.cpu_seconds / self.done * 1e6:.1f}')


def blocking(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """BlockingConnection: each message is published when the one before is confirmed."""
    with pika.BlockingConnection(parameters) as connection, connection.channel() as channel:
        channel.queue_declare(queue, durable=True, arguments=QUEUE_ARGUMENTS)
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=PREFETCH)

        publish = Phase('blocking', 'publish')
        for _ in range(MESSAGES):
            channel.basic_publish('', queue, BODY, PERSISTENT, mandatory=True)
            publish.add()
        publish.stop()

        consume = Phase('blocking', 'consume')
        for method, _, _ in channel.consume(queue):
            channel.basic_ack(method.delivery_tag)
            if consume.add():
                break
        channel.cancel()
        consume.stop()

        channel.queue_delete(queue)
    return [publish, consume]


class Callbacks:
    """An adapter of the callback API, with up to WINDOW confirms outstanding.

    Args:
      adapter: its name in the table.
      connection_class: a `pika.connection.Connection`.
      run: runs the loop of a connection until `stop`.
      options: of the constructor of the connection.
    """

    def __init__(self,
                 adapter: str,
                 connection_class: Any,
                 parameters: pika.URLParameters,
                 queue: str,
                 run: Callable[[Any], object] = lambda loop: loop.start(),
                 **options: Any) -> None:
        self.adapter = adapter
        self.queue = queue
        self.phases: list[Phase] = []
        self.sent = 0
        self.confirmed = 0
        self.error: BaseException | None = None
        self.connection = connection_class(parameters,
                                           on_open_callback=self._on_open,
                                           on_open_error_callback=self._on_end,
                                           on_close_callback=self._on_end,
                                           **options)
        run(self.connection.ioloop)
        if self.error is not None:
            raise self.error

    def _on_open(self, connection) -> None:
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_end(self, connection, reason) -> None:
        if not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self.error = self.error or reason
        connection.ioloop.stop()

    def _on_channel_open(self, channel) -> None:
        self.channel = channel
        channel.add_on_close_callback(self._on_channel_close)
        channel.queue_declare(self.queue,
                              durable=True,
                              arguments=QUEUE_ARGUMENTS,
                              callback=self._on_declared)

    def _on_channel_close(self, channel, reason) -> None:
        if isinstance(reason, pika.exceptions.ChannelClosedByBroker):
            self.error = reason
            self.connection.close()

    def _on_declared(self, frame) -> None:
        self.channel.basic_qos(prefetch_count=PREFETCH)
        self.channel.confirm_delivery(self._on_confirm, callback=self._on_confirms_selected)

    def _on_confirms_selected(self, frame) -> None:
        self.phases.append(Phase(self.adapter, 'publish'))
        self._publish(WINDOW)

    def _publish(self, count: int) -> None:
        for _ in range(min(count, MESSAGES - self.sent)):
            self.channel.basic_publish('', self.queue, BODY, PERSISTENT, mandatory=True)
            self.sent += 1

    def _on_confirm(self, frame) -> None:
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self.error = pika.exceptions.NackError([])
            self.connection.close()
            return
        # Acks of single messages and of all up to a tag may come in any mixture.
        count = 1
        if frame.method.multiple:
            count = frame.method.delivery_tag - self.confirmed
        self.confirmed += count
        if self.phases[0].add(count):
            self.phases[0].stop()
            self.phases.append(Phase(self.adapter, 'consume'))
            self.tag = self.channel.basic_consume(self.queue, self._on_message)
        else:
            self._publish(count)

    def _on_message(self, channel, method, properties, body) -> None:
        channel.basic_ack(method.delivery_tag)
        if self.phases[1].add():
            channel.basic_cancel(self.tag, callback=self._on_cancelled)

    def _on_cancelled(self, frame) -> None:
        self.phases[1].stop()
        self.channel.queue_delete(self.queue, callback=lambda frame: self.connection.close())


def select(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """SelectConnection."""
    return Callbacks('select', pika.SelectConnection, parameters, queue).phases


def asyncio(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """AsyncioConnection, on a loop that it makes."""
    from pika_asyncio import AsyncioConnection
    return Callbacks('asyncio',
                     AsyncioConnection,
                     parameters,
                     queue,
                     run=lambda loop: loop.run_forever()).phases


def tornado(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """TornadoConnection."""
    from pika_tornado import TornadoConnection
    from tornado.ioloop import IOLoop
    return Callbacks('tornado',
                     TornadoConnection,
                     parameters,
                     queue,
                     custom_ioloop=IOLoop(make_current=False)).phases


def libev(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """LibevConnection, on the libev that gevent's wheels carry."""
    from pika_libev import LibevConnection
    return Callbacks('libev', LibevConnection, parameters, queue).phases


def gevent(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """GeventConnection."""
    from pika_gevent import GeventConnection
    return Callbacks('gevent', GeventConnection, parameters, queue).phases


def twisted(parameters: pika.URLParameters, queue: str) -> list[Phase]:
    """TwistedConnection: Deferreds that are awaited."""
    from pika_twisted import TwistedConnection
    from twisted.internet import defer, reactor

    async def send_and_receive() -> list[Phase]:
        connection = await TwistedConnection(parameters).ready
        channel = await connection.channel()
        await channel.queue_declare(queue, durable=True, arguments=QUEUE_ARGUMENTS)
        await channel.confirm_delivery()
        await channel.basic_qos(prefetch_count=PREFETCH)

        publish = Phase('twisted', 'publish')
        for _ in range(MESSAGES // WINDOW):
            await defer.gatherResults([
                channel.basic_publish('', queue, BODY, PERSISTENT, mandatory=True)
                for _ in range(WINDOW)
            ])
            publish.add(WINDOW)
        publish.stop()

        consume = Phase('twisted', 'consume')
        messages, tag = await channel.basic_consume(queue)
        while True:
            message = await messages.get()
            channel.basic_ack(message.method.delivery_tag)
            if consume.add():
                break
        await channel.basic_cancel(tag)
        consume.stop()

        await channel.queue_delete(queue)
        await connection.close()
        return [publish, consume]

    results: list[Any] = []
    done = defer.ensureDeferred(send_and_receive()).addBoth(results.append)
    done.addCallback(lambda _: reactor.stop())
    reactor.run()
    if not isinstance(results[0], list):
        results[0].raiseException()
    return results[0]


ADAPTERS = (blocking, select, asyncio, tornado, twisted, libev, gevent)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Two columns of text, then figures."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print('  '.join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))))


@contextlib.contextmanager
def find_broker() -> Iterator[str]:
    """The URL of a broker; says which one it is."""
    url = os.environ.get('AMQP_URL')
    if url is None and answers(DEFAULT_URL):
        url = DEFAULT_URL
    if url is not None:
        print(f'Broker: {url.rpartition("@")[2]}')
        yield url
        return
    with subprocess.Popen([sys.executable, '-m', 'pika_testing', '--port', '0'],
                          stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None
        print('Broker: one in memory, as AMQP_URL is not set and no broker is on this machine')
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Whether a broker takes connections there."""
    try:
        pika.BlockingConnection(pika.URLParameters(f'{url}?socket_timeout=1')).close()
    except pika.exceptions.AMQPConnectionError:
        return False
    return True


def main() -> int:
    """Run all adapters, one after the other; the exit status."""
    with find_broker() as url:
        return run(pika.URLParameters(url))


def run(parameters: pika.URLParameters) -> int:
    """Run all adapters on this broker; the exit status."""
    rows = [('adapter', 'direction', 'messages', 'seconds', 'messages/s', 'CPU µs/message')]
    try:
        for adapter in ADAPTERS:
            rows += [phase.row() for phase in adapter(parameters, f'pika-demo-{uuid.uuid4().hex}')]
    except KeyboardInterrupt:
        print('\ninterrupted', file=sys.stderr)
        return 130
    print_table(rows)
    return 0


if __name__ == '__main__':
    sys.exit(main())
