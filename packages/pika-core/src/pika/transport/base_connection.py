"""From parameters to a stream: what connecting has in common on all loops.

Rule: a subclass looks a name up and opens a stream; when it does so, how often, and for how long at
most is decided here. Each step ends once: with what came of it, with its time, or since the program
has given up; whatever it still tells is not heard.
"""

from __future__ import annotations

import copy

from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflow
from pika.connection import Connection
from pika.exceptions import ParameterTypeError, ParameterValueError
from pika.parameters import Parameters
from pika.transport import endpoints
from pika.validators import require_callback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any, ClassVar, Protocol

    from typing_extensions import Self

    from pika.adapters.utils.connection_workflow import (
        AMQPConnectionWorkflowAborted,
        AMQPConnectionWorkflowFailed,
    )
    from pika.connection import Timer, Transport

    Plan = Generator[endpoints.Step, endpoints.Outcome, Exception]

    class Attempt(Protocol):
        """A stream that is being opened, or is open, to one address."""

        @property
        def tcp_connected(self) -> bool:
            """Whether TCP is there, so that TLS, where asked for, is what is waited for."""
            ...

        def cancel(self) -> object:
            """Tell the connection nothing more, and close what it has not been given."""


class BaseConnection(Connection):
    """A connection that connects: the base of the adapters of loops with callbacks.

    For programs see `Connection`. For adapters: a subclass gives, beside what `Connection` asks of
    it (`_call_soon`, `_call_at`, `_now`), `_resolve` and `_open_stream`.
    """

    def __init__(self,
                 parameters: Parameters | None = None,
                 on_open_callback: Callable[[Self], object] | None = None,
                 on_open_error_callback: Callable[[Self, Exception], object] | None = None,
                 on_close_callback: Callable[[Self, Exception], object] | None = None,
                 internal_connection_workflow: bool = True) -> None:
        self._plan: Plan | None = None
        self._step: endpoints.Step | None = None  # that we wait for
        self._step_timer: Timer | None = None
        self._attempt: Attempt | None = None
        super().__init__(parameters, on_open_callback, on_open_error_callback, on_close_callback,
                         internal_connection_workflow)

    @classmethod
    def create_connection(
        cls,
        connection_configs: Sequence[Parameters],
        on_done: Callable[[Self | AMQPConnectionWorkflowFailed | AMQPConnectionWorkflowAborted],
                          object],
        custom_ioloop: Any = None,  # each adapter has its own loop
        workflow: AMQPConnectionWorkflow | None = None
    ) -> AMQPConnectionWorkflow:
        """Connect to the first of several brokers that answers.

        All of them are tried in order, with all addresses of each, as often as
        `connection_attempts` of the last one says, with its `retry_delay` (seconds) between rounds.
        A name that has no address counts as a failed attempt; in pika 1.x it ended everything.

        Args:
          connection_configs: parameters, one or more.
          on_done: called once, in a later turn of the loop: with the connection, which is open, or
            with an `AMQPConnectionWorkflowFailed`, whose `exceptions` say why, or with an
            `AMQPConnectionWorkflowAborted` after `abort()`.
          custom_ioloop: as for the constructor.
          workflow: what is returned, a new one unless given.

        Returns:
          An object whose `abort()` gives up.

        Raises:
          ValueError: no parameters.
          ParameterTypeError: something else than parameters, or than an `AMQPConnectionWorkflow`.
          AMQPConnectionWorkflowWrongState: the workflow has been used before.
        """
        configs = list(connection_configs)
        if not configs:
            raise ParameterValueError('connection_configs', configs, 'one Parameters or more')
        for config in configs:
            if not isinstance(config, Parameters):
                raise ParameterTypeError('connection_configs', config, 'Parameters', secret=True)
        require_callback(on_done, 'on_done')
        if workflow is None:
            workflow = AMQPConnectionWorkflow()
        elif not isinstance(workflow, AMQPConnectionWorkflow):
            raise ParameterTypeError('workflow', workflow, 'an AMQPConnectionWorkflow or None')
        workflow._claim(on_done)
        factory: Any = cls  # adapters have constructors with `custom_ioloop`
        connection: Self = factory(configs[0],
                                   custom_ioloop=custom_ioloop,
                                   internal_connection_workflow=False)
        workflow._watch(connection)
        connection._follow(endpoints.endpoint_plan(copy.deepcopy(configs)))
        return workflow

    # What the loop gives.

    def _resolve(self, parameters: Parameters, done: Callable[[endpoints.Outcome], None]) -> None:
        """Call `done` with the addresses of the name `parameters.host`, or the exception.

        At once or later; when it is too late for that, nobody listens.
        """
        raise NotImplementedError

    def _open_stream(self, step: endpoints.Connect, made: Callable[[Transport], None],
                     failed: Callable[[Exception], None]) -> Attempt:
        """Open TCP, and TLS where `step.parameters.ssl_options` ask for it, to `step.address`.

        Call `made` with the stream, and from then on `data_received`, `eof_received` and
        `connection_lost`, or call `failed` with an `AMQPConnectionError`; not before this returns.
        """
        raise NotImplementedError

    # Following the plan.

    def _start_connecting(self) -> None:
        self._follow(endpoints.endpoint_plan([self._asked]))

    def _follow(self, plan: Plan) -> None:
        self._plan = plan
        self._call_soon(lambda: self._advance(None))

    def _stop_connecting(self) -> None:
        self._leave_step()
        self._plan = None

    def _attempt_failed(self, error: Exception) -> None:
        if self._plan is None:  # others have connected it
            super()._attempt_failed(error)
        else:
            self._advance(error)

    def _advance(self, outcome: endpoints.Outcome) -> None:
        self._leave_step()
        if self._plan is None or self._aborted:  # close() was called
            return
        try:
            step = self._plan.send(outcome)
        except StopIteration as end:
            self._plan = None
            self.connect_failed(end.value)
        else:
            self._step = step
            self._STEPS[type(step)](self, step)

    def _leave_step(self) -> None:
        """Whatever the present step still has to tell comes too late."""
        self._step = None
        self._cancel_step_timer()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()

    def _cancel_step_timer(self) -> None:
        if self._step_timer is not None:
            self._step_timer.cancel()
            self._step_timer = None

    def _answer(self, step: endpoints.Step, outcome: endpoints.Outcome) -> None:
        if self._step is step:
            self._advance(outcome)

    def _take_resolve(self, step: endpoints.Resolve) -> None:
        known = endpoints.without_asking(step.parameters)
        if known is not None:
            self._answer(step, known)
            return
        seconds = step.parameters.stack_timeout
        if seconds is not None:
            self._step_timer = self._call_at(
                self._now() + seconds, lambda: self._answer(
                    step, endpoints.resolve_error(step.parameters, f'timed out after {seconds} s')))
        self._resolve(step.parameters, lambda outcome: self._answer(step, outcome))

    def _take_connect(self, step: endpoints.Connect) -> None:
        if step.parameters is not self._asked:
            self._asked = step.parameters
            self._renew()
        started = self._now()
        self._attempt = self._open_stream(step,
                                          lambda transport: self._made(step, transport, started),
                                          lambda error: self._answer(step, error))
        self._bound(step, self._attempt, started)

    def _take_wait(self, step: endpoints.Wait) -> None:
        self._step_timer = self._call_at(self._now() + step.seconds,
                                         lambda: self._answer(step, None))

    _STEPS: ClassVar[dict[type[endpoints.Step], Callable[..., None]]] = {
        endpoints.Resolve: _take_resolve,
        endpoints.Connect: _take_connect,
        endpoints.Wait: _take_wait,
    }

    def _bound(self, step: endpoints.Connect, attempt: Attempt, started: float) -> None:
        """Give up when the time is over, else look again when it will be.

        TCP has `socket_timeout` seconds, TCP and TLS together `stack_timeout`; from then on the
        protocol bounds the rest.
        """
        if self._step is not step:
            return
        limits = [step.parameters.stack_timeout]
        if not attempt.tcp_connected:
            limits.append(step.parameters.socket_timeout)
        seconds = min((limit for limit in limits if limit is not None), default=None)
        if seconds is None:
            return
        if self._now() < started + seconds:
            self._step_timer = self._call_at(started + seconds,
                                             lambda: self._bound(step, attempt, started))
            return
        error = TimeoutError(f'timed out after {seconds} s')
        if attempt.tcp_connected:
            from pika.transport.tls import tls_error  # not everybody needs ssl
            self._answer(
                step, tls_error(step.parameters, f'the TLS handshake did not end: {error}', error))
        else:
            self._answer(step, endpoints.connect_error(step, error))

    def _made(self, step: endpoints.Connect, transport: Transport, started: float) -> None:
        if self._step is not step:
            transport.abort()
            return
        self._cancel_step_timer()
        self.connection_made(transport, started)
