"""What the broker-free benchmark measures: one message, again and again, through each layer.

Rule: a workload takes a number of messages, does them, and returns how many it did; all that is not
the message happens in its factory. No broker, no socket and no clock take part, so that only the
client's own work is counted.
"""

from __future__ import annotations

from typing import Any, Callable

import pika_testing
from pika import content, frame, spec
from pika.connection import Connection, ConnectionParameters
from pika.protocol import Protocol

Workload = Callable[[int], int]

BODY = b'x' * 100
LARGE_BODY = b'x' * 1024 * 1024
MAX_PAYLOAD = 131072 - 8
SEGMENT = 65536  # bytes that one read of a socket brings
WRITE_EVERY = 500  # publishes in one turn of a loop, whose bytes leave together

HEADERS = spec.BasicProperties(content_type='text/plain',
                               delivery_mode=2,
                               headers={
                                   'x-trace': 'abcdefgh',
                                   'x-retries': 3,
                                   'x-final': True
                               })


def delivery(tag: int, body: bytes = BODY, properties: spec.BasicProperties = HEADERS) -> bytes:
    """The bytes of one delivery, as a broker sends it."""
    method = spec.Basic.Deliver('ctag1.0', tag, False, '', 'queue')
    return b''.join(pika_testing.message_frames(1, method, properties, body))


def segments(messages: int, **what: Any) -> list[bytes]:
    """The bytes of that many deliveries, cut as a socket brings them."""
    stream = b''.join(delivery(tag, **what) for tag in range(1, messages + 1))
    return [stream[start:start + SEGMENT] for start in range(0, len(stream), SEGMENT)]


def open_protocol() -> Protocol:
    """A protocol with channel 1 open."""
    protocol = Protocol(ConnectionParameters(heartbeat=0))
    pika_testing.open_channel(protocol)
    return protocol


def consuming_protocol() -> Protocol:
    """A protocol with a consumer on channel 1."""
    protocol = open_protocol()
    protocol.consume(1, spec.Basic.Consume(0, 'queue', 'ctag1.0'), None, None)
    protocol.data_to_send()
    protocol.receive_data(frame.Method(1, spec.Basic.ConsumeOk('ctag1.0')).marshal(), 0.0)
    protocol.next_event()
    return protocol


def codec_publish() -> Workload:
    """Method, header and body to bytes; the method's frame is kept, as the protocol does."""
    method_frame = frame.method_frame(1, spec.Basic.Publish(0, '', 'queue'))

    def run(messages: int) -> int:
        encode = content.encode
        for _ in range(messages):
            encode(method_frame, 1, b'\0\0', BODY, MAX_PAYLOAD)
        return messages

    return run


def codec_publish_fresh() -> Workload:
    """The same with new properties and three headers for each message."""
    method_frame = frame.method_frame(1, spec.Basic.Publish(0, '', 'queue'))

    def run(messages: int) -> int:
        for number in range(messages):
            properties = spec.BasicProperties(content_type='text/plain',
                                              delivery_mode=2,
                                              headers={
                                                  'x-trace': 'abcdefgh',
                                                  'x-retries': number,
                                                  'x-final': True
                                              })
            content.encode(method_frame, 1, b''.join(properties.encode()), BODY, MAX_PAYLOAD)
        return messages

    return run


def codec_delivery() -> Workload:
    """Frames out of a stream, decoded: method and raw properties and body."""
    data = b''.join(delivery(tag) for tag in range(1, 301))

    def run(messages: int) -> int:
        done = 0
        while done < messages:
            reader = frame.FrameReader(lambda channel, size: None, MAX_PAYLOAD)
            reader.feed(data)
            place = reader.next()
            while place is not None:
                method = frame.decode_method(reader.buffer, place[2], place[3])
                incoming = content.IncomingContent(method)
                header = reader.next()
                assert header is not None
                incoming.header(reader.buffer, header[2], header[3])
                body = reader.next()
                assert body is not None and incoming.properties is not None
                incoming.whole_frame(reader.buffer, body[2], body[3])
                spec.BasicProperties.from_raw(incoming.properties)
                done += 1
                place = reader.next()
        return done

    return run


def codec_ack() -> Workload:
    """An ack to bytes."""

    def run(messages: int) -> int:
        for tag in range(1, messages + 1):
            frame.method_frame(1, spec.Basic.Ack(tag))
        return messages

    return run


def protocol_publish() -> Workload:
    """`Protocol.publish`, the bytes taken every 500 messages."""
    protocol = open_protocol()

    def run(messages: int) -> int:
        for _ in range(0, messages, WRITE_EVERY):
            for _ in range(WRITE_EVERY):
                protocol.publish(1, '', 'queue', BODY)
            b''.join(protocol.data_to_send())
        return messages

    return run


def _pull(protocol: Protocol, acknowledge: bool) -> int:
    pulled = 0
    event: Any = protocol.next_event()  # only deliveries come
    while event is not None:
        pulled += 1
        if acknowledge:
            protocol.ack(1, event.method.delivery_tag)
        event = protocol.next_event()
    b''.join(protocol.data_to_send())
    return pulled


def _protocol_delivery(acknowledge: bool) -> Workload:
    protocol = consuming_protocol()
    data = segments(5000)

    def run(messages: int) -> int:
        done = 0
        while done < messages:
            for segment in data:
                protocol.receive_data(segment, 0.0)
                done += _pull(protocol, acknowledge)
        return done

    return run


def protocol_delivery() -> Workload:
    """Bytes in, `Delivery` events out."""
    return _protocol_delivery(acknowledge=False)


def protocol_delivery_ack() -> Workload:
    """The same, each acknowledged."""
    return _protocol_delivery(acknowledge=True)


def protocol_large_body() -> Workload:
    """Bodies of 1 MiB in segments, through `receive_data`."""
    protocol = consuming_protocol()
    data = segments(1, body=LARGE_BODY)

    def run(messages: int) -> int:
        for _ in range(messages):
            for segment in data:
                protocol.receive_data(segment, 0.0)
                _pull(protocol, False)
        return messages

    return run


def protocol_large_body_into() -> Workload:
    """The same through `get_buffer`; copying into the buffer stands for what the kernel does."""
    protocol = consuming_protocol()
    data = delivery(1, body=LARGE_BODY)

    def run(messages: int) -> int:
        for _ in range(messages):
            offset = 0
            while offset < len(data):
                room = protocol.get_buffer()
                size = min(len(room), len(data) - offset)
                room[:size] = memoryview(data)[offset:offset + size]
                protocol.buffer_updated(size, 0.0)
                offset += size
                _pull(protocol, False)
        return messages

    return run


class _Transport:
    """Takes bytes and forgets them."""

    def writelines(self, chunks: list[Any]) -> None:
        b''.join(chunks)

    def close(self) -> None:
        pass

    abort = pause_reading = resume_reading = drain = close


class _Handle:

    def cancel(self) -> None:
        pass


class _Connection(Connection):
    """The callback API on a loop that runs what is due when it is told to."""

    def _start_connecting(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def _call_soon(self, callback: Callable[[], object]) -> Any:
        self.soon.append(callback)
        return _Handle()

    def _call_at(self, when: float, callback: Callable[[], object]) -> Any:
        return _Handle()

    def _now(self) -> float:
        return 0.0

    def turn(self) -> None:
        """One turn of the loop."""
        due, self.soon = self.soon, []
        for callback in due:
            callback()


def _open_connection() -> Any:
    connection = _Connection(ConnectionParameters(heartbeat=0))
    connection.connection_made(_Transport())
    for method in pika_testing.HANDSHAKE:
        connection.data_received(frame.Method(0, method).marshal())
    channel = connection.channel()
    connection.data_received(frame.Method(1, spec.Channel.OpenOk()).marshal())
    return connection, channel


def facade_publish() -> Workload:
    """`Channel.basic_publish`, 500 messages to a turn of the loop."""
    connection, channel = _open_connection()

    def run(messages: int) -> int:
        for _ in range(0, messages, WRITE_EVERY):
            for _ in range(WRITE_EVERY):
                channel.basic_publish('', 'queue', BODY)
            connection.turn()
        return messages

    return run


def facade_publish_fresh() -> Workload:
    """The same with new properties and three headers for each message."""
    connection, channel = _open_connection()

    def run(messages: int) -> int:
        for _ in range(0, messages, WRITE_EVERY):
            for number in range(WRITE_EVERY):
                properties = spec.BasicProperties(content_type='text/plain',
                                                  delivery_mode=2,
                                                  headers={
                                                      'x-trace': 'abcdefgh',
                                                      'x-retries': number,
                                                      'x-final': True
                                                  })
                channel.basic_publish('', 'queue', BODY, properties)
            connection.turn()
        return messages

    return run


def _facade_delivery(acknowledge: bool) -> Workload:
    connection, channel = _open_connection()
    seen = [0]

    def on_message(channel: Any, method: spec.Basic.Deliver, properties: spec.BasicProperties,
                   body: bytes) -> None:
        seen[0] += 1
        if acknowledge:
            channel.basic_ack(method.delivery_tag)

    channel.basic_consume('queue', on_message, consumer_tag='ctag1.0')
    connection.turn()
    connection.data_received(frame.Method(1, spec.Basic.ConsumeOk('ctag1.0')).marshal())
    data = segments(5000)

    def run(messages: int) -> int:
        seen[0] = 0
        while seen[0] < messages:
            for segment in data:
                connection.data_received(segment)
                while connection.soon:
                    connection.turn()
        return seen[0]

    return run


def facade_delivery() -> Workload:
    """Bytes in, the consumer's callback called."""
    return _facade_delivery(acknowledge=False)


def facade_delivery_ack() -> Workload:
    """The same, each acknowledged in the callback."""
    return _facade_delivery(acknowledge=True)


# name -> (factory, messages in a timed round)
WORKLOADS: dict[str, Any] = {
    'codec publish': (codec_publish, 50_000),
    'codec publish, 3 headers': (codec_publish_fresh, 20_000),
    'codec delivery': (codec_delivery, 30_000),
    'codec ack': (codec_ack, 50_000),
    'protocol publish': (protocol_publish, 50_000),
    'protocol delivery': (protocol_delivery, 30_000),
    'protocol delivery + ack': (protocol_delivery_ack, 30_000),
    'protocol 1 MiB in, receive_data': (protocol_large_body, 50),
    'protocol 1 MiB in, get_buffer': (protocol_large_body_into, 50),
    'facade publish': (facade_publish, 50_000),
    'facade publish, 3 headers': (facade_publish_fresh, 20_000),
    'facade delivery': (facade_delivery, 30_000),
    'facade delivery + ack': (facade_delivery_ack, 30_000),
}
