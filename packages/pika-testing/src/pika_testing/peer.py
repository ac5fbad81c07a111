"""The broker's side of a conversation, from a list.

Rule: a scripted peer never guesses. It says what its script says when it hears what the script
expects; anything else is an AssertionError that shows both.
"""

from __future__ import annotations

from pika import events, frame, spec
from pika.amqp_object import AMQPObject, Method

from pika_testing.describe import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from pika.protocol import Protocol

    # A class of methods or frames, of which any will do, or one method with all its arguments.
    Heard = Union[type[AMQPObject], Method]
    # What is expected next, and the frames to answer it with.
    Script = Sequence[tuple[Heard, Sequence[bytes]]]

#: What a broker says in a handshake, in order.
HANDSHAKE: Sequence[Method] = (
    spec.Connection.Start(server_properties={
        'product': 'scripted peer',
        'capabilities': {
            'publisher_confirms': True,
            'basic.nack': True,
            'consumer_cancel_notify': True,
            'connection.blocked': True,
            'exchange_exchange_bindings': True,
            'authentication_failure_close': True
        }
    },
                          mechanisms='PLAIN AMQPLAIN EXTERNAL',
                          locales='en_US'),
    spec.Connection.Tune(2047, 131072, 60),
    spec.Connection.OpenOk(),
)

#: A handshake as a script.
HANDSHAKE_SCRIPT: Script = (
    (frame.ProtocolHeader, [frame.method_frame(0, HANDSHAKE[0])]),
    (spec.Connection.StartOk, [frame.method_frame(0, HANDSHAKE[1])]),
    (spec.Connection.TuneOk, []),
    (spec.Connection.Open, [frame.method_frame(0, HANDSHAKE[2])]),
)


def message_frames(channel: int,
                   method: Method,
                   properties: spec.BasicProperties | None = None,
                   body: bytes = b'',
                   frame_max: int = spec.FRAME_MAX_SIZE) -> list[bytes]:
    """The frames of a message, as a peer sends them: method, content header, body.

    frame_max: bytes in a frame at most, its overhead included.
    """
    encoded = b''.join((properties or spec.BasicProperties()).encode())
    room = frame_max - frame.OVERHEAD
    return [
        frame.method_frame(channel, method),
        frame.content_header_frame(channel, len(body), encoded),
        *(frame.Body(channel, body[start:start + room]).marshal()
          for start in range(0, len(body), room))
    ]


class ScriptedPeer:
    """Hears the bytes of a client, checks them against a script, and answers.

    Args:
      script: pairs of what is expected and the frames to answer it with. Expected is a class of
        `pika.spec` methods or `pika.frame` frames, or a method with all its arguments.

    Attributes:
      heard: every frame so far, as objects of `pika.frame`.
    """

    def __init__(self, script: Script) -> None:
        self.heard: list[object] = []
        self._script = list(script)
        self._unparsed = b''

    @property
    def done(self) -> bool:
        """Whether all that the script expects was heard, and no part of a frame beside."""
        return not self._script and not self._unparsed

    def receive(self, data: bytes) -> bytes:
        """Hear bytes, in pieces of any size; return what the script answers.

        Raises:
          AssertionError: something else was expected, or nothing.
        """
        self._unparsed += data
        answers: list[bytes] = []
        while True:
            size, heard = frame.decode_frame(self._unparsed)
            if heard is None:
                return b''.join(answers)
            self._unparsed = self._unparsed[size:]
            self.heard.append(heard)
            answers += self._answer(heard)

    def _answer(self, heard: object) -> Sequence[bytes]:
        what: object = heard.method if isinstance(heard, frame.Method) else heard
        assert self._script, f'nothing is expected any more, heard {what!r}'
        expected, answers = self._script[0]
        if isinstance(expected, type):
            assert isinstance(what, expected), f'expected {expected.NAME}, heard {what!r}'
        else:
            assert isinstance(what, Method), f'expected {expected!r}, heard {what!r}'
            assert describe(what) == describe(expected), f'expected {expected!r}, heard {what!r}'
        del self._script[0]
        return answers


def converse(protocol: Protocol, peer: ScriptedPeer, now: float = 0.0) -> list[events.Event]:
    """Let both talk until neither says more; return the protocol's events."""
    seen: list[events.Event] = []
    while True:
        said = peer.receive(b''.join(protocol.data_to_send()))
        if said:
            protocol.receive_data(said, now)
        event = protocol.next_event()
        while event is not None:
            seen.append(event)
            event = protocol.next_event()
        if not said and not protocol.bytes_pending:
            return seen


def open_connection(protocol: Protocol, now: float = 0.0) -> None:
    """Take `protocol` through a handshake."""
    protocol.connect(now)
    seen = converse(protocol, ScriptedPeer(HANDSHAKE_SCRIPT), now)
    assert [type(event) for event in seen] == [events.Opened], seen


def open_channel(protocol: Protocol, now: float = 0.0) -> int:
    """Open a channel, after a handshake if there was none; return its number."""
    if not protocol.is_open:
        open_connection(protocol, now)
    number = protocol.open_channel(None)
    answer = frame.method_frame(number, spec.Channel.OpenOk())
    converse(protocol, ScriptedPeer([(spec.Channel.Open, [answer])]), now)
    return number
