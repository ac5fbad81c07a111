"""The errors: the tree of pika 1.x, what each says, and that each survives pickling and copying."""

from __future__ import annotations

import copy
import pickle
import struct

import pytest
from pika import exceptions, spec

# Name, base, arguments: section 4 of the public API of pika 1.4.
TREE = [
    ('AMQPError', Exception, ()),
    ('AMQPConnectionError', exceptions.AMQPError, ('refused',)),
    ('AMQPConnectorException', exceptions.AMQPConnectionError, ('refused',)),
    ('AMQPConnectorStackTimeout', exceptions.AMQPConnectorException, ('no Start',)),
    ('AMQPConnectorPhaseErrorBase', exceptions.AMQPConnectorException, (None, 'refused')),
    ('AMQPConnectorSocketConnectError', exceptions.AMQPConnectorPhaseErrorBase, (None, 'refused')),
    ('AMQPConnectorTransportSetupError', exceptions.AMQPConnectorPhaseErrorBase, (None, 'no TLS')),
    ('AMQPHeartbeatTimeout', exceptions.AMQPConnectionError, ('silence',)),
    ('AuthenticationError', exceptions.AMQPConnectionError, ('PLAIN',)),
    ('ConnectionBlockedTimeout', exceptions.AMQPConnectionError, ('blocked',)),
    ('ConnectionOpenAborted', exceptions.AMQPConnectionError, ('aborted',)),
    ('ConnectionClosed', exceptions.AMQPConnectionError, (320, 'CONNECTION_FORCED')),
    ('ConnectionClosedByBroker', exceptions.ConnectionClosed, (320, 'CONNECTION_FORCED')),
    ('ConnectionClosedByClient', exceptions.ConnectionClosed, (200, 'Normal shutdown')),
    ('ConnectionWrongStateError', exceptions.AMQPConnectionError, ('closed',)),
    ('IncompatibleProtocolError', exceptions.AMQPConnectionError, ('AMQP 1.0',)),
    ('NoFreeChannels', exceptions.AMQPConnectionError, ()),
    ('ProbableAccessDeniedError', exceptions.AMQPConnectionError, ('(530, ...)',)),
    ('ProbableAuthenticationError', exceptions.AMQPConnectionError, ('(403, ...)',)),
    ('StreamLostError', exceptions.AMQPConnectionError, ('reset',)),
    ('AMQPChannelError', exceptions.AMQPError, ()),
    ('ChannelClosed', exceptions.AMQPChannelError, (404, 'NOT_FOUND')),
    ('ChannelClosedByBroker', exceptions.ChannelClosed, (404, 'NOT_FOUND')),
    ('ChannelClosedByClient', exceptions.ChannelClosed, (0, '')),
    ('ChannelWrongStateError', exceptions.AMQPChannelError, ('Channel is closed.',)),
    ('ConsumerCancelled', exceptions.AMQPChannelError, ()),
    ('DuplicateConsumerTag', exceptions.AMQPChannelError, ('ctag1',)),
    ('NackError', exceptions.AMQPChannelError, ([],)),
    ('UnroutableError', exceptions.AMQPChannelError, (['a', 'b'],)),
    ('InvalidChannelNumber', exceptions.AMQPError, (70000,)),
    ('MethodNotImplemented', exceptions.AMQPError, ('Basic.Nack',)),
    ('ShortStringTooLong', exceptions.AMQPError, (b'x' * 300,)),
    ('ProtocolSyntaxError', exceptions.AMQPError, ()),
    ('BodyTooLongError', exceptions.ProtocolSyntaxError, (5, 4)),
    ('InvalidFieldTypeException', exceptions.ProtocolSyntaxError, ('z',)),
    ('InvalidFrameError', exceptions.ProtocolSyntaxError, ('bad end',)),
    ('ProtocolVersionMismatch', exceptions.ProtocolSyntaxError, ((0, 8), (0, 9))),
    ('UnexpectedFrameError', exceptions.ProtocolSyntaxError, ('frame',)),
    ('UnsupportedAMQPFieldException', exceptions.ProtocolSyntaxError, ([b'x'], {1})),
    ('ProtocolViolationError', exceptions.ProtocolSyntaxError, (501, 'frame too large')),
    ('ProtocolViolationError', exceptions.AMQPConnectionError, (501, 'frame too large')),
    ('ChannelError', Exception, ('bad',)),
    ('DuplicateGetOkCallback', exceptions.ChannelError, ()),
    ('ReentrancyError', Exception, ('nested',)),
    ('ParameterTypeError', TypeError, ('queue', 5, 'a str')),
    ('ParameterValueError', ValueError, ('priority', 300, 'an int from 0 to 255')),
]


@pytest.mark.parametrize(('name', 'base', 'args'), TREE, ids=[row[0] for row in TREE])
class TestEveryError:

    def test_has_its_base_and_says_something(self, name, base, args):
        error = getattr(exceptions, name)(*args)
        assert issubclass(type(error), base)
        assert str(error)
        assert name in repr(error)

    def test_survives_pickle_copy_and_deepcopy(self, name, base, args):
        error = getattr(exceptions, name)(*args)
        error.note = 'set by somebody'
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(twin) is type(error)
            assert (twin.args, vars(twin), str(twin)) == (error.args, vars(error), str(error))

    def test_says_something_without_arguments_or_with_empty_ones(self, name, base, args):
        for few in ((), ('',)):
            try:
                error = getattr(exceptions, name)(*few)
            except TypeError:  # arguments that are required, as in 1.4
                continue
            assert str(error)
            assert repr(error)


def test_tree_is_complete():
    made = {
        name for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception) and not name.startswith('_')
    }
    assert made - {row[0] for row in TREE} == {'ParameterError'}


def test_channel_error_and_reentrancy_error_are_no_amqp_errors():
    assert not issubclass(exceptions.ChannelError, exceptions.AMQPError)
    assert not issubclass(exceptions.ReentrancyError, exceptions.AMQPError)


def test_error_of_a_phase_says_what_its_exception_says():
    refused = ConnectionRefusedError(111, 'Connection refused')
    error = exceptions.AMQPConnectorSocketConnectError(refused)
    assert error.exception is error.__cause__ is refused
    assert str(error) == str(refused)
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.exception.errno) == (str(error), 111)


# Where


@pytest.mark.parametrize(('where', 'ending'), [
    ({}, 'no'),
    (dict(host='mq', port=5672, phase='connect'), 'no (mq:5672, phase connect)'),
    (dict(host='::1', port=5671, phase='TLS'), 'no ([::1]:5671, phase TLS)'),
    (dict(host='mq'), 'no (mq)'),
    (dict(phase='resolve'), 'no (phase resolve)'),
])
def test_connection_error_ends_with_peer_and_phase_where_known(where, ending):
    error = exceptions.AMQPConnectionError('no', **where)
    assert str(error) == ending
    assert (error.host, error.port,
            error.phase) == tuple(where.get(key) for key in ('host', 'port', 'phase'))
    assert error.args == ('no',)


def test_peer_can_be_set_later():
    error = exceptions.ConnectionClosedByBroker(320, 'CONNECTION_FORCED')
    error.host, error.port, error.phase = 'mq', 5672, 'open'
    assert str(error) == "(320, 'CONNECTION_FORCED') (mq:5672, phase open)"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_error_about_an_error_without_text_names_its_type():
    assert str(exceptions.AMQPConnectionError(OSError())) == 'OSError()'


# Closed by Connection.Close or Channel.Close


@pytest.mark.parametrize('name', ['ConnectionClosed', 'ChannelClosed'])
@pytest.mark.parametrize('args', [('404', b'gone'), (404, 'gone')])
def test_closed_coerces_code_and_text(name, args):
    error = getattr(exceptions, name)(*args)
    assert error.args == (404, 'gone') == (error.reply_code, error.reply_text)
    assert str(error) == "(404, 'gone')"
    assert (error.class_id, error.method_id) == (0, 0)


def test_closed_refuses_what_is_no_code():
    with pytest.raises(ValueError):
        exceptions.ConnectionClosed('x', 'y')


@pytest.mark.parametrize('name', ['ConnectionClosedByBroker', 'ChannelClosedByBroker'])
def test_closed_names_the_method_that_caused_it(name):
    index = spec.Queue.Declare.INDEX
    error = getattr(exceptions, name)(406,
                                      'PRECONDITION_FAILED',
                                      class_id=index >> 16,
                                      method_id=index & 0xFFFF)
    assert str(error) == "(406, 'PRECONDITION_FAILED'), caused by Queue.Declare"
    assert error.args == (406, 'PRECONDITION_FAILED')
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.class_id, twin.method_id) == (50, 10)


def test_closed_by_a_method_nobody_knows_gives_its_numbers():
    error = exceptions.ConnectionClosed(540, 'NOT_IMPLEMENTED', class_id=99, method_id=7)
    assert str(error).endswith('caused by method 99.7')


# Whether again can help


@pytest.mark.parametrize(('error', 'recoverable'), [
    (exceptions.AMQPConnectionError('refused'), True),
    (exceptions.StreamLostError(), True),
    (exceptions.AMQPHeartbeatTimeout(), True),
    (exceptions.ConnectionBlockedTimeout(), True),
    (exceptions.AuthenticationError('PLAIN'), False),
    (exceptions.ProbableAuthenticationError(), False),
    (exceptions.ProbableAccessDeniedError(), False),
    (exceptions.IncompatibleProtocolError(), False),
    (exceptions.ConnectionWrongStateError(), False),
    (exceptions.ConnectionClosedByBroker(320, ''), True),
    (exceptions.ConnectionClosedByBroker(541, ''), True),
    (exceptions.ConnectionClosedByBroker(403, ''), False),
    (exceptions.ConnectionClosedByBroker(530, ''), False),
    (exceptions.ConnectionClosedByClient(320, ''), False),
    (exceptions.ChannelClosedByBroker(405, ''), True),
    (exceptions.ChannelClosedByBroker(404, ''), False),
    (exceptions.NackError([]), True),
    (exceptions.UnroutableError([]), False),
    (exceptions.ParameterValueError('a', 1, 'b'), False),
],
                         ids=repr)
def test_recoverable_tells_whether_again_can_help(error, recoverable):
    assert error.recoverable is recoverable


# Messages that came back


@pytest.mark.parametrize('name', ['UnroutableError', 'NackError'])
def test_returned_messages_survive_pickling(name):
    error = getattr(exceptions, name)(['first', 'second'])
    assert pickle.loads(pickle.dumps(error)).messages == ['first', 'second']
    assert error.args[0].startswith('2 ')


# Values


def test_error_of_a_value_names_parameter_value_type_and_what_is_allowed():
    error = exceptions.ParameterTypeError('headers.x-retries[2]', 1j, 'an int')
    assert str(error) == 'headers.x-retries[2] must be an int, but got 1j (complex)'
    assert (error.parameter, error.value, error.allowed) == ('headers.x-retries[2]', 1j, 'an int')
    assert isinstance(error, TypeError) and isinstance(error, AssertionError)
    other = exceptions.ParameterValueError('priority', 300, 'an int from 0 to 255')
    assert isinstance(other, ValueError) and isinstance(other, struct.error)


@pytest.mark.parametrize('value', [
    b'x' * 1_000_000, 'x' * 1_000_000, ['x' * 100] * 1000, {
        str(i): i for i in range(1000)
    },
    bytearray(1000), 10**1000
],
                         ids=lambda value: type(value).__name__)
def test_long_values_are_shortened_in_messages(value):
    error = exceptions.ParameterTypeError('body', value, 'short')
    assert len(str(error)) < 160
    assert error.value is value


def test_secret_values_are_neither_shown_nor_kept():
    error = exceptions.ParameterTypeError('credentials', ('me', 'hunter2'), 'other', secret=True)
    assert str(error) == ('credentials must be other, but got a value of type tuple that is not '
                          'shown here')
    assert 'hunter2' not in f'{error!r}{error.args}{vars(error)}'
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_short_string_too_long_is_a_value_error_that_names_the_path():
    error = exceptions.ShortStringTooLong(b'k' * 300, parameter='routing_key')
    assert isinstance(error, ValueError)
    assert error.args == (b'k' * 300,)
    assert error.parameter == 'routing_key' == pickle.loads(pickle.dumps(error)).parameter
    assert str(error).startswith('routing_key: An AMQP short string can contain up to 255 bytes')
    assert len(str(error)) < 160


def test_unsupported_field_is_a_type_error_that_names_the_path():
    error = exceptions.UnsupportedAMQPFieldException([b'...'], {1}, parameter='headers.tags')
    assert isinstance(error, TypeError)
    assert error.args == ([b'...'], {1})
    assert str(error) == 'headers.tags: No field of a table can hold this value: {1} (set)'
