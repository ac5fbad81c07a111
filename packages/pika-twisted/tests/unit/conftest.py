"""A connection between a clock and a transport that the test holds in its hands."""

from __future__ import annotations

import gc

import pika_testing
import pytest
from pika import frame, spec
from pika.parameters import ConnectionParameters
from pika_twisted import TwistedProtocolConnection
from twisted.internet import error, task
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure


class Turns(task.Clock):
    """A clock that runs, as a reactor does, what is due in this turn, not what that adds."""

    def advance(self, amount):
        self.rightNow += amount
        for call in [call for call in self.calls if call.getTime() <= self.rightNow]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class Transport(StringTransport):
    """Counts writes."""

    def __init__(self):
        super().__init__()
        self.writes = 0
        self.aborted = False

    def abortConnection(self):
        self.aborted = True

    def write(self, data):
        self.writes += 1
        super().write(data)


class Scene:
    """A connection, and what a broker would do to it."""

    def __init__(self, **parameters):
        self.clock = Turns()
        self.connection = TwistedProtocolConnection(ConnectionParameters(**parameters), self.clock)
        self.transport = Transport()

    def handshake(self, heartbeat=0):
        start, tune, open_ok = pika_testing.HANDSHAKE
        self.connection.makeConnection(self.transport)
        self.say(start, channel=0)
        self.say(spec.Connection.Tune(tune.channel_max, tune.frame_max, heartbeat), channel=0)
        self.say(open_ok, channel=0)
        self.hear()

    def say(self, *methods, channel=1):
        self.connection.dataReceived(b''.join(
            frame.method_frame(channel, method) for method in methods))

    def say_message(self, method, body=b''):
        self.connection.dataReceived(b''.join(pika_testing.message_frames(1, method, body=body)))

    def hear(self):
        """What has been written since the last time: methods, headers, bodies."""
        self.clock.advance(0)
        data, heard = self.transport.value(), []
        self.transport.clear()
        while data:
            size, what = frame.decode_frame(data)
            if what is None:
                break
            data = data[size:]
            heard.append(what.method if isinstance(what, frame.Method) else what)
        return heard

    def open_channel(self):
        opening = self.connection.channel()
        self.say(spec.Channel.OpenOk())
        self.hear()
        return result_of(opening)

    def consume(self, channel, **options):
        consuming = channel.basic_consume('q', **options)
        consume, = self.hear()
        self.say(spec.Basic.ConsumeOk(consume.consumer_tag))
        return result_of(consuming)

    def lose(self, reason=None):
        self.connection.connectionLost(Failure(reason or error.ConnectionDone()))
        self.clock.advance(0)


def result_of(deferred):
    """What a Deferred has fired with; what it has failed with is raised."""
    results = []
    deferred.addBoth(results.append)
    assert results, 'has not fired'
    if isinstance(results[0], Failure):
        raise results[0].value
    return results[0]


@pytest.fixture
def scene():
    """A connection that is open."""
    scene = Scene()
    scene.handshake()
    return scene


@pytest.fixture
def channel(scene):
    """A channel that is open."""
    return scene.open_channel()


@pytest.fixture
def logged():
    """A function that returns what was logged as a failure so far."""
    failures = []

    def observe(event):
        if 'log_failure' in event:
            failures.append(event['log_failure'].value)

    def take():
        gc.collect()
        return failures

    globalLogPublisher.addObserver(observe)
    yield take
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def result():
    """A function, see `result_of`."""
    return result_of


@pytest.fixture
def new_scene():
    """The class `Scene`: a connection that is not open yet."""
    return Scene
