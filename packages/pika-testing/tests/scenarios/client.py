"""A client that hides nothing: each frame that the broker sends becomes a note.

Rule: notes do not depend on what a broker may do in either order. What comes in answer to a call is
noted at once, all else when the broker is quiet: channel by channel, confirms apart.
"""

from __future__ import annotations

import re
import socket
import time
import urllib.parse

from pika import frame, spec
from pika.amqp_object import Method
from pika_testing import message_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 5.0  # for an answer
_MADE = re.compile(r'amq\.(gen|ctag)-[\w-]+={0,2}|amq\.rabbitmq\.reply-to\.[\w.=/+-]+')
CONFIRMS = (spec.Basic.Ack, spec.Basic.Nack)
CONTENT = (spec.Basic.Deliver, spec.Basic.GetOk, spec.Basic.Return)


class SocketStream:
    """Bytes to and from a broker behind a port."""

    def __init__(self, url: str, quiet: float) -> None:
        parts = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._quiet = quiet

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:  # the broker has closed; what it said before is still to be read
            pass

    def receive(self, wait: bool) -> bytes | None:
        """Bytes; None when nothing comes, b'' at the end."""
        self._socket.settimeout(SECONDS if wait else self._quiet)
        try:
            return self._socket.recv(65536)
        except socket.timeout:  # before Python 3.10 it is no TimeoutError
            return None
        except OSError:
            return b''

    def close(self) -> None:
        self._socket.close()


class Session:
    """One scenario on one broker.

    Args:
      connect: gives a stream to the broker.
      sleep: lets seconds pass for the broker.
      virtual_host, user, password: where, and as whom.

    Attributes:
      notes: what was seen.
      add_user: adds a user, whose password is the name and who may configure, write and read what
      these patterns match.
    """

    add_user: Callable[..., object]

    def __init__(self, connect, sleep=time.sleep, virtual_host='/', user='guest', password='guest'):
        self.notes: list[str] = []
        self.virtual_host = virtual_host
        self.user = user
        self.password = password
        self._connect = connect
        self._sleep = sleep
        self._clients: list[Client] = []
        self._names: dict[str, str] = {}

    def bare_client(self, **options) -> Client:
        """A connection that has said nothing yet."""
        client = Client(self, f'c{len(self._clients) + 1}', self._connect(), **options)
        self._clients.append(client)
        return client

    def client(self, **options) -> Client:
        client = self.bare_client(**options)
        client.open()
        return client

    def channel(self, **options) -> Channel:
        """A channel on a connection of its own."""
        return self.client(**options).channel()

    def note(self, *words: object) -> None:
        text = ' '.join(str(word) for word in words)
        text = _MADE.sub(self._name, text)
        text = text.replace(self.virtual_host, 'VHOST') if len(self.virtual_host) > 1 else text
        if self.user != 'guest':
            text = text.replace(f"'{self.user}'", "'guest'")
        self.notes.append(text)

    def _name(self, match: re.Match[str]) -> str:
        made = match.group()
        kind = 'reply-to' if 'reply-to' in made else made[:8].rstrip('-')
        return self._names.setdefault(made, f'{kind}#{len(self._names) + 1}')

    def settle(self) -> None:
        """Wait until the broker is quiet, and note what has come."""
        while any([client.hear() for client in self._clients]):
            pass
        for client in self._clients:
            client.note_heard()

    def sleep(self, seconds: float) -> None:
        """Let seconds pass, and note what has come."""
        self._sleep(seconds)
        self.settle()

    def close(self) -> None:
        for client in self._clients:
            client.stream.close()


class Client:
    """One connection."""

    def __init__(self,
                 session,
                 name,
                 stream,
                 *,
                 user=None,
                 password=None,
                 virtual_host=None,
                 capabilities=(),
                 channel_max=None,
                 frame_max=None,
                 heartbeat=0):
        self.session = session
        self.name = name
        self.stream = stream
        self.ended = False
        self._closed = False  # in words
        self.start: spec.Connection.Start | None = None
        # What to ask for; None for what the broker offers.
        self._channel_max = channel_max
        self._frame_max = frame_max
        self._heartbeat = heartbeat
        self.credentials = f'\0{user or session.user}\0{password or session.password}'
        self.virtual_host = virtual_host or session.virtual_host
        self.capabilities = {name: True for name in capabilities}
        self.offered = ''
        self._unparsed = b''
        self._frames: list[tuple[int, object]] = []
        self._channels = 0
        self._confirmed: dict[int, set[int]] = {}

    def send(self, data: bytes) -> None:
        self.stream.send(data)

    def open(self) -> None:
        self.send(frame.PROTOCOL_HEADER)
        start = self.answer(0, (spec.Connection.Start,))
        if start is None:
            return
        self.start = start
        properties = {'capabilities': self.capabilities} if self.capabilities else {}
        self.say(0, spec.Connection.StartOk(properties, 'PLAIN', self.credentials, 'en_US'))
        tune = self.answer(0, (spec.Connection.Tune,))
        if tune is None:
            return
        self.offered = shown(tune)
        channel_max = tune.channel_max if self._channel_max is None else self._channel_max
        frame_max = tune.frame_max if self._frame_max is None else self._frame_max
        self.say(0, spec.Connection.TuneOk(channel_max, frame_max, self._heartbeat))
        self.say(0, spec.Connection.Open(self.virtual_host))
        self.answer(0, (spec.Connection.OpenOk,))

    def channel(self) -> Channel:
        self._channels += 1
        channel = Channel(self, self._channels)
        channel.open()
        return channel

    def say(self, channel: int, method: Method) -> None:
        self.send(frame.method_frame(channel, method))

    def close(self) -> None:
        self.say(0, spec.Connection.Close(200, 'bye', 0, 0))
        self.answer(0, (spec.Connection.CloseOk,))
        self.session.settle()

    def hear(self, wait: bool = False) -> bool:
        """Take what comes; whether something came."""
        if self.ended:
            return False
        data = self.stream.receive(wait)
        if data is None:
            return False
        if not data:
            self.ended = True
            if not self._closed:
                self._frames.append((0, 'ended'))
            return True
        self._unparsed += data
        while True:
            size, heard = frame.decode_frame(self._unparsed)
            if heard is None:
                return True
            self._unparsed = self._unparsed[size:]
            self._take(heard)

    def _take(self, heard: object) -> None:
        if isinstance(heard, frame.Heartbeat):
            return
        if isinstance(heard, frame.ProtocolHeader):
            self._frames.append((0, f'header {heard.marshal()!r}'))
            return
        channel = heard.channel_number
        if isinstance(heard, frame.Method):
            self._frames.append((channel, heard.method))
            self._closed |= isinstance(heard.method,
                                       (spec.Connection.Close, spec.Connection.CloseOk))
            if isinstance(heard.method, (spec.Connection.Close, spec.Channel.Close)):
                kind = spec.Channel if channel else spec.Connection
                self.say(channel, kind.CloseOk())
            return
        method = next(method for number, method in reversed(self._frames)
                      if number == channel and isinstance(method, CONTENT))
        if isinstance(heard, frame.Header):
            method.size = heard.body_size
            method._set_content(heard.properties, b'')
        else:
            method._set_content(method.get_properties(), method.get_body() + heard.fragment)

    def answer(self, channel: int, kinds) -> Method | None:
        """Wait for an answer, and take it; None when the channel or connection closes instead."""
        ends = (spec.Connection.Close, spec.Channel.Close)
        while True:
            for index, (number, method) in enumerate(self._frames):
                if method == 'ended' or isinstance(method, ends) and number in (0, channel):
                    if not isinstance(method, kinds):
                        return None
                if number == channel and isinstance(method, kinds):
                    if isinstance(method, CONTENT) and (not hasattr(method, 'size') or
                                                        len(method.get_body()) < method.size):
                        break
                    del self._frames[index]
                    return method
            if self.ended:
                return None
            if not self.hear(wait=True):
                raise TimeoutError(f'no answer of {kinds} on channel {channel}: {self._frames}')

    def note_heard(self) -> None:
        frames, self._frames = self._frames, []
        for channel in sorted({number for number, _ in frames}):
            confirms = []
            for number, method in frames:
                if number != channel:
                    continue
                if isinstance(method, CONFIRMS):
                    confirms.append(method)
                else:
                    self.note(channel, method)
            if confirms:
                self.note(channel, self._merged(channel, confirms))

    def _merged(self, channel: int, confirms) -> str:
        """Outcomes by delivery tag, however the broker has put them together."""
        known = self._confirmed.setdefault(channel, set())
        outcomes = {}
        for method in confirms:
            last = method.delivery_tag
            for tag in range(1, last + 1) if method.multiple else [last]:
                if tag not in known:
                    known.add(tag)
                    outcomes[tag] = method.NAME[6:].lower()
        return 'confirms: ' + ', '.join(f'{tag} {outcomes[tag]}' for tag in sorted(outcomes))

    def note(self, channel: int, method: object) -> None:
        self.session.note(f'{self.name}.{channel}' if channel else self.name, '<', shown(method))


class Channel:
    """One channel of a client, with its number."""

    def __init__(self, client: Client, number: int) -> None:
        self.client = client
        self.session = client.session
        self.number = number

    def open(self) -> None:
        self.say(spec.Channel.Open())
        self.client.answer(self.number, (spec.Channel.OpenOk,))

    def say(self, method: Method) -> None:
        """Send a method whose effect shows elsewhere."""
        self.client.say(self.number, method)

    def call(self, method: Method) -> Method | None:
        """Send a method; note the answer and return it, or note why there is none."""
        self.say(method)
        answer = self.client.answer(self.number, method.answers)
        if answer is None:
            self.session.settle()
        else:
            self.client.note(self.number, answer)
        return answer

    def do(self, *methods: Method) -> Method | None:
        """Send methods whose answers are as expected: they are noted only if not."""
        answer = None
        for method in methods:
            self.say(method)
            answer = self.client.answer(self.number, method.answers)
            if answer is None:
                self.session.settle()
        return answer

    def publish(self, exchange, routing_key, *bodies, mandatory=False, **properties):
        for body in bodies:
            self.client.send(b''.join(
                message_frames(self.number, spec.Basic.Publish(0, exchange, routing_key, mandatory),
                               spec.BasicProperties(**properties), body)))

    # Shorthand for what nearly every scenario does.

    def declare(self,
                queue: str,
                *,
                passive=False,
                durable=False,
                exclusive=False,
                auto_delete=False,
                **arguments):
        arguments = {name.replace('_', '-'): value for name, value in arguments.items()}
        return self.call(
            spec.Queue.Declare(0,
                               queue,
                               passive=passive,
                               durable=durable,
                               exclusive=exclusive,
                               auto_delete=auto_delete,
                               arguments=arguments))

    def queue(self, queue: str, **options) -> str:
        """Declare a queue without a note."""
        notes = self.session.notes
        length = len(notes)
        answer = self.declare(queue, **options)
        if answer is not None:
            del notes[length:]
            return answer.queue
        return queue

    def count(self, queue: str) -> None:
        """Note the numbers of messages and consumers."""
        self.declare(queue, passive=True)

    def exchange(self, exchange: str, kind: str = 'direct', **options) -> None:
        self.do(spec.Exchange.Declare(0, exchange, kind, **options))

    def bind(self, queue: str, exchange: str, key: str = '', **arguments) -> None:
        self.do(
            spec.Queue.Bind(0,
                            queue,
                            exchange,
                            key,
                            arguments={
                                name.replace('_', '-'): value for name, value in arguments.items()
                            }))

    def consume(self, queue: str, tag: str = '', **options) -> str:
        options.setdefault('no_ack', False)
        answer = self.do(spec.Basic.Consume(0, queue, tag, **options))
        return tag if answer is None else answer.consumer_tag

    def qos(self, count: int, global_qos: bool = False) -> None:
        self.do(spec.Basic.Qos(0, count, global_qos))

    def confirm(self) -> None:
        self.do(spec.Confirm.Select())

    def get(self, queue: str, no_ack: bool = True):
        return self.call(spec.Basic.Get(0, queue, no_ack))

    def get_all(self, *queues: str) -> None:
        """Empty queues, and note what was in them."""
        self.session.settle()
        for queue in queues:
            while isinstance(self.get(queue), spec.Basic.GetOk):
                pass

    def ack(self, tag: int, multiple: bool = False) -> None:
        self.session.note(f'{self.client.name}.{self.number} > ack {tag}{" multiple" * multiple}')
        self.say(spec.Basic.Ack(tag, multiple))

    def nack(self, tag: int, multiple: bool = False, requeue: bool = True) -> None:
        self.say(spec.Basic.Nack(tag, multiple, requeue))

    def reject(self, tag: int, requeue: bool = True) -> None:
        self.say(spec.Basic.Reject(tag, requeue))

    def settle(self) -> None:
        self.session.settle()


def shown(thing: object) -> str:
    """A method, with its message, as text; times and the broker's own properties left out."""
    if not isinstance(thing, Method):
        return str(thing)
    fields = ', '.join(f'{name}={value!r}' for name, value in vars(thing).items()
                       if value not in (None, '', False, {}) and name[0] != '_' and name != 'size')
    text = f'{thing.NAME}({fields})'
    if isinstance(thing, CONTENT):
        properties = thing.get_properties()
        held = {
            name: _timeless(value) for name, value in vars(properties).items() if value is not None
        }
        if len(thing.get_body()) != thing.size:
            text += f' INCOMPLETE of {thing.size}'
        body = thing.get_body()
        text += f' {held} {body!r}' if held else f' {body!r}'
    return text


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _timeless(held) if key not in ('time', 'timestamp_in_ms') else '...'
            for key, held in sorted(value.items())
        }
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value
