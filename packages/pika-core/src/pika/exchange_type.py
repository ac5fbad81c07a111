"""The types of exchange that every broker has; the names are those on the wire (clause 3.1.3)."""

from __future__ import annotations

from enum import Enum


class ExchangeType(str, Enum):
    """Type of an exchange, for `exchange_declare`; each member is also its name as a `str`.

    Types from plugins (`'x-delayed-message'`) are passed as a plain `str`.
    """

    direct = 'direct'
    fanout = 'fanout'
    headers = 'headers'
    topic = 'topic'
