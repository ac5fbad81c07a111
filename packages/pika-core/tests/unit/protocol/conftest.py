"""What the tests of the protocol share: a client that gets its bytes in every way a stream has.

    def test_server_does_something(client):
        client.hears((1, spec.Basic.Cancel('tag')), gives=events.ConsumerCancelled(...))
        client.says((1, ...))

`hears` takes what the broker sends and compares the events, all of them; `says` compares the bytes
that the client has sent since it was asked last.
"""

from __future__ import annotations

import pytest
from pika import events, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import HANDSHAKE, contexts_of, describe

LARGE = 20000  # bytes that would take too long one by one
WAYS = ('whole', 'bytewise', 'bytes behind', 'buffer', 'buffer bytewise')


def encode(what):
    """Bytes as they are; of (channel, method) its frame."""
    return what if isinstance(what, bytes) else frame.method_frame(*what)


class Client:
    """The owner of a protocol; the tests are its broker."""

    def __init__(self, way, **parameters):
        self.protocol = Protocol(ConnectionParameters(**{'heartbeat': 0, **parameters}))
        self.now = 0.0
        self.seen = []  # all events
        self.returned = []
        self._contexts = 0
        self._way = way
        self._owed = b''  # what belongs behind bytes that came already

    def start(self, tune=HANDSHAKE[1], start=HANDSHAKE[0]):
        """Go through a handshake."""
        self.protocol.connect(self.now)
        self.hears((0, start))
        self.hears((0, tune))
        self.hears((0, HANDSHAKE[2]), gives=events.Opened())
        self.protocol.data_to_send()
        return self

    def open(self, *numbers):
        """Open these channels."""
        for number in numbers:
            self.protocol.open_channel(self._context(), number)
            self._answered(number, spec.Channel.Open(), spec.Channel.OpenOk(b''))
        return self

    def call(self, channel, method, answer):
        """Call, and get this answer."""
        self.protocol.call(channel, method, self._context())
        self._answered(channel, method, answer)
        return self

    def consume(self, channel, tag, **arguments):
        """Start a consumer, who is called `owner of TAG`."""
        method = spec.Basic.Consume(queue='q', consumer_tag=tag, **arguments)
        self.protocol.consume(channel, method, self._context(), f'owner of {tag}')
        self._answered(channel, method, spec.Basic.ConsumeOk(tag))
        return self

    def _context(self):
        self._contexts += 1
        return f'context {self._contexts}'

    def _answered(self, channel, method, answer):
        self.says((channel, method))
        self.hears((channel, answer),
                   gives=events.Reply(channel, answer, f'context {self._contexts}'))

    def hears(self, *what, gives=(), partial=False):
        """The broker sends these; the events must be exactly those of `gives`, one or several.

        partial: these are the beginning of a frame.
        """
        data = self._owed + b''.join(map(encode, what))
        self._owed = b''
        seen = []
        if self._way == 'bytes behind' and not partial:
            data += frame.HEARTBEAT_FRAME[:5]
            self._owed = frame.HEARTBEAT_FRAME[5:]
        self._take_pieces(data, seen)
        self._check(seen, gives)

    def arrives(self, *what):
        """The broker sends these, and the client does not look at them yet."""
        self.protocol.receive_data(self._owed + b''.join(map(encode, what)), self.now)
        self._owed = b''

    def fails(self, *what):
        """The broker sends these, and the connection ends with nothing else: returns the reason."""
        seen = []
        data = self._owed + b''.join(map(encode, what))
        self._take_pieces(data, seen)
        return self._end(seen)

    def ends(self):
        """The connection has ended with nothing else: returns the reason."""
        return self._end(self._pull([]))

    def _end(self, seen):
        (event,) = seen
        assert type(event) is events.Closed
        self._check(seen, event)
        assert self.protocol.state == 'closed'
        assert self.protocol.next_timeout() is None
        return event.reason

    def lost(self, error=None, gives=()):
        """The stream breaks with this error, or ends."""
        if error is None:
            self.protocol.receive_eof(self.now)
        else:
            self.protocol.connection_lost(error, self.now)
        self._check(self._pull([]), gives)

    def at(self, now, gives=()):
        """It gets that late, and the timer goes off."""
        self.now = now
        self.protocol.handle_timeout(now)
        self._check(self._pull([]), gives)

    def says(self, *what):
        """Exactly this was sent, nothing else."""
        pending = self.protocol.bytes_pending
        sent = b''.join(self.protocol.data_to_send())
        assert sent == b''.join(map(encode, what))
        assert len(sent) == pending
        assert self.protocol.data_to_send() == []
        assert self.protocol.bytes_pending == 0

    def _take_pieces(self, data, seen):
        size = len(data) or 1
        if 'bytewise' in self._way:
            size = 1 if len(data) < LARGE else 61
        for start in range(0, len(data), size):
            self._take(data[start:start + size], seen)

    def _take(self, data, seen):
        while data:
            if 'buffer' not in self._way:
                self.protocol.receive_data(data, self.now)
                data = b''
            else:
                room = self.protocol.get_buffer()
                size = min(len(room), len(data))
                room[:size] = data[:size]
                self.protocol.buffer_updated(size, self.now)
                data = data[size:]
            self._pull(seen)

    def _pull(self, seen):
        event = self.protocol.next_event()
        while event is not None:
            seen.append(event)
            event = self.protocol.next_event()
        return seen

    def _check(self, seen, gives):
        expected = [gives] if isinstance(gives, events.Event) else list(gives)
        assert list(map(describe, seen)) == list(map(describe, expected))
        self.seen += seen
        for event in seen:
            for context in contexts_of(event):
                assert context not in self.returned, f'{context!r} comes back twice'
                self.returned.append(context)


@pytest.fixture(params=WAYS)
def make_client(request):
    """Makes clients, in the state 'idle', with parameters to be given."""
    return lambda **parameters: Client(request.param, **parameters)


@pytest.fixture
def client(make_client):
    """A client with an open connection and no heartbeats."""
    return make_client().start()


@pytest.fixture
def channel(client):
    """The same with channel 1 open."""
    return client.open(1)
