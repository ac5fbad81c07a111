"""Descriptions: what is told apart, and what comes back from them."""

from __future__ import annotations

import datetime
import decimal
import itertools
import json
import math

import pytest
from pika import data, events, exceptions, spec
from pika_testing import describe
from pika_testing.describe import deflate, inflate, restore

UTC = datetime.timezone.utc
VALUES = [
    None, True, False, 0, 1, 1.0, -(2**63), 0.5, math.inf, math.nan, '', 'text', '\udcff', b'',
    b'\0', b'x' * 200, [], [1, ['two']], {}, {
        'bytes': 'of a table'
    }, {
        'deflated': 'x' * 200
    },
    data.Int8(1),
    data.Int64(1),
    data.Float32(0.5),
    data.Timestamp(-1),
    decimal.Decimal('1.50'),
    datetime.datetime(2020, 1, 2, tzinfo=UTC),
    spec.Basic.Ack(1),
    spec.Basic.Nack(1),
    spec.Basic.Ack(1, True),
    spec.Connection.UpdateSecret(b'secret', 'reason'),
    spec.BasicProperties(),
    spec.BasicProperties(priority=0),
    spec.BasicProperties(headers={'a': [1]}),
    spec.BasicProperties.from_raw(b'\x08\0\0')
]


def text(value):
    return json.dumps(describe(value))


def test_what_a_program_can_tell_apart_has_another_description():
    for one, other in itertools.combinations(VALUES, 2):
        assert text(one) != text(other), (one, other)


@pytest.mark.parametrize('value', VALUES, ids=repr)
def test_value_comes_back_from_its_description(value):
    described = describe(value)
    assert json.loads(json.dumps(described)) == described
    assert inflate(json.loads(json.dumps(deflate(described)))) == described
    restored = restore(described)
    assert text(restored) == text(value)
    assert type(restored).__name__ == type(value).__name__ or isinstance(
        value, spec.BasicProperties)


def test_method_is_described_by_what_differs_from_its_defaults():
    assert describe(spec.Queue.Declare(queue='q', durable=True)) == {
        'Queue.Declare': {
            'queue': 'q',
            'durable': True
        }
    }
    assert describe(spec.Basic.Nack(7)) == {'Basic.Nack': {'delivery_tag': 7}}
    assert describe(spec.Basic.Qos(prefetch_count=False)) == {
        'Basic.Qos': {
            'prefetch_count': False
        }
    }


def test_tuples_and_buffers_are_described_as_what_arrives():
    assert describe((1, bytearray(b'a'), memoryview(b'b'))) == [1, {'bytes': '61'}, {'bytes': '62'}]


def test_error_is_described_by_type_and_arguments():
    assert describe(exceptions.ChannelClosedByBroker(404, 'gone', class_id=50)) == {
        'error': ['ChannelClosedByBroker', 404, 'gone']
    }
    assert describe(OSError(b'x')) == {'error': ['OSError', {'bytes': '78'}]}


def test_event_is_described_by_type_and_slots():
    event = events.Reply(1, spec.Basic.CancelOk('tag'), 'context')
    assert describe(event) == {
        'Reply': {
            'channel': 1,
            'method': {
                'Basic.CancelOk': {
                    'consumer_tag': 'tag'
                }
            },
            'context': 'context',
            'properties': None,
            'body': None
        }
    }
    assert describe(events.Opened()) == {'Opened': {}}


def test_contexts_and_consumers_are_described_by_name():
    name = {'one': 1, 'two': 2}.get
    delivery = events.Delivery(1, spec.Basic.Deliver('t', 1, False, '', 'q'), None, b'', 'one')
    assert describe(delivery, name)['Delivery']['consumer'] == 1
    assert describe(events.Reply(1, spec.Tx.SelectOk(), 'two'), name)['Reply']['context'] == 2
    confirmed = events.Confirmed(1, spec.Basic.Ack(2), [1, 2], ['one', 'two'])
    assert describe(confirmed, name)['Confirmed'] == {
        'channel': 1,
        'method': {
            'Basic.Ack': {
                'delivery_tag': 2
            }
        },
        'delivery_tags': [1, 2],
        'contexts': [1, 2]
    }


def test_received_properties_are_described_with_their_bytes_and_what_is_wrong_with_them():
    described = describe(spec.BasicProperties.from_raw(b'\x20\0\0\0\0\3\1kZ'))['BasicProperties']
    assert described['raw'] == '2000000000' + '03016b5a'
    assert described['error'] == {'error': ['InvalidFieldTypeException', {'bytes': '5a'}]}
    assert described['headers'] == {
        'SpoiltTable': {
            'entries': [],
            'raw': '016b5a',
            'error': described['error']
        }
    }


def test_what_has_no_description_is_refused():
    with pytest.raises(exceptions.UnsupportedAMQPFieldException):
        describe(object())
    for described in ({'error': ['OSError']}, {'Opened': {}}, {'bytes': 1}, {'table': {}}):
        with pytest.raises(ValueError, match='restored'):
            restore(described)
    with pytest.raises(ValueError, match='no list'):
        restore({'table': [1]})


def test_only_long_bytes_are_deflated():
    assert deflate([{'bytes': '00' * 64}]) == [{'bytes': '00' * 64}]
    short = deflate([{'bytes': '00' * 65}])
    assert list(short[0]) == ['deflated']
    assert inflate(short) == [{'bytes': '00' * 65}]
