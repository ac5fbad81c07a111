"""Options of a TCP socket: what every connection needs, and what `tcp_options` asks for.

Rule: an option that this system does not have is left out and logged; it never fails a connection.
"""

from __future__ import annotations

import logging
import socket

from pika.exceptions import ParameterTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOGGER = logging.getLogger(__name__)

_NAMES = ('TCP_USER_TIMEOUT', 'TCP_KEEPIDLE', 'TCP_KEEPCNT', 'TCP_KEEPINTVL')
_OPTIONS = {name: getattr(socket, name) for name in _NAMES if hasattr(socket, name)}
# What macOS calls TCP_KEEPIDLE.
if 'TCP_KEEPIDLE' not in _OPTIONS and hasattr(socket, 'TCP_KEEPALIVE'):
    _OPTIONS['TCP_KEEPIDLE'] = getattr(socket, 'TCP_KEEPALIVE')  # noqa: B009


def socket_requires_keepalive(tcp_options: Mapping[str, int]) -> bool:
    """Tell whether one of the options (`TCP_KEEP...`) works only with keepalive switched on."""
    return any(name.startswith('TCP_KEEP') for name in tcp_options)


def set_sock_opts(tcp_options: Mapping[str, int] | None, sock: socket.socket) -> None:
    """Switch Nagle's algorithm off (the client coalesces by itself), then set `tcp_options`.

    Args:
        tcp_options: from the connection parameters, by the names of the socket module:
            `TCP_USER_TIMEOUT` (milliseconds), `TCP_KEEPIDLE` and `TCP_KEEPINTVL` (seconds),
            `TCP_KEEPCNT` (probes). A `TCP_KEEP...` option switches keepalive on.
        sock: a TCP socket, best before it connects.

    Raises:
        ParameterTypeError: a value that is no int.
        OSError: the system refuses the value of an option it has.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tcp_options:
        return
    if socket_requires_keepalive(tcp_options):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in tcp_options.items():
        if not isinstance(value, int):
            raise ParameterTypeError(f'tcp_options.{name}', value, 'an int')
        if name in _OPTIONS:
            sock.setsockopt(socket.IPPROTO_TCP, _OPTIONS[name], value)
        else:
            LOGGER.info('TCP option %s is unknown here and left out.', name)
