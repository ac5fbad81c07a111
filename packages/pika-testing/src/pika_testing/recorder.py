"""A recorder: it stands in front of a protocol and notes what goes through.

Rule: it changes nothing. Whoever owns a `Protocol` can own a `Recorder` instead, and saves its
`session` at the end. What it notes includes the password that the handshake sent.
"""

from __future__ import annotations

from pika_testing.describe import describe
from pika_testing.session import Session, describe_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Union

    from pika import amqp_object, events, spec
    from pika.parameters import Parameters
    from pika.protocol import Protocol

    from pika_testing.describe import Json

    Buffer = Union[bytes, bytearray, memoryview]


class Recorder:
    """Does all that `Protocol` does, with `protocol`, and notes it in `session`.

    It has to begin with a new protocol. Contexts are numbered in the order in which they come.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.session = Session(describe_parameters(protocol.parameters), [])
        # By their id; they are kept, so that no other object gets the same.
        self._contexts: dict[int, tuple[object, int]] = {}
        self._room: memoryview | None = None

    @property
    def state(self) -> str:
        """As `Protocol.state`."""
        return self.protocol.state

    @property
    def is_open(self) -> bool:
        """As `Protocol.is_open`."""
        return self.protocol.is_open

    @property
    def parameters(self) -> Parameters:
        """As `Protocol.parameters`."""
        return self.protocol.parameters

    @property
    def server_properties(self) -> Mapping[str, Any]:  # whatever the broker tells of itself
        """As `Protocol.server_properties`."""
        return self.protocol.server_properties

    @property
    def server_capabilities(self) -> Mapping[str, bool]:
        """As `Protocol.server_capabilities`."""
        return self.protocol.server_capabilities

    @property
    def bytes_pending(self) -> int:
        """As `Protocol.bytes_pending`."""
        return self.protocol.bytes_pending

    def next_timeout(self) -> float | None:
        """As `Protocol.next_timeout`."""
        return self.protocol.next_timeout()

    def connect(self, now: float) -> None:
        """As `Protocol.connect`."""
        self.protocol.connect(now)
        self._note('connect', now)

    def receive_data(self, data: Buffer, now: float) -> None:
        """As `Protocol.receive_data`."""
        self._note('receive_data', describe(data), now)
        self.protocol.receive_data(data, now)

    def get_buffer(self, hint: int = -1) -> memoryview:
        """As `Protocol.get_buffer`."""
        self._room = self.protocol.get_buffer(hint)
        return self._room

    def buffer_updated(self, size: int, now: float) -> None:
        """As `Protocol.buffer_updated`; noted as what `receive_data` would have got."""
        assert self._room is not None, 'buffer_updated() without get_buffer()'
        self._note('receive_data', describe(bytes(self._room[:size])), now)
        self._room = None
        self.protocol.buffer_updated(size, now)

    def receive_eof(self, now: float) -> None:
        """As `Protocol.receive_eof`."""
        self._note('receive_eof', now)
        self.protocol.receive_eof(now)

    def connection_lost(self, error: Exception | None, now: float) -> None:
        """As `Protocol.connection_lost`; of the error the text is kept."""
        self._note('connection_lost', str(error), now)
        self.protocol.connection_lost(error, now)

    def handle_timeout(self, now: float, judge: bool = True) -> None:
        """As `Protocol.handle_timeout`; noted is the moment alone."""
        self._note('handle_timeout', now)
        self.protocol.handle_timeout(now, judge)

    def next_event(self) -> events.Event | None:
        """As `Protocol.next_event`."""
        event = self.protocol.next_event()
        if event is not None:
            self._note('event', describe(event, self._label))
        return event

    def data_to_send(self) -> list[bytes | memoryview]:
        """As `Protocol.data_to_send`."""
        chunks = self.protocol.data_to_send()
        if chunks:
            self._note('sent', describe(b''.join(chunks)))
        return chunks

    def open_channel(self, context: object, number: int | None = None) -> int:
        """As `Protocol.open_channel`."""
        channel = self.protocol.open_channel(context, number)
        self._note('open_channel', self._label(context), number)
        return channel

    def call(self, channel: int, method: amqp_object.Method, context: object = None) -> None:
        """As `Protocol.call`."""
        self.protocol.call(channel, method, context)
        self._note('call', channel, describe(method), self._label(context))

    def consume(self, channel: int, method: spec.Basic.Consume, context: object,
                consumer: object) -> str:
        """As `Protocol.consume`."""
        described = describe(method)
        tag = self.protocol.consume(channel, method, context, consumer)
        self._note('consume', channel, described, self._label(context), self._label(consumer))
        return tag

    def publish(self,
                channel: int,
                exchange: str,
                routing_key: str,
                body: Buffer | str = b'',
                properties: spec.BasicProperties | None = None,
                mandatory: bool = False,
                context: object = None) -> int:
        """As `Protocol.publish`."""
        tag = self.protocol.publish(channel, exchange, routing_key, body, properties, mandatory,
                                    context)
        self._note('publish', channel, exchange, routing_key, describe(body), describe(properties),
                   mandatory, self._label(context))
        return tag

    def ack(self, channel: int, delivery_tag: int, multiple: bool = False) -> None:
        """As `Protocol.ack`."""
        self.protocol.ack(channel, delivery_tag, multiple)
        self._note('ack', channel, delivery_tag, multiple)

    def send(self, channel: int,
             method: spec.Basic.Ack | spec.Basic.Nack | spec.Basic.Reject) -> None:
        """As `Protocol.send`."""
        self.protocol.send(channel, method)
        self._note('send', channel, describe(method))

    def abandon(self, context: object) -> None:
        """As `Protocol.abandon`."""
        self.protocol.abandon(context)
        self._note('abandon', self._label(context))

    def close(self,
              now: float,
              code: int = 200,
              text: str = 'Normal shutdown',
              context: object = None) -> None:
        """As `Protocol.close`."""
        self.protocol.close(now, code, text, context)
        self._note('close', now, code, text, self._label(context))

    def _note(self, name: str, *arguments: Json) -> None:
        self.session.steps.append([name, *arguments])

    def _label(self, context: object) -> Json:
        if context is None:
            return None
        return self._contexts.setdefault(id(context), (context, len(self._contexts) + 1))[1]
