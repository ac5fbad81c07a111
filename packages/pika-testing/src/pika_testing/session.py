"""A recorded conversation with a broker, and its replay.

Rule: a recording holds what the owner of the protocol did and what came of it, and nothing of how
the bytes were cut; a replay may cut them anywhere, and must find the same events and answers.
"""

from __future__ import annotations

import json
from collections import deque
from typing import NamedTuple

from pika import credentials, exceptions
from pika.parameters import ConnectionParameters
from pika.protocol import Protocol

from pika_testing.describe import deflate, describe, inflate, restore

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from pika import events
    from pika.parameters import Parameters

    from pika_testing.describe import Json

    # The name of a method of Protocol (or 'event', 'sent') and its arguments, described.
    Step = list[Json]

_PARAMETERS = ('virtual_host', 'locale', 'channel_max', 'frame_max', 'heartbeat', 'stack_timeout',
               'blocked_connection_timeout', 'client_properties')
# With the attributes that are their arguments.
_CREDENTIALS = {
    'PlainCredentials': (credentials.PlainCredentials, ('username', 'password')),
    'AMQPlainCredentials': (credentials.AMQPlainCredentials, ('username', 'password')),
    'ExternalCredentials': (credentials.ExternalCredentials, ()),
}
# Commands, and the places of the contexts in their arguments.
COMMANDS: dict[str, tuple[int, ...]] = {
    'open_channel': (0,),
    'call': (2,),
    'consume': (2, 3),  # the consumer too; it is lent, and does not come back
    'publish': (6,),
    'ack': (),
    'send': (),
    'abandon': (0,),
    'close': (3,),
}
# Steps that keep the bytes before and behind them apart.
MOMENTS = ('connect', 'receive_eof', 'connection_lost', 'handle_timeout')


class Outcome(NamedTuple):
    """What came of a replay.

    events: their descriptions, among them `{'raised': [command, error]}` for refused commands.
    sent: all bytes to the broker.
    given: labels of the contexts given with commands, less the abandoned ones.
    returned: labels of the contexts that came back.
    """

    events: list[Json]
    sent: bytes
    given: list[Json]
    returned: list[Json]


def contexts_of(event: events.Event) -> list[object]:
    """The contexts that come back with an event."""
    context: object = getattr(event, 'context', None)
    if context is not None:
        return [context]
    return list(getattr(event, 'contexts', ()))


def describe_parameters(parameters: Parameters) -> dict[str, Json]:
    """What a session keeps of the parameters.

    Raises:
      ValueError: credentials of an unknown class, or a heartbeat that is a callable.
    """
    described = {name: describe(getattr(parameters, name)) for name in _PARAMETERS}
    kind = type(parameters.credentials).__name__
    if kind not in _CREDENTIALS:
        raise ValueError(f'credentials of class {kind} cannot be recorded')
    described['credentials'] = [
        kind, *(getattr(parameters.credentials, name) for name in _CREDENTIALS[kind][1])
    ]
    return described


class Session:
    """A recording: parameters and steps, in order.

    A command belongs behind the event or the moment (`connect`, `handle_timeout`, the end of the
    stream) that preceded it, wherever the bytes are cut.
    """

    def __init__(self, parameters: dict[str, Json], steps: list[Step]) -> None:
        self.parameters = parameters
        self.steps = steps

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Session:
        """Read a file that `save` has written."""
        with open(path, encoding='ascii') as file:
            content = json.load(file)
        return cls(content['parameters'], [_list(inflate(step)) for step in content['steps']])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file of JSON, one step in a line, long bytes deflated."""
        steps = ',\n'.join(json.dumps(deflate(step)) for step in self.steps)
        with open(path, 'w', encoding='ascii') as file:
            parameters = json.dumps(self.parameters)
            file.write(f'{{"parameters": {parameters},\n"steps": [\n{steps}\n]}}\n')

    @property
    def events(self) -> list[Json]:
        """The descriptions of the events."""
        return [step[1] for step in self.steps if step[0] == 'event']

    @property
    def received(self) -> bytes:
        """All bytes of the broker."""
        return b''.join(_bytes(step[1]) for step in self.steps if step[0] == 'receive_data')

    @property
    def sent(self) -> bytes:
        """All bytes to the broker."""
        return b''.join(_bytes(step[1]) for step in self.steps if step[0] == 'sent')

    def with_received(self, received: bytes) -> Session:
        """This session with other bytes of the broker; all come where the first ones came."""
        steps: list[Step] = []
        for step in self.steps:
            if step[0] != 'receive_data':
                steps.append(step)
            elif received:
                steps.append(['receive_data', {'bytes': received.hex()}, step[2]])
                received = b''
        return Session(self.parameters, steps)

    def protocol(self) -> Protocol:
        """A new protocol with the parameters of this session."""
        values = {name: restore(self.parameters[name]) for name in _PARAMETERS}
        kind, *arguments = _list(self.parameters['credentials'])
        values['credentials'] = _CREDENTIALS[str(kind)][0](*arguments)
        return Protocol(ConnectionParameters(**values))  # type: ignore[arg-type]  # as they were

    def replay(self, sizes: Iterable[int] = (), into_buffer: bool = False) -> Outcome:
        """Take a new protocol through this session.

        Args:
          sizes: of the pieces in which the broker's bytes come, in order; what is left comes in one
            piece. `itertools.repeat(1)` gives one byte at a time.
          into_buffer: whether they come by `get_buffer` and `buffer_updated`, not `receive_data`.
        """
        return _Replay(self, iter(sizes), into_buffer).run()


class _Context:
    """Stands for a context in a replay."""
    __slots__ = ('label',)

    def __init__(self, label: Json) -> None:
        self.label = label


class _Replay:
    """One run through a session."""

    def __init__(self, session: Session, sizes: Iterator[int], into_buffer: bool) -> None:
        self._protocol = session.protocol()
        self._sizes = sizes
        self._into_buffer = into_buffer
        self._contexts: dict[str, _Context] = {}
        self._outcome = Outcome([], b'', [], [])
        self._sent = bytearray()
        self._seen = self._reached = 0  # events and moments
        # With the numbers of events and moments before them.
        self._commands: deque[tuple[int, int, Step]] = deque()
        self._stream: list[Step] = []
        seen = reached = 0
        for step in session.steps:
            seen += step[0] == 'event'
            reached += step[0] in MOMENTS
            if step[0] in COMMANDS:
                self._commands.append((seen, reached, step))
            elif step[0] not in ('event', 'sent'):
                self._stream.append(step)

    def run(self) -> Outcome:
        """Do it, once."""
        data, now = b'', 0.0
        for name, *arguments in self._stream:
            if name == 'receive_data':  # joined with what follows
                data, now = data + _bytes(arguments[0]), _number(arguments[1])
                continue
            self._receive(data, now)
            data = b''
            self._reach(str(name), arguments)
            self._pull()
        self._receive(data, now)
        return self._outcome._replace(sent=bytes(self._sent))

    def _reach(self, name: str, arguments: Sequence[Json]) -> None:
        if name == 'connection_lost':
            self._protocol.connection_lost(OSError(arguments[0]), _number(arguments[1]))
        else:
            getattr(self._protocol, name)(_number(arguments[0]))
        self._reached += 1

    def _receive(self, data: bytes, now: float) -> None:
        start = 0
        while start < len(data):
            size = next(self._sizes, len(data))
            piece = data[start:start + size]
            start += size
            if self._into_buffer:
                self._fill_buffers(piece, now)
            else:
                self._protocol.receive_data(piece, now)
                self._pull()

    def _fill_buffers(self, piece: bytes, now: float) -> None:
        while piece:
            room = self._protocol.get_buffer()
            size = min(len(room), len(piece))
            room[:size] = piece[:size]
            self._protocol.buffer_updated(size, now)
            piece = piece[size:]
            self._pull()

    def _pull(self) -> None:
        while True:
            while self._commands and self._is_due(*self._commands[0]):
                name, *arguments = self._commands.popleft()[2]
                self._command(str(name), arguments)
            self._sent += b''.join(self._protocol.data_to_send())
            event = self._protocol.next_event()
            self._sent += b''.join(self._protocol.data_to_send())
            if event is None:
                return
            self._seen += 1
            self._outcome.events.append(describe(event, _label))
            self._outcome.returned.extend(_label(context) for context in contexts_of(event))

    def _is_due(self, seen: int, reached: int, step: Step) -> bool:
        return seen <= self._seen and reached <= self._reached

    def _command(self, name: str, arguments: Sequence[Json]) -> None:
        places = COMMANDS[name]
        values = [
            self._context(argument) if place in places else restore(argument)
            for place, argument in enumerate(arguments)
        ]
        try:
            getattr(self._protocol, name)(*values)
        except (exceptions.AMQPError, ValueError) as error:
            self._outcome.events.append({'raised': [name, describe(error)]})
            return
        given = arguments[places[0]] if places else None
        if name != 'abandon' and given is not None:
            self._outcome.given.append(given)
        elif given in self._outcome.given and given not in self._outcome.returned:
            self._outcome.given.remove(given)

    def _context(self, label: Json) -> object:
        if label is None:
            return None
        return self._contexts.setdefault(json.dumps(label), _Context(label))


def _label(context: object) -> Json:
    return context.label if isinstance(context, _Context) else None


def _list(value: Json) -> list[Json]:
    assert isinstance(value, list), value
    return value


def _bytes(value: Json) -> bytes:
    restored = restore(value)
    assert isinstance(restored, bytes), value
    return restored


def _number(value: Json) -> float:
    assert isinstance(value, (int, float)), value
    return value
