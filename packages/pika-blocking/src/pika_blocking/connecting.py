"""From parameters to an open connection: names, addresses, TCP, TLS and the handshake of AMQP.

Rule: the order and the retries are those of `endpoint_plan`; one attempt opens all layers or
leaves nothing behind.
"""

from __future__ import annotations

import functools
import logging
import socket
import time
from collections.abc import Iterable

from pika import events
from pika.exceptions import ParameterTypeError, StreamLostError
from pika.parameters import ConnectionParameters, Parameters
from pika.protocol import Protocol
from pika.tcp_socket_opts import set_sock_opts
from pika.transport.endpoints import Connect, Resolve, Wait, connect_error, endpoint_plan, resolve

from pika_blocking.driver import Driver, Pending
from pika_blocking.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pika.transport.endpoints import Outcome
    from pika.transport.tls import TLSFilter

# Seconds; `settimeout` takes about 290 years, and not infinity.
_LONGEST_TIMEOUT = 1_000_000.0

LOGGER = logging.getLogger(__name__)


class _NoParametersError(ParameterTypeError, AttributeError):
    """A URL where parameters are due, over which pika 1.x raised an `AttributeError`."""


def as_sequence(parameters: Parameters | Sequence[Parameters] | None) -> Sequence[Parameters]:
    """Return what to connect to, in order; None means localhost as guest.

    Raises:
      TypeError, AttributeError: this is neither parameters nor a sequence of them.
    """
    if parameters is None:
        return [ConnectionParameters()]
    if isinstance(parameters, Parameters):
        return [parameters]
    allowed = 'Parameters or a sequence of them'
    if isinstance(parameters, (str, bytes)):
        allowed += '; of a URL pika.URLParameters(url) makes them'
    elif isinstance(parameters, Iterable):
        configs = list(parameters)
        if all(isinstance(config, Parameters) for config in configs):
            return configs
    # Not shown, since it may hold a password.
    raise _NoParametersError('parameters', parameters, allowed, secret=True)


def connect(configs: Sequence[Parameters], connection: object, wake: socket.socket,
            open_wire: Callable[[Connect, socket.socket], Wire]) -> Driver:
    """Open a connection to the first of `configs` that answers; the last says how often to try.

    connection: what a heartbeat callable gets. wake: see `Wire`. open_wire: as the one below.

    Raises:
      AMQPConnectionError: that of the last attempt, with the earlier ones as its attribute
        `errors`.
      ValueError: `configs` is empty.
    """
    plan = endpoint_plan(configs)
    outcome: Outcome = None
    while True:
        try:
            step = plan.send(outcome)
        except StopIteration as end:
            failure: Exception = end.value
            break
        try:
            if isinstance(step, Resolve):
                outcome = resolve(step.parameters)
            elif isinstance(step, Wait):
                outcome = None
                time.sleep(step.seconds)
            else:
                return _open(step, connection, functools.partial(open_wire, step, wake))
        except Exception as error:
            LOGGER.info('Connecting failed: %s', error)
            outcome = error
    raise failure


def open_wire(step: Connect, wake: socket.socket) -> Wire:
    """Open TCP to one address within `socket_timeout`, and begin TLS where it is asked for."""
    sock = _open_socket(step)
    tls: TLSFilter | None = None
    try:
        if step.parameters.ssl_options is not None:
            from pika.transport.tls import TLSFilter  # not everybody needs ssl
            tls = TLSFilter(step.parameters)
        return Wire(sock, tls, wake)
    except BaseException:
        sock.close()
        raise


def _open(step: Connect, connection: object, open_wire: Callable[[], Wire]) -> Driver:
    """Open all layers to one address; `stack_timeout` bounds them all."""
    parameters = step.parameters
    started = time.monotonic()
    protocol = Protocol(parameters, connection)
    wire = open_wire()
    tls = wire.tls
    opening = Pending()

    def route(event: events.Event) -> None:
        if isinstance(event, (events.Opened, events.Closed)):
            opening.event = event

    driver = Driver(protocol, wire, route)
    protocol.connect(started)
    try:
        driver.wait_for(opening)
    except BaseException:
        wire.abort()
        raise
    if isinstance(opening.event, events.Closed):
        driver.finish()
        if tls is not None and not tls.connected:
            raise _tls_failure(tls, parameters, opening.event.reason)
        raise opening.event.reason
    LOGGER.info('Connected to %s:%s, virtual host %r', parameters.host, parameters.port,
                parameters.virtual_host)
    return driver


def _tls_failure(tls: TLSFilter, parameters: Parameters, reason: Exception) -> Exception:
    """What kept TLS from its end; AMQP, which waited for it, does not know."""
    from pika.transport.tls import tls_error
    cause = reason.__cause__
    if tls.error is None and isinstance(cause, OSError):
        return tls_error(parameters, f'the connection broke during the TLS handshake: {cause}',
                         cause)
    if tls.error is None and isinstance(reason, StreamLostError):
        tls.receive_eof()
    return tls.error or tls_error(
        parameters, f'timeout: the TLS handshake did not end within {parameters.stack_timeout:g} s')


def _open_socket(step: Connect) -> socket.socket:
    parameters = step.parameters
    limits = [(limit, name)
              for limit, name in ((parameters.socket_timeout, 'socket_timeout'),
                                  (parameters.stack_timeout, 'stack_timeout'))
              if limit is not None]
    limit, name = min(limits, default=(None, ''))
    if limit is not None:
        limit = min(limit, _LONGEST_TIMEOUT)
    sock = socket.socket(step.family, socket.SOCK_STREAM)
    try:
        set_sock_opts(parameters.tcp_options, sock)
        sock.settimeout(limit)
        sock.connect(step.address)
        sock.setblocking(False)
    except socket.timeout as error:
        sock.close()
        timeout = TimeoutError(f'timeout: no answer within {limit} s ({name})')
        timeout.__cause__ = error
        raise connect_error(step, timeout) from timeout
    except OSError as error:
        sock.close()
        raise connect_error(step, error) from error
    except BaseException:
        sock.close()
        raise
    return sock
