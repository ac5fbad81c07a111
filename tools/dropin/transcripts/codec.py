"""Properties, methods, tables and frames as bytes; nothing is sent."""

import datetime
import decimal
import struct

import pika
from pika import data, exceptions, frame, spec

UTC = datetime.timezone.utc


def tables(scene):
    """What each type of Python becomes on the wire, and what comes back.

    Differs: a long integer is an int again, and not a `pika.compat.long`, whose repr has an L.
    """
    for value in ('text', 'é', '', b'bytes', b'\xff', True, False, 0, -1, 2**31 - 1, -2**31, 2**31,
                  2**63 - 1, -2**63, decimal.Decimal('1.25'), decimal.Decimal(-3),
                  decimal.Decimal('1E+2'), datetime.datetime(2020, 1, 2, 3, 4, 5),
                  datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), {}, {
                      'a': {
                          'b': 1
                      }
                  }, [], [1, 'a', None, [True]], None):
        pieces = []
        data.encode_table(pieces, {'k': value})
        encoded = b''.join(pieces)
        scene.say(value, encoded.hex(), data.decode_table(encoded, 0))


def numbers_beyond_a_table(scene):
    """Numbers that no field can hold."""
    for value in (2**63, -2**63 - 1, 2**64, decimal.Decimal('12345678901.5')):
        scene.attempt(f'{value!r}', lambda: data.encode_table([], {'k': value}))


def types_beyond_a_table(scene):
    """Types that no field can hold are refused.

    Differs: a tuple is sent as a list, a bytearray and a memoryview as bytes, a float as a double.
    """
    for value in (1.5, (1, 2), {1}, bytearray(b'x'), memoryview(b'x'), datetime.date(2020, 1,
                                                                                     2), object):
        scene.attempt(type(value).__name__, lambda: data.encode_table([], {'k': value}))


def kinds_of_a_table(scene):
    """Kinds that others send.

    Differs: a float or a double is what was sent, where pika 1.4 cut it to an int.
    """
    for kind, payload in ((b'b', struct.pack('>b', -2)), (b'B', struct.pack('>B', 200)),
                          (b's', struct.pack('>h', -2)), (b'U', struct.pack('>h', -2)),
                          (b'u', struct.pack('>H', 60000)), (b'I', struct.pack('>i', -2)),
                          (b'i', struct.pack('>I', 2**31)), (b'L', struct.pack('>q', -2)),
                          (b'f', struct.pack('>f', 1.5)), (b'd', struct.pack('>d', 1.5)),
                          (b't', b'\x01'), (b'V', b''), (b'T', struct.pack('>Q', 0)), (b'?', b'')):
        entry = b'\x01k' + kind + payload
        scene.attempt(repr(kind),
                      lambda: data.decode_table(struct.pack('>I', len(entry)) + entry, 0))


def short_strings(scene):
    """At most 255 bytes, str only.

    Differs: what is no str is a TypeError, and no AttributeError.
    """
    for value in ('', 'a', 'é' * 127, 'é' * 128, 'a' * 256, 5, None):
        pieces = []
        scene.attempt(repr(value)[:10], lambda: data.encode_short_string(pieces, value))
        scene.say(b''.join(pieces).hex()[:10])


def properties(scene):
    """Order of the arguments, attributes, repr, equality and bytes of BasicProperties."""
    full = pika.BasicProperties('text/plain', 'gzip', {'a': 1}, 2, 5, 'c', 'r', '1000', 'm',
                                1577923200, 't', 'u', 'a', 'cluster')
    scene.say(full)
    scene.say(sorted(vars(full).items()))
    scene.say(b''.join(full.encode()).hex())
    empty = pika.BasicProperties()
    scene.say(empty, b''.join(empty.encode()).hex(), vars(empty) == dict.fromkeys(vars(full)))
    scene.say(empty == pika.BasicProperties(), empty == full, empty != full)
    scene.attempt('hash', lambda: hash(empty))
    decoded = pika.BasicProperties().decode(b''.join(full.encode()))
    scene.say(decoded == full, decoded.headers, decoded.NAME, decoded.INDEX, decoded.CLASS.NAME)
    scene.say(pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent).delivery_mode)
    empty.anything = 1
    scene.say(vars(empty)['anything'])


def values_of_properties(scene):
    """Nothing is validated before it is encoded, and then it is.

    Differs: a wrong type is a TypeError and an AssertionError, always, and names the property.
    """
    for name, value in (('priority', 300), ('priority', -1), ('priority', 'x'), ('timestamp', 1.5),
                        ('expiration', 1000), ('content_type', 5), ('headers', 5),
                        ('correlation_id', 7), ('delivery_mode', 'x')):
        made = pika.BasicProperties(**{name: value})
        scene.attempt(f'{name}={value!r}', lambda: len(b''.join(made.encode())))


def bytes_for_a_string_of_properties(scene):
    """`bytes` are taken for a short string."""
    made = pika.BasicProperties(correlation_id=b'x')
    scene.attempt('encode', lambda: b''.join(made.encode()))


METHODS = [
    spec.Connection.Start(0, 9, {'a': 1}, 'PLAIN', 'en_US'),
    spec.Connection.StartOk({}, 'PLAIN', 'x', 'en_US'),
    spec.Connection.Tune(1, 2, 3),
    spec.Connection.TuneOk(1, 2, 3),
    spec.Connection.Open('/', '', True),
    spec.Connection.OpenOk(),
    spec.Connection.Close(200, 'bye', 0, 0),
    spec.Connection.CloseOk(),
    spec.Connection.Blocked('low'),
    spec.Connection.Unblocked(),
    spec.Connection.UpdateSecret('a', 'b'),
    spec.Channel.Open(),
    spec.Channel.Flow(True),
    spec.Channel.FlowOk(False),
    spec.Channel.Close(200, 'bye', 1, 2),
    spec.Exchange.Declare(0, 'e', 'topic', False, True, True, False, True, {'a': 1}),
    spec.Exchange.Delete(0, 'e', True),
    spec.Exchange.Bind(0, 'd', 's', 'k'),
    spec.Exchange.Unbind(0, 'd', 's', 'k'),
    spec.Queue.Declare(0, 'q', True, False, True, False, True),
    spec.Queue.DeclareOk('q', 1, 2),
    spec.Queue.Bind(0, 'q', 'e', 'k'),
    spec.Queue.Purge(0, 'q'),
    spec.Queue.Delete(0, 'q', True, True),
    spec.Queue.Unbind(0, 'q', 'e', 'k'),
    spec.Basic.Qos(0, 7, True),
    spec.Basic.Consume(0, 'q', 't', True, False, True, False, {'x': 1}),
    spec.Basic.ConsumeOk('t'),
    spec.Basic.Cancel('t', True),
    spec.Basic.Publish(0, 'e', 'k', True),
    spec.Basic.Return(312, 'NO_ROUTE', 'e', 'k'),
    spec.Basic.Deliver('t', 7, True, 'e', 'k'),
    spec.Basic.Get(0, 'q', True),
    spec.Basic.GetOk(7, True, 'e', 'k', 3),
    spec.Basic.GetEmpty(),
    spec.Basic.Ack(7, True),
    spec.Basic.Nack(7, False, True),
    spec.Basic.Reject(7, False),
    spec.Basic.Recover(True),
    spec.Tx.Select(),
    spec.Confirm.Select(True),
]


def methods(scene):
    """Bytes, names, numbers and attributes of methods, encoded and decoded again."""
    for method in METHODS:
        encoded = b''.join(method.encode())
        secrets = ('', '') if isinstance(method, spec.Connection.UpdateSecret) else ()
        twin = type(method)(*secrets).decode(encoded)
        scene.say(method.NAME, hex(method.INDEX), method.synchronous, encoded.hex())
        scene.say(sorted(vars(method).items()), twin == method, spec.has_content(method.INDEX))
        scene.say(spec.methods[method.INDEX] is type(method))


def frames(scene):
    """Frames as bytes.

    Differs: a protocol header with revision 0 has it.
    """
    scene.say(frame.Method(1, spec.Basic.Ack(7)).marshal().hex())
    scene.say(frame.Header(1, 5, pika.BasicProperties(priority=1)).marshal().hex())
    scene.say(frame.Body(1, b'hello').marshal().hex())
    scene.say(frame.Heartbeat().marshal().hex())
    scene.say(frame.ProtocolHeader().marshal().hex())
    scene.say(frame.ProtocolHeader(0, 8, 0).marshal().hex())


def decoding_frames(scene):
    """What decode_frame finds; (0, None) as long as it is incomplete."""
    for made in (frame.Method(1, spec.Basic.Ack(7)), frame.Header(1, 5, pika.BasicProperties()),
                 frame.Body(1, b'hello'), frame.Heartbeat(), frame.ProtocolHeader()):
        whole = made.marshal()
        size, found = frame.decode_frame(whole + b'more')
        scene.say(type(found).__name__, size, len(whole), found.NAME)
        scene.say({frame.decode_frame(whole[:count]) for count in range(4)})
        scene.say(frame.decode_frame(whole[:-1]))


def broken_frames(scene):
    """Bytes that are no frame.

    Differs: a method that nobody knows is an InvalidFrameError, and no KeyError.
    """
    ack = frame.Method(1, spec.Basic.Ack(7)).marshal()
    for what, broken in (('end', ack[:-1] + b'x'), ('type', b'\x09' + ack[1:]),
                         ('method', ack[:7] + b'\x00\x3c\x00\xff' + ack[11:])):
        scene.attempt(what, lambda: frame.decode_frame(broken))


def errors(scene):
    """Arguments and attributes of errors that programs make or look at.

    Differs: a text given as bytes is decoded.
    """
    for error in (exceptions.ConnectionClosed('200', b'x'), exceptions.ChannelClosed(404, 'gone'),
                  exceptions.ConnectionClosedByBroker(320,
                                                      'x'), exceptions.ChannelClosedByClient(0,
                                                                                             '')):
        scene.say(type(error).__name__, error.args, error.reply_code, error.reply_text)
    for error in (exceptions.UnroutableError([1, 2]), exceptions.NackError([])):
        scene.say(
            type(error).__name__, error.messages, isinstance(error, exceptions.AMQPChannelError))
    scene.say(exceptions.ShortStringTooLong(b'x').args, exceptions.AMQPConnectionError(1, 2).args)
    for name in ('DuplicateGetOkCallback', 'ReentrancyError', 'ChannelError'):
        scene.say(name, issubclass(getattr(exceptions, name), exceptions.AMQPError))
    scene.say(exceptions.ConsumerCancelled().args, exceptions.DuplicateConsumerTag('t').args)


def texts_of_errors(scene):
    """What str() of an error gives.

    Differs: it is never empty, and says what happened.
    """
    for error in (exceptions.AMQPConnectionError(), exceptions.AMQPConnectionError('x'),
                  exceptions.ChannelClosed(404, 'gone'), exceptions.UnroutableError([1]),
                  exceptions.ChannelWrongStateError('Channel is closed.'),
                  exceptions.DuplicateConsumerTag('t'), exceptions.NoFreeChannels(),
                  exceptions.ConsumerCancelled(), exceptions.AMQPHeartbeatTimeout('late'),
                  exceptions.ShortStringTooLong(b'x' * 3)):
        scene.say(type(error).__name__, str(error))


def exchange_types(scene):
    """ExchangeType is a str as well."""
    from pika.exchange_type import ExchangeType
    scene.say([(kind.name, kind.value) for kind in ExchangeType])
    scene.say(ExchangeType.direct == 'direct', isinstance(ExchangeType.topic, str))
    scene.say(ExchangeType('fanout') is ExchangeType.fanout)


def validators(scene):
    """What they let pass."""
    from pika import validators as checks
    for value in ('x', b'x', 5):
        scene.attempt(f'require_string {value!r}', lambda: checks.require_string(value, 'name'))
    for value in (print, 5, None):
        scene.attempt(f'require_callback {type(value).__name__}',
                      lambda: checks.require_callback(value))
        scene.attempt(f'rpc_completion_callback {type(value).__name__}',
                      lambda: checks.rpc_completion_callback(value))
    for value in (0, 1, -1):
        scene.attempt(f'zero_or_greater {value!r}', lambda: checks.zero_or_greater('name', value))
