"""The broker: its virtual hosts, users, clock and connections.

Rule: no I/O and no threads. What runs it (`server`, `link`) brings bytes and lets time pass.
"""

from __future__ import annotations

from pika_testing.broker import versions
from pika_testing.broker.clock import Clock, Timers
from pika_testing.broker.connection import OPEN, ServerConnection
from pika_testing.broker.faults import Faults
from pika_testing.broker.permissions import ALL, User
from pika_testing.broker.refusals import Refusal
from pika_testing.broker.virtual_host import VirtualHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_testing.broker.channel import Channel
    from pika_testing.broker.messages import Message
    from pika_testing.broker.queues import Queue


class MemoryBroker:
    """A broker in memory that answers as RabbitMQ does.

    At the beginning there are the virtual host '/' and the user 'guest' with the password 'guest',
    who may do anything there.

    Args:
      version: of RabbitMQ: '3.10' or '4.3'.
      clock: the time; one that runs by itself unless given.

    Attributes:
      virtual_hosts, users: by name.
      connections: those that are there.
      faults: what it does wrong.
      alarm: the reason that it tells to clients that publish, and blocks; None: no alarm.
      channel_max, frame_max (bytes), heartbeat (seconds): what it offers to clients.
      published: messages that clients have published, in order; kept only if `record` was set.

    Raises:
      ValueError: a version that is not modelled.
    """

    def __init__(self,
                 version: str = '4.3',
                 *,
                 clock: Clock | None = None,
                 record: bool = False) -> None:
        self.version = versions.find(version)
        self.clock = clock or Clock()
        self.timers = Timers()
        self.faults = Faults(self)
        self.virtual_hosts: dict[str, VirtualHost] = {}
        self.users: dict[str, User] = {}
        self.connections: dict[ServerConnection, None] = {}
        self.reply_channels: dict[str, Channel] = {}
        self.alarm: str | None = None
        self.channel_max = 2047
        self.frame_max = 131072
        self.heartbeat = 60
        self.published: list[Message] = []
        self._record = record
        self.add_user('guest', 'guest')
        self.add_virtual_host('/')

    # Who and where.

    def add_virtual_host(self, name: str) -> VirtualHost:
        """Add an empty virtual host, in which all users so far may do anything; return it."""
        host = VirtualHost(name, self.version, self.clock, self.timers)
        self.virtual_hosts[name] = host
        for user in self.users.values():
            user.permissions[name] = ALL
        return host

    def delete_virtual_host(self, name: str) -> None:
        """Delete a virtual host and close its connections."""
        self.close_connections(320, f"vhost '{name}' is down", name)
        del self.virtual_hosts[name]
        for user in self.users.values():
            user.permissions.pop(name, None)

    def add_user(self, name: str, password: str) -> User:
        """Add a user, who may do anything in the virtual hosts that are there."""
        user = User(name, password, dict.fromkeys(self.virtual_hosts, ALL))
        self.users[name] = user
        return user

    # Connections.

    def accept(self, name: str = 'a client', certified: str | None = None) -> ServerConnection:
        """A new connection, to which its owner brings bytes.

        certified: the name in the client's certificate, who may log in with EXTERNAL.
        """
        connection = ServerConnection(self, name, certified)
        self.connections[connection] = None
        return connection

    def forget(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        self.connections.pop(connection, None)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due; None for never."""
        moments = [connection.next_timeout() for connection in self.connections]
        moments.append(self.timers.next())
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_timeout(self) -> None:
        """Do what is due: messages and queues expire, heartbeats are sent and missed."""
        now = self.clock.now()
        self.timers.run(now)
        for connection in list(self.connections):
            connection.handle_timeout(now)

    def advance(self, seconds: float) -> None:
        """Let seconds pass, with all that is due in them, each thing at its moment."""
        if seconds < 0:
            raise ValueError(f'seconds: {seconds!r}, time does not go back')
        end = self.clock.now() + seconds
        due = self.next_timeout()
        while due is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.now()))
            self.handle_timeout()
            due = self.next_timeout()
        self.clock.advance(max(0.0, end - self.clock.now()))

    def note_published(self, message: Message) -> None:
        """A client has published a message."""
        if self._record:
            self.published.append(message)

    # What an operator does.

    def set_alarm(self, reason: str = 'low on memory') -> None:
        """Block clients that publish from now on (https://www.rabbitmq.com/docs/alarms)."""
        self.alarm = reason

    def clear_alarm(self) -> None:
        """Unblock them."""
        self.alarm = None
        for connection in list(self.connections):
            if connection.blocked:
                connection.unblock()

    def close_connections(self,
                          code: int = 320,
                          text: str = 'closed by a test',
                          virtual_host: str | None = None) -> None:
        """Close the connections of a virtual host, or all, with this code and text."""
        for connection in list(self.connections):
            if connection.state == OPEN and virtual_host in (None, connection.virtual_host.name):
                connection.close(Refusal(code, text, 0))

    def close_channels(self, code: int = 406, text: str = 'closed by a test') -> None:
        """Close all channels with this code and text; the connections stay."""
        for connection in list(self.connections):
            for number in list(connection.channels):
                connection.close_channel(number, Refusal(code, text, 0))

    def drop_connections(self) -> None:
        """End all connections without a word, as when the broker's machine goes down."""
        for connection in list(self.connections):
            connection.drop()

    def cancel_consumers(self, queue: str, virtual_host: str = '/') -> None:
        """Cancel the consumers of a queue, as RabbitMQ does when it moves one.

        Raises:
          KeyError: there is no such queue.
        """
        for consumer in list(self.find_queue(queue, virtual_host).consumers.all):
            consumer.channel.cancelled(consumer)

    def delete_queue(self, queue: str, virtual_host: str = '/') -> None:
        """Delete a queue.

        Raises:
          KeyError: there is none of that name.
        """
        self.virtual_hosts[virtual_host].delete_queue(self.find_queue(queue, virtual_host))

    def find_queue(self, name: str, virtual_host: str = '/') -> Queue:
        """The queue of that name.

        Raises:
          KeyError: there is none; the text says which there are.
        """
        queues = self.virtual_hosts[virtual_host].queues
        if name not in queues:
            raise KeyError(f'no queue {name!r}, only {sorted(queues)}')
        return queues[name]
