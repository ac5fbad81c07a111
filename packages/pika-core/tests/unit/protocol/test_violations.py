"""What a broker must not send on an open connection: the right code, little memory, no exception.

A bad frame end or an unknown frame type ends the stream without another byte; anything else gets
Connection.Close.
"""

from __future__ import annotations

import tracemalloc

import pytest
from pika import data, events, exceptions, frame, spec
from pika_testing import message_frames

LIMIT = 2**20  # bytes of memory
GET = spec.Basic.Get(queue='q')
GET_OK = frame.method_frame(1, spec.Basic.GetOk(1, False, '', 'q', 0))


def nested(kind, depth):
    """A table or array in itself, encoded without the length."""
    encoded = b''
    for _ in range(depth - 1):
        key = b'\1k' if kind == b'F' else b''
        encoded = key + kind + len(encoded).to_bytes(4, 'big') + encoded
    return encoded


def method_with_table(table):
    """Queue.Declare with these arguments."""
    arguments = b'\0\0\1q\0' + len(table).to_bytes(4, 'big') + table
    return (b'\1\0\1' + (len(arguments) + 4).to_bytes(4, 'big') + b'\0\x32\0\x0a' + arguments +
            b'\xce')


def header(body_size, channel=1, class_id=60, weight=0, properties=b'\0\0'):
    """The frame of a content header."""
    payload = (class_id.to_bytes(2, 'big') + weight.to_bytes(2, 'big') +
               body_size.to_bytes(8, 'big') + properties)
    return frame.HEAD.pack(2, channel, len(payload)) + payload + b'\xce'


def body(size, channel=1):
    return frame.Body(channel, b'x' * size).marshal()


def ask(channel):
    """Have a message on its way as the answer to a call."""
    channel.protocol.call(1, GET, 'get')
    channel.says((1, GET))


@pytest.fixture(autouse=True)
def memory():
    """Whatever is sent, the peak of all that is allocated stays under the limit."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


MALFORMED = {
    'frame end': (GET_OK[:-1] + b'\0', 'frame ends with octet 0, not 206'),
    'frame end of a body':
        (GET_OK + header(3) + body(3)[:-1] + b'\xcf', 'frame ends with octet 207, not 206'),
    'frame end of a body that is too long':
        (GET_OK + header(3) + body(4)[:-1] + b'\xcf', 'frame ends with octet 207, not 206'),
    'frame type': (b'\4\0\1\0\0\0\0\xce', 'unknown frame type 4'),
    'frame type of a large frame': (b'\4\0\1\xff\xff\xff\xff\xce', 'unknown frame type 4'),
    'another protocol': (b'HTTP/1.1 400 Bad Request\r\n\r\n', 'unknown frame type 72'),
}


@pytest.mark.parametrize('name', MALFORMED)
def test_what_is_no_frame_ends_the_stream_without_another_byte(channel, name):
    """Rule 13: fatal, no resynchronisation."""
    ask(channel)
    bad, text = MALFORMED[name]
    reason = channel.fails(bad, (1, spec.Basic.GetEmpty()))
    assert type(reason) is exceptions.ProtocolViolationError
    assert reason.args == (501, f'Invalid frame received: {text}')
    assert channel.returned[-1] == 'get'
    channel.says()


VIOLATIONS = {
    'frame larger than negotiated': (b'\1\0\1\0\1\xff\xf9' + b'x', 501,
                                     'frame of 131065 bytes on channel 1, negotiated are 131064'),
    'frame of 4 GiB': (b'\3\0\1\xff\xff\xff\xff' + b'x', 501,
                       'frame of 4294967295 bytes on channel 1, negotiated are 131064'),
    'method frame without a method': (b'\1\0\1\0\0\0\2\0\x3c\xce', 501, 'method frame of 2 bytes'),
    'unknown class': (b'\1\0\1\0\0\0\4\0\x3d\0\x0a\xce', 540, 'unknown method 61.10'),
    'unknown method': (b'\1\0\1\0\0\0\4\0\x3c\0\x0c\xce', 540, 'unknown method 60.12'),
    'unknown method on channel 0': (b'\1\0\0\0\0\0\4\0\x0a\0\x63\xce', 540, 'unknown method 10.99'),
    'arguments that end too early':
        (b'\1\0\1\0\0\0\5\0\x32\0\x0b\5\xce', 502, 'Queue.DeclareOk cannot be decoded: '),
    'arguments with more behind':
        (b'\1\0\1\0\0\0\5\0\x32\0\x15\0\xce', 502, 'Queue.BindOk cannot be decoded: '),
    'table nested 3,000 deep': (method_with_table(nested(b'F', 3000)), 502,
                                'Queue.Declare cannot be decoded: table at offset '),
    'array nested 3,000 deep':
        (method_with_table(b'\1kA' + len(nested(b'A', 3000)).to_bytes(4, 'big') +
                           nested(b'A', 3000)), 502,
         'Queue.Declare cannot be decoded: array at offset '),
    'table that ends too early':
        (method_with_table(b'\1kS\0\0\0\x0ax'), 502, 'Queue.Declare cannot be decoded: '),
    'table with an unknown type':
        (method_with_table(b'\1kZ'), 502, 'Queue.Declare cannot be decoded: '),
    'header without a method': (header(0), 505, 'content header frame without a method'),
    'body without a method': (body(3), 505, 'body frame without a method on channel 1'),
    'empty body without a method': (body(0), 505, 'body frame without a method on channel 1'),
    'body without a header': (GET_OK + body(3), 505, 'body frame where a content header is due'),
    'second header': (GET_OK + header(3) + header(3), 505, 'second content header'),
    'header of another class':
        (GET_OK + header(3, class_id=50), 505, 'content header of class 50 for Basic.GetOk'),
    'header with a weight': (GET_OK + header(3, weight=1), 502, 'content header with weight 1'),
    'header without properties':
        (GET_OK + header(3, properties=b''), 501, 'content header of 12 bytes'),
    'body of 2^63 announced':
        (GET_OK + header(2**63), 502, 'body of 9223372036854775808 bytes announced'),
    'body of 2^64 - 1 announced': (GET_OK + header(2**64 - 1), 502, 'body of 18446744073709551615'),
    'body of 512 MiB and a byte announced':
        (GET_OK + header(2**29 + 1), 502, 'body of 536870913 bytes announced'),
    'body longer than announced':
        (GET_OK + header(3) + body(4), 505, 'body longer than announced: 4 of 3 bytes'),
    'second body longer than announced':
        (GET_OK + header(3) + body(2) + body(2), 505, 'body longer than announced: 4 of 3 bytes'),
    'method amid a message': (GET_OK + header(3) + GET_OK, 505,
                              'Basic.GetOk on channel 1 amid the message of Basic.GetOk'),
    'method before a header': (GET_OK + frame.method_frame(1, spec.Channel.Flow(True)), 505,
                               'Channel.Flow on channel 1 amid the message of Basic.GetOk'),
    'method on an unknown channel': (frame.method_frame(2, spec.Basic.GetEmpty()), 504,
                                     'frame on channel 2, which is not open'),
    'header on an unknown channel': (header(3, channel=2), 504, 'frame on channel 2'),
    'body on an unknown channel': (body(3, channel=65535), 504, 'frame on channel 65535'),
    'large body on an unknown channel': (body(131064, channel=2), 504, 'frame on channel 2'),
    'header on channel 0': (header(3, channel=0), 505, 'content frame on channel 0'),
    'body on channel 0': (body(3, channel=0), 505, 'content frame on channel 0'),
    'method of a channel on channel 0': (frame.method_frame(0, spec.Basic.GetEmpty()), 503,
                                         'unexpected Basic.GetEmpty on channel 0'),
    'method of the connection on a channel': (frame.method_frame(1, spec.Connection.CloseOk()), 503,
                                              'unexpected Connection.CloseOk on channel 1'),
    'close of the connection on a channel':
        (frame.method_frame(1, spec.Connection.Close(320, '', 0, 0)), 503,
         'unexpected Connection.Close on channel 1'),
    'start of a second handshake': (frame.method_frame(0, spec.Connection.Start()), 503,
                                    'unexpected Connection.Start on channel 0'),
    'method of a client': (frame.method_frame(1, GET), 503, 'unexpected Basic.Get on channel 1'),
    'publish of a client': (b''.join(message_frames(1, spec.Basic.Publish())), 503,
                            'unexpected Basic.Publish on channel 1'),
    'delivery for nobody':
        (b''.join(message_frames(1, spec.Basic.Deliver('\udcff', 1, False, '', 'q'))), 503,
         "delivery on channel 1 for unknown consumer tag '\\udcff'"),
    'delivery for nobody with a long tag':
        (b''.join(message_frames(1, spec.Basic.Deliver('\u00e9' * 127, 1, False, '', 'q'))), 503,
         'delivery on channel 1 for unknown consumer tag'),
}


@pytest.mark.parametrize('name', VIOLATIONS)
def test_violation_gets_a_close_with_the_right_code(channel, name):
    """Rules 12 and 13: an error of the protocol, before anything is allocated."""
    ask(channel)
    bad, code, text = VIOLATIONS[name]
    reason = channel.fails(bad)
    assert type(reason) is exceptions.ProtocolViolationError
    assert reason.reply_code == code
    assert reason.reply_text.startswith(text)
    assert (reason.host, reason.port, reason.phase) == ('localhost', 5672, 'open')
    assert channel.returned[-1] == 'get'
    text = reason.reply_text.encode()[:255].decode(errors='ignore')
    channel.says((0, spec.Connection.Close(code, text, 0, 0)))


@pytest.mark.parametrize('name', VIOLATIONS)
def test_violation_while_the_client_closes_sends_no_second_close(channel, name):
    """Rule 15: nothing but close-ok; what is for channels is thrown away unread."""
    channel.protocol.close(0.0)
    channel.protocol.data_to_send()
    protocol = channel.protocol
    protocol.receive_data(VIOLATIONS[name][0], 0.0)
    event = protocol.next_event()
    if event is not None:
        assert isinstance(event.reason, exceptions.AMQPConnectionError)
    assert protocol.next_event() is None
    assert protocol.data_to_send() == []


@pytest.mark.parametrize('size', [0, 1])
def test_body_behind_a_whole_message_is_a_violation(channel, size):
    """Rule 12: an empty message has no body frame, not even an empty one."""
    ask(channel)
    method = spec.Basic.GetOk(1, False, '', 'q', 0)
    text = 'body frame without a method on channel 1'
    channel.hears(GET_OK,
                  header(0),
                  body(size),
                  gives=[
                      events.Reply(1, method, 'get', spec.BasicProperties.from_raw(b'\0\0'), b''),
                      events.Closed(exceptions.ProtocolViolationError(505, text), [])
                  ])
    channel.says((0, spec.Connection.Close(505, text, 0, 0)))


def test_text_of_the_close_is_cut_to_what_a_short_string_holds(channel):
    """Rule 40: 255 bytes, and no half of a character."""
    tag = '\u00e9' * 127
    reason = channel.fails(*message_frames(1, spec.Basic.Deliver(tag, 1, False, '', 'q')))
    assert tag in reason.reply_text
    sent = b''.join(channel.protocol.data_to_send())
    _, close = frame.decode_frame(sent)
    text = close.method.reply_text
    assert reason.reply_text.startswith(text)
    assert 254 <= len(text.encode()) <= 255


def test_headers_nested_3000_deep_spoil_themselves_alone(channel):
    """Only the header is spoilt: the message can be acked, and sent on as it came."""
    ask(channel)
    table = nested(b'F', 3000)
    raw = b'\x28\0' + len(table).to_bytes(4, 'big') + table + b'\7'
    method = spec.Basic.GetOk(1, False, '', 'q', 0)
    channel.hears(GET_OK,
                  header(4, properties=raw),
                  frame.Body(1, b'body').marshal(),
                  gives=events.Reply(1, method, 'get', spec.BasicProperties.from_raw(raw), b'body'))
    properties = channel.seen[-1].properties
    assert isinstance(properties.headers, data.SpoiltTable)
    assert properties.headers.raw == table
    assert isinstance(properties.error, exceptions.ProtocolSyntaxError)
    assert properties.priority == 7
    channel.protocol.ack(1, 1)
    channel.says((1, spec.Basic.Ack(1)))


@pytest.mark.parametrize('raw',
                         [b'\x80\0', b'\x80\0\5ab', b'\x20\0\xff\xff\xff\xff', b'\0\1', b'\0\0x'])
def test_properties_that_cannot_be_decoded_spoil_themselves_alone(channel, raw):
    ask(channel)
    method = spec.Basic.GetOk(1, False, '', 'q', 0)
    channel.hears(GET_OK,
                  header(0, properties=raw),
                  gives=events.Reply(1, method, 'get', spec.BasicProperties.from_raw(raw), b''))
    assert channel.seen[-1].properties.error is not None


def test_body_of_512_mib_announced_takes_no_memory(channel):
    """Rule 44: what is only announced is not allocated, through either door."""
    ask(channel)
    channel.hears(GET_OK, header(2**29), body(70000)[:60000], partial=True)
    assert len(channel.protocol.get_buffer()) <= 65536


def test_handshake_with_a_table_nested_3000_deep_ends_without_a_byte(make_client):
    """Clause 2.2.4: no close while the connection is not fully open."""
    client = make_client()
    client.protocol.connect(0.0)
    client.protocol.data_to_send()
    table = nested(b'F', 3000)
    arguments = b'\0\x09' + len(table).to_bytes(4, 'big') + table + b'\0\0\0\5PLAIN\0\0\0\5en_US'
    payload = b'\0\x0a\0\x0a' + arguments
    reason = client.fails(frame.HEAD.pack(1, 0, len(payload)) + payload + b'\xce')
    assert type(reason) is exceptions.ProtocolViolationError
    assert reason.reply_code == 502
    assert reason.phase == 'handshake'
    client.says()


def test_answers_that_are_owed_are_sent_before_the_close(channel):
    """They came of frames that were all right."""
    text = 'unknown method 60.12'
    channel.hears((1, spec.Channel.Flow(False)), gives=events.Flow(1, False))
    channel.fails(b'\1\0\1\0\0\0\4\0\x3c\0\x0c\xce')
    channel.says((1, spec.Channel.FlowOk(False)), (0, spec.Connection.Close(540, text, 0, 0)))
