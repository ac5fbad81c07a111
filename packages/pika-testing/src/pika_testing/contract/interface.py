"""What the contract asks of an adapter: one driver, which makes its ways those of all others.

Rule: behaviours are written once, as if every call waited. A driver lets the adapter's loop run
until what was asked has happened, whatever way the adapter has to tell of it; it mends nothing and
hides nothing: each report of an adapter is noted, in order, and one too many is an error.

`pika_testing.contract.callbacks.CallbackDriver` is the driver of adapters of the callback API; it
needs to know the class of the connection and the names of the loop's methods. An adapter of another
kind brings the three classes described here.
"""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pika import spec
    from pika.parameters import Parameters

    Message = tuple[Any, spec.BasicProperties, bytes]

SECONDS = 30.0  # for anything that is expected to happen


class Driver(Protocol):
    """An adapter on a loop of its own.

    Attributes:
      callbacks: the kinds of callbacks of users that this adapter has, of `loops.CALLBACKS`.
      pipelines: whether a call can be made while another one on that channel is not answered yet.
      connects: whether the adapter follows parameters to a broker; else its framework does.
      certificate_errors: what a refused certificate of the broker is caused by.
    """

    callbacks: frozenset[str]
    pipelines: bool
    connects: bool
    certificate_errors: type[Exception] | tuple[type[Exception], ...]

    def connect(self, *parameters: Parameters) -> Client:
        """Return an open connection to the first of `parameters` that can be had.

        Raises:
          Exception: what the adapter reported, which it does once.
        """
        ...

    def take_errors(self) -> list[BaseException]:
        """Return, once, what callbacks raised and the adapter let out as its loop does."""
        ...

    def close(self) -> None:
        """Close all connections and the loop, and check that each has reported one end at most."""
        ...


class Client(Protocol):
    """One connection.

    Attributes:
      native: the adapter's own connection.
      ends: what the adapter reported as its end; at most one.
      blocked: 'blocked' and 'unblocked', as reported.
    """

    native: Any  # each adapter has its own class
    ends: list[Exception]
    blocked: list[str]

    def channel(self) -> Channel:
        """Open a channel."""
        ...

    def run(self, until: Callable[[], object], seconds: float = SECONDS) -> None:
        """Let the loop run until `until()` is true.

        Raises:
          TimeoutError: it was not within that time.
        """
        ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> object:
        """Have the adapter call `callback` in `delay` seconds."""
        ...

    def add_callback_threadsafe(self, callback: Callable[[], object]) -> object:
        """Have the adapter call `callback` soon; from any thread."""
        ...

    def close(self) -> None:
        """Close the connection; returns when its end has been reported."""
        ...


class Channel(Protocol):
    """One channel of a `Client`.

    Attributes:
      client: the connection.
      native: the adapter's own channel.
      ends: what the adapter reported as its end; at most one.
      returned: the messages that came back.
      cancelled: the tags of the consumers that the broker has cancelled.
    """

    client: Client
    native: Any  # each adapter has its own class
    ends: list[Exception]
    returned: list[Message]
    cancelled: list[str]

    # Any: the arguments and answers of all operations there are.
    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Do an operation of the channel and wait for the broker's answer; return what it gives.

        That is the frame of the answer for exchanges, queues and transactions.

        Raises:
          Exception: the reason why there was no answer.
        """
        ...

    def do(self, operation: str, *arguments: Any, **options: Any) -> None:
        """Do an operation without waiting for an answer.

        Raises:
          Exception: what is wrong with it already.
        """
        ...

    def begin(self, callback: Callable[[Any], object], operation: str, *arguments: Any,
              **options: Any) -> None:
        """Do an operation and go on, if the adapter `pipelines`; `callback(answer)` comes later."""
        ...

    def confirm(self) -> None:
        """Have publishes confirmed from now on."""
        ...

    def publish_confirmed(self,
                          exchange: str,
                          routing_key: str,
                          bodies: Sequence[bytes],
                          mandatory: bool = False) -> list[str]:
        """Publish, after `confirm`, and wait for the broker; 'ack', 'nack' or 'returned' of each.

        Where the adapter can, all of them are outstanding at once.
        """
        ...

    def consume(self, queue: str, on_message: Callable[..., object], **options: Any) -> str:
        """Start a consumer; return its tag. `on_message(method, properties, body)`."""
        ...

    def get(self, queue: str, auto_ack: bool = False) -> Message | None:
        """Fetch a message; None when there is none."""
        ...

    def close(self) -> None:
        """Close the channel; returns when its end has been reported."""
        ...
