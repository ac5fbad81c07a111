"""The adapter and its loop: timers, other threads, and what becomes of a callback that raises."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pika_testing.contract.interface import Channel, Client, Driver


class _Boom(Exception):
    """What the callbacks here raise."""


def test_timers(client: Client) -> None:
    """In the order of their times, and not too early."""
    started = time.monotonic()
    called: list[tuple[str, float]] = []

    def start(name: str, delay: float) -> None:
        client.call_later(delay, lambda: called.append((name, time.monotonic() - started)))

    start('third', 0.15)
    start('first', 0.05)
    start('second', 0.1)
    client.run(lambda: len(called) == 3)
    assert [name for name, _ in called] == ['first', 'second', 'third']
    assert all(passed >= due - 0.01 for (_, passed), due in zip(called, (0.05, 0.1, 0.15)))


def test_callbacks_from_other_threads(client: Client, channel: Channel, queue: str) -> None:
    """Each runs once, in the thread of the loop, which wakes up for it."""
    called: list[tuple[int, threading.Thread]] = []

    def hand_over(number: int) -> None:
        client.add_callback_threadsafe(lambda: called.append((number, threading.current_thread())))

    def hand_over_hundred(first: int) -> None:
        for number in range(first, first + 100):
            hand_over(number)

    threads = [threading.Thread(target=hand_over_hundred, args=[n]) for n in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    client.run(lambda: len(called) == 400)
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in called) == list(range(400))
    assert {thread for _, thread in called} == {threading.current_thread()}


def test_publish_and_ack_from_another_thread(client: Client, channel: Channel, queue: str) -> None:
    """The way that a worker thread acknowledges."""
    acked: list[int] = []
    threads: list[threading.Thread] = []

    def ack(tag: int) -> None:
        channel.native.basic_ack(tag)
        acked.append(tag)

    def on_message(method: Any, properties: object, body: bytes) -> None:
        work = threading.Thread(
            target=lambda: client.add_callback_threadsafe(lambda: ack(method.delivery_tag)))
        threads.append(work)
        work.start()

    channel.consume(queue, on_message)
    for _ in range(20):
        channel.native.basic_publish('', queue, b'x')
    client.run(lambda: len(acked) == 20)
    for thread in threads:
        thread.join()
    channel.close()
    assert client.channel().get(queue) is None


class _Scene:
    """A channel with a queue, and a callback that raises `_Boom` the first time it is called."""

    def __init__(self, channel: Channel, queue: str, faults: Any, virtual_host: str) -> None:
        self.channel = channel
        self.native = channel.native
        self.client = channel.client
        self.queue = queue
        self.faults = faults
        self.virtual_host = virtual_host
        self.calls = 0

    def boom(self, *arguments: object) -> None:
        """The callback; it takes whatever it is called with."""
        self.calls += 1
        if self.calls == 1:
            raise _Boom('as the test wants it')


def _message(scene: _Scene) -> None:
    scene.channel.consume(scene.queue, scene.boom)
    scene.native.basic_publish('', scene.queue, b'x')


def _return(scene: _Scene) -> None:
    scene.native.add_on_return_callback(scene.boom)
    scene.native.basic_publish('', 'no such queue', b'x', mandatory=True)


def _cancel(scene: _Scene) -> None:
    name = f'{scene.queue}-gone'
    scene.channel.call('queue_declare', name)
    scene.native.add_on_cancel_callback(scene.boom)
    scene.channel.consume(name, scene.boom)
    scene.faults.delete_queue(scene.virtual_host, name)


def _blocked(scene: _Scene) -> None:
    scene.client.native.add_on_connection_blocked_callback(scene.boom)
    _block(scene)


def _unblocked(scene: _Scene) -> None:
    scene.client.native.add_on_connection_unblocked_callback(scene.boom)
    _block(scene)


def _block(scene: _Scene) -> None:
    with scene.faults.memory_alarm():
        while not scene.client.blocked:
            scene.native.basic_publish('', scene.queue, b'x')
            with contextlib.suppress(TimeoutError):
                scene.client.run(lambda: scene.client.blocked, 0.1)
    scene.client.run(lambda: 'unblocked' in scene.client.blocked)


def _get(scene: _Scene) -> None:
    scene.native.basic_publish('', scene.queue, b'x')
    scene.channel.begin(scene.boom, 'basic_get', scene.queue)


def _confirm(scene: _Scene) -> None:
    scene.native.confirm_delivery(scene.boom)
    scene.native.basic_publish('', scene.queue, b'x')


def _channel_close(scene: _Scene) -> None:
    other = scene.client.channel()
    other.native.add_on_close_callback(scene.boom)
    other.close()


# How each kind of callback comes to be called.
CALLBACKS: dict[str, Callable[[_Scene], object]] = {
    'message':
        _message,
    'return':
        _return,
    'cancel':
        _cancel,
    'timer':
        lambda scene: scene.client.call_later(0, scene.boom),
    'threadsafe':
        lambda scene: scene.client.add_callback_threadsafe(scene.boom),
    'blocked':
        _blocked,
    'unblocked':
        _unblocked,
    'reply':
        lambda scene: scene.channel.begin(scene.boom, 'queue_declare', scene.queue, passive=True),
    'get':
        _get,
    'confirm':
        _confirm,
    'channel open':
        lambda scene: scene.client.native.channel(on_open_callback=scene.boom),
    'channel close':
        _channel_close,
}


def _errors(driver: Driver, client: Client) -> list[type[BaseException]]:
    """The types of what callbacks have raised, waited for."""
    errors: list[BaseException] = []

    def found() -> bool:
        errors.extend(driver.take_errors())
        return bool(errors)

    client.run(found)
    return [type(error) for error in errors]


@pytest.mark.parametrize('kind', CALLBACKS)
def test_callback_that_raises(driver: Driver, channel: Channel, queue: str, kind: str, faults: Any,
                              virtual_host: str) -> None:
    """The exception comes out as itself, once; connection, channel and consumers stay."""
    if kind not in driver.callbacks:
        pytest.skip('this adapter has no such callback')
    scene = _Scene(channel, queue, faults, virtual_host)
    other = f'{queue}-other'
    got: list[bytes] = []
    channel.call('queue_declare', other)
    channel.consume(other, lambda method, properties, body: got.append(body), auto_ack=True)
    CALLBACKS[kind](scene)
    assert _errors(driver, scene.client) == [_Boom]
    channel.native.basic_publish('', other, b'behind')
    scene.client.run(lambda: got == [b'behind'])
    assert channel.native.is_open and not scene.client.ends and not channel.ends
    if kind == 'message':  # the consumer has stayed
        channel.native.basic_publish('', queue, b'x')
        scene.client.run(lambda: scene.calls == 2)
    assert driver.take_errors() == []


def test_close_callback_that_raises(driver: Driver, client: Client) -> None:
    """The connection is closed all the same."""
    if 'connection close' not in driver.callbacks:
        pytest.skip('this adapter has no such callback')

    def boom(connection: object, reason: object) -> None:
        raise _Boom('as the test wants it')

    client.native.add_on_close_callback(boom)
    client.close()
    assert _errors(driver, client) == [_Boom]
    assert client.native.is_closed
