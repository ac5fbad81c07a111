"""Streams that break the protocol, from the first byte or after a channel is open."""

from __future__ import annotations

import functools
import struct

from pika import frame, spec

from scenarios.client import Session


def raw(kind: int, channel: int, payload: bytes, end: int = 206, size: int | None = None) -> bytes:
    """A frame with anything in it."""
    head = struct.pack('>BHI', kind, channel, len(payload) if size is None else size)
    return head + payload + bytes([end])


def method(index: int, arguments: bytes = b'', channel: int = 1) -> bytes:
    """A method's frame with anything as arguments."""
    return raw(1, channel, struct.pack('>I', index) + arguments)


def header(class_id: int = 60,
           weight: int = 0,
           size: int = 3,
           properties: bytes = b'\0\0') -> bytes:
    """A content header with anything in it."""
    return raw(2, 1, struct.pack('>HHQ', class_id, weight, size) + properties)


PUBLISH = frame.method_frame(1, spec.Basic.Publish(0, '', 'q'))
MESSAGE = PUBLISH + header() + raw(3, 1, b'abc')

# What comes first instead of the protocol header.
BEGINNINGS = {
    'http': b'GET / HTTP/1.1\r\n\r\n',
    'amqp 0-10': b'AMQP\x01\x01\x00\x0a',
    'amqp 1.1': b'AMQP\x00\x01\x01\x00',
    'zeros': bytes(8),
    'frame': raw(8, 0, b''),
}
# What follows Connection.Start.
EARLY = {
    'tune-ok early':
        frame.method_frame(0, spec.Connection.TuneOk(0, 131072, 0)),
    'channel open early':
        frame.method_frame(1, spec.Channel.Open()),
    'unknown mechanism':
        frame.method_frame(0, spec.Connection.StartOk({}, 'GSSAPI', 'x', 'en_US')),
    'bad plain response':
        frame.method_frame(0, spec.Connection.StartOk({}, 'PLAIN', 'x', 'en_US')),
    'empty plain response':
        frame.method_frame(0, spec.Connection.StartOk({}, 'PLAIN', '', 'en_US')),
    'garbage early':
        b'\xff' * 20,
    'heartbeat early':
        frame.HEARTBEAT_FRAME +
        frame.method_frame(0, spec.Connection.StartOk({}, 'PLAIN', '\0guest\0wrong', 'en_US')),
}
# What is sent once channel 1 is open.
LATER = {
    'unknown frame type':
        raw(7, 1, b''),
    'frame type 4':
        raw(4, 1, b'abc'),
    'wrong end octet':
        raw(1, 1, struct.pack('>I', spec.Channel.Flow.INDEX) + b'\1', end=0),
    'zero-length method':
        raw(1, 1, b''),
    'method of three bytes':
        raw(1, 1, b'abc'),
    'frame too large':
        raw(1, 1, b'', size=200000),
    'body frame too large':
        PUBLISH + header(size=200000) + raw(3, 1, bytes(131072)),
    'unknown class':
        method(99 << 16 | 10),
    'unknown method':
        method(60 << 16 | 199),
    'arguments cut off':
        method(spec.Queue.Declare.INDEX, b'\0\0\5ab'),
    'arguments missing':
        method(spec.Queue.Declare.INDEX),
    'arguments too long':
        method(spec.Channel.Flow.INDEX, b'\1\2\3'),
    'table longer than its frame':
        method(spec.Queue.Declare.INDEX, b'\0\0\1q\0\0\1\0\0'),
    'table with unknown type':
        method(spec.Queue.Declare.INDEX, b'\0\0\1q\0\0\0\0\3\1a?'),
    'table with cut off value':
        method(spec.Queue.Declare.INDEX, b'\0\0\1q\0\0\0\0\4\1aI\0'),
    'header without method':
        header(),
    'body without method':
        raw(3, 1, b'abc'),
    'body without header':
        PUBLISH + raw(3, 1, b'abc'),
    'method instead of header':
        PUBLISH + frame.method_frame(1, spec.Channel.Flow(True)),
    'method amid body':
        PUBLISH + header() + frame.method_frame(1, spec.Channel.Flow(True)),
    'second publish instead of body':
        PUBLISH + header() + PUBLISH,
    'second header':
        PUBLISH + header() + header(),
    'header of another class':
        PUBLISH + header(class_id=50),
    'header with weight':
        PUBLISH + header(weight=1) + raw(3, 1, b'abc'),
    'header too short':
        PUBLISH + raw(2, 1, b'\0\x3c\0\0'),
    'empty header':
        PUBLISH + raw(2, 1, b''),
    'properties cut off':
        PUBLISH + header(properties=b'\x80\0\5ab') + raw(3, 1, b'abc'),
    'properties with wrong flags':
        PUBLISH + header(properties=b'\0\2') + raw(3, 1, b'abc'),
    'body too long':
        PUBLISH + header() + raw(3, 1, b'abcd'),
    'body too long, next message':
        PUBLISH + header() + raw(3, 1, b'abcd') + MESSAGE,
    'empty body frame':
        PUBLISH + header() + raw(3, 1, b'') + raw(3, 1, b'abc'),
    'body in pieces':
        PUBLISH + header() + raw(3, 1, b'a') + raw(3, 1, b'bc'),
    'body frame on channel 0':
        raw(3, 0, b'abc'),
    'header on channel 0':
        raw(2, 0,
            struct.pack('>HHQ', 60, 0, 3) + b'\0\0'),
    'heartbeat on channel 1':
        raw(8, 1, b''),
    'heartbeat with payload':
        raw(8, 0, b'abc'),
    'heartbeat amid message':
        PUBLISH + frame.HEARTBEAT_FRAME + header() + frame.HEARTBEAT_FRAME + raw(3, 1, b'abc'),
    'content on a closed channel':
        frame.method_frame(2, spec.Basic.Publish(0, '', 'q')),
    'header on a closed channel':
        raw(2, 2,
            struct.pack('>HHQ', 60, 0, 3) + b'\0\0'),
    'close-ok without close':
        frame.method_frame(1, spec.Channel.CloseOk()),
    'connection close-ok without close':
        frame.method_frame(0, spec.Connection.CloseOk()),
    'not utf-8 as a queue name':
        method(spec.Queue.Declare.INDEX, b'\0\0\2\xff\xfe\0\0\0\0\0'),
    'protocol header again':
        frame.PROTOCOL_HEADER,
    'garbage':
        b'\xde\xad\xbe\xef' * 10,
    'nested too deep':
        method(
            spec.Queue.Declare.INDEX, b'\0\0\1q\0' +
            functools.reduce(lambda inner, _: struct.pack('>I',
                                                          len(inner) + 3) + b'\1aF' + inner,
                             range(50), b'\0\0\0\0')),
}


def beginning(name: str, session: Session) -> None:
    """The first bytes."""
    client = session.bare_client()
    client.send(BEGINNINGS[name])
    session.settle()


def early(name: str, session: Session) -> None:
    """Something else than the broker waits for in the handshake."""
    client = session.bare_client()
    client.send(frame.PROTOCOL_HEADER)
    client.answer(0, (spec.Connection.Start,))
    client.send(EARLY[name])
    client.answer(0, ())  # RabbitMQ takes a while to hang up
    session.settle()


def later(name: str, session: Session) -> None:
    """Something wrong on an open channel; afterwards the broker serves others as before."""
    other = session.channel()
    other.queue('q')
    client = session.client()
    client.channel()
    client.send(LATER[name])
    session.settle()
    other.get_all('q')


SCENARIOS = {
    **{
        f'beginning: {name}': functools.partial(beginning, name) for name in BEGINNINGS
    },
    **{
        f'early: {name}': functools.partial(early, name) for name in EARLY
    },
    **{
        f'later: {name}': functools.partial(later, name) for name in LATER
    },
}
