"""Field tables, arrays and short strings: every wire type, every refusal, any bytes at all."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import math
import struct
import tracemalloc
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import data, exceptions

UTC = datetime.timezone.utc
D = decimal.Decimal


def encode(value, **extras):
    pieces = []
    size = data.encode_value(pieces, value, **extras)
    encoded = b''.join(pieces)
    assert size == len(encoded)
    return encoded


def decode(encoded):
    """Decodes among other bytes, none of which it may touch."""
    value, offset = data.decode_value(b'\xff' + encoded + b'\xff', 1)
    assert offset == 1 + len(encoded)
    return value


def table_of(table, **extras):
    pieces = [b'before']
    size = data.encode_table(pieces, table, **extras)
    encoded = b''.join(pieces)[6:]
    assert size == len(encoded)
    return encoded


def with_types(value):
    """Tells apart what == does not: types, signs of zero, exponents; and makes nan equal itself."""
    if isinstance(value, dict):
        return {key: with_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_types(item) for item in value]
    return type(value), repr(value)


# Every wire type, both ways.

BOTH_WAYS = [
    (True, b't\1'),
    (False, b't\0'),
    (data.Int8(-2), b'b\xfe'),
    (data.UInt8(254), b'B\xfe'),
    (data.Int16(-2), b's\xff\xfe'),
    (data.UInt16(65534), b'u\xff\xfe'),
    (0, b'I\0\0\0\0'),
    (-2, b'I\xff\xff\xff\xfe'),
    (2**31 - 1, b'I\x7f\xff\xff\xff'),
    (-2**31, b'I\x80\0\0\0'),
    (data.UInt32(2**32 - 2), b'i\xff\xff\xff\xfe'),
    (2**31, b'l\0\0\0\0\x80\0\0\0'),
    (-2**31 - 1, b'l\xff\xff\xff\xff\x7f\xff\xff\xff'),
    (2**63 - 1, b'l\x7f\xff\xff\xff\xff\xff\xff\xff'),
    (-2**63, b'l\x80\0\0\0\0\0\0\0'),
    (data.Int64(5), b'l\0\0\0\0\0\0\0\5'),
    (data.Float32(0.5), b'f\x3f\0\0\0'),
    (1.5, b'd\x3f\xf8\0\0\0\0\0\0'),
    (-math.inf, b'd\xff\xf0\0\0\0\0\0\0'),
    (D('1.50'), b'D\2\0\0\0\x96'),
    (D('-1.50'), b'D\2\xff\xff\xff\x6a'),
    (D('-2147483648'), b'D\0\x80\0\0\0'),
    (D('0.00'), b'D\2\0\0\0\0'),
    (D('1E-255'), b'D\xff\0\0\0\1'),
    ('é', b'S\0\0\0\2\xc3\xa9'),
    ('\udcff', b'S\0\0\0\1\xff'),
    (b'\xff', b'x\0\0\0\1\xff'),
    ([1, 'a'], b'A\0\0\0\x0bI\0\0\0\1S\0\0\0\1a'),
    ([], b'A\0\0\0\0'),
    (datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC), b'T\0\0\0\0\0\0\0\x3c'),
    (datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), b'T\0\0\0\x3a\xff\xf4\x41\x7f'),
    (data.Timestamp(253402300800), b'T\0\0\0\x3a\xff\xf4\x41\x80'),
    (data.Timestamp(1700000000000), b'T\0\0\x01\x8b\xcf\xe5\x68\0'),
    (data.Timestamp(-1), b'T\xff\xff\xff\xff\xff\xff\xff\xff'),
    ({
        'k': None
    }, b'F\0\0\0\3\1kV'),
    ({}, b'F\0\0\0\0'),
    (None, b'V'),
]


@pytest.mark.parametrize(('value', 'encoded'), BOTH_WAYS, ids=repr)
def test_wire_type_both_ways(value, encoded):
    """Rules 38 and 39."""
    assert encode(value) == encoded
    assert with_types(decode(encoded)) == with_types(value)


@pytest.mark.parametrize(
    ('encoded', 'value', 'again'),
    [
        (b't\7', True, b't\1'),
        (b'L\0\0\0\0\0\0\0\5', data.Int64(5), b'l\0\0\0\0\0\0\0\5'),
        (b'L\xff\0\0\0\0\0\0\0', -2**56, b'l\xff\0\0\0\0\0\0\0'),
        (b'U\xff\xfe', data.Int16(-2), b's\xff\xfe'),
    ],
)
def test_kinds_that_are_only_read(encoded, value, again):
    """Rule 38: any octet but zero is true, L is signed as l is, U is never written."""
    assert with_types(decode(encoded)) == with_types(value)
    assert encode(value) == again


class Colour(str, enum.Enum):
    RED = 'red'


class Level(enum.IntEnum):
    HIGH = 9


class Text(str):
    pass


Pair = collections.namedtuple('Pair', 'left right')


@pytest.mark.parametrize(('value', 'encoded'), [
    (bytearray(b'ab'), b'x\0\0\0\2ab'),
    (memoryview(b'abcd')[::2], b'x\0\0\0\2ac'),
    (memoryview(struct.pack('=HH', 257, 257)).cast('H'), b'x\0\0\0\4\1\1\1\1'),
    ((1,), b'A\0\0\0\5I\0\0\0\1'),
    (Pair(True, None), b'A\0\0\0\3t\1V'),
    (range(2), b'A\0\0\0\x0aI\0\0\0\0I\0\0\0\1'),
    (collections.OrderedDict(a=True), b'F\0\0\0\4\1at\1'),
    (types.MappingProxyType({'a': True}), b'F\0\0\0\4\1at\1'),
    (Colour.RED, b'S\0\0\0\3red'),
    (Level.HIGH, b'I\0\0\0\x09'),
    (Text('a'), b'S\0\0\0\1a'),
    (datetime.datetime(1970, 1, 1), b'T\0\0\0\0\0\0\0\0'),
    (datetime.datetime(1970, 1, 1, 0, 0, 1, 999999), b'T\0\0\0\0\0\0\0\1'),
    (datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.timezone(
        datetime.timedelta(hours=1))), b'T\0\0\0\0\0\0\0\0'),
    (D('2E+3'), b'D\0\0\0\x07\xd0'),
    (D('0E+9'), b'D\0\0\0\0\0'),
    (D('19.990000000'), b'D\x08\x77\x26\x51\xc0'),
    (D('100.00000000000000'), b'D\7\x3b\x9a\xca\0'),
    (D('0E-300'), b'D\xff\0\0\0\0'),
    (data.Float32(0.1), b'f\x3d\xcc\xcc\xcd'),
],
                         ids=repr)
def test_values_that_come_back_as_another_type(value, encoded):
    """A subclass counts as its nearest class; what does not fit is rounded as documented."""
    assert encode(value) == encoded
    decode(encoded)


def test_bytearray_is_copied_when_it_is_encoded():
    value, pieces = bytearray(b'ab'), []
    data.encode_value(pieces, value)
    value[0] = 0
    assert b''.join(pieces) == b'x\0\0\0\2ab'


def test_decimals_do_not_depend_on_the_context():
    """Rule 38."""
    with decimal.localcontext(decimal.Context(prec=2, Emin=-3, Emax=3, traps=[decimal.Inexact])):
        assert encode(D('1234567.89')) == b'D\2\x07\x5b\xcd\x15'
        assert str(decode(b'D\2\x07\x5b\xcd\x15')) == '1234567.89'
        assert str(decode(b'D\xff\0\0\0\1')) == '1E-255'


# Refusals outbound.


@pytest.mark.parametrize(('value', 'path'), [
    ({'x-retries': [1, 2, 2**63]}, 'headers.x-retries[2]'),
    ({'x-retries': [1, 2, -2**63 - 1]}, 'headers.x-retries[2]'),
    ({'a': {'b': ({'c': data.UInt8(256)},)}}, 'headers.a.b[0].c'),
    ({'a': data.Int8(128)}, 'headers.a'),
    ({'a': data.Int8(-129)}, 'headers.a'),
    ({'a': data.UInt8(-1)}, 'headers.a'),
    ({'a': data.Int16(32768)}, 'headers.a'),
    ({'a': data.UInt16(-1)}, 'headers.a'),
    ({'a': data.UInt32(-1)}, 'headers.a'),
    ({'a': data.UInt32(2**32)}, 'headers.a'),
    ({'a': data.Int64(2**63)}, 'headers.a'),
    ({'a': data.Timestamp(2**63)}, 'headers.a'),
    ({'a': data.Float32(1e39)}, 'headers.a'),
    ({'a': D('2147483648')}, 'headers.a'),
    ({'a': D('-2147483649')}, 'headers.a'),
    ({'a': D('1E-256')}, 'headers.a'),
    ({'a': D('1E+10')}, 'headers.a'),
    ({'a': D('1E+999999')}, 'headers.a'),
    ({'a': D('1.00000000001')}, 'headers.a'),
    ({'a': D('NaN')}, 'headers.a'),
    ({'a': D('-Infinity')}, 'headers.a'),
    ({'a': datetime.datetime(1969, 12, 31, 23, 59, 59)}, 'headers.a'),
    ({'a': ['\ud800']}, 'headers.a[0]'),
    ({'a': {'\ud800': 1}}, "headers.a.'\\ud800'"),
])  # yapf: disable
def test_value_that_does_not_fit_is_refused_with_its_path(value, path):
    """Rules 38 and 39: what the wire cannot hold is refused before anything is queued."""
    pieces = [b'before']
    with pytest.raises(exceptions.ParameterValueError) as caught:
        data.encode_table(pieces, value, parameter='headers')
    assert caught.value.parameter == path
    assert str(caught.value).startswith(path + ' must be ')
    assert pieces == [b'before']


@pytest.mark.parametrize(
    'value', [object(), {1}, datetime.date(2020, 1, 1), 1j, Ellipsis, len], ids=repr)
def test_type_that_amqp_has_not_is_refused_with_its_path(value):
    pieces = [b'before']
    with pytest.raises(exceptions.UnsupportedAMQPFieldException) as caught:
        data.encode_table(pieces, {'x-retries': [1, 2, value]}, parameter='headers')
    assert caught.value.parameter == 'headers.x-retries[2]'
    assert caught.value.args[1] is value
    assert pieces == [b'before']


def test_path_without_the_name_of_a_parameter():
    with pytest.raises(exceptions.ParameterValueError) as caught:
        encode({'a': [2**63]})
    assert caught.value.parameter == 'a[0]'
    with pytest.raises(exceptions.ParameterValueError) as caught:
        encode(2**63)
    assert caught.value.parameter == 'value'
    with pytest.raises(exceptions.ParameterValueError) as caught:
        encode([2**63], parameter='arguments')
    assert caught.value.parameter == 'arguments[0]'


@pytest.mark.parametrize('key', [1, None, b'k', ('a',)], ids=repr)
def test_key_that_is_no_str_is_refused(key):
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        table_of({'a': [{key: 1}]}, parameter='headers')
    assert caught.value.parameter == f'headers.a[0].{key}'


def test_key_beyond_255_bytes_is_refused():
    """Rule 40: bytes are counted, not characters."""
    key = 'é' * 127 + 'x'
    assert decode(encode({key: 1})) == {key: 1}
    with pytest.raises(exceptions.ShortStringTooLong) as caught:
        table_of({'a': {'é' * 128: 1}}, parameter='headers')
    assert caught.value.parameter == 'headers.a.' + 'é' * 61 + '...'
    assert caught.value.args == (('é' * 128).encode(),)


@pytest.mark.parametrize('table', [[], 'x', 1, [('a', 1)]], ids=repr)
def test_table_that_is_no_mapping_is_refused(table):
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        table_of(table, parameter='arguments')
    assert caught.value.parameter == 'arguments'


def nested(levels, kind):
    value = kind()
    for _ in range(levels - 1):
        value = [value] if kind is list else {'a': value}
    return value


@pytest.mark.parametrize('kind', [list, dict])
def test_levels_are_limited_both_ways(kind):
    encoded = encode(nested(data.MAX_DEPTH, kind))
    assert decode(encoded) == nested(data.MAX_DEPTH, kind)
    with pytest.raises(exceptions.ParameterValueError):
        encode(nested(data.MAX_DEPTH + 1, kind))
    deeper = b'A' + struct.pack('>I', len(encoded)) + encoded
    with pytest.raises(exceptions.ProtocolSyntaxError, match='at most 64 levels'):
        decode(deeper)


def test_table_within_itself_is_refused_with_its_path():
    table = {}
    table['self'] = [table]
    with pytest.raises(exceptions.ParameterValueError) as caught:
        table_of(table, parameter='headers')
    assert caught.value.parameter.startswith('headers.self[0].self[0].self[0]')


@pytest.mark.parametrize('kind', [list, dict])
def test_depth_of_3000_needs_neither_stack_nor_memory_outbound(kind):
    value = nested(3000, kind)
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.ParameterValueError) as caught:
            encode(value)
        assert len(str(caught.value)) < 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
        while value:  # or else its deallocation is as deep
            value = value.pop() if kind is list else value.pop('a')


@pytest.mark.parametrize('head', [b'A', b'F'])
def test_depth_of_3000_needs_neither_stack_nor_memory_inbound(head):
    encoded = b''
    for _ in range(3000):
        entry = b'\1a' + encoded if head == b'F' and encoded else encoded
        encoded = head + struct.pack('>I', len(entry)) + entry
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.ProtocolSyntaxError):
            data.decode_value(encoded, 0)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# Tables.


def test_empty_tables():
    assert table_of(None) == table_of({}) == b'\0\0\0\0'
    assert data.decode_table(b'\0\0\0\0', 0) == ({}, 4)


def test_table_both_ways():
    table = {'a': 1, 'b': [True], 'c': {'d': 'e'}}
    encoded = (b'\0\0\0\x1f'
               b'\1aI\0\0\0\1'
               b'\1bA\0\0\0\2t\1'
               b'\1cF\0\0\0\x08\1dS\0\0\0\1e')
    assert table_of(table) == encoded
    assert data.decode_table(b'??' + encoded + b'??', 2) == (table, 2 + len(encoded))
    assert list(data.decode_table(encoded, 0)[0]) == ['a', 'b', 'c']


def test_key_that_is_not_utf_8_comes_back_as_it_was():
    """Rule 40."""
    encoded = b'\0\0\0\3\1\xffV'
    table, _ = data.decode_table(encoded, 0)
    assert table == {'\udcff': None}
    assert table_of(table) == encoded


def test_of_two_entries_with_one_key_the_later_counts():
    assert data.decode_table(b'\0\0\0\x08\1at\1\1at\0', 0) == ({'a': False}, 12)


@pytest.mark.parametrize('kind', ['array', 'table'])
def test_entries_are_limited_inbound(kind):
    entry = b'V' if kind == 'array' else b'\0V'
    head = b'A' if kind == 'array' else b'F'
    full = entry * data.MAX_ENTRIES
    value = decode(head + struct.pack('>I', len(full)) + full)
    assert value == ([None] * data.MAX_ENTRIES if kind == 'array' else {'': None})
    full += entry
    with pytest.raises(exceptions.ProtocolSyntaxError, match=f'{kind}.* at most 32768 entries'):
        decode(head + struct.pack('>I', len(full)) + full)


# Errors inbound.


@pytest.mark.parametrize(('encoded', 'text'), [
    (b'', 'field value at offset 0'),
    (b't', 'boolean at offset 1'),
    (b'I\0\0\0', 'integer at offset 1'),
    (b'l\0\0\0\0\0\0\0', 'integer at offset 1'),
    (b'd\0', 'float at offset 1'),
    (b'T\0', 'timestamp at offset 1'),
    (b'D\0\0\0\0', 'decimal at offset 1'),
    (b'S\0\0\0', 'string at offset 1'),
    (b'S\0\0\0\2a', 'string at offset 1'),
    (b'S\xff\xff\xff\xffa', 'string at offset 1'),
    (b'x\0\0\0\2a', 'byte array at offset 1'),
    (b'A\0\0\0', 'array at offset 1'),
    (b'A\xff\xff\xff\xff', 'array at offset 1'),
    (b'F\x80\0\0\0', 'table at offset 1'),
    (b'A\0\0\0\2t', 'array at offset 1'),
    (b'A\0\0\0\1t\1', 'boolean at offset 6 is cut off by the end at offset 6'),
    (b'F\0\0\0\1\1', 'table entry at offset 5'),
    (b'F\0\0\0\2\1a', 'table entry at offset 5'),
    (b'F\0\0\0\3\1atX', 'boolean at offset 8'),
    (b'A\0\0\0\5F\0\0\0\1\0', 'table at offset 6'),
])  # yapf: disable
def test_bytes_that_overrun_their_container(encoded, text):
    """Rule 13: lengths are checked before anything is allocated, and the error says where."""
    with pytest.raises(exceptions.ProtocolSyntaxError, match=text):
        data.decode_value(encoded, 0)


@pytest.mark.parametrize('kind', b'\0CXZ\x80\xff')
def test_unknown_kind(kind):
    with pytest.raises(exceptions.InvalidFieldTypeException) as caught:
        data.decode_table(b'\0\0\0\4\1a' + bytes((kind,)) + b'?', 0)
    assert caught.value.args == (bytes((kind,)),)
    assert isinstance(caught.value, exceptions.ProtocolSyntaxError)


@pytest.mark.parametrize('offset', [-1, 3, 99])
def test_offset_outside_of_the_bytes(offset):
    for decoder in (data.decode_value, data.decode_short_string, data.decode_table,
                    data.decode_headers):
        with pytest.raises(exceptions.ProtocolSyntaxError):
            decoder(b'\0\0\0', offset)


# Short strings.


@pytest.mark.parametrize(('value', 'encoded'), [
    ('', b'\0'),
    ('abc', b'\3abc'),
    ('é', b'\2\xc3\xa9'),
    ('\udcff', b'\1\xff'),
    ('x' * 255, b'\xff' + b'x' * 255),
])
def test_short_string_both_ways(value, encoded):
    """Rule 40."""
    pieces = []
    assert data.encode_short_string(pieces, value) == len(encoded)
    assert b''.join(pieces) == encoded
    assert data.decode_short_string(b'?' + encoded + b'?', 1) == (value, 1 + len(encoded))


def test_short_string_of_bytes_goes_out_as_it_is():
    pieces = []
    assert data.encode_short_string(pieces, b'\xff') == 2
    assert b''.join(pieces) == b'\1\xff'


def test_short_string_refused():
    """Rule 40: 255 bytes and not characters."""
    with pytest.raises(exceptions.ShortStringTooLong) as caught:
        data.encode_short_string([], 'é' * 128, parameter='queue')
    assert caught.value.parameter == 'queue'
    assert caught.value.args == (('é' * 128).encode(),)
    for value in (1, None, bytearray(b'x')):
        with pytest.raises(exceptions.ParameterTypeError) as wrong:
            data.encode_short_string([], value, parameter='queue')
        assert wrong.value.parameter == 'queue'
    with pytest.raises(exceptions.ParameterValueError):
        data.encode_short_string([], '\ud800', parameter='queue')


@pytest.mark.parametrize('encoded', [b'', b'\1', b'\xff' + b'x' * 254])
def test_short_string_cut_off(encoded):
    with pytest.raises(exceptions.ProtocolSyntaxError, match='short string at offset 0'):
        data.decode_short_string(encoded, 0)


# Spoilt header tables.

SPOILT = b'\1at\1\1bZ??\1ct\1'


def test_headers_without_fault_are_a_plain_table():
    table, offset = data.decode_headers(b'?\0\0\0\4\1at\1?', 1)
    assert (type(table), table, offset) == (dict, {'a': True}, 9)


def test_spoilt_headers_keep_what_came_before_and_go_back_unchanged():
    encoded = struct.pack('>I', len(SPOILT)) + SPOILT
    table, offset = data.decode_headers(b'?' + encoded + b'?', 1)
    assert isinstance(table, data.SpoiltTable)
    assert offset == 1 + len(encoded)
    assert table == {'a': True}
    assert table.raw == SPOILT
    assert isinstance(table.error, exceptions.InvalidFieldTypeException)
    assert table.error.__traceback__ is None
    assert table_of(table) == encoded
    assert encode({'k': table}) == b'F\0\0\0\x14\1kF' + encoded
    assert table_of(dict(table)) == b'\0\0\0\4\1at\1'
    twin = copy.deepcopy(table)
    assert (twin, twin.raw) == (table, SPOILT)


def test_spoilt_headers_without_a_readable_entry_go_back_unchanged():
    encoded = b'\0\0\0\2\1Z'
    table, offset = data.decode_headers(encoded, 0)
    assert (table, offset) == ({}, 6)
    assert table_of(table) == encoded


@pytest.mark.parametrize('encoded', [b'', b'\0\0\0', b'\0\0\0\5\1at\1', b'\xff\xff\xff\xff\1at\1'])
def test_headers_that_overrun_the_bytes_are_an_error(encoded):
    with pytest.raises(exceptions.ProtocolSyntaxError):
        data.decode_headers(encoded, 0)


# Any value, any bytes.

texts = st.text(st.characters(exclude_categories=['Cs'])) | st.binary().map(
    lambda raw: raw.decode('utf-8', 'surrogateescape'))
keys = texts.filter(lambda key: len(key.encode('utf-8', 'surrogateescape')) <= 255)
scalars = st.one_of(
    st.none(), st.booleans(), texts, st.binary(), st.floats(), st.integers(-2**63, 2**63 - 1),
    st.integers(-2**31, 2**31 - 1).map(data.Int64),
    st.integers(-128, 127).map(data.Int8), st.integers(0, 255).map(data.UInt8),
    st.integers(-2**15, 2**15 - 1).map(data.Int16), st.integers(0, 2**16 - 1).map(data.UInt16),
    st.integers(0, 2**32 - 1).map(data.UInt32), st.floats(width=32).map(data.Float32),
    st.integers(-2**63, -1).map(data.Timestamp),
    st.integers(253402300800, 2**63 - 1).map(data.Timestamp),
    st.datetimes(datetime.datetime(1970, 1, 1)).map(
        lambda when: when.replace(microsecond=0, fold=0, tzinfo=UTC)),
    st.builds(lambda number, scale: D(f'{number}E-{scale}'), st.integers(-2**31, 2**31 - 1),
              st.integers(0, 255)))  # yapf: disable
values = st.recursive(scalars,
                      lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
                      max_leaves=20)
KINDS = 'SxtIlLdfDTFAVbBsUui'


@given(st.dictionaries(keys, values))
def test_values_and_wire_types_survive(table):
    """Rules 38 to 40: decode(encode(x)) is x, in value and in type, and its bytes are the same."""
    encoded = table_of(table)
    again, offset = data.decode_table(encoded, 0)
    assert offset == len(encoded)
    assert with_types(again) == with_types(table)
    assert table_of(again) == encoded
    assert data.decode_headers(encoded, 0)[1] == offset


@given(st.integers(-2**70, 2**70), st.integers(-300, 300))
def test_decimal_is_exact_or_refused(number, exponent):
    """Rule 38."""
    value = D(f'{number}E{exponent}')
    try:
        encoded = encode(value)
    except exceptions.ParameterValueError:
        with decimal.localcontext(decimal.Context(prec=800)):
            least = value.normalize()
        assert least.as_tuple().exponent < -255 or abs(least) >= 2**31 or len(
            least.as_tuple().digits) > 9
    else:
        assert decode(encoded) == value


# Bytes that get far: kinds, small lengths, keys, and noise.
likely = st.lists(st.one_of(
    st.sampled_from(KINDS).map(str.encode),
    st.integers(0, 12).map(lambda size: struct.pack('>I', size)), st.just(b'\1a'),
    st.binary(max_size=3)),
                  max_size=30).map(b''.join)


@given(st.binary() | likely, st.integers(0, 5))
def test_any_bytes_decode_or_are_a_syntax_error(encoded, offset):
    """Rule 13: never another exception, never an offset outside of the bytes."""
    for decoder in (data.decode_value, data.decode_table, data.decode_headers,
                    data.decode_short_string):
        try:
            value, end = decoder(encoded, offset)
        except exceptions.ProtocolSyntaxError as error:
            assert str(error)
        else:
            assert offset < end <= len(encoded)


def is_spoilt(encoded):
    try:
        data.decode_table(encoded, 0)
    except exceptions.ProtocolSyntaxError:
        return True
    return False


@given(likely)
def test_spoilt_or_not_headers_go_back_as_long_as_they_came(content):
    """A spoilt table is the same bytes again; any other has the same values and types again."""
    encoded = struct.pack('>I', len(content)) + content
    table, offset = data.decode_headers(encoded, 0)
    assert offset == len(encoded)
    assert isinstance(table, data.SpoiltTable) == is_spoilt(encoded)
    if isinstance(table, data.SpoiltTable):
        assert table_of(table) == encoded
    else:
        assert with_types(data.decode_table(table_of(table), 0)[0]) == with_types(table)


@pytest.mark.parametrize('parameter', ['', 'queue'])
@pytest.mark.parametrize(('value', 'kind', 'allowed'), [
    (5, exceptions.ParameterTypeError, 'a str'),
    (None, exceptions.ParameterTypeError, 'a str'),
    ('\ud800', exceptions.ParameterValueError, 'text that UTF-8 can hold'),
])
def test_short_string_that_cannot_be_sent_is_refused_by_name(value, kind, allowed, parameter):
    pieces = []
    with pytest.raises(kind) as caught:
        data.encode_short_string(pieces, value, parameter=parameter)
    error = caught.value
    assert (error.parameter, error.value, error.allowed) == (parameter or 'value', value, allowed)
    assert pieces == []


def test_value_and_what_is_allowed_stand_in_the_error_of_a_table():
    with pytest.raises(exceptions.ParameterValueError) as caught:
        data.encode_table([], {'a': data.UInt8(256)}, parameter='headers')
    assert (caught.value.parameter, caught.value.value) == ('headers.a', 256)
    assert '255' in caught.value.allowed
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        data.encode_table([], {5: 'a'}, parameter='headers')
    assert (caught.value.value, caught.value.allowed) == (5, 'a str as the key')


@pytest.mark.parametrize(('encoded', 'offset', 'text'), [
    (b'', 0, 'short string at offset 0 is cut off by the end at offset 0'),
    (b'\x01', 0, 'short string at offset 0 is cut off by the end at offset 1'),
    (b'a\x03bc', 1, 'short string at offset 1 is cut off by the end at offset 4'),
    (b'\0', -1, 'short string at offset -1 is cut off by the end at offset 1'),
])
def test_short_string_that_is_cut_off_says_where(encoded, offset, text):
    with pytest.raises(exceptions.ProtocolSyntaxError) as caught:
        data.decode_short_string(encoded, offset)
    assert str(caught.value).endswith(text)


def test_short_string_may_begin_and_end_with_its_bytes():
    assert data.decode_short_string(b'\x02ab', 0) == ('ab', 3)
    assert data.decode_short_string(b'\0', 0) == ('', 1)


def test_long_steps_of_a_path_are_clipped_at_64_characters():
    for length, step in ((64, 'k' * 64), (65, 'k' * 61 + '...')):
        with pytest.raises(exceptions.UnsupportedAMQPFieldException) as caught:
            data.encode_table([], {'k' * length: object()}, parameter='headers')
        assert f'headers.{step}' in str(caught.value)
        assert 'k' * 65 not in str(caught.value)


@pytest.mark.parametrize('parameter', ['', 'arguments'])
def test_what_is_no_table_is_refused_by_name(parameter):
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        data.encode_table([], [], parameter=parameter)
    error = caught.value
    assert (error.parameter, error.value, error.allowed) == (parameter or
                                                             'table', [], 'a dict or None')
