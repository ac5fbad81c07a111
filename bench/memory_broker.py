"""What the broker in memory costs, in this process, clients included.

    python bench/memory_broker.py [--messages N]

Rule: CPU time, best of some rounds, as the machine is noisy. Both sides are counted: the client's
protocol and the broker's.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING

from pika import ConnectionParameters, events, spec
from pika.protocol import Protocol
from pika_testing import Clock, Joint, MemoryBroker, ServedBroker, message_frames

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b'x' * 100
ROUNDS = 5


def best(run: Callable[[], float]) -> float:
    """The least of some rounds."""
    return min(run() for _ in range(ROUNDS))


def round_trips(messages: int, window: int) -> float:
    """Microseconds of CPU for a message that is published, confirmed, delivered and acked."""
    broker = MemoryBroker()
    protocol = Protocol(ConnectionParameters())
    joint = Joint(broker, protocol)
    joint.pump()
    channel = protocol.open_channel(None)
    protocol.call(channel, spec.Queue.Declare(0, 'q'), 'declare')
    protocol.call(channel, spec.Confirm.Select(), 'select')
    protocol.consume(channel, spec.Basic.Consume(0, 'q', 'tag'), 'consume', None)
    joint.pump()
    delivered = 0
    started = time.process_time()
    for _ in range(messages // window):
        for _ in range(window):
            protocol.publish(channel, '', 'q', BODY)
        for event in joint.pump():
            if isinstance(event, events.Delivery):
                delivered += 1
                protocol.ack(channel, event.method.delivery_tag)
    seconds = time.process_time() - started
    assert delivered == messages // window * window
    return seconds / delivered * 1e6


def start() -> float:
    """Milliseconds for a broker behind a port to start and stop, as a fixture does."""
    spent = []
    for _ in range(50):
        started = time.perf_counter()
        with ServedBroker():
            pass
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1e3


def deep_queue(depth: int) -> tuple[float, float, float]:
    """Bytes a message in a queue of `depth`; microseconds to put one and to take one there."""
    broker = MemoryBroker(clock=Clock(running=False))
    protocol = Protocol(ConnectionParameters())
    joint = Joint(broker, protocol)
    joint.pump()
    protocol.call(protocol.open_channel(None), spec.Queue.Declare(0, 'q'), 'declare')
    joint.pump()
    data = b''.join(message_frames(1, spec.Basic.Publish(0, '', 'q'), body=b'0123456789')) * 100
    queue = broker.find_queue('q')

    def put(count: int) -> float:
        started = time.process_time()
        for _ in range(count // 100):
            joint.connection.receive_data(data)
        return (time.process_time() - started) / count * 1e6

    def take(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            queue.get(no_ack=True)
        return (time.process_time() - started) / count * 1e6

    tracemalloc.start()
    put(min(depth, 10_000))
    size = tracemalloc.get_traced_memory()[0] / min(depth, 10_000)
    tracemalloc.stop()
    put(depth)
    sample = min(depth, 10_000)
    putting = min(put(sample) for _ in range(ROUNDS))
    taking = min(take(sample) for _ in range(ROUNDS))
    return size, putting, taking


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--messages', type=int, default=1_000_000, help='in the deepest queue')
    deepest = parser.parse_args().messages
    count = min(20_000, deepest)
    for window in (1, 100):
        cost = best(lambda window=window: round_trips(count, window))
        print(f'publish, confirm, deliver, ack, {window:>3} at a time: {cost:6.1f} us of CPU')
    print(f'start and stop behind a port:                {start():6.1f} ms')
    for depth in sorted({min(1_000, deepest), min(100_000, deepest), deepest}):
        size, putting, taking = deep_queue(depth)
        print(f'in a queue of {depth:>9,}: {size:5.0f} bytes a message, put {putting:4.1f} us, '
              f'get {taking:4.1f} us')


if __name__ == '__main__':
    main()
