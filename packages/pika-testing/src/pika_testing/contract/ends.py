"""How connections end, by either side or by accident: the reason is told once, nothing is left."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time

import pika.protocol
import pytest
from pika import exceptions
from pika.parameters import SSLOptions, URLParameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika_testing.contract.interface import Channel, Client, Driver
    from pika_testing.proxy import FaultProxy

_ROUNDS = 200  # of opening and closing


def test_operator_closes_connection(client: Client, channel: Channel, faults: Any,
                                    virtual_host: str) -> None:
    """Code and text are the broker's; channels end too, and say why."""
    # In a thread: the broker waits for our Close-Ok.
    thread = threading.Thread(target=faults.close_connections, args=[virtual_host, 'maintenance'])
    thread.start()
    client.run(lambda: client.ends)
    thread.join()
    end, = client.ends
    assert isinstance(end, exceptions.ConnectionClosedByBroker)
    assert end.reply_code == 320 and 'maintenance' in end.reply_text
    assert client.native.is_closed and channel.native.is_closed
    with pytest.raises(exceptions.ChannelWrongStateError):
        channel.do('basic_publish', '', 'queue', b'')


def test_broker_is_killed(driver: Driver, mortal: Any) -> None:
    """The stream ends without a word."""
    client = driver.connect(URLParameters(mortal.url))
    channel = client.channel()
    mortal.kill()
    client.run(lambda: client.ends)
    end, = client.ends
    assert isinstance(end, exceptions.StreamLostError)
    assert end.recoverable
    assert client.native.is_closed and channel.native.is_closed


def test_stream_is_cut(driver: Driver, proxy: FaultProxy, parameters: URLParameters) -> None:
    """The peer hangs up, amid whatever it was."""
    client = driver.connect(parameters)
    client.channel()
    proxy.cut()
    client.run(lambda: client.ends)
    assert isinstance(client.ends[0], exceptions.StreamLostError)


def test_broker_falls_silent(driver: Driver, proxy: FaultProxy, parameters: URLParameters) -> None:
    """Noticed within twice the heartbeat and five seconds."""
    parameters.heartbeat = 1
    client = driver.connect(parameters)
    proxy.stall()
    client.run(lambda: client.ends, seconds=2 * parameters.heartbeat + 5)
    assert isinstance(client.ends[0], exceptions.AMQPHeartbeatTimeout)


def test_silence_while_the_broker_blocks_for_too_long(driver: Driver, parameters: URLParameters,
                                                      unique_name: str, faults: Any) -> None:
    """blocked_connection_timeout counts from the moment when the broker said so."""
    parameters.blocked_connection_timeout = 0.3
    client = driver.connect(parameters)
    channel = client.channel()
    with faults.memory_alarm():
        while not client.blocked:
            channel.native.basic_publish('', unique_name, b'x')
            with contextlib.suppress(TimeoutError):
                client.run(lambda: client.blocked, 0.1)
        client.run(lambda: client.ends)
    assert isinstance(client.ends[0], exceptions.ConnectionBlockedTimeout)


def test_idle_connection_lives(driver: Driver, parameters: URLParameters) -> None:
    """Heartbeats go both ways: the broker would give up after three seconds."""
    parameters.heartbeat = 1
    client = driver.connect(parameters)
    done: list[int] = []
    client.call_later(3.5, lambda: done.append(1))
    client.run(lambda: done or client.ends)
    assert not client.ends and client.channel().native.is_open


def test_ten_minutes_of_busy_code(driver: Driver, plain_parameters: URLParameters,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten heartbeats' worth of user code that never looks up: no false verdict of silence.

    A heartbeat of one second stands for the usual one of sixty. Each stretch is longer than the
    time after which silence would be death; the broker's heartbeats wait in the kernel meanwhile.
    """
    monkeypatch.setattr(pika.protocol, 'HEARTBEAT_GRACE', 0.1)
    plain_parameters.heartbeat = 1
    client = driver.connect(plain_parameters)
    worked: list[int] = []

    def work() -> None:
        time.sleep(1.25)
        worked.append(1)
        if len(worked) < 8:
            client.call_later(0, work)

    work()
    client.run(lambda: len(worked) == 8 or client.ends)
    assert not client.ends and client.channel().native.is_open


def test_close_with_messages_in_flight(driver: Driver, parameters: URLParameters,
                                       unique_name: str) -> None:
    """What was published before is with the broker; the end is told once."""
    observer = driver.connect(parameters).channel()
    client = driver.connect(parameters)
    channel = client.channel()
    channel.call('queue_declare', unique_name)
    channel.consume(unique_name, lambda *message: None)
    for number in range(500):
        channel.native.basic_publish('', unique_name, str(number).encode())
    client.close()
    observer.client.run(lambda: observer.call('queue_declare', unique_name, passive=True).method.
                        message_count == 500)


def test_close_with_calls_and_confirms_in_flight(driver: Driver, parameters: URLParameters,
                                                 unique_name: str) -> None:
    """Callers that still wait are not called any more, and the messages are with the broker."""
    if not driver.pipelines:
        pytest.skip('this adapter waits for each answer')
    observer = driver.connect(parameters).channel()
    client = driver.connect(parameters)
    channel = client.channel()
    channel.call('queue_declare', unique_name)
    channel.confirm()
    called: list[object] = []
    for number in range(500):
        channel.native.basic_publish('', unique_name, b'x')
        channel.begin(called.append, 'queue_declare', f'{unique_name}-{number}', exclusive=True)
    client.close()
    before = len(called)
    assert len(channel.ends) == 1
    observer.client.run(lambda: observer.call('queue_declare', unique_name, passive=True).method.
                        message_count == 500)
    assert len(called) == before


def test_lost_with_a_thousand_confirms_outstanding(driver: Driver, proxy: FaultProxy,
                                                   parameters: URLParameters, unique_name: str,
                                                   caplog: pytest.LogCaptureFixture) -> None:
    """One end, and no thousand lines in the log."""
    client = driver.connect(parameters)
    channel = client.channel()
    channel.call('queue_declare', unique_name)
    channel.confirm()
    proxy.stall()
    threading.Timer(0.2, proxy.cut).start()
    with pytest.raises(exceptions.AMQPConnectionError):
        channel.publish_confirmed('', unique_name, [b'x'] * 1000)
    client.run(lambda: client.ends)
    assert isinstance(client.ends[0], exceptions.StreamLostError)
    assert len(caplog.records) < 20
    proxy.resume()


def test_two_hundred_rounds_leave_nothing(driver: Driver, parameters: URLParameters) -> None:
    """No round leaves a socket, a descriptor or a thread."""
    if not os.path.isdir('/proc/self/fd'):
        pytest.skip('no /proc/self/fd to count in')

    def round_trip() -> None:
        client = driver.connect(parameters)
        client.channel()
        client.close()

    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir('/proc/self/fd')), threading.active_count()

    for _ in range(3):  # what is made once and kept
        round_trip()
    before = held()
    for _ in range(_ROUNDS):
        round_trip()
    more = [now - then for now, then in zip(held(), before)]
    assert max(more) < _ROUNDS // 4, more  # a loop's pool of at most 32 resolver threads may fill


def test_certificate_that_the_broker_refuses(driver: Driver, tls_url: str,
                                             tls_context: Any) -> None:
    """EXTERNAL without a certificate: refused in words, not by silence."""
    from pika.credentials import ExternalCredentials
    parameters = URLParameters(tls_url)
    parameters.credentials = ExternalCredentials()
    parameters.ssl_options = SSLOptions(tls_context)
    with pytest.raises(exceptions.AMQPConnectionError) as caught:
        driver.connect(parameters)
    assert str(caught.value)
