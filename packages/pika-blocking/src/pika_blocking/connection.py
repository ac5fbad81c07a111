"""`BlockingConnection`: the one place where events of the protocol meet those who wait for them.

Rule: `_route` sorts and calls nobody. Callbacks run in the dispatcher, which only
`process_data_events`, `sleep`, `start_consuming` and `consume` start. Whoever waits for an answer
gets it, or the reason why there is none, exactly once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from time import monotonic

from pika import events, exceptions, frame, spec
from pika.protocol import CLOSING_CONNECTION, ENDED, OPENED
from pika.validators import require_callback

from pika_blocking import connecting
from pika_blocking.channel import BlockingChannel
from pika_blocking.consumers import _QueueConsumerGeneratorInfo
from pika_blocking.dispatch import Dispatcher
from pika_blocking.driver import Pending
from pika_blocking.schedule import Mailbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Callable, ClassVar

    from pika import amqp_object
    from pika.parameters import Parameters

    BlockedCallback = Callable[['BlockingConnection', frame.Method[spec.Connection.Blocked]],
                               object]
    CloseCallback = Callable[['BlockingConnection', Exception], object]
    UnblockedCallback = Callable[['BlockingConnection', frame.Method[spec.Connection.Unblocked]],
                                 object]

LOGGER = logging.getLogger(__name__)


class BlockingConnection:
    """A connection to RabbitMQ whose calls return when the broker has answered. For one thread.

    The constructor returns when the connection is open. Callbacks run only inside
    `process_data_events`, `sleep` and, of the channels, `start_consuming` and `consume`, never
    inside each other. Heartbeats are sent and received inside any call, so a program that does
    something else for longer than the heartbeat timeout has to call `process_data_events` now and
    then.

    Args:
      parameters: where and how to connect; several are tried in order, as often as
        `connection_attempts` of the last says. None connects to localhost as guest.
      _impl_class: has no effect; pika 1.x had it for its tests.

    Raises:
      AMQPConnectionError: that of the last attempt; it names host, port and phase. Where the
        broker refuses it is a `ProbableAuthenticationError` or a `ProbableAccessDeniedError`,
        where no broker answers an `IncompatibleProtocolError`, and where the name has no address a
        `socket.gaierror` as well.
      ValueError, TypeError: `parameters` are none.
    """

    # What opens TCP; tests put something else here.
    _open_wire = staticmethod(connecting.open_wire)

    def __init__(self,
                 parameters: Parameters | Sequence[Parameters] | None = None,
                 _impl_class: type[object] | None = None) -> None:
        configs = connecting.as_sequence(parameters)
        self._channels: dict[int, BlockingChannel] = {}
        self._blocked_callbacks: list[BlockedCallback] = []
        self._unblocked_callbacks: list[UnblockedCallback] = []
        self._close_callbacks: list[CloseCallback] = []
        self._reason: Exception | None = None
        self._reason_told = False
        # Channels that the broker closed while nobody waited for an answer on them.
        self._untold: dict[BlockingChannel, Exception] = {}
        self._message_arrived = False  # for `consume`
        self._mailbox = Mailbox()
        self._dispatcher = Dispatcher(self._mailbox)
        try:
            self._driver = connecting.connect(configs, self, self._mailbox.wake, self._open_wire)
        except BaseException:
            self._mailbox.close()
            raise
        self._driver.route = self._route

    def __enter__(self) -> BlockingConnection:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self.is_open:
            self.close()

    def __repr__(self) -> str:
        protocol = self._driver.protocol
        return f'<{type(self).__name__} {protocol.state} {protocol.parameters!r}>'

    # State.

    @property
    def is_open(self) -> bool:
        """Whether the connection is open, as far as is known: what nobody has read is not known."""
        return self._driver.protocol.state == OPENED

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._driver.protocol.state == ENDED

    @property
    def is_closing(self) -> bool:
        """Whether this side has closed it and the broker has not answered: while `close` waits."""
        return self._driver.protocol.state == CLOSING_CONNECTION

    @property
    def params(self) -> Parameters:
        """A copy of the parameters, those that led to a broker, with what was negotiated."""
        return self._driver.protocol.parameters

    @property
    def server_properties(self) -> Mapping[str, Any]:  # a table holds whatever the broker sends
        """What the broker tells of itself: 'product', 'version', 'capabilities' and others."""
        return self._driver.protocol.server_properties

    @property
    def basic_nack_supported(self) -> bool:
        """Whether the broker knows basic.nack."""
        return self._is_capable('basic.nack')

    @property
    def consumer_cancel_notify_supported(self) -> bool:
        """Whether the broker tells of consumers that it cancels."""
        return self._is_capable('consumer_cancel_notify')

    @property
    def exchange_exchange_bindings_supported(self) -> bool:
        """Whether the broker binds exchanges to exchanges."""
        return self._is_capable('exchange_exchange_bindings')

    @property
    def publisher_confirms_supported(self) -> bool:
        """Whether the broker confirms what is published."""
        return self._is_capable('publisher_confirms')

    basic_nack = basic_nack_supported
    consumer_cancel_notify = consumer_cancel_notify_supported
    exchange_exchange_bindings = exchange_exchange_bindings_supported
    publisher_confirms = publisher_confirms_supported

    def _is_capable(self, name: str) -> bool:
        return bool(self._driver.protocol.server_capabilities.get(name, False))

    # What one asks of a connection.

    def channel(self, channel_number: int | None = None) -> BlockingChannel:
        """Open a channel.

        channel_number: from 1 to the negotiated channel_max; the lowest free one unless given.

        Raises:
          ConnectionWrongStateError: the connection is not open.
          NoFreeChannels: all numbers are in use.
          ParameterTypeError, ParameterValueError: no such number, or one that is in use.
        """
        self._require_open()
        pending = Pending()
        number = self._driver.command(self._driver.protocol.open_channel, pending, channel_number)
        channel = self._channels[number] = BlockingChannel(number, self)
        self._wait(pending)
        return channel

    def close(self, reply_code: int = 200, reply_text: str = 'Normal shutdown') -> None:
        """Close the connection and its channels; messages that were not handed over are dropped.

        A broker that does not answer is not waited for longer than ten seconds; then, and when the
        wait is interrupted (Ctrl-C), the socket is closed at once.

        Raises:
          ConnectionWrongStateError: the connection is not open.
          ConnectionClosedByBroker: the broker was closing it too, and says why.
        """
        self._require_open()
        pending = Pending()
        try:
            self._driver.protocol.close(monotonic(), reply_code, reply_text, pending)
            self._driver.wait_for(pending)
        except BaseException:
            if not self.is_open:  # interrupted, and nobody could finish it
                self._driver.poison()
            raise
        self._reason_told = True
        if not self._dispatcher.running:
            self._dispatcher.clear()  # what was not handed over, and the telling
            self._tell_end()
        if self._reason is not None and not isinstance(self._reason,
                                                       exceptions.ConnectionClosedByClient):
            raise self._reason

    def update_secret(self, new_secret: str, reason: str) -> None:
        """Give the broker a new secret, such as a new token, before the old one expires.

        reason: for the broker's log. The broker closes the connection if it refuses the secret.
        """
        self._require_open()
        self._call(0, spec.Connection.UpdateSecret(new_secret, reason))

    @contextlib.contextmanager
    def coalesce(self) -> Iterator[None]:
        """Inside, what is published and acknowledged leaves together: fewer, larger writes.

        ::

            with connection.coalesce():
                for body in bodies:
                    channel.basic_publish('', 'queue', body)

        It leaves when 64 KiB wait, with the next call after 10 ms, before anything is waited for,
        and at the end of the block, also when that is an exception. Until then it is in this
        process only, and is lost with it.
        """
        self._driver.coalescing += 1
        try:
            yield
        finally:
            self._driver.coalesce_no_more()

    # Callbacks.

    def process_data_events(self, time_limit: float | None = 0) -> None:
        """Send and receive, and run callbacks of what has arrived.

        time_limit: seconds; 0 looks once. It returns as soon as there was something to call. None
        waits until then. Inside a callback it sends and receives, and runs no callbacks.

        Raises:
          ChannelClosedByBroker: the broker closed a channel while nobody waited for an answer on
            it.
          AMQPConnectionError: the connection has ended. Afterwards it is a
            `ConnectionWrongStateError`.
          ValueError: `time_limit` is negative.
        """
        if time_limit is not None and not time_limit >= 0:
            raise ValueError(
                f'time_limit must be None or 0 or more seconds, but got {time_limit!r}')
        deadline = None if time_limit is None else monotonic() + time_limit
        if not self._dispatcher.waits():
            self._raise_reason()
            self._require_open()
            self._driver.read()
        if self._dispatcher.running:
            self._receive(deadline)
        else:
            self._process(deadline)

    def sleep(self, duration: float) -> None:
        """Let `duration` seconds pass, and do meanwhile what `process_data_events` does."""
        if not duration >= 0:
            raise exceptions.ParameterValueError('duration', duration, '0 or more seconds')
        self._require_open()
        deadline = monotonic() + duration
        while True:
            if self._dispatcher.running:
                self._driver.pull()
                self._raise_reason()
            else:
                self._dispatch()
            if monotonic() >= deadline or self.is_closed:
                return
            self._step(deadline)

    def call_later(self, delay: float, callback: Callable[[], object]) -> int:
        """Run `callback` once, `delay` seconds from now or later: when callbacks run.

        Returns:
          What `remove_timeout` takes.

        Raises:
          ParameterValueError: `delay` is negative.
        """
        require_callback(callback)
        if not delay >= 0:
            raise exceptions.ParameterValueError('delay', delay, '0 or more seconds')
        self._require_open()
        return self._dispatcher.timers.add(monotonic() + delay, callback)

    def remove_timeout(self, timeout_id: int) -> None:
        """Take back what `call_later` was asked; nothing happens if it has been done."""
        self._dispatcher.timers.remove(timeout_id)

    def add_callback_threadsafe(self, callback: Callable[[], object]) -> None:
        """Run `callback` in the thread of the connection, when callbacks run; wakes it up for that.

        This is the only method that other threads may call.

        Raises:
          ConnectionWrongStateError: the connection is not open.
        """
        require_callback(callback)
        if not self.is_open:
            raise self._wrong_state()
        self._mailbox.put(callback)

    def add_on_close_callback(self, callback: CloseCallback) -> None:
        """Run `callback(connection, reason)` when the connection has ended.

        That is at the end of `close`, or where callbacks run, before the reason is raised there. A
        call that only waits for its answer raises the reason; the next `process_data_events` runs
        the callback.

        reason: `ConnectionClosedByClient`, `ConnectionClosedByBroker`, `StreamLostError` or another
        `AMQPConnectionError`.

        Raises:
          ConnectionWrongStateError: the connection is not open.
        """
        require_callback(callback)
        self._require_open()
        self._close_callbacks.append(callback)

    def add_on_connection_blocked_callback(self, callback: BlockedCallback) -> None:
        """Run `callback(connection, method_frame)` when the broker stops to read what is published.

        `method_frame.method.reason` says why; it is told only after something was published.
        """
        require_callback(callback)
        self._blocked_callbacks.append(callback)

    def add_on_connection_unblocked_callback(self, callback: UnblockedCallback) -> None:
        """Run `callback(connection, method_frame)` when the broker reads again."""
        require_callback(callback)
        self._unblocked_callbacks.append(callback)

    # For the channels of this connection.

    def _call(self, channel: int, method: amqp_object.Method) -> events.Reply:
        """Send a method and wait for its answer."""
        pending = Pending()
        self._driver.command(self._driver.protocol.call, channel, method, pending)
        answer = self._wait(pending)
        assert isinstance(answer, events.Reply)
        return answer

    def _wait(self, pending: Pending) -> events.Event:
        """Wait for the answer; raise what made it impossible."""
        self._driver.wait_for(pending)
        event = pending.event
        assert event is not None
        self._raise_end(event)
        return event

    def _raise_end(self, event: events.Event) -> None:
        """Raise the reason if this is the end of the connection, or the broker's of a channel."""
        if isinstance(event, events.Closed):
            self._reason_told = True
            raise event.reason
        if isinstance(event, events.ChannelClosed) and isinstance(event.reason,
                                                                  exceptions.ChannelClosedByBroker):
            raise event.reason

    def _process(self, deadline: float | None) -> None:
        """Run callbacks; wait until there was something to run, or for the moment `deadline`."""
        while not self._dispatch() and not self.is_closed:
            if deadline is not None and monotonic() >= deadline:
                return
            self._step(deadline)

    def _receive(self, deadline: float | None) -> None:
        """The same inside a callback: nothing is run."""
        self._driver.pull()
        while not self._dispatcher.waits() and not self.is_closed:
            if deadline is not None and monotonic() >= deadline:
                return
            self._step(deadline)
            self._driver.pull()
        self._raise_reason()

    def _advance(self, deadline: float | None) -> bool:
        """Deal with one event, wait for it if need be; False when `deadline` passed without."""
        dispatcher = self._dispatcher
        taken = self._driver.take()
        waited = not taken
        if waited:
            self._step(deadline)
            taken = self._driver.take()
        self._message_arrived = False  # `consume` sees for itself
        if (waited or dispatcher.waits()) and not dispatcher.running:
            dispatcher.run(self._driver, pull=False)
        return taken or deadline is None or monotonic() < deadline

    def _dispatch(self) -> bool:
        ran = self._dispatcher.run(self._driver)
        if self._message_arrived:
            self._message_arrived = False
            ran = True
        self._raise_reason()
        if self._untold:
            raise self._untold.pop(next(iter(self._untold)))
        return ran

    def _step(self, deadline: float | None) -> None:
        if self._dispatcher.running:  # no timer will run, so none ends a wait
            self._driver.step(deadline)
            return
        timer = self._dispatcher.timers.next()
        if timer is not None and (deadline is None or timer < deadline):
            deadline = timer
        self._driver.step(deadline, wake=True)

    def _tell_end(self) -> None:
        assert self._reason is not None
        while self._close_callbacks:
            self._close_callbacks.pop(0)(self, self._reason)

    # What to raise.

    def _require_open(self) -> None:
        if not self.is_open:
            raise self._wrong_state()

    def _wrong_state(self) -> exceptions.ConnectionWrongStateError:
        error = exceptions.ConnectionWrongStateError(
            f'the connection is {self._driver.protocol.state}')
        error.__cause__ = self._reason
        self._reason_told = True
        return error

    def _raise_reason(self) -> None:
        """Tell, once, why the connection has ended, if the program has not ended it itself."""
        if self._reason is not None and not self._reason_told:
            self._reason_told = True
            raise self._reason

    def _take_reason(self, channel: BlockingChannel) -> Exception | None:
        """Why `channel` ended, if nobody was told; now somebody is."""
        if self._reason is not None and not self._reason_told:
            self._reason_told = True
            return self._reason
        return self._untold.pop(channel, None)

    # Events.

    def _route(self, event: events.Event) -> None:
        self._ROUTES[type(event)](self, event)

    def _on_reply(self, event: events.Reply) -> None:
        event.context.event = event

    def _on_delivery(self, event: events.Delivery) -> None:
        consumer = event.consumer
        if type(consumer) is _QueueConsumerGeneratorInfo:
            consumer.pending_events.append(event)
            self._message_arrived = True
        else:
            self._dispatcher.put(event)

    def _on_confirmed(self, event: events.Confirmed) -> None:
        for pending in event.contexts:
            pending.event = event
        mandatory = self._channels[event.channel]._mandatory
        if mandatory:
            for tag in event.delivery_tags:
                mandatory.pop(tag, None)

    def _on_returned(self, event: events.Returned) -> None:
        self._channels[event.channel]._on_returned(event)

    def _on_consumer_cancelled(self, event: events.ConsumerCancelled) -> None:
        self._channels[event.channel]._consumers.on_cancelled(event)

    def _on_blocked(self, event: events.Blocked) -> None:
        method_frame = frame.Method(0, event.method)
        for callback in self._blocked_callbacks:
            self._dispatcher.put(functools.partial(callback, self, method_frame))

    def _on_unblocked(self, event: events.Unblocked) -> None:
        method_frame = frame.Method(0, event.method)
        for callback in self._unblocked_callbacks:
            self._dispatcher.put(functools.partial(callback, self, method_frame))

    def _on_flow(self, event: events.Flow) -> None:
        """RabbitMQ asks for no flow control of this kind since 2.0; the protocol has answered."""

    def _on_channel_closed(self, event: events.ChannelClosed) -> None:
        channel = self._channels.pop(event.channel)
        for pending in event.contexts:
            pending.event = event
        by_broker = isinstance(event.reason, exceptions.ChannelClosedByBroker)
        if by_broker and not event.contexts:
            self._untold[channel] = event.reason
        channel._on_closed(event.reason, by_broker)

    def _on_closed(self, event: events.Closed) -> None:
        self._reason = event.reason
        by_client = isinstance(event.reason, exceptions.ConnectionClosedByClient)
        self._reason_told = by_client
        for pending in event.contexts:
            pending.event = event
        for channel in self._channels.values():
            channel._on_closed(event.reason, not by_client)
        self._channels.clear()
        if by_client:
            self._dispatcher.clear()
        if self._close_callbacks:
            self._dispatcher.put(self._tell_end)
        no_answer = by_client and isinstance(event.reason.__cause__, TimeoutError)
        if no_answer:
            LOGGER.info('Closed without the broker: %s; %s bytes were not taken',
                        event.reason.__cause__, sum(map(len, self._driver.wire.unsent)))
        self._driver.finish(cut=no_answer)
        self._mailbox.close()

    _ROUTES: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        events.Reply: _on_reply,
        events.Delivery: _on_delivery,
        events.Confirmed: _on_confirmed,
        events.Returned: _on_returned,
        events.ConsumerCancelled: _on_consumer_cancelled,
        events.Blocked: _on_blocked,
        events.Unblocked: _on_unblocked,
        events.Flow: _on_flow,
        events.ChannelClosed: _on_channel_closed,
        events.Closed: _on_closed,
    }
