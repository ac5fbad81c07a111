"""The short way of small deliveries gives what the long way gives, and takes nothing else."""

from __future__ import annotations

import pika_testing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import events, frame, spec
from pika.deliveries import Deliveries
from pika.parameters import ConnectionParameters
from pika.protocol import Protocol

OWNER = object()


def message(tag=7, channel=1, consumer='c', route=('e', 'key'), body=b'body', **more):
    """The bytes of one delivery."""
    redelivered = more.pop('redelivered', False)
    method = spec.Basic.Deliver(consumer, tag, redelivered, *route)
    properties = spec.BasicProperties(**more)
    return b''.join(pika_testing.message_frames(channel, method, properties, body))


def consuming(*consumers, frame_max=131072):
    """A protocol with these consumers on channels 1 and 2, which have had a message each."""
    protocol = Protocol(ConnectionParameters(heartbeat=0, frame_max=frame_max))
    pika_testing.open_channel(protocol)
    protocol.open_channel(None, 2)
    protocol.receive_data(frame.method_frame(2, spec.Channel.OpenOk()), 0.0)
    protocol.next_event()
    for channel, tag in consumers or [(1, 'c')]:
        protocol.consume(channel, spec.Basic.Consume(0, 'q', tag), None, OWNER)
        protocol.receive_data(
            frame.method_frame(channel, spec.Basic.ConsumeOk(tag)) + message(1, channel, tag), 0.0)
        while protocol.next_event() is not None:
            pass
    return protocol


def all_events(protocol, data):
    protocol.receive_data(data, 0.0)
    found = []
    while True:
        event = protocol.next_event()
        if event is None:
            return found
        found.append(event)


@pytest.fixture
def taken(monkeypatch):
    """What has gone the short way."""
    taken = []
    take = Deliveries.take

    def counted(self, reader):
        event = take(self, reader)
        if event is not None:
            taken.append(event)
        return event

    monkeypatch.setattr(Deliveries, 'take', counted)
    return taken


def long_way(protocol, data):
    """The same without the short way, on another protocol."""
    protocol._deliveries.take = lambda reader: None
    return all_events(protocol, data)


def seen(found):
    """What can be compared: errors by their words, properties decoded."""
    return [(type(event),
             [str(value) if isinstance(value, Exception) else value
              for value in event._values()])
            for event in found]


def test_first_message_of_a_consumer_goes_the_long_way(taken):
    protocol = consuming()
    assert taken == []
    found = all_events(protocol, message() + message(8, redelivered=True, body=b'', priority=3))
    assert found == taken
    first, second = found
    assert first == events.Delivery(1, spec.Basic.Deliver('c', 7, False, 'e', 'key'),
                                    spec.BasicProperties(), b'body', OWNER)
    assert second.method == spec.Basic.Deliver('c', 8, True, 'e', 'key')
    assert (second.properties.priority, second.body) == (3, b'')


def test_other_routes_and_consumers_take_the_short_way(taken):
    protocol = consuming((1, 'c'), (2, 'd'))
    data = b''.join([
        message(2, route=('f', 'yek')),
        message(2, 2, 'd'),
        message(3, route=('', 'e-key')),  # of the same length, cut elsewhere
        message(4, route=('e-', 'ke\udcff')),
    ])
    found = all_events(protocol, data)
    assert taken[:2] == found[:2]
    assert seen(found) == seen(long_way(consuming((1, 'c'), (2, 'd')), data))


@pytest.mark.parametrize('place', range(len(message())))
def test_no_octet_makes_another_message_of_it(place):
    """What the long way refuses the short way does not take."""
    whole = message()
    for octet in (0, 1, 2, 3, 4, 7, 8, 60, 205, 206, 255):
        data = whole[:place] + bytes([octet]) + whole[place + 1:] + message(9) + b'\xce' * 300
        assert seen(all_events(consuming(), data)) == seen(long_way(consuming(), data)), octet


@given(cuts=st.lists(st.integers(0, 400), max_size=6),
       bodies=st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_any_pieces_of_the_stream(cuts, bodies):
    """Law 3 of the core."""
    data = b''.join(message(tag, body=body) for tag, body in enumerate(bodies, 2))
    protocol = consuming()
    found = []
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in zip(edges, edges[1:]):
        found += all_events(protocol, data[start:end])
    assert seen(found) == seen(long_way(consuming(), data))
    assert [event.body for event in found] == bodies


def test_frame_larger_than_negotiated(taken):
    body = b'x' * 5000
    assert len(all_events(consuming(frame_max=4096), message(body=body[:4088]))) == len(taken) == 1
    data = b''.join(
        pika_testing.message_frames(1, spec.Basic.Deliver('c', 7, False, 'e', 'key'),
                                    spec.BasicProperties(), body))
    assert seen(all_events(consuming(frame_max=4096),
                           data)) == seen(long_way(consuming(frame_max=4096), data))


def test_cancelled_consumer_goes_the_long_way(taken):
    protocol = consuming()
    protocol.call(1, spec.Basic.Cancel('c'), None)
    protocol.data_to_send()
    assert all_events(protocol, message()) == taken == []
    assert protocol.data_to_send()  # it goes back


def test_closing_takes_nothing(taken):
    protocol = consuming()
    protocol.close(0.0)
    assert all_events(protocol, message()) == taken == []
    protocol = consuming()
    protocol.call(1, spec.Channel.Close(200, '', 0, 0), None)
    assert all_events(protocol, message()) == taken == []


def test_amid_another_message_it_is_a_violation(taken):
    protocol = consuming()
    begun = message(body=b'begun')[:-13]  # method and header
    found = all_events(protocol, begun + message())
    assert taken == []
    assert isinstance(found[-1], events.Closed)


def test_what_is_learnt_is_bounded(taken):
    protocol = consuming(*((1, f'c{number}') for number in range(300)), (1, 'c'))
    for number in range(1000):
        route = ('e', f'key.{number}')
        assert all_events(protocol, message(number + 2,
                                            route=route))[0].method.routing_key == route[1]
    deliveries = protocol._deliveries
    assert 0 < len(deliveries._routes) <= 256
    assert 0 < len(deliveries._beginnings) <= 256
