"""A connection whose loop, clock and stream are lists: for the tests of the callback API."""

from __future__ import annotations

import hypothesis
import pytest
from pika import frame, spec
from pika.connection import Connection, ConnectionParameters

hypothesis.settings.register_profile('short', deadline=None, derandomize=True, max_examples=60)
# By hand: pytest --hypothesis-profile=long
hypothesis.settings.register_profile('long', deadline=None, max_examples=5000)
hypothesis.settings.load_profile('short')

START = spec.Connection.Start(server_properties={
    'product': 'a list',
    'capabilities': {
        'publisher_confirms': True,
        'basic.nack': True
    }
})


class Timer:

    def __init__(self, when, callback):
        self.when = when
        self.callback = callback

    def cancel(self):
        self.callback = None


class Stream:
    """The transport: what was written, and what was asked of it."""

    def __init__(self, connection):
        self.connection = connection
        self.sends = []  # the bytes of each writelines()
        self.read = 0  # of those, how many `heard` has told of
        self.closed = self.aborted = self.paused = False
        self.kernel = b''  # what drain() finds
        self.drains = True  # False: only the loop can read

    def writelines(self, chunks):
        assert not self.closed
        self.sends.append(b''.join(chunks))

    def close(self):
        self.closed = True
        self.connection.connection_lost(None)

    def abort(self):
        self.aborted = True

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def drain(self):
        if not self.drains:
            return False
        data, self.kernel = self.kernel, b''
        if data:
            self.connection.data_received(data)
        return True

    def heard(self):
        """Frames written since the last time, as objects."""
        data = b''.join(self.sends)
        found = []
        while self.read < len(data):
            size, item = frame.decode_frame(data, self.read)
            self.read += size
            found.append(item)
        return found


class ListConnection(Connection):
    """An adapter without I/O; the test is the loop and the broker."""

    def __init__(self, *args, **kwargs):
        self.time = 100.0
        self.soon = []
        self.timers = []
        self.failures = []  # what _attempt_failed was told, where `retry` is set
        self.retry = False
        self.stopped = False
        super().__init__(*args, **kwargs)

    def _start_connecting(self):
        pass

    def _stop_connecting(self):
        self.stopped = True

    def _attempt_failed(self, error):
        if self.retry:
            self.failures.append(error)
        else:
            super()._attempt_failed(error)

    def _call_soon(self, callback):
        self.soon.append(callback)

    def _call_at(self, when, callback):
        timer = Timer(when, callback)
        self.timers.append(timer)
        return timer

    def _now(self):
        return self.time

    # For the test.

    def turn(self):
        """One turn of the loop."""
        soon, self.soon = self.soon, []
        while soon:
            callback = soon.pop(0)
            try:
                callback()
            except BaseException:
                self.soon = soon + self.soon
                raise

    def run(self):
        """Turns until nothing is left to do."""
        while self.soon:
            self.turn()

    def armed(self):
        """When the timers that are not cancelled are due."""
        return sorted(timer.when for timer in self.timers if timer.callback)

    def sleep(self, seconds):
        """Let time pass, with the timers that are due in it."""
        end = self.time + seconds
        while self.armed() and self.armed()[0] <= end:
            timer = min((timer for timer in self.timers if timer.callback),
                        key=lambda timer: timer.when)
            self.time = max(self.time, timer.when)
            callback, timer.callback = timer.callback, None
            callback()
            self.run()
        self.time = end

    def connected(self):
        """A stream is there."""
        self.stream = Stream(self)
        self.connection_made(self.stream)
        return self

    def hears(self, *items, channel=1):
        """The broker sends frames, as bytes or as methods of this channel, in one segment."""
        self.data_received(b''.join(
            item if isinstance(item, bytes) else frame.method_frame(channel, item)
            for item in items))

    def open(self):
        """The whole handshake."""
        self.connected()
        self.hears(START, spec.Connection.Tune(2047, 131072, 60), channel=0)
        self.hears(spec.Connection.OpenOk(), channel=0)
        self.run()
        self.stream.heard()
        return self

    def open_channel(self, callback=None):
        channel = self.channel(on_open_callback=callback)
        self.hears(spec.Channel.OpenOk(), channel=channel.channel_number)
        self.run()
        self.stream.heard()
        return channel

    def sent(self):
        """The methods written since the last time, after the turn of the loop has ended."""
        self.run()
        return [
            item.method if isinstance(item, frame.Method) else item for item in self.stream.heard()
        ]


def message(method, body=b'body', properties=None, channel=1):
    """The frames of a message."""
    frames = [
        frame.Method(channel, method),
        frame.Header(channel, len(body), properties or spec.BasicProperties())
    ]
    if body:
        frames.append(frame.Body(channel, body))
    return b''.join(item.marshal() for item in frames)


@pytest.fixture(name='message')
def message_():
    return message


@pytest.fixture
def make():
    """Makes a connection that is not connected yet."""

    def make(parameters=None, **callbacks):
        return ListConnection(parameters or ConnectionParameters(), **callbacks)

    return make


@pytest.fixture
def calls():
    """What `log(name)` callbacks were called with: (name, arguments)."""
    return []


@pytest.fixture
def log(calls):

    def log(name):
        return lambda *args: calls.append((name, *args))

    return log


@pytest.fixture
def connection(make, log):
    """An open connection."""
    return make(on_open_callback=log('open'),
                on_open_error_callback=log('error'),
                on_close_callback=log('close')).open()
