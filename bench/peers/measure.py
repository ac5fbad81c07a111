"""What each client of the comparison is asked to do, and its clocks.

    python CLIENT.py KIND MESSAGES SIZE OPTION URL QUEUE ...

KIND      OPTION                      what is done MESSAGES times, with bodies of SIZE bytes
publish   none, reused or fresh       publish; the run ends when a passive declare is answered
confirm   how many may be outstanding publish with publisher confirms; ends with the last confirm
consume   0, 1 or 100                 take from the full QUEUE, ack none, each, every 100th
rpc       -                           publish to QUEUE, whose server answers, and wait
connect   -                           open and close a connection
channels  -                           open a channel; then close them all
idle      connections or channels     open as many and report how many bytes of memory each costs

A client prints one line: CPU seconds (user and system) of its process, and seconds, from the first
message to the end; for `idle` bytes, and 0.
"""
from __future__ import annotations

import gc
import resource
import sys
import time
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Task(NamedTuple):
    """The arguments of a client."""

    kind: str
    messages: int
    size: int
    option: str
    url: str
    queue: str
    rest: list[str]

    @property
    def body(self) -> bytes:
        """What is published."""
        return b'x' * self.size

    @property
    def server(self) -> tuple[str, int, str, str]:
        """Host, port, user and password, for clients that take no URL."""
        parts = urlsplit(self.url)
        return (parts.hostname or '', parts.port or 0, unquote(parts.username or
                                                               ''), unquote(parts.password or ''))


def task() -> Task:
    """What is asked for."""
    kind, messages, size, option, url, queue, *rest = sys.argv[1:]
    return Task(kind, int(messages), int(size), option, url, queue, rest)


def headers(number: int) -> dict[str, object]:
    """Three headers, others for each message."""
    return {'x-trace': f'trace-{number}', 'x-number': number, 'x-final': True}


class Clock:
    """Runs from `start` to `stop`, which prints."""

    def start(self) -> None:
        """Begin."""
        gc.collect()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        """End and say so."""
        print(time.process_time() - self._cpu, time.perf_counter() - self._wall, flush=True)


class Memory:
    """What is held between `start` and `stop`, for each of so many things."""

    def start(self) -> None:
        """Begin."""
        gc.collect()
        self._bytes = _resident()

    def stop(self, count: int) -> None:
        """End and say so."""
        gc.collect()
        print((_resident() - self._bytes) / count, 0, flush=True)


def _resident() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


KINDS = ('publish', 'confirm', 'consume', 'rpc', 'connect', 'channels', 'idle')


def chosen(kind, *doing):
    """What does a kind of work, of those that do KINDS, in that order."""
    return doing[KINDS.index(kind)]


def of_calls_that_wait(work, connect):
    """The last three kinds, for clients whose calls return when they are done."""

    def connections(connection, channel):
        clock = Clock()
        connect().close()
        clock.start()
        for _ in range(work.messages):
            connect().close()
        clock.stop()

    def channels(connection, channel):
        clock = Clock()
        clock.start()
        for opened in [connection.channel() for _ in range(work.messages)]:
            opened.close()
        clock.stop()

    def idle(connection, channel):
        memory = Memory()
        make = connection.channel if work.option == 'channels' else connect
        make()
        memory.start()
        held = [make() for _ in range(work.messages)]
        memory.stop(len(held))

    return connections, channels, idle
