"""Where to connect, in which order, and what to raise when nothing answered.

Rule: the plan does no I/O and never waits. It says what to do next; the adapter does it and sends
back what came of it. An adapter stops iterating once a connection is open (TCP, TLS and AMQP):

    plan = endpoint_plan(configs)
    outcome = None
    try:
        while True:
            step = plan.send(outcome)
            ...                      # outcome = what came of the step, see `endpoint_plan`
    except StopIteration as end:
        raise end.value
"""

from __future__ import annotations

import socket
from collections import deque

from pika.exceptions import (
    AMQPConnectionError,
    AMQPConnectorSocketConnectError,
    StreamLostError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from typing import Any, Union

    from pika.parameters import Parameters

    # The family and what socket.connect() takes, as socket.getaddrinfo() gives them.
    Address = tuple[int, tuple[Any, ...]]
    Step = Union['Resolve', 'Connect', 'Wait']
    Outcome = Union[list[Address], Exception, None]

# With connection_attempts=10**9 ("try for ever") the list of errors must not eat the memory.
_ERRORS_KEPT = 100


class Resolve:
    """Step: look up the addresses of `parameters.host`; `resolve` does it, and blocks."""

    __slots__ = ('parameters',)

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters


class Connect:
    """Step: open a connection to this one address: TCP, TLS where asked for, AMQP."""

    __slots__ = ('parameters', 'family', 'address')

    def __init__(self, parameters: Parameters, family: int, address: tuple[Any, ...]) -> None:
        self.parameters = parameters
        self.family = family
        self.address = address


class Wait:
    """Step: let this many seconds pass before the next round."""

    __slots__ = ('seconds',)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class NameResolutionError(AMQPConnectionError, socket.gaierror):
    """The host has no address; `errno` is that of the resolver. Also a `socket.gaierror`."""


class ConnectError(AMQPConnectorSocketConnectError):
    """No TCP connection: refused, unreachable, timed out; its `exception` is the `OSError`."""


def connect_error(step: Connect, error: OSError) -> ConnectError:
    """Make the error that says: this address cannot be connected to."""
    return ConnectError(error,
                        f'cannot connect to {step.address[0]} port {step.address[1]}: {error}',
                        host=step.parameters.host,
                        port=step.parameters.port,
                        phase='connect')


def endpoint_plan(configs: Sequence[Parameters]) -> Generator[Step, Outcome, Exception]:
    """Yield the steps that lead to a connection, until the adapter stops asking.

    Each round goes through all parameters and all addresses of each. The number of rounds and the
    pause between them are `connection_attempts` and `retry_delay` (seconds) of the last parameters.

    What the adapter sends back: after `Resolve` a list of (family, address), or the exception;
    after `Connect` the exception; after `Wait` None.

    Returns:
        The error to raise (the value of StopIteration): that of the last attempt. Its attribute
        `errors` is a tuple of those before it, oldest first, the last hundred at most.

    Raises:
        ValueError: `configs` is empty.
    """
    if not configs:
        raise ValueError('connection parameters: at least one is needed, got an empty sequence')
    last = configs[-1]
    errors: deque[Exception] = deque(maxlen=_ERRORS_KEPT)
    for attempt in range(last.connection_attempts):
        if attempt:
            # 1.4 accepts a negative delay; no loop does.
            yield Wait(max(0.0, last.retry_delay))
        for parameters in configs:
            found = yield Resolve(parameters)
            if not isinstance(found, list):
                errors.append(_failure(found))
                continue
            for family, address in found:
                errors.append(_failure((yield Connect(parameters, family, address))))
    return last_error(errors)


def _failure(outcome: Outcome) -> Exception:
    if not isinstance(outcome, Exception):
        raise TypeError(f'a failed step is answered with its exception, not {outcome!r}')
    return outcome


def last_error(errors: Sequence[Exception]) -> Exception:
    """Return the last of `errors`, with those before it as the tuple `.errors`."""
    *earlier, last = errors or [AMQPConnectionError('no host has an address to connect to')]
    setattr(last, 'errors', tuple(earlier))  # noqa: B010 (any exception, also of the user's code)
    return last


def without_asking(parameters: Parameters) -> Outcome:
    """Return the outcome of a `Resolve` for which no resolver is needed; None where one is.

    That is a host that is an address already, and a port that is none.
    """
    try:
        socket.getaddrinfo(parameters.host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        if 0 < parameters.port < 65536:
            return None
    return look_up(parameters)


def look_up(parameters: Parameters) -> Outcome:
    """Return the outcome of a `Resolve`: what `resolve` returns or raises; blocks."""
    try:
        return resolve(parameters)
    except NameResolutionError as error:
        return error


def resolve(parameters: Parameters) -> list[Address]:
    """Look up the addresses of a host, IPv6 and IPv4, in the system's order; blocks.

    Raises:
        NameResolutionError: the name has no address, or is no name, or the port is none.
    """
    host, port = parameters.host, parameters.port
    try:
        if not 0 < port < 65536:
            # Some C libraries take the number modulo 65536, and connect elsewhere.
            raise ValueError(f'port {port} is not in 1..65535')
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, ValueError) as error:
        raise resolve_error(parameters, error) from error
    return addresses(found)


def addresses(found: Iterable[tuple[int, int, int, str, tuple[Any, ...]]]) -> list[Address]:
    """Return what is needed of the result of `getaddrinfo`."""
    # A name that stands twice in /etc/hosts gives each address twice.
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def resolve_error(parameters: Parameters, error: Exception | str) -> NameResolutionError:
    """Make the error that says: this host has no address."""
    errno = getattr(error, 'errno', None)
    result = NameResolutionError(
        errno or (socket.EAI_AGAIN if isinstance(error, str) else socket.EAI_NONAME),
        f'cannot resolve {parameters.host!r}: {getattr(error, "strerror", None) or error}',
        host=parameters.host,
        port=parameters.port,
        phase='resolve')
    result.__cause__ = error if isinstance(error, Exception) else None
    return result


def lost_error(parameters: Parameters, error: Exception) -> StreamLostError:
    """Make the error that says: the stream to this host was there, and broke."""
    result = StreamLostError(f'the connection broke: {error}',
                             host=parameters.host,
                             port=parameters.port)
    result.__cause__ = error
    return result
