"""Records conversations with a real RabbitMQ, which the tests of the core replay.

    python tools/rabbitmq.py run -- python tools/record_sessions.py [NAME ...]

Rule: a session shows one thing that brokers do, and comes out the same whenever it is recorded,
save for what the broker makes up. A command follows the event that gave rise to it at once, for
that is where a replay puts it.
"""

from __future__ import annotations

import datetime
import decimal
import os
import pathlib
import socket
import sys
import time
import urllib.parse

import rabbitmq
from pika import data, events, exceptions, spec
from pika.credentials import PlainCredentials
from pika.parameters import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FOLDER = pathlib.Path(__file__).parents[1] / 'packages/pika-core/tests/unit/sessions'
PATIENCE = 10.0  # seconds for the broker to answer
BODY = bytes(range(256)) * 1200  # 300 kB
# Not what the client tells of itself otherwise: that differs by version and Python.
CLIENT_PROPERTIES = {'platform': 'recorded', 'version': 'recorded'}
HEADERS: dict[str, Any] = {
    'bool': True,
    'int8': data.Int8(-8),
    'int': -(2**31),
    'int64': 2**40,
    'double': 0.5,
    'decimal': decimal.Decimal('1.50'),
    'text': 'gr\u00fc\u00dfe',
    'bytes': b'\0\xff',
    'time': datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    'list': [1, 'two', [3.0, None]],
    'table': {
        'nested': {
            'deep': b''
        }
    },
    'none': None,
}
PROPERTIES = spec.BasicProperties('text/plain', 'utf-8', HEADERS, 2, 5, 'correlation', 'reply',
                                  '60000', 'message', 1577934245, 'type', 'guest', 'app')


class Talk:
    """A connection over a plain socket, its protocol recorded."""

    def __init__(self, url: str, **parameters: Any) -> None:
        parts = urllib.parse.urlsplit(url)
        address = parts.hostname or 'localhost', parts.port or 5672
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        parameters = {
            'heartbeat': 0,
            'client_properties': CLIENT_PROPERTIES,
            'credentials': PlainCredentials(parts.username or 'guest', parts.password or 'guest'),
            'virtual_host': urllib.parse.unquote(parts.path[1:]) or '/',
            **parameters
        }
        self.protocol = Recorder(Protocol(ConnectionParameters(**parameters)))
        self.protocol.connect(0.0)

    def wait(self, kind: type[events.Event]) -> Any:
        """The next event, which has to be of this kind."""
        while True:
            event = self.protocol.next_event()
            if event is not None:
                assert isinstance(event, kind), event
                return event
            self.flush()
            room = self.protocol.get_buffer()
            size = self.socket.recv_into(room)
            if size:
                self.protocol.buffer_updated(size, 0.0)
            else:
                self.protocol.receive_eof(0.0)

    def flush(self) -> None:
        """Write what there is."""
        for chunk in self.protocol.data_to_send():
            self.socket.sendall(chunk)

    def channel(self) -> int:
        """An open channel."""
        number = self.protocol.open_channel('open')
        self.wait(events.Reply)
        return number

    def call(self, channel: int, method: Any) -> Any:
        """The answer to a method."""
        self.protocol.call(channel, method, method.NAME)
        return self.wait(events.Reply).method

    def queue(self, channel: int, **arguments: Any) -> str:
        """The name of a new queue that goes with the connection."""
        declared = self.call(channel, spec.Queue.Declare(exclusive=True, **arguments))
        return str(declared.queue)

    def consume(self, channel: int, queue: str, **arguments: Any) -> str:
        """The tag of a new consumer."""
        method = spec.Basic.Consume(queue=queue, **arguments)
        tag = self.protocol.consume(channel, method, 'consume', f'consumer of {queue}')
        self.wait(events.Reply)
        return tag

    def settle(self, channel: int) -> None:
        """Come to where the broker has done all that was asked on this channel."""
        self.call(channel, spec.Basic.Qos())

    def close(self) -> None:
        """Close from this side."""
        self.protocol.close(0.0, context='close')
        self.wait(events.Closed)


def basics(url: str) -> Talk:
    """Three channels at once: consume, ack, nack, reject, get; all types of headers."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    for number in (1, 2, 3):
        protocol.open_channel(f'open {number}')
    for _ in range(3):
        talk.wait(events.Reply)
    talk.call(1, spec.Basic.Qos(prefetch_count=10))
    first = talk.queue(1)
    second = talk.queue(2)
    talk.call(1, spec.Exchange.Declare(exchange='recorded', type='topic', auto_delete=True))
    protocol.call(1, spec.Queue.Bind(queue=first, exchange='recorded', routing_key='#'), 'bind')
    protocol.call(2, spec.Queue.Declare(queue=second, passive=True), 'passive')
    protocol.call(1, spec.Queue.Purge(queue=first), 'purge')
    for _ in range(3):
        talk.wait(events.Reply)
    talk.consume(1, first)
    talk.consume(3, second, consumer_tag='mine', no_ack=True)
    for number in range(4):
        protocol.publish(1, 'recorded', f'key.{number}', f'first {number}', PROPERTIES)
        protocol.publish(2, '', second, f'second {number}'.encode())
    seen: dict[int, int] = {1: 0, 3: 0}
    while seen != {1: 7, 3: 4}:
        delivery = talk.wait(events.Delivery)
        seen[delivery.channel] += 1
        if delivery.channel == 3:
            continue
        tag = delivery.method.delivery_tag
        if delivery.method.redelivered:
            protocol.ack(1, tag)
        elif tag % 2:
            protocol.send(1, spec.Basic.Nack(tag))
        elif tag == 2:
            protocol.send(1, spec.Basic.Reject(tag))
    talk.settle(1)
    talk.call(3, spec.Basic.Cancel('mine'))
    protocol.publish(2, '', second, 'for get', PROPERTIES)
    talk.settle(2)
    protocol.call(2, spec.Basic.Get(queue=second), 'get')
    message = talk.wait(events.Reply)
    protocol.ack(2, message.method.delivery_tag)
    protocol.call(2, spec.Basic.Get(queue=second, no_ack=True), 'get nothing')
    assert isinstance(talk.wait(events.Reply).method, spec.Basic.GetEmpty)
    talk.call(1, spec.Queue.Unbind(queue=first, exchange='recorded', routing_key='#'))
    protocol.call(2, spec.Channel.Close(200, 'done', 0, 0), 'close 2')
    talk.wait(events.ChannelClosed)
    talk.close()
    return talk


def confirms(url: str) -> Talk:
    """Acks, single and multiple, returns before acks, and nacks."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    queue = talk.queue(1)
    full = talk.queue(1, arguments={'x-max-length': 1, 'x-overflow': 'reject-publish'})
    protocol.call(1, spec.Confirm.Select(), 'select')
    protocol.publish(1, '', queue, 'behind the barrier', context='barrier')
    talk.wait(events.Reply)
    last = 0
    for number in range(50):
        last = protocol.publish(1, '', queue, str(number), context=f'publish {number}')
    confirmed = 0
    while confirmed < last:
        confirmed = talk.wait(events.Confirmed).method.delivery_tag
    for body in ('same', 'same', 'other'):
        protocol.publish(1, '', 'nowhere', body, PROPERTIES, True, f'mandatory {body}')
    returned = []
    while confirmed < last + 3:
        event = talk.wait(events.Event)
        if isinstance(event, events.Returned):
            returned.append(event.delivery_tag)
        else:
            confirmed = event.method.delivery_tag
    assert returned == [last + 1, last + 2, last + 3], returned
    refused = 0
    while not refused:
        protocol.publish(1, '', full, 'too many', context='full')
        refused += isinstance(talk.wait(events.Confirmed).method, spec.Basic.Nack)
    talk.close()
    return talk


def bodies(url: str, frame_max: int = spec.FRAME_MAX_SIZE) -> Talk:
    """Bodies of no frame, of one, of one that is full to the brim and beyond, and of many."""
    talk = Talk(url, frame_max=frame_max)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    queue = talk.queue(1)
    talk.consume(1, queue)
    brim = frame_max - 8
    for size in (0, 1, brim, brim + 1, len(BODY)):
        protocol.publish(1, '', queue, BODY[:size])
        delivery = talk.wait(events.Delivery)
        assert delivery.body == BODY[:size]
        protocol.ack(1, delivery.method.delivery_tag)
    protocol.publish(1, '', 'nowhere', BODY[:brim + 1], None, True)
    talk.wait(events.Returned)
    talk.close()
    return talk


def small_frames(url: str) -> Talk:
    """The same bodies where a frame holds 4,096 bytes."""
    return bodies(url, spec.FRAME_MIN_SIZE)


def channel_errors(url: str) -> Talk:
    """404 with other calls waiting, or confirms outstanding; 406; the number is used again."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    protocol.call(1, spec.Queue.Declare(queue='not there', passive=True), 'declare')
    protocol.call(1, spec.Queue.Bind(queue='not there', exchange='amq.direct'), 'bind')
    protocol.call(1, spec.Basic.Get(queue='not there'), 'get')
    talk.wait(events.ChannelClosed)
    talk.channel()
    talk.call(1, spec.Confirm.Select())
    talk.consume(1, talk.queue(1))
    protocol.publish(1, 'not there', '', 'lost', context='lost')
    talk.wait(events.ChannelClosed)
    assert talk.channel() == 1
    protocol.ack(1, 77)
    protocol.call(1, spec.Basic.Qos(), 'qos')
    talk.wait(events.ChannelClosed)
    talk.channel()
    protocol.call(1, spec.Channel.Close(0, 'crossing', 0, 0), 'close')
    talk.wait(events.ChannelClosed)
    talk.close()
    return talk


def cancels(url: str) -> Talk:
    """The broker cancels when the queue goes; our cancel meets deliveries that are on their way."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    talk.channel()
    gone = talk.queue(1)
    talk.consume(1, gone, consumer_tag='doomed')
    protocol.call(2, spec.Queue.Delete(queue=gone), 'delete')
    kinds = {type(talk.wait(events.Event)) for _ in range(2)}
    assert kinds == {events.Reply, events.ConsumerCancelled}
    talk.settle(1)
    queue = talk.queue(1)
    for number in range(20):
        protocol.publish(2, '', queue, f'message {number}')
    talk.settle(2)
    protocol.consume(1, spec.Basic.Consume(queue=queue, consumer_tag='brief'), 'consume', 'brief')
    talk.wait(events.Reply)
    talk.wait(events.Delivery)
    protocol.call(1, spec.Basic.Cancel('brief'), 'cancel')
    talk.wait(events.Reply)
    # The first, and what was given back, which needs no name: those of the channel go back.
    protocol.send(1, spec.Basic.Nack(0, True, True))
    talk.settle(1)
    protocol.consume(1, spec.Basic.Consume(queue=queue, consumer_tag='short'), 'consume', 'short')
    talk.wait(events.Reply)
    talk.wait(events.Delivery)
    protocol.call(1, spec.Basic.Cancel('short', nowait=True))
    talk.settle(1)
    talk.close()
    return talk


def transactions(url: str) -> Talk:
    """What is published waits for its commit or rollback."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    queue = talk.queue(1)
    protocol.call(1, spec.Tx.Select(), 'select')
    protocol.publish(1, '', queue, 'kept')
    protocol.call(1, spec.Tx.Commit(), 'commit')
    protocol.publish(1, '', queue, 'dropped')
    protocol.call(1, spec.Tx.Rollback(), 'rollback')
    protocol.call(1, spec.Queue.Declare(queue=queue, passive=True), 'count')
    for _ in range(3):
        talk.wait(events.Reply)
    assert talk.wait(events.Reply).method.message_count == 1
    talk.close()
    return talk


def blocked(url: str) -> Talk:
    """A memory alarm, and a new secret."""
    broker = rabbitmq.Broker.from_environment(os.environ)
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    queue = talk.queue(1)
    with broker.memory_alarm():
        time.sleep(1)  # until the connection knows; what is published before that goes through
        protocol.publish(1, '', queue, 'too much')
        talk.wait(events.Blocked)
    talk.wait(events.Unblocked)
    protocol.call(0, spec.Connection.UpdateSecret('guest', 'expired'), 'secret')
    talk.wait(events.Reply)
    talk.close()
    return talk


def closed_by_broker(url: str) -> Talk:
    """An error of the connection, with a call outstanding on each channel."""
    talk = Talk(url)
    protocol = talk.protocol
    talk.wait(events.Opened)
    talk.channel()
    talk.channel()
    talk.call(2, spec.Confirm.Select())
    protocol.publish(2, '', 'nowhere', 'unknown', context='publish')
    protocol.call(1, spec.Exchange.Declare(exchange='odd', type='no such type'), 'declare')
    talk.wait(events.Confirmed)
    talk.wait(events.Closed)
    return talk


def refused(url: str) -> Talk:
    """A wrong password."""
    talk = Talk(url, credentials=PlainCredentials('guest', 'wrong'))
    reason = talk.wait(events.Closed).reason
    assert isinstance(reason, exceptions.ProbableAuthenticationError), reason
    return talk


def no_virtual_host(url: str) -> Talk:
    """A virtual host that is not there."""
    talk = Talk(url, virtual_host='not there')
    reason = talk.wait(events.Closed).reason
    assert isinstance(reason, exceptions.ProbableAccessDeniedError), reason
    return talk


SESSIONS: dict[str, Callable[[str], Talk]] = {
    session.__name__: session
    for session in (basics, confirms, bodies, small_frames, channel_errors, cancels, transactions,
                    blocked, closed_by_broker, refused, no_virtual_host)
}


def main(names: list[str]) -> None:
    """Record these sessions, or all."""
    for name in names or SESSIONS:
        started = time.monotonic()
        talk = SESSIONS[name](os.environ['AMQP_URL'])
        talk.flush()
        talk.socket.close()
        path = FOLDER / f'{name}.json'
        session = talk.protocol.session
        session.save(path)
        print(f'{name}: {len(session.events)} events, {path.stat().st_size} bytes, '
              f'{time.monotonic() - started:.2f} s')


if __name__ == '__main__':
    main(sys.argv[1:])
