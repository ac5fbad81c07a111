"""The arguments of queues, exchanges and consumers: what each may be, and whether two agree."""

from __future__ import annotations

from pika_testing.broker.refusals import Refusal, not_modelled, precondition, shown, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from pika_testing.broker.versions import Version

    Arguments = Mapping[str, Any]
    # What is wrong with a value, or None.
    Check = Callable[[Any, Arguments], 'str | None']

CLASSIC = 'classic'
QUORUM = 'quorum'
_NOT_MODELLED = frozenset(('stream', 'delayed', 'mqtt_qos0', 'jms'))
# What declarations must agree in.
_COMPARED = ('x-queue-type', 'x-expires', 'x-message-ttl', 'x-dead-letter-exchange',
             'x-dead-letter-routing-key', 'x-max-length', 'x-max-length-bytes', 'x-max-priority',
             'x-overflow', 'x-queue-mode', 'x-single-active-consumer', 'x-delivery-limit')
_NOT_CLASSIC = ('x-delivery-limit', 'x-quorum-initial-group-size', 'x-max-age',
                'x-stream-max-segment-size-bytes', 'x-initial-cluster-size')
# Of quorum queues: replication, consumers that are given up, acknowledged dead letters.
_UNMODELLED = ('x-quorum-initial-group-size', 'x-quorum-target-group-size', 'x-consumer-timeout',
               'x-dead-letter-strategy')
_NOT_QUORUM = ('x-max-priority', 'x-queue-mode', 'x-max-age', 'x-stream-max-segment-size-bytes',
               'x-initial-cluster-size')


def _integer(value: Any, arguments: Arguments) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f'"expected integer, got {type_name(value)}"'
    return None


def _not_negative(value: Any, arguments: Arguments) -> str | None:
    wrong = _integer(value, arguments)
    if wrong is None and value < 0:
        wrong = f'{{value_negative,{value}}}'
    return wrong


def _positive(value: Any, arguments: Arguments) -> str | None:
    wrong = _not_negative(value, arguments)
    if wrong is None and not value:
        wrong = '{value_zero,0}'
    return wrong


def _priority(value: Any, arguments: Arguments) -> str | None:
    wrong = _not_negative(value, arguments)
    if wrong is None and value > 255:
        wrong = f'{{max_value_exceeded,{value}}}'
    return wrong


def _string(value: Any, arguments: Arguments) -> str | None:
    return None if isinstance(value, str) else f'{{unacceptable_type,{type_name(value)}}}'


def _boolean(value: Any, arguments: Arguments) -> str | None:
    return None if isinstance(value, bool) else f'{{unacceptable_type,{type_name(value)}}}'


def _dead_letter_routing_key(value: Any, arguments: Arguments) -> str | None:
    wrong = _string(value, arguments)
    if wrong is None and 'x-dead-letter-exchange' not in arguments:
        wrong = 'routing_key_but_no_dlx_defined'
    return wrong


def _overflow(value: Any, arguments: Arguments) -> str | None:
    wrong = _string(value, arguments)
    if wrong is None and value not in ('drop-head', 'reject-publish', 'reject-publish-dlx'):
        wrong = 'invalid_overflow'
    return wrong


def _queue_mode(value: Any, arguments: Arguments) -> str | None:
    wrong = _string(value, arguments)
    if wrong is None and value not in ('default', 'lazy'):
        wrong = f'"unsupported queue mode \'{value}\'"'
    return wrong


def _queue_type(value: Any, arguments: Arguments) -> str | None:
    wrong = _string(value, arguments)
    if wrong is None and value not in (CLASSIC, QUORUM):
        wrong = f'"unsupported queue type \'{value}\'"'
    return wrong


_CHECKS: dict[str, Check] = {
    'x-queue-type': _queue_type,
    'x-message-ttl': _not_negative,
    'x-expires': _positive,
    'x-max-length': _not_negative,
    'x-max-length-bytes': _not_negative,
    'x-overflow': _overflow,
    'x-dead-letter-exchange': _string,
    'x-dead-letter-routing-key': _dead_letter_routing_key,
    'x-max-priority': _priority,
    'x-single-active-consumer': _boolean,
    'x-delivery-limit': _integer,
    'x-queue-mode': _queue_mode,
}


def check_queue(name: str, virtual_host: str, arguments: Arguments, version: Version) -> None:
    """Look at the arguments of a queue.

    Raises:
      Refusal: one of them cannot be, or asks for what is not modelled.
    """
    where = f"for queue '{name}' in vhost '{virtual_host}'"
    exchange = arguments.get('x-dead-letter-exchange', '')
    if not isinstance(exchange, str):
        raise precondition(f"invalid type '{type_name(exchange)}' for arg 'x-dead-letter-exchange' "
                           f"in queue '{name}' in vhost '{virtual_host}'")
    kind = arguments.get('x-queue-type', CLASSIC)
    if kind in _NOT_MODELLED:
        raise not_modelled(f"queue '{name}' of type '{kind}'")
    for argument, check in _CHECKS.items():
        if argument in arguments and (argument != 'x-queue-mode' or version.has_queue_mode):
            wrong = check(arguments[argument], arguments)
            if wrong is not None and argument != 'x-delivery-limit':
                raise precondition(f"invalid arg '{argument}' {where}: {wrong}")
    for argument in _NOT_QUORUM if kind == QUORUM else _NOT_CLASSIC:
        if argument in arguments:
            raise precondition(
                f"invalid arg '{argument}' {where} of queue type rabbit_{kind}_queue")
    for argument in _UNMODELLED:
        if argument in arguments:
            raise not_modelled(f"{argument} of queue '{name}'")


def check_exchange(name: str, virtual_host: str, arguments: Arguments) -> None:
    """Look at the arguments of an exchange.

    Raises:
      Refusal: one of them cannot be.
    """
    alternate = arguments.get('alternate-exchange', '')
    if not isinstance(alternate, str):
        raise precondition(f"invalid type '{type_name(alternate)}' for arg 'alternate-exchange' "
                           f"in exchange '{name}' in vhost '{virtual_host}'")


def check_consumer(queue: str, virtual_host: str, arguments: Arguments) -> int:
    """Look at the arguments of a consumer; its priority.

    Raises:
      Refusal: it is no number.
    """
    priority = arguments.get('x-priority', 0)
    wrong = _integer(priority, arguments)
    if wrong is not None:
        raise precondition(
            f"invalid arg 'x-priority' for queue '{queue}' in vhost '{virtual_host}': {wrong}")
    assert isinstance(priority, int)
    return priority


def compare_queues(what: str, new: Arguments, current: Arguments, version: Version) -> None:
    """Refuse a declaration whose arguments are not those of the queue that is there."""
    if version.defaults_to_classic or current.get('x-queue-type', CLASSIC) == CLASSIC:
        new = {'x-queue-type': CLASSIC, **new}
        current = {'x-queue-type': CLASSIC, **current}
    compare(what, new, current, _COMPARED)


def compare(what: str, new: Arguments, current: Arguments, names: Iterable[str]) -> None:
    """Refuse a declaration that differs in one of the arguments `names`.

    Raises:
      Refusal: in RabbitMQ's words.
    """
    for name in names:
        if name in new and name in current:
            if type(new[name]) is not type(current[name]) or new[name] != current[name]:
                raise unequal(what, name, shown(new[name]), shown(current[name]))
        elif name in new:
            raise precondition(
                f"inequivalent arg '{name}' for {what}: received {_described(new[name])} "
                'but current is none')
        elif name in current:
            raise precondition(
                f"inequivalent arg '{name}' for {what}: received none but current is "
                f'{_described(current[name])}')


def unequal(what: str, name: str, new: str, current: str) -> Refusal:
    """The refusal of a declaration that differs in one value."""
    return precondition(
        f"inequivalent arg '{name}' for {what}: received '{new}' but current is '{current}'")


def _described(value: object) -> str:
    return f"the value '{shown(value)}' of type '{type_name(value)}'"
