"""A message, and what is noted of it in a queue.

Rule: once it is in a queue a message never changes; its body is held once, however many queues it
is in. Dead letters are new messages with the same body.
"""

from __future__ import annotations

import datetime

from pika import spec

from pika_testing.broker.refusals import Refusal, precondition, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pika_testing.broker.versions import Version

NO_PROPERTIES = b'\0\0'
_MOST = 2**63 - 1  # a client may have written the number before it
_COPIES = ('CC', 'BCC')  # https://www.rabbitmq.com/docs/sender-selected


class Message:
    """What was published.

    Attributes:
      exchange: where to.
      routing_key: as it was published.
      keys: the routing key, and those of the headers CC and BCC.
      told_keys: the same without BCC.
      properties: as published, without BCC.
      encoded: the same as bytes.
      body: bytes.
      expiration: seconds, or None.
      priority: None where none was set.
      deaths: what this broker has written to x-death; None where it has not.
      redelivered: whether even the first delivery says so.
    """

    __slots__ = ('exchange', 'routing_key', 'keys', 'told_keys', 'properties', 'encoded', 'body',
                 'deaths', 'expiration', 'priority', 'redelivered')

    def __init__(self,
                 exchange: str,
                 routing_key: str,
                 properties: spec.BasicProperties,
                 encoded: bytes,
                 body: bytes,
                 keys: Sequence[str] | None = None) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.keys: Sequence[str] = (routing_key,) if keys is None else keys
        self.told_keys = self.keys
        self.properties = properties
        self.encoded = encoded
        self.body = body
        self.expiration: float | None = None
        self.priority: int | None = None
        self.deaths: list[dict[str, Any]] | None = None
        self.redelivered = False

    def __repr__(self) -> str:
        return (f'<Message to {self.exchange!r} with {self.routing_key!r}: {self.body[:40]!r}'
                f'{"..." if len(self.body) > 40 else ""}>')

    def set_properties(self, properties: spec.BasicProperties) -> None:
        """Change what the client has written, before anybody has seen it."""
        self.properties = properties
        self.encoded = b''.join(properties.encode())


_NO_PROPERTIES = spec.BasicProperties()


def published(exchange: str, routing_key: str, encoded: bytes, body: bytes, user: str) -> Message:
    """The message as a client has published it.

    Raises:
      Refusal: its properties cannot be.
    """
    if encoded == NO_PROPERTIES:
        return Message(exchange, routing_key, _NO_PROPERTIES, encoded, body)
    properties = spec.BasicProperties.from_raw(encoded)
    user_id = properties.user_id
    if properties.error is not None:
        raise Refusal(spec.INTERNAL_ERROR, method=0)
    if user_id is not None and user_id != user:
        raise precondition(
            f"user_id property set to '{user_id}' but authenticated user was '{user}'")
    message = Message(exchange, routing_key, properties, encoded, body)
    if properties.expiration is not None:
        message.expiration = parse_expiration(properties.expiration)
    message.priority = properties.priority
    headers = properties.headers
    if headers and ('CC' in headers or 'BCC' in headers):
        _take_copies(message, dict(headers))
    return message


def _take_copies(message: Message, headers: dict[str, Any]) -> None:
    keys = [message.routing_key]
    for name in _COPIES:
        copies = headers.get(name, [])
        if not isinstance(copies, list):
            raise precondition(
                f'invalid message: {{unacceptable_type_in_header,"{name}",{type_name(copies)}}}')
        keys += [_text(key) for key in copies]
        if name == 'CC':
            message.told_keys = list(keys)
    message.keys = keys
    if headers.pop('BCC', None) is not None:
        message.set_properties(with_headers(message.properties, headers))


def _text(key: object) -> str:
    return key.decode('utf-8', 'surrogateescape') if isinstance(key, bytes) else str(key)


def parse_expiration(text: str) -> float:
    """The property expiration in seconds.

    Raises:
      Refusal: it is not a number of milliseconds in digits.
    """
    digits = text.lstrip('-') if text[:1] == '-' else text
    number = ''
    for character in digits:
        if character not in '0123456789':
            break
        number += character
    rest = digits[len(number):]
    if not number:
        raise precondition(f"invalid expiration '{text}': no_integer")
    if rest:
        raise precondition(f'invalid expiration \'{text}\': {{leftover_string,"{rest}"}}')
    if text[0] == '-' and int(number):
        raise precondition(f"invalid expiration '{text}': {{value_negative,-{int(number)}}}")
    return int(number) / 1000


def with_headers(properties: spec.BasicProperties, headers: dict[str, Any] | None,
                 **others: Any) -> spec.BasicProperties:
    """A copy with other headers, and other values of some properties."""
    return spec.BasicProperties(**{**vars(properties), 'headers': headers, **others})


class Entry:
    """A message in a queue, ready or unacknowledged.

    Attributes:
      position: its place in the queue.
      expires: when, or None.
      redelivered: whether it was delivered before.
      deliveries: how many failed, in a quorum queue.
      acquired: how often it was handed out, in a quorum queue.
    """

    __slots__ = ('message', 'position', 'expires', 'redelivered', 'deliveries', 'acquired')

    def __init__(self, message: Message, position: int, expires: float | None) -> None:
        self.message = message
        self.position = position
        self.expires = expires
        self.redelivered = message.redelivered
        self.deliveries = 0
        self.acquired = 0


def dead_letter(message: Message, queue: str, reason: str, exchange: str, routing_key: str | None,
                timestamp: int, version: Version) -> Message:
    """What becomes of a message that a queue gives up (https://www.rabbitmq.com/docs/dlx).

    reason: 'rejected', 'expired', 'maxlen' or 'delivery_limit'. exchange, routing_key: where it
    goes; None for its own keys.
    """
    headers: dict[str, Any] = dict(message.properties.headers or {})
    deaths = [dict(death) for death in _deaths_of(message, version)]
    has_history = bool(deaths) or version.trusts_deaths and 'x-death' in headers
    if version.reverses_deaths:
        deaths.reverse()
    death = _known_death(deaths, queue, reason) or _new_death(message, queue, reason, timestamp)
    deaths.insert(0, death)
    headers['x-death'] = deaths
    told = {'reason': reason, 'queue': queue, 'exchange': message.exchange}
    if not has_history:
        headers.update((f'x-first-death-{name}', value) for name, value in told.items())
    if version.tells_last_death:
        headers.update((f'x-last-death-{name}', value) for name, value in told.items())
    keys, told_keys = message.keys, message.told_keys
    if routing_key is not None:
        keys = told_keys = (routing_key,)
        if not version.keeps_copies:
            headers.pop('CC', None)
    properties = with_headers(message.properties, headers, expiration=None)
    dead = Message(exchange, keys[0], properties, b''.join(properties.encode()), message.body, keys)
    dead.deaths = deaths
    dead.told_keys = told_keys
    dead.priority = message.priority
    return dead


def _known_death(deaths: list[dict[str, Any]], queue: str, reason: str) -> dict[str, Any] | None:
    """Take an entry out of the header x-death, and count it once more."""
    for death in deaths:
        if (death.get('queue'), death.get('reason')) == (queue, reason):
            deaths.remove(death)
            death['count'] = min(_as_int(death.get('count')) + 1, _MOST)
            return death
    return None


def _new_death(message: Message, queue: str, reason: str, timestamp: int) -> dict[str, Any]:
    death = {
        'count': 1,
        'reason': reason,
        'queue': queue,
        'time': datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc),
        'exchange': message.exchange,
        'routing-keys': list(message.told_keys),
    }
    if message.properties.expiration is not None:
        death['original-expiration'] = message.properties.expiration
    return death


def _as_int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _deaths_of(message: Message, version: Version) -> list[dict[str, Any]]:
    """What has happened to a message, the last death first."""
    if message.deaths is not None:
        return message.deaths
    told = (message.properties.headers or {}).get('x-death') if version.trusts_deaths else None
    return [death for death in told if isinstance(death, dict)] if isinstance(told, list) else []


def goes_round(message: Message, queue: str) -> bool:
    """Whether this dead letter was in `queue` before, and nobody has rejected it since."""
    for death in message.deaths or ():
        if death.get('reason') == 'rejected':
            return False
        if death.get('queue') == queue:
            return True
    return False
