"""The callback connection of the core on a reactor; the connections with Deferreds stand on it.

Rule: nothing that Twisted calls here raises: a protocol that does loses its stream.
"""

from __future__ import annotations

import socket
import time

from pika import events
from pika.transport import endpoints
from pika.transport.base_connection import BaseConnection
from twisted.internet import interfaces, task
from zope.interface import implementer  # type: ignore[import-untyped]

from pika_twisted.stream import FilteredStream, Stream
from pika_twisted.waiting import fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, ClassVar

    from pika.connection import Transport
    from pika.parameters import Parameters
    from twisted.internet.base import DelayedCall
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IHostResolution


class Engine(BaseConnection):
    """Moves bytes between Twisted's streams and the protocol, and events to `TwistedChannel`s.

    Args:
      reactor: whose timers, resolver and streams to use.
      parameters: see `Connection`; it connects when it is given a plan or a stream.
      on_stream_gone: called when a stream has ended.

    Attributes:
      streams: those that have not ended.
    """

    def __init__(self, reactor: Any, parameters: Parameters | None,
                 on_stream_gone: Callable[[], None]) -> None:
        self.reactor = reactor
        self.streams: set[Stream] = set()
        self._on_stream_gone = on_stream_gone
        # A reactor's own clock is that of the wall, which jumps; a test's clock is its own.
        self._clock: Callable[[], float] = (reactor.seconds
                                            if isinstance(reactor, task.Clock) else time.monotonic)
        self._contexts: list[Deferred[Any]] = []
        super().__init__(parameters, internal_connection_workflow=False)

    @property
    def was_open(self) -> bool:
        """Whether channels could be opened, once."""
        return self._opened

    def abandon(self, deferred: Deferred[Any]) -> None:
        """The caller of a Deferred has cancelled it."""
        self._protocol.abandon(deferred)
        self._flush_soon()

    def take(self, transport: Any) -> Stream | None:
        """Use the stream that an endpoint has connected; None, and it is aborted: too late."""
        self._plan = _given_stream(self._asked)
        self._advance(None)
        stream = self._attempt
        if not isinstance(stream, Stream):  # closed before it was connected
            transport.abortConnection()
            return None
        stream.makeConnection(transport)  # type: ignore[no-untyped-call]
        return stream

    def stream_gone(self, stream: Stream) -> None:
        """It has ended, whether it was the connection's or that of an attempt that had failed."""
        self.streams.discard(stream)
        if not self.streams and self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._on_stream_gone()

    # What the core asks of a loop.

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self.reactor.callLater(0, callback)

    def _call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        return _Timer(self.reactor.callLater(max(0.0, when - self._now()), callback))

    def _now(self) -> float:
        return self._clock()

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:
        self.reactor.nameResolver.resolveHostName(_Receiver(parameters, done), parameters.host,
                                                  parameters.port)

    def _open_stream(self, step: endpoints.Connect, made: Callable[[Transport], None],
                     failed: Callable[[Exception], None]) -> Stream:
        if not step.address:
            return Stream(self, step, made, failed)
        kind = Stream if step.parameters.ssl_options is None else FilteredStream
        stream = kind(self, step, made, failed)
        stream.connect(self.reactor)
        return stream

    # Events of which Deferreds hear.

    def _on_reply(self, event: events.Reply) -> None:
        channel = self._channels.get(event.channel)
        event.context.answer(event)
        if channel is not None:
            channel._fire_added(event.method)

    def _on_delivery(self, event: events.Delivery) -> None:
        self._channels[event.channel]._on_delivery(event)

    def _on_closed(self, event: events.Closed) -> None:
        self._contexts = event.contexts
        super()._on_closed(event)

    def _end(self, reason: Exception) -> None:
        super()._end(reason)
        contexts, self._contexts = self._contexts, []
        for deferred in contexts:
            fail(deferred, reason)

    _HANDLERS: ClassVar[dict[type[events.Event], Callable[..., None]]] = {
        **BaseConnection._HANDLERS,
        events.Reply: _on_reply,
        events.Delivery: _on_delivery,
        events.Closed: _on_closed,
    }


def _given_stream(
        parameters: Parameters) -> Generator[endpoints.Step, endpoints.Outcome, Exception]:
    """A plan whose one step is the stream that an endpoint has made: it has no address."""
    outcome = yield endpoints.Connect(parameters, 0, ())
    assert isinstance(outcome, Exception)
    return endpoints.last_error([outcome])


class _Timer:

    def __init__(self, delayed_call: DelayedCall) -> None:
        self._call = delayed_call

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()


@implementer(interfaces.IResolutionReceiver)
class _Receiver:
    """Collects what the resolver of a reactor finds."""

    def __init__(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:
        self._parameters = parameters
        self._done = done
        self._found: dict[endpoints.Address, None] = {}  # in order, each once

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The resolver is at work."""

    def addressResolved(self, address: IAddress) -> None:
        """The resolver has found this."""
        family = socket.AF_INET6 if address.type == 'TCP6' else socket.AF_INET
        self._found[family, (address.host, self._parameters.port)] = None

    def resolutionComplete(self) -> None:
        """The resolver has found all."""
        if self._found:
            self._done(list(self._found))
        else:
            self._done(endpoints.resolve_error(self._parameters, OSError('it has no address')))
