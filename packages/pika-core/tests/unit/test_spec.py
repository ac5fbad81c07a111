"""The generated methods and properties: bytes, values, errors, and what a look decodes."""

from __future__ import annotations

import copy
import inspect
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import amqp_object, data, exceptions, spec
from pika.delivery_mode import DeliveryMode

METHODS = sorted(spec.methods.values(), key=lambda method: method.INDEX)
NAMES = [method.NAME for method in METHODS]


def joined(thing: Any) -> bytes:
    return b''.join(thing.encode())


def short_strings() -> st.SearchStrategy[str]:
    """All that can be received: any bytes up to 255, with surrogates for what is not UTF-8."""
    return st.binary(max_size=255).map(lambda raw: raw.decode('utf-8', 'surrogateescape'))


KINDS: dict[str, st.SearchStrategy[Any]] = {
    'bit':
        st.booleans(),
    'octet':
        st.integers(0, 0xFF),
    'short':
        st.integers(0, 0xFFFF),
    'long':
        st.integers(0, 0xFFFFFFFF),
    'longlong':
        st.integers(0, 0xFFFFFFFFFFFFFFFF),
    'shortstr':
        short_strings(),
    'longstr':
        st.binary(max_size=1000),
    'table':
        st.dictionaries(st.text(st.characters(codec='utf-8'), max_size=10),
                        st.one_of(st.booleans(), st.none(), st.binary(), st.integers(-9, 9)),
                        max_size=4),
}


@st.composite
def some_methods(draw: st.DrawFn) -> amqp_object.Method:
    method = draw(st.sampled_from(METHODS))
    return method(*(draw(KINDS[kind]) for _, kind in method._fields))


@st.composite
def some_properties(draw: st.DrawFn) -> spec.BasicProperties:
    return spec.BasicProperties(**{
        name: draw(st.none() | KINDS[kind]) for name, kind in spec.BasicProperties._fields
    })


# ----------------------------------------------------------------------------------- methods


@given(some_methods(), st.binary(max_size=5), st.binary(max_size=5))
def test_every_method_survives_the_way_through_bytes(method: amqp_object.Method, before: bytes,
                                                     behind: bytes) -> None:
    """Rules 40 and 42, with other bytes around."""
    encoded = joined(method)
    around = before + encoded + behind
    end = len(before) + len(encoded)
    received = type(method).from_bytes(around, len(before), end)
    assert type(received) is type(method)
    assert vars(received) == vars(method)
    assert {
        name: type(value) for name, value in vars(received).items()
    } == {
        name: type(value) for name, value in vars(method).items()
    }
    filled = type(method).__new__(type(method))
    assert filled.decode(around, len(before)) is filled
    assert filled == method


@given(some_methods(), st.data())
def test_arguments_of_another_length_are_refused_alike(method: amqp_object.Method,
                                                       source: st.DataObject) -> None:
    """The outcome is the same whether bytes of another frame lie behind or not (rule 13)."""
    encoded = joined(method)
    end = source.draw(st.integers(0, len(encoded) + 3).filter(lambda end: end != len(encoded)))
    errors = []
    for behind in (b'', b'\0' * 5, b'\xff' * 600):
        with pytest.raises(exceptions.ProtocolSyntaxError) as caught:
            type(method).from_bytes(encoded[:end].ljust(end, b'\0') + behind, 0, end)
        errors.append(str(caught.value))
    assert len(set(errors)) == 1


@given(st.sampled_from(METHODS), st.binary(max_size=40))
def test_any_bytes_are_a_method_or_a_syntax_error(method: type[amqp_object.Method],
                                                  encoded: bytes) -> None:
    for read in (lambda: method.from_bytes(encoded, 0, len(encoded)),
                 lambda: method.__new__(method).decode(encoded)):
        try:
            received = read()
        except exceptions.ProtocolSyntaxError:
            continue
        assert set(vars(received)) == {name for name, _ in method._fields}
        joined(received)


@pytest.mark.parametrize(('method', 'expected'), [
    (spec.Connection.Start(0, 9, {'a': True}, 'PLAIN EXTERNAL',
                           b'en_US'), b'\0\x09\0\0\0\4\1at\1\0\0\0\x0ePLAIN EXTERNAL\0\0\0\5en_US'),
    (spec.Connection.StartOk({}, 'PLAIN', '\0u\0p',
                             'en_US'), b'\0\0\0\0\5PLAIN\0\0\0\4\0u\0p\5en_US'),
    (spec.Connection.TuneOk(2047, 131072, 60), b'\x07\xff\0\2\0\0\0\x3c'),
    (spec.Connection.Open('/'), b'\1/\0\0'),
    (spec.Connection.Close(320, 'bye', 10, 40), b'\1\x40\3bye\0\x0a\0\x28'),
    (spec.Connection.UpdateSecret('new', 'why'), b'\0\0\0\3new\3why'),
    (spec.Channel.Flow(True), b'\1'),
    (spec.Channel.OpenOk(), b'\0\0\0\0'),
    (spec.Channel.CloseOk(), b''),
    (spec.Access.Request(), b'\5/data\x1e'),
    (spec.Exchange.Declare(0, 'e', 'topic', False, True, False, True, False,
                           {'x': b'y'}), b'\0\0\1e\5topic\x0a\0\0\0\x08\1xx\0\0\0\1y'),
    (spec.Exchange.Bind(0, 'd', 's', 'k', True, None), b'\0\0\1d\1s\1k\1\0\0\0\0'),
    (spec.Queue.Declare(0, 'q', durable=True, auto_delete=True,
                        nowait=True), b'\0\0\1q\x1a\0\0\0\0'),
    (spec.Queue.DeclareOk('ü', 7, 0x01020304), b'\2\xc3\xbc\0\0\0\7\1\2\3\4'),
    (spec.Queue.Unbind(0, 'q', 'e', 'k', {}), b'\0\0\1q\1e\1k\0\0\0\0'),
    (spec.Basic.Qos(0, 500, True), b'\0\0\0\0\1\xf4\1'),
    (spec.Basic.Consume(queue='q', consumer_tag='t', no_ack=True,
                        exclusive=True), b'\0\0\1q\1t\6\0\0\0\0'),
    (spec.Basic.Publish(1, 'e', 'k', False, True), b'\0\1\1e\1k\2'),
    (spec.Basic.Return(312, 'NO_ROUTE', '', 'k'), b'\1\x38\x08NO_ROUTE\0\1k'),
    (spec.Basic.Deliver('t', 258, True, 'e', 'k'), b'\1t\0\0\0\0\0\0\1\2\1\1e\1k'),
    (spec.Basic.GetOk(1, False, 'e', 'k', 9), b'\0\0\0\0\0\0\0\1\0\1e\1k\0\0\0\x09'),
    (spec.Basic.GetEmpty(), b'\0'),
    (spec.Basic.Ack(5, True), b'\0\0\0\0\0\0\0\5\1'),
    (spec.Basic.Nack(5), b'\0\0\0\0\0\0\0\5\2'),
    (spec.Basic.Reject(2**64 - 1, False), b'\xff' * 8 + b'\0'),
    (spec.Confirm.Select(True), b'\1'),
],
                         ids=lambda value: value.NAME
                         if isinstance(value, amqp_object.Method) else '')
def test_method_has_these_bytes(method: amqp_object.Method, expected: bytes) -> None:
    assert joined(method) == expected
    assert joined(type(method).from_bytes(expected, 0, len(expected))) == expected


def test_bits_are_whatever_is_true() -> None:
    assert joined(spec.Basic.Ack(1, multiple='yes')) == joined(spec.Basic.Ack(
        1, True))  # type: ignore[arg-type]
    assert spec.Basic.Ack.from_bytes(b'\0' * 8 + b'\xff').multiple is True


def test_long_strings_arrive_as_bytes_and_short_ones_as_str() -> None:
    """Rule 40."""
    start = spec.Connection.Start.from_bytes(joined(spec.Connection.Start()))
    assert (start.mechanisms, start.locales) == (b'PLAIN', b'en_US')
    deliver = spec.Basic.Deliver.from_bytes(b'\1t' + b'\0' * 9 + b'\1\xff\0')
    assert deliver.exchange == '\udcff'
    assert joined(deliver) == b'\1t' + b'\0' * 9 + b'\1\xff\0'


@pytest.mark.parametrize('method', METHODS, ids=NAMES)
def test_what_a_method_says_about_itself(method: type[amqp_object.Method]) -> None:
    group, _, name = method.NAME.partition('.')
    assert getattr(getattr(spec, group), name) is method
    assert method.INDEX >> 16 == getattr(spec, group).INDEX
    assert method.sender in ('client', 'server', 'both')
    assert method.synchronous is bool(method.answers)
    for answer in method.answers:
        assert answer.NAME.startswith(method.NAME) and not answer.answers
        assert method.sender == 'both' or answer.sender != method.sender
    assert list(inspect.signature(method).parameters) == [name for name, _ in method._fields]
    assert '__slots__' not in vars(method)


def test_answers_and_content() -> None:
    assert spec.Basic.Get.answers == (spec.Basic.GetOk, spec.Basic.GetEmpty)
    assert spec.Queue.Declare.answers == (spec.Queue.DeclareOk,)
    assert [method.NAME for method in METHODS if spec.has_content(method.INDEX)
           ] == ['Basic.Publish', 'Basic.Return', 'Basic.Deliver', 'Basic.GetOk']
    assert not spec.has_content(12345)
    assert len(METHODS) == 66
    assert spec.props == {60: spec.BasicProperties}
    assert spec.methods[0x3C0050] is spec.Basic.Ack


def test_constructors_without_values_are_those_of_pika_1() -> None:
    assert vars(spec.Basic.Deliver()) == {
        'consumer_tag': None,
        'delivery_tag': None,
        'redelivered': False,
        'exchange': None,
        'routing_key': None
    }
    assert vars(spec.Connection.StartOk()) == {
        'client_properties': None,
        'mechanism': 'PLAIN',
        'response': None,
        'locale': 'en_US'
    }
    with pytest.raises(TypeError):
        spec.Connection.UpdateSecret()  # type: ignore[call-arg]


def test_objects_show_and_compare_their_attributes() -> None:
    assert repr(spec.Basic.Ack(5, True)) == "<Basic.Ack(['delivery_tag=5', 'multiple=True'])>"
    assert repr(spec.Basic.QosOk()) == '<Basic.QosOk>'
    assert repr(spec.Basic.ConsumeOk()) == '<Basic.ConsumeOk>'
    assert spec.Basic.Ack(5) == spec.Basic.Ack(5) != spec.Basic.Ack(6)
    assert spec.Basic.Ack(5) != 5
    with pytest.raises(TypeError):
        hash(spec.Basic.Ack(5))


def test_content_of_a_method() -> None:
    method = spec.Basic.GetOk()
    with pytest.raises(AttributeError):
        method.get_body()
    properties = spec.BasicProperties()
    method._set_content(properties, b'body')
    assert method.get_properties() is properties
    assert method.get_body() == b'body'


def test_a_wrapped_constructor_is_called_for_what_is_received(
        monkeypatch: pytest.MonkeyPatch) -> None:
    plain = spec.Basic.Deliver.__init__

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        self.seen = 'yes'

    monkeypatch.setattr(spec.Basic.Deliver, '__init__', wrapped)
    encoded = joined(spec.Basic.Deliver('t', 1, False, 'e', 'k'))
    assert vars(spec.Basic.Deliver.from_bytes(encoded, 0, len(encoded)))['seen'] == 'yes'
    assert vars(spec.Basic.Deliver().decode(encoded))['seen'] == 'yes'


def test_a_base_is_no_method() -> None:
    with pytest.raises(NotImplementedError):
        amqp_object.Method().encode()
    with pytest.raises(NotImplementedError):
        amqp_object.Method().decode(b'')


# --------------------------------------------------------------------- values that do not fit


@pytest.mark.parametrize(('method', 'parameter', 'kind'), [
    (spec.Queue.Declare(queue=5), 'queue', TypeError),
    (spec.Queue.Declare(queue=b'q'), 'queue', TypeError),
    (spec.Queue.Bind(queue='q'), 'exchange', TypeError),
    (spec.Basic.Qos(prefetch_count=70000), 'prefetch_count', ValueError),
    (spec.Basic.Qos(prefetch_count=-1), 'prefetch_count', ValueError),
    (spec.Basic.Qos(prefetch_count=1.5), 'prefetch_count', TypeError),
    (spec.Basic.Qos(prefetch_count='1'), 'prefetch_count', TypeError),
    (spec.Basic.Reject(), 'delivery_tag', TypeError),
    (spec.Basic.Ack(2**64), 'delivery_tag', ValueError),
    (spec.Connection.Close(), 'reply_code', TypeError),
    (spec.Connection.SecureOk(), 'response', TypeError),
    (spec.Channel.Flow(), 'active', TypeError),
    (spec.Queue.Declare(arguments={'a': {
        'b': [1, object()]
    }}), 'arguments.a.b[1]', TypeError),
    (spec.Queue.Declare(arguments={'a': data.Int8(300)}), 'arguments.a', ValueError),
    (spec.Queue.Declare(arguments=[]), 'arguments', TypeError),
    (spec.Basic.Publish(routing_key='ü' * 128), 'routing_key', exceptions.ShortStringTooLong),
    (spec.Basic.Publish(routing_key='\ud800'), 'routing_key', ValueError),
    (spec.BasicProperties(priority=300), 'priority', ValueError),
    (spec.BasicProperties(expiration=1000), 'expiration', TypeError),
    (spec.BasicProperties(timestamp=1.5), 'timestamp', TypeError),
    (spec.BasicProperties(timestamp=-1), 'timestamp', ValueError),
    (spec.BasicProperties(app_id='x' * 256), 'app_id', exceptions.ShortStringTooLong),
    (spec.BasicProperties(content_type=bytearray(b'a/b')), 'content_type', TypeError),
    (spec.BasicProperties(delivery_mode='2'), 'delivery_mode', TypeError),
    (spec.BasicProperties(headers={'a': {
        'b': [1, 2, {3}]
    }}), 'headers.a.b[2]', TypeError),
])
def test_what_does_not_fit_is_refused_by_name(method: Any, parameter: str,
                                              kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        method.encode()
    assert isinstance(caught.value, exceptions.AMQPError)
    assert caught.value.parameter == parameter  # type: ignore[attr-defined]
    assert parameter in str(caught.value)


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(exceptions.ParameterValueError, match='an int from 0 to 65535'):
        spec.Basic.Qos(prefetch_count=70000).encode()
    with pytest.raises(exceptions.ParameterTypeError,
                       match="a str of milliseconds, such as '60000'"):
        spec.BasicProperties(expiration=1000).encode()  # type: ignore[arg-type]
    with pytest.raises(exceptions.ParameterTypeError) as caught:
        spec.Connection.StartOk(response=['password']).encode()  # type: ignore[arg-type]
    assert 'password' not in str(caught.value)


# ---------------------------------------------------------------------------------- properties


@given(some_properties(), st.binary(max_size=3))
def test_properties_survive_the_way_through_bytes(properties: spec.BasicProperties,
                                                  before: bytes) -> None:
    """Rule 41."""
    raw = joined(properties)
    assert spec.BasicProperties().decode(before + raw + b'behind', len(before)) == properties
    received = spec.BasicProperties.from_raw(raw)
    assert received.encode() == [raw]
    assert received == properties
    assert received.error is None and received.raw == raw
    assert joined(received) == raw


@given(st.binary(max_size=60))
def test_any_bytes_are_properties(raw: bytes) -> None:
    received = spec.BasicProperties.from_raw(raw)
    assert joined(received) == raw
    assert list(vars(received)) == [name for name, _ in spec.BasicProperties._fields]
    assert received.raw == raw
    error = received.error
    if error is None:
        assert spec.BasicProperties().decode(raw) == received
    joined(received)


@pytest.mark.parametrize(('properties', 'expected'), [
    ({}, b'\0\0'),
    ({
        'content_type': ''
    }, b'\x80\0\0'),
    ({
        'priority': 0
    }, b'\x08\0\0'),
    ({
        'headers': {}
    }, b'\x20\0\0\0\0\0'),
    ({
        'content_type': 'a/b',
        'headers': {
            'a': 1
        },
        'delivery_mode': 2,
        'priority': 3,
        'timestamp': 5
    }, b'\xb8\x40\3a/b\0\0\0\7\1aI\0\0\0\1\2\3\0\0\0\0\0\0\0\5'),
    ({
        'type': 't',
        'user_id': 'u',
        'app_id': 'a',
        'cluster_id': 'c'
    }, b'\0\x3c\1t\1u\1a\1c'),
    ({
        'content_encoding': 'gzip',
        'correlation_id': 'c',
        'reply_to': 'r',
        'expiration': '9',
        'message_id': 'm'
    }, b'\x47\x80\4gzip\1c\1r\x019\1m'),
])
def test_properties_have_these_bytes(properties: dict[str, Any], expected: bytes) -> None:
    pieces = spec.BasicProperties(**properties).encode()
    assert pieces[0] == expected[:2]
    assert b''.join(pieces) == expected


def test_delivery_mode_becomes_its_number() -> None:
    assert spec.BasicProperties(delivery_mode=DeliveryMode.Persistent).delivery_mode == 2


def test_properties_without_values() -> None:
    properties = spec.BasicProperties()
    assert list(vars(properties)) == [name for name, _ in spec.BasicProperties._fields]
    assert set(vars(properties).values()) == {None}
    assert repr(properties) == '<BasicProperties>'
    assert properties.raw is None and properties.error is None
    assert properties.CLASS is spec.Basic
    assert (properties.INDEX, properties.NAME) == (60, 'BasicProperties')
    assert (properties.FLAG_CONTENT_TYPE, properties.FLAG_CLUSTER_ID) == (1 << 15, 1 << 2)
    with pytest.raises(TypeError):
        hash(properties)


# ------------------------------------------------------------------- decoded when looked at

FULL = spec.BasicProperties('a/b', None, {'a': 1}, 2, message_id='m')
RAW = joined(FULL)


def received() -> spec.BasicProperties:
    return spec.BasicProperties.from_raw(RAW)


def is_read(properties: spec.BasicProperties) -> bool:
    return type(properties) is spec.BasicProperties


@pytest.mark.parametrize('look', [
    lambda properties: properties.headers == {
        'a': 1
    },
    lambda properties: vars(properties) == vars(FULL),
    lambda properties: properties.__dict__ == vars(FULL),
    lambda properties: properties == FULL,
    lambda properties: FULL == properties,
    lambda properties: not properties != FULL,
    lambda properties: repr(properties) == repr(FULL),
    lambda properties: str(properties) == str(FULL),
    lambda properties: 'headers' in dir(properties),
    lambda properties: properties.error is None,
    lambda properties: getattr(properties, 'foreign', 5) == 5,
    lambda properties: not hasattr(properties, 'foreign'),
    lambda properties: copy.copy(properties) == FULL,
    lambda properties: copy.deepcopy(properties) == FULL,
    lambda properties: pickle.loads(pickle.dumps(properties)) == FULL,
    lambda properties: properties.decode(b'\x08\0\7').priority == 7,
])
def test_a_look_decodes(look: Any) -> None:
    properties = received()
    assert not is_read(properties)
    assert look(properties)
    assert is_read(properties)
    assert properties.raw == RAW


def test_no_look_no_decoding() -> None:
    properties = received()
    assert isinstance(properties, spec.BasicProperties)
    assert isinstance(properties, amqp_object.Properties)
    assert properties.encode() == [RAW]
    assert properties.raw == RAW
    assert (properties.NAME, properties.INDEX) == ('BasicProperties', 60)
    assert not is_read(properties)


def test_setting_and_deleting_decode_first() -> None:
    properties = received()
    properties.priority = 5
    assert is_read(properties)
    assert (properties.priority, properties.content_type) == (5, 'a/b')
    assert joined(properties) == joined(
        spec.BasicProperties('a/b', None, {'a': 1}, 2, 5, message_id='m'))
    assert properties.raw == RAW
    properties = received()
    properties.foreign = 'kept'  # type: ignore[attr-defined]
    assert vars(properties) == {**vars(FULL), 'foreign': 'kept'}
    properties = received()
    del properties.message_id
    assert 'message_id' not in vars(properties)
    properties = received()
    properties.__dict__ = {'headers': None}
    assert vars(properties) == {'headers': None}
    properties = received()
    vars(properties)['headers']['b'] = 2
    assert properties.headers == {'a': 1, 'b': 2}


def test_copies_keep_their_raw_bytes() -> None:
    for again in (copy.copy(received()), copy.deepcopy(received()),
                  pickle.loads(pickle.dumps(received()))):
        assert is_read(again)
        assert again.raw == RAW
        assert vars(again) == vars(FULL)


def test_received_properties_equal_each_other() -> None:
    assert received() == received()
    with pytest.raises(TypeError):
        hash(received())


@pytest.mark.parametrize(
    ('raw', 'left'),
    [
        (b'', {}),
        (b'\x80', {}),
        (b'\x80\0', {}),
        (b'\x80\0\5abc', {}),
        (b'\x90\0\3a/b', {
            'content_type': 'a/b'
        }),
        (b'\x80\x40\3a/b\0\0', {
            'content_type': 'a/b'
        }),
        (b'\xa0\0\3a/b\0\0\0\x09\1aI', {
            'content_type': 'a/b'
        }),
        (b'\x80\1\3a/b', {}),  # the second word of flags is the start of the list
        (b'\x80\0\3a/bc', {
            'content_type': 'a/b'
        }),  # a byte behind
        (b'\x80\2\3a/bc', {
            'content_type': 'a/b'
        }),  # a flag that 0-9-1 has not
    ])
def test_what_is_malformed_is_no_error_at_a_look(raw: bytes, left: dict[str, Any]) -> None:
    properties = spec.BasicProperties.from_raw(raw)
    assert {name: value for name, value in vars(properties).items() if value is not None} == left
    assert isinstance(properties.error, exceptions.ProtocolSyntaxError)
    assert properties.error.__traceback__ is None
    assert properties.raw == raw
    assert copy.copy(properties).raw == raw


def test_headers_that_cannot_be_decoded_spoil_only_themselves() -> None:
    raw = b'\xb0\0\3a/b\0\0\0\x07\1at\1\1b?\2'
    properties = spec.BasicProperties.from_raw(raw)
    assert isinstance(properties.headers, data.SpoiltTable)
    assert properties.headers == {'a': True}
    assert (properties.content_type, properties.delivery_mode) == ('a/b', 2)
    assert properties.error is properties.headers.error
    assert joined(properties) == raw


def test_more_words_of_flags_are_skipped() -> None:
    """Rule 41: bit 0 of a word announces another one."""
    properties = spec.BasicProperties.from_raw(b'\x08\1\0\1\0\0\7')
    assert (properties.priority, properties.error) == (7, None)


def test_decode_is_strict() -> None:
    properties = spec.BasicProperties(app_id='mine')
    with pytest.raises(exceptions.ProtocolSyntaxError):
        properties.decode(b'\x80\0\5abc')
    assert properties.app_id == 'mine'
    properties.foreign = 1  # type: ignore[attr-defined]
    assert properties.decode(b'\x08\0\7') is properties
    assert (properties.priority, properties.app_id) == (7, None)
    assert vars(properties)['foreign'] == 1


def test_errors_are_what_pika_1_raised() -> None:
    with pytest.raises(struct.error):
        spec.BasicProperties(priority=300).encode()
    with pytest.raises(AssertionError):
        spec.BasicProperties(expiration=1000).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize('given, same', [
    (spec.Basic.Publish(0, b'e', b'\xff'), spec.Basic.Publish(0, 'e', '\udcff')),
    (spec.BasicProperties(correlation_id=b'1', priority=2, headers={'a':
        1}), spec.BasicProperties(correlation_id='1', priority=2, headers={'a': 1})),
])
def test_bytes_for_a_short_string_as_in_pika_1(given, same):
    before = dict(vars(given))
    assert b''.join(given.encode()) == b''.join(same.encode())
    assert vars(given) == before


def test_bytes_for_a_short_string_hide_no_other_error():
    with pytest.raises(ValueError, match='priority'):
        spec.BasicProperties(correlation_id=b'1', priority=300).encode()
    with pytest.raises(exceptions.ShortStringTooLong, match='^exchange'):
        spec.Basic.Publish(0, b'e' * 256).encode()
