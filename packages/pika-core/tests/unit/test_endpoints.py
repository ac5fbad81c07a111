"""The plan is driven with values only; `resolve` asks the system's resolver for numeric names."""

import copy
import pickle
import socket

import pytest
from pika.exceptions import AMQPConnectionError
from pika.parameters import ConnectionParameters
from pika.transport import endpoints
from pika.transport.endpoints import (
    Connect,
    NameResolutionError,
    Resolve,
    Wait,
    connect_error,
    endpoint_plan,
    resolve,
)


def follow(plan, addresses):
    """Follow a plan in which no connection succeeds; return its steps and its error."""
    steps = []
    outcome = None
    try:
        while True:
            step = plan.send(outcome)
            if isinstance(step, Resolve):
                steps.append(('resolve', step.parameters.host))
                outcome = addresses[step.parameters.host]
            elif isinstance(step, Connect):
                steps.append(('connect', step.parameters.host, step.family, step.address))
                outcome = connect_error(step, ConnectionRefusedError(111, 'Connection refused'))
            else:
                assert isinstance(step, Wait)
                steps.append(('wait', step.seconds))
                outcome = None
    except StopIteration as end:
        return steps, end.value


V4, V6 = socket.AF_INET, socket.AF_INET6


def test_every_address_of_every_host_in_every_round_with_attempts_and_delay_of_the_last():
    configs = [
        ConnectionParameters('a', 1, connection_attempts=9, retry_delay=9),
        ConnectionParameters('b', 2, connection_attempts=2, retry_delay=0.5),
    ]
    addresses = {
        'a': [(V6, ('::1', 1, 0, 0)), (V4, ('127.0.0.1', 1))],
        'b': [(V4, ('127.0.0.2', 2)), (V4, ('127.0.0.3', 2))],
    }
    steps, error = follow(endpoint_plan(configs), addresses)
    one_round = [
        ('resolve', 'a'),
        ('connect', 'a', V6, ('::1', 1, 0, 0)),
        ('connect', 'a', V4, ('127.0.0.1', 1)),
        ('resolve', 'b'),
        ('connect', 'b', V4, ('127.0.0.2', 2)),
        ('connect', 'b', V4, ('127.0.0.3', 2)),
    ]
    assert steps == [*one_round, ('wait', 0.5), *one_round]
    assert '127.0.0.3' in str(error)
    assert len(error.errors) == 7
    assert '::1' in str(error.errors[0])


def test_name_that_does_not_resolve_leaves_the_other_hosts_their_turn():
    unknown = NameResolutionError(-2, 'unknown', host='a', port=1, phase='resolve')
    configs = [ConnectionParameters('a', 1), ConnectionParameters('b', 2)]
    steps, error = follow(endpoint_plan(configs), {'a': unknown, 'b': [(V4, ('127.0.0.2', 2))]})
    assert steps == [('resolve', 'a'), ('resolve', 'b'), ('connect', 'b', V4, ('127.0.0.2', 2))]
    assert isinstance(error, endpoints.ConnectError)
    assert error.errors == (unknown,)


def test_last_error_is_that_of_the_last_attempt_even_for_a_name():
    unknown = NameResolutionError(-2, 'unknown', host='b', port=1, phase='resolve')
    configs = [ConnectionParameters('a', 1), ConnectionParameters('b', 2)]
    _, error = follow(endpoint_plan(configs), {'a': [(V4, ('127.0.0.2', 2))], 'b': unknown})
    assert error is unknown


def test_negative_delay_does_not_wait():
    configs = [ConnectionParameters('a', 1, connection_attempts=2, retry_delay=-1)]
    steps, _ = follow(endpoint_plan(configs), {'a': [(V4, ('127.0.0.2', 2))]})
    assert ('wait', 0) in steps


def test_no_parameters_at_all():
    with pytest.raises(ValueError, match='parameters'):
        next(endpoint_plan([]))


def test_thousands_of_attempts_keep_a_bounded_number_of_errors():
    configs = [ConnectionParameters('a', 1, connection_attempts=2000)]
    _, error = follow(endpoint_plan(configs), {'a': [(V4, ('127.0.0.2', 2))]})
    assert len(error.errors) == 99


def test_hosts_without_addresses_end_in_an_error_too():
    _, error = follow(endpoint_plan([ConnectionParameters('a', 1)]), {'a': []})
    assert isinstance(error, AMQPConnectionError)


def test_step_that_failed_must_be_answered_with_an_exception():
    plan = endpoint_plan([ConnectionParameters('a', 1)])
    next(plan)
    plan.send([(V4, ('127.0.0.2', 2))])
    with pytest.raises(TypeError):
        plan.send(None)


def test_connect_error_names_host_port_address_phase_and_cause():
    step = Connect(ConnectionParameters('localhost', 5672), V4, ('127.0.0.1', 5672))
    cause = ConnectionRefusedError(111, 'Connection refused')
    error = connect_error(step, cause)
    for word in ('localhost:5672', '127.0.0.1', 'connect', 'Connection refused'):
        assert word in str(error)
    assert (error.host, error.port, error.phase) == ('localhost', 5672, 'connect')
    assert error.__cause__ is cause


@pytest.mark.parametrize('host, port', [('no-such-host.invalid', 5672), ('a..b', 5672),
                                        ('127.0.0.1', 70000), ('127.0.0.1', 0), ('a\0b', 5672)])
def test_unresolvable_name(host, port):
    """`.invalid` never resolves: RFC 6761 6.4."""
    with pytest.raises(NameResolutionError) as caught:
        resolve(ConnectionParameters(host, port))
    error = caught.value
    assert isinstance(error, AMQPConnectionError)
    assert isinstance(error, socket.gaierror)
    assert error.errno
    assert (error.host, error.port, error.phase) == (host, port, 'resolve')
    assert repr(host) in str(error)


def test_errors_can_be_copied_and_pickled():
    unknown = NameResolutionError(-2, 'unknown', host='b', port=1, phase='resolve')
    for twin in (copy.copy(unknown), pickle.loads(pickle.dumps(unknown))):
        assert str(twin) == str(unknown)
        assert (twin.errno, twin.host, twin.phase) == (-2, 'b', 'resolve')


@pytest.mark.parametrize('host, family', [('127.0.0.1', V4), ('::1', V6)])
def test_numeric_address_resolves_to_itself(host, family):
    [(found, address)] = resolve(ConnectionParameters(host, 5672))
    assert found == family
    assert address[:2] == (host, 5672)
