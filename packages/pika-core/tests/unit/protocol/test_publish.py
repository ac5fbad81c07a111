"""What is published: bytes on the wire, delivery tags, confirms and returns, refused values."""

from __future__ import annotations

import pytest
from pika import events, exceptions, frame, spec
from pika.channel_state import PUBLISH_FRAMES_KEPT
from pika.content import COPY_LIMIT
from pika_testing import message_frames

PLAIN = spec.BasicProperties()
SELECT, SELECT_OK = spec.Confirm.Select(), spec.Confirm.SelectOk()
ACK, NACK = spec.Basic.Ack, spec.Basic.Nack


def message(exchange='', routing_key='q', body=b'', properties=PLAIN, mandatory=False, channel=1):
    """The frames of a publish."""
    method = spec.Basic.Publish(0, exchange, routing_key, mandatory)
    return b''.join(message_frames(channel, method, properties, body))


def returned(exchange, routing_key, body, properties=PLAIN):
    """The frames of a return, and its event but for the tag."""
    method = spec.Basic.Return(312, 'NO_ROUTE', exchange, routing_key)
    encoded = b''.join(properties.encode())
    return (
        b''.join(message_frames(1, method, properties, body)),
        lambda tag: events.Returned(1, method, spec.BasicProperties.from_raw(encoded), body, tag))


@pytest.mark.parametrize('size', [0, 1, 100, COPY_LIMIT, COPY_LIMIT + 1, 131064, 131065, 300000])
def test_message_is_sent_in_frames_of_the_negotiated_size(channel, size):
    """Rules 11 and 12: method, header, body frames; no body frame for an empty body."""
    body = b'x' * size
    assert channel.protocol.publish(1, 'x', 'key', body, PLAIN, True) == 0
    channel.says(message('x', 'key', body, mandatory=True))


def test_message_is_sent_in_small_frames_if_those_were_negotiated(make_client):
    client = make_client().start(tune=spec.Connection.Tune(0, 4096, 0)).open(1)
    method = spec.Basic.Publish(0, '', 'q')
    for size in (4088, 4089, 10000):
        client.protocol.publish(1, '', 'q', b'x' * size)
        client.says(*message_frames(1, method, PLAIN, b'x' * size, 4096))


def test_large_body_is_referred_to_and_not_copied(channel):
    body = bytes(300000)
    channel.protocol.publish(1, '', 'q', body)
    views = [chunk for chunk in channel.protocol.data_to_send() if isinstance(chunk, memoryview)]
    assert [len(view) for view in views] == [131064, 131064, 300000 - 2 * 131064]
    assert all(view.obj is body for view in views)


@pytest.mark.parametrize('size', [3, 300000])
@pytest.mark.parametrize('kind', [bytearray, memoryview])
def test_body_that_its_owner_may_change_is_copied(channel, kind, size):
    data = bytearray(size)
    channel.protocol.publish(1, '', 'q', kind(data))
    data[:] = b'x' * size
    channel.says(message(body=bytes(size)))


def test_text_is_sent_as_utf_8(channel):
    channel.protocol.publish(1, '', 'q', 'gr\u00fc\u00dfe')
    channel.says(message(body='gr\u00fc\u00dfe'.encode()))


@pytest.mark.parametrize('body', [None, 1, ['body'], {}])
def test_body_that_is_neither_bytes_nor_text_is_refused(channel, body):
    with pytest.raises(exceptions.ParameterTypeError, match='body must be bytes, bytearray'):
        channel.protocol.publish(1, '', 'q', body)
    channel.says()


def test_properties_are_sent_as_they_are_at_the_moment(channel):
    properties = spec.BasicProperties(headers={'n': 1}, delivery_mode=2)
    channel.protocol.publish(1, '', 'q', b'1', properties)
    channel.says(message(body=b'1', properties=properties))
    properties.headers = {'n': 2}
    channel.protocol.publish(1, '', 'q', b'2', properties)
    channel.says(
        message(body=b'2', properties=spec.BasicProperties(headers={'n': 2}, delivery_mode=2)))


def test_received_properties_are_sent_on_unchanged(channel):
    """Rule 38: wire types that Python has no type for survive."""
    raw = b'\x20\0\0\0\0\5\1ku\0\1'
    channel.protocol.publish(1, '', 'q', b'', spec.BasicProperties.from_raw(raw))
    channel.says((1, spec.Basic.Publish(0, '', 'q')), frame.content_header_frame(1, 0, raw))


def test_routes_are_told_apart(channel):
    for route in (('x', 'a'), ('x', 'b'), ('y', 'a'), ('x', 'a')):
        channel.protocol.publish(1, *route)
        channel.says(message(*route))
    channel.protocol.publish(1, 'x', 'a', mandatory=True)
    channel.says(message('x', 'a', mandatory=True))
    channel.open(2)
    channel.protocol.publish(2, 'x', 'a')
    channel.says(message('x', 'a', channel=2))


def test_few_encoded_routes_are_kept(channel):
    """A program that publishes to ever new routes must not fill the memory."""
    state = channel.protocol._channels[1]
    for number in range(PUBLISH_FRAMES_KEPT):
        channel.protocol.publish(1, '', str(number))
    assert len(state.publish_frames) == PUBLISH_FRAMES_KEPT
    channel.protocol.data_to_send()
    for number in (0, PUBLISH_FRAMES_KEPT, 1):
        channel.protocol.publish(1, '', str(number))
        channel.says(message(routing_key=str(number)))
    assert len(state.publish_frames) == 2


REFUSED = {
    'exchange': dict(exchange='x' * 256),
    'routing_key': dict(routing_key='\u00e9' * 128),
    'routing_key of another type': dict(routing_key=[]),
    'exchange of another type': dict(exchange=bytearray(b'x')),
    'priority': dict(properties=spec.BasicProperties(priority=300)),
    'expiration': dict(properties=spec.BasicProperties(expiration=1000)),
    'headers.a[1].b': dict(properties=spec.BasicProperties(headers={'a': [0, {
        'b': object()
    }]})),
    'properties': dict(properties=spec.BasicProperties(headers={'k': 'v' * 131072})),
}


@pytest.mark.parametrize('name', REFUSED)
def test_value_that_cannot_be_sent_is_refused_before_a_byte_is_queued(channel, name):
    """Rules 11 and 40; the delivery tag is not used up either."""
    channel.call(1, SELECT, SELECT_OK)
    arguments = {'exchange': '', 'routing_key': 'q', **REFUSED[name]}
    with pytest.raises((ValueError, TypeError)) as caught:
        channel.protocol.publish(1, mandatory=True, context='context', **arguments)
    assert isinstance(caught.value, exceptions.AMQPError)
    assert name.split()[0] in str(caught.value)
    channel.says()
    assert channel.protocol.publish(1, '', 'q', b'', None, True, 'next') == 1
    returned_frames, event = returned('', 'q', b'')
    channel.hears(returned_frames, gives=event(1))


def test_header_that_no_frame_holds_is_refused(make_client):
    """Rule 11: content headers cannot be split."""
    client = make_client(frame_max=4096).start().open(1)
    room = 4096 - 8 - 12

    def properties(size):
        return spec.BasicProperties(headers={'k': 'v' * size})

    overhead = 2 + 4 + 2 + 5  # flags, table, key, head of the value
    client.protocol.publish(1, '', 'q', b'', properties(room - overhead))
    client.says(message(properties=properties(room - overhead)))
    with pytest.raises(exceptions.ParameterValueError,
                       match='properties must be .*4076 bytes.*4077 bytes'):
        client.protocol.publish(1, '', 'q', b'', properties(room - overhead + 1))
    client.says()


# Confirms.


def test_server_confirms_publishes(channel):
    """Rule 23: tags from 1 after the first confirm.select; acks out of order and multiple."""
    assert channel.protocol.publish(1, '', 'q') == 0
    channel.says(message())
    channel.call(1, SELECT, SELECT_OK)
    tags = [channel.protocol.publish(1, '', 'q', context=name) for name in 'abcde']
    assert tags == [1, 2, 3, 4, 5]
    channel.says(*[message()] * 5)
    channel.hears((1, ACK(2)), (1, NACK(4, True, True)), (1, ACK(5)),
                  gives=[
                      events.Confirmed(1, ACK(2), [2], ['b']),
                      events.Confirmed(1, NACK(4, True, True), [1, 3, 4], ['a', 'c', 'd']),
                      events.Confirmed(1, ACK(5), [5], ['e'])
                  ])
    channel.says()


def test_second_confirm_select_does_not_start_the_count_again(channel):
    """Rule 23: after the first confirm.select."""
    channel.call(1, SELECT, SELECT_OK)
    assert channel.protocol.publish(1, '', 'q') == 1
    channel.protocol.data_to_send()
    channel.call(1, SELECT, SELECT_OK)
    assert channel.protocol.publish(1, '', 'q', context='second') == 2
    channel.hears((1, ACK(2, True)), gives=events.Confirmed(1, ACK(2, True), [2], ['second']))


def test_tags_are_counted_per_channel(client):
    """Rule 23."""
    client.open(1, 2)
    for number in (1, 2):
        client.call(number, SELECT, SELECT_OK)
        assert client.protocol.publish(number, '', 'q', context=f'on {number}') == 1
        client.protocol.data_to_send()
    client.hears((2, ACK(1)), gives=events.Confirmed(2, ACK(1), [1], ['on 2']))
    client.hears((1, ACK(1)), gives=events.Confirmed(1, ACK(1), [1], ['on 1']))


def test_tags_start_again_on_a_new_channel_of_the_same_number(channel):
    channel.call(1, SELECT, SELECT_OK)
    channel.protocol.publish(1, '', 'q', context='lost')
    channel.protocol.data_to_send()
    channel.hears((1, spec.Channel.Close(404, 'gone', 60, 40)),
                  gives=events.ChannelClosed(1, exceptions.ChannelClosedByBroker(404, 'gone'),
                                             ['lost']))
    channel.says((1, spec.Channel.CloseOk()))
    channel.open(1)
    assert channel.protocol.publish(1, '', 'q') == 0
    channel.says(message())
    channel.call(1, SELECT, SELECT_OK)
    assert channel.protocol.publish(1, '', 'q') == 1


def test_publish_behind_a_waiting_confirm_select_has_its_tag_and_waits(channel):
    """Rule 23: the tag is assigned with the place in the stream."""
    channel.protocol.call(1, spec.Basic.Qos(), 'qos')
    channel.protocol.call(1, SELECT, 'select')
    channel.protocol.call(1, spec.Basic.Qos(), 'qos again')
    assert channel.protocol.publish(1, '', 'q', b'1', context='first') == 1
    channel.says((1, spec.Basic.Qos()))
    channel.hears((1, spec.Basic.QosOk()), gives=events.Reply(1, spec.Basic.QosOk(), 'qos'))
    channel.says((1, SELECT), message(body=b'1'))
    assert channel.protocol.publish(1, '', 'q', b'2', context='second') == 2
    channel.says(message(body=b'2'))


def test_nowait_confirm_select_counts_at_once(channel):
    """Rule 21: there is no answer to wait for."""
    nowait = spec.Confirm.Select(nowait=True)
    channel.protocol.call(1, nowait)
    assert channel.protocol.publish(1, '', 'q', context='first') == 1
    channel.says((1, nowait), message())
    channel.hears((1, ACK(1)), gives=events.Confirmed(1, ACK(1), [1], ['first']))


def test_confirms_without_contexts_are_told_too(channel):
    channel.call(1, SELECT, SELECT_OK)
    channel.protocol.publish(1, '', 'q')
    channel.protocol.publish(1, '', 'q', context='second')
    channel.hears((1, ACK(2, True)), gives=events.Confirmed(1, ACK(2, True), [2], ['second']))
    channel.protocol.publish(1, '', 'q')
    channel.hears((1, NACK(3)), gives=events.Confirmed(1, NACK(3), [], []))


def test_context_without_confirms_is_refused(channel):
    """Nothing could bring it back."""
    with pytest.raises(exceptions.ParameterValueError) as caught:
        channel.protocol.publish(1, '', 'q', context='context')
    assert caught.value.args == ('context', 'context',
                                 'None without publisher confirms, which would bring it back')
    channel.says()


def test_server_confirms_without_confirm_select(channel):
    channel.protocol.publish(1, '', 'q')
    channel.protocol.data_to_send()
    text = 'Basic.Ack on channel 1 without confirm.select'
    channel.hears((1, ACK(1)),
                  gives=events.Closed(exceptions.ProtocolViolationError(503, text), []))
    channel.says((0, spec.Connection.Close(503, text, 0, 0)))


@pytest.mark.parametrize(('method', 'text'),
                         [(ACK(3), 'confirm of delivery tag 3, sent are 1 to 2'),
                          (NACK(3, True), 'confirm of delivery tag 3, sent are 1 to 2'),
                          (ACK(0), 'confirm of delivery tag 0, sent are 1 to 2')])
def test_server_confirms_a_tag_that_was_never_sent(channel, method, text):
    channel.call(1, SELECT, SELECT_OK)
    for name in 'ab':
        channel.protocol.publish(1, '', 'q', context=name)
    channel.protocol.data_to_send()
    channel.hears((1, method),
                  gives=events.Closed(exceptions.ProtocolViolationError(503, text), ['a', 'b']))
    channel.says((0, spec.Connection.Close(503, text, 0, 0)))


def test_connection_is_lost_with_confirms_outstanding(channel):
    """Rule 25: every one of them is unknown, and comes back."""
    channel.call(1, SELECT, SELECT_OK)
    for name in 'abc':
        channel.protocol.publish(1, '', 'q', context=name)
    channel.hears((1, ACK(2)), gives=events.Confirmed(1, ACK(2), [2], ['b']))
    channel.lost(OSError('reset'),
                 gives=events.Closed(
                     exceptions.StreamLostError('the stream to the broker was lost: reset'),
                     ['a', 'c']))


# Returns.


def test_server_returns_what_it_cannot_route_and_confirms_it(channel):
    """Rule 24: the return comes first, and is tied to its publish by what it looks like."""
    channel.call(1, SELECT, SELECT_OK)
    properties = spec.BasicProperties(headers={'n': 1})
    for body in (b'other', b'same', b'same'):
        channel.protocol.publish(1, 'x', 'nowhere', body, properties, True)
    channel.protocol.publish(1, 'x', 'nowhere', b'same', None, True)
    channel.protocol.publish(1, 'x', 'nowhere', b'not mandatory')
    channel.protocol.data_to_send()
    frames, event = returned('x', 'nowhere', b'same', properties)
    bare_frames, bare_event = returned('x', 'nowhere', b'same')
    channel.hears(frames, (1, ACK(2)),
                  frames, (1, ACK(3)),
                  bare_frames, (1, ACK(5, True)),
                  gives=[
                      event(2),
                      events.Confirmed(1, ACK(2), [], []),
                      event(3),
                      events.Confirmed(1, ACK(3), [], []),
                      bare_event(4),
                      events.Confirmed(1, ACK(5, True), [], [])
                  ])
    frames, event = returned('x', 'nowhere', b'not mandatory')
    channel.hears(frames, gives=event(0))


@pytest.mark.parametrize('body', [b'', b'x' * 131065], ids=len)
def test_server_returns_without_confirms(channel, body):
    """Rule 12: an empty returned body has no frame, and nothing waits for one."""
    channel.protocol.publish(1, '', 'nowhere', body, None, True)
    channel.protocol.data_to_send()
    frames, event = returned('', 'nowhere', body)
    channel.hears(frames, gives=event(0))
    channel.says()
