"""Whether a message survives a restart of the broker: the numbers of the property delivery-mode."""

from __future__ import annotations

from enum import Enum


class DeliveryMode(Enum):
    """For `BasicProperties(delivery_mode=...)`, which keeps the number.

    A `Persistent` message survives in a durable queue only.
    """

    Transient = 1
    Persistent = 2
