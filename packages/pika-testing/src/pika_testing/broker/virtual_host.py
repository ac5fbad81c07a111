"""A virtual host: exchanges, queues and bindings by name, and the way of a message.

Rule: what may be done with names and who may do it is decided here; a channel only translates.
"""

from __future__ import annotations

from collections import deque

from pika import spec

from pika_testing.broker import arguments as checks
from pika_testing.broker.exchanges import ROUTERS, Binding, Exchange, check_headers_binding
from pika_testing.broker.messages import goes_round
from pika_testing.broker.queues import Queue
from pika_testing.broker.refusals import Refusal, not_found, precondition, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pika_testing.broker.clock import Clock, Timers
    from pika_testing.broker.connection import ServerConnection
    from pika_testing.broker.exchanges import Destination
    from pika_testing.broker.messages import Message
    from pika_testing.broker.versions import Version

QUEUE = 'queue'
EXCHANGE = 'exchange'
_RESERVED = 'amq.'
_PREDECLARED = (('', 'direct', False), ('amq.direct', 'direct', False),
                ('amq.fanout', 'fanout', False), ('amq.topic', 'topic', False),
                ('amq.headers', 'headers', False), ('amq.match', 'headers',
                                                    False), ('amq.rabbitmq.trace', 'topic', True))


class VirtualHost:
    """Exchanges and queues of one name space.

    Attributes:
      exchanges, queues: by name.
    """

    def __init__(self, name: str, version: Version, clock: Clock, timers: Timers) -> None:
        self.name = name
        self.version = version
        self.clock = clock
        self.timers = timers
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, Queue] = {}
        # The exchanges that lead to a destination.
        self._sources: dict[Destination, dict[Exchange, None]] = {}
        self._dead_letters: deque[Message] = deque()
        for exchange, kind, internal in _PREDECLARED:
            self.exchanges[exchange] = Exchange(exchange, kind, True, False, internal, {}, version)

    def now(self) -> float:
        """Monotonic seconds."""
        return self.clock.now()

    # Messages.

    def route(self, message: Message) -> list[Queue]:
        """The queues that a message reaches, each once.

        Raises:
          Refusal: the exchange is not there, or nobody may publish to it.
        """
        if not message.exchange:  # the default exchange, which most messages go to
            found = self.queues.get(message.routing_key)
            if found is not None and len(message.keys) == 1:
                return [found]
        exchange = self.exchange(message.exchange)
        if exchange.internal:
            raise Refusal(spec.ACCESS_REFUSED,
                          f'cannot publish to internal {self._what(EXCHANGE, exchange.name)}')
        return self._reached(exchange, message)

    def _reached(self, first: Exchange, message: Message) -> list[Queue]:
        reached: dict[Queue, None] = {}
        seen = {first.name}
        waiting = [first]
        while waiting:
            exchange = waiting.pop()
            found = self._destinations(exchange, message)
            if not found and exchange.alternate is not None:
                found = [(EXCHANGE, exchange.alternate)]
            for kind, name in found:
                if kind == QUEUE:
                    reached[self.queues[name]] = None
                elif name not in seen and name in self.exchanges:
                    seen.add(name)
                    waiting.append(self.exchanges[name])
        return list(reached)

    def _destinations(self, exchange: Exchange, message: Message) -> list[Destination]:
        if exchange.name:
            return list(exchange.route(message))
        return [(QUEUE, key) for key in message.keys if key in self.queues]

    def publish_dead_letter(self, message: Message) -> None:
        """Send on what a queue has given up; nothing happens where there is no exchange."""
        self._dead_letters.append(message)
        if len(self._dead_letters) > 1:
            return  # one of these made it; a chain of queues must not become one of calls
        try:
            while self._dead_letters:
                dead = self._dead_letters[0]
                exchange = self.exchanges.get(dead.exchange)
                if exchange is not None:
                    for queue in self._reached(exchange, dead):
                        if not goes_round(dead, queue.name):
                            queue.publish(dead)
                self._dead_letters.popleft()
        finally:
            self._dead_letters.clear()

    # Exchanges.

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name.

        Raises:
          Refusal: there is none.
        """
        try:
            return self.exchanges[name]
        except KeyError:
            raise not_found(EXCHANGE, name, self.name) from None

    def declare_exchange(self, method: spec.Exchange.Declare) -> None:
        """Make an exchange, or see that it is as declared.

        Raises:
          Refusal: it differs, cannot be or, with `passive`, is not there.
        """
        name = clean(method.exchange)
        _refuse_default(name)
        if method.passive:
            self.exchange(name)
            return
        arguments = method.arguments or {}
        if method.type not in ROUTERS:
            raise Refusal(self.version.unknown_exchange_type,
                          f"unknown exchange type '{method.type}'")
        checks.check_exchange(name, self.name, arguments)
        current = self.exchanges.get(name)
        if current is not None:
            self._compare_exchanges(method, current)
            return
        if name.startswith(_RESERVED):
            raise Refusal(spec.ACCESS_REFUSED,
                          f"exchange name '{name}' contains reserved prefix 'amq.*'")
        self.exchanges[name] = Exchange(name, method.type, method.durable, method.auto_delete,
                                        method.internal, arguments, self.version)

    def _compare_exchanges(self, method: spec.Exchange.Declare, current: Exchange) -> None:
        what = self._what(EXCHANGE, current.name)
        for name, new, old in (('type', method.type, current.kind), ('durable', method.durable,
                                                                     current.durable),
                               ('auto_delete', method.auto_delete, current.auto_delete),
                               ('internal', method.internal, current.internal)):
            if new != old:
                raise checks.unequal(what, name, shown(new), shown(old))
        checks.compare(what, method.arguments or {}, current.arguments, ('alternate-exchange',))

    def delete_exchange(self, name: str, if_unused: bool = False) -> None:
        """Delete an exchange and what is bound to it; no error where there is none.

        Raises:
          Refusal: it is the broker's own, or in use.
        """
        _refuse_default(name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if name.startswith(_RESERVED):
            raise Refusal(spec.ACCESS_REFUSED,
                          f'deletion of system {self._what(EXCHANGE, name)} not allowed')
        if if_unused and exchange.bindings:
            raise precondition(f'{self._what(EXCHANGE, name)} in use')
        del self.exchanges[name]
        for binding in exchange.bindings.values():
            self._forget_source(exchange, binding.destination)
        self._unbind_everywhere((EXCHANGE, name))

    # Bindings.

    def bind(self, source: str, destination: Destination, key: str,
             arguments: Mapping[str, Any]) -> None:
        """Bind a queue or an exchange to an exchange.

        Raises:
          Refusal: one of them is not there, or is the default exchange.
        """
        exchange = self._source(source)
        self._check_destination(destination)
        if exchange.kind == 'headers':
            check_headers_binding(arguments)
        exchange.bind(Binding(destination, key, arguments))
        self._sources.setdefault(destination, {})[exchange] = None

    def unbind(self, source: str, destination: Destination, key: str,
               arguments: Mapping[str, Any]) -> None:
        """Take a binding back; no error where there is none.

        Raises:
          Refusal: one of them is the default exchange.
        """
        _refuse_default(source)
        if destination[0] == EXCHANGE:
            _refuse_default(destination[1])
        exchange = self.exchanges.get(source)
        if exchange is None or not exchange.unbind(Binding(destination, key, arguments)):
            return
        if not any(binding.destination == destination for binding in exchange.bindings.values()):
            self._forget_source(exchange, destination)
        self._unused(exchange)

    def _source(self, name: str) -> Exchange:
        _refuse_default(name)
        return self.exchange(name)

    def _check_destination(self, destination: Destination) -> None:
        kind, name = destination
        if kind == EXCHANGE:
            _refuse_default(name)
            self.exchange(name)
        else:
            self.queue(name)

    def _forget_source(self, exchange: Exchange, destination: Destination) -> None:
        sources = self._sources.get(destination)
        if sources is not None:
            sources.pop(exchange, None)
            if not sources:
                del self._sources[destination]

    def _unbind_everywhere(self, destination: Destination) -> None:
        for exchange in self._sources.pop(destination, ()):
            exchange.unbind_all(destination)
            self._unused(exchange)

    def _unused(self, exchange: Exchange) -> None:
        """The last binding takes an auto-delete exchange along."""
        if exchange.auto_delete and not exchange.bindings and exchange.name in self.exchanges:
            self.delete_exchange(exchange.name)

    # Queues.

    def queue(self, name: str, connection: ServerConnection | None = None) -> Queue:
        """The queue of that name, for a connection that may use it.

        Raises:
          Refusal: there is none, or another connection has it exclusively.
        """
        try:
            queue = self.queues[name]
        except KeyError:
            raise not_found(QUEUE, name, self.name) from None
        if connection is not None and queue.owner not in (None, connection):
            raise self._locked(name)
        return queue

    def _locked(self, name: str) -> Refusal:
        return Refusal(
            spec.RESOURCE_LOCKED,
            f'cannot obtain exclusive access to locked {self._what(QUEUE, name)}. It could be '
            'originally declared on another connection or the exclusive property value does not '
            'match that of the original declaration.')

    def declare_queue(self,
                      method: spec.Queue.Declare,
                      connection: ServerConnection,
                      made_up: bool = False) -> Queue:
        """Make a queue, or see that it is as declared; made_up: the broker has chosen the name.

        Raises:
          Refusal: it differs, cannot be or, with `passive`, is not there.
        """
        name = clean(method.queue)
        if method.passive:
            return self.queue(name, connection)
        arguments = method.arguments or {}
        if name in self.queues:
            queue = self.queue(name, connection)
            self._compare_queues(method, queue)
            queue.touch(self.now())
            return queue
        if name.startswith(_RESERVED) and not made_up:
            raise Refusal(spec.ACCESS_REFUSED,
                          f"queue name '{name}' contains reserved prefix 'amq.*'")
        checks.check_queue(name, self.name, arguments, self.version)
        if arguments.get('x-queue-type') == checks.QUORUM:
            for wrong, what in ((not method.durable, 'non-durable'),
                                (method.exclusive, 'exclusive-owner'), (method.auto_delete,
                                                                        'auto-delete')):
                if wrong:
                    raise precondition(f"invalid property '{what}' for {self._what(QUEUE, name)}")
        owner = connection if method.exclusive else None
        queue = Queue(name, self, method.durable, method.auto_delete, owner, arguments)
        self.queues[name] = queue
        if owner is not None:
            owner.exclusive_queues[queue] = None
        return queue

    def _compare_queues(self, method: spec.Queue.Declare, queue: Queue) -> None:
        what = self._what(QUEUE, queue.name)
        if method.exclusive != (queue.owner is not None):
            raise self._locked(queue.name)
        for name, new, current in (('durable', method.durable, queue.durable),
                                   ('auto_delete', method.auto_delete, queue.auto_delete)):
            if new != current:
                raise checks.unequal(what, name, shown(new), shown(current))
        checks.compare_queues(what, method.arguments or {}, queue.arguments, self.version)

    def delete_queue(self, queue: Queue, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue, cancel its consumers; how many messages were in it.

        Raises:
          Refusal: it is in use or not empty.
        """
        if if_empty and queue.ready:
            raise precondition(f'{self._what(QUEUE, queue.name)} not empty')
        if if_unused and queue.consumers:
            raise precondition(f'{self._what(QUEUE, queue.name)} in use')
        queue.deleted = True
        count = queue.purge()
        del self.queues[queue.name]
        if queue.owner is not None:
            queue.owner.exclusive_queues.pop(queue, None)
        self._unbind_everywhere((QUEUE, queue.name))
        for consumer in list(queue.consumers.all):
            consumer.channel.cancelled(consumer)
        return count

    def _what(self, kind: str, name: str) -> str:
        return f"{kind} '{name}' in vhost '{self.name}'"


def _refuse_default(exchange: str) -> None:
    if not exchange:
        raise Refusal(spec.ACCESS_REFUSED, 'operation not permitted on the default exchange')


def clean(name: str) -> str:
    """A name without carriage returns and line feeds, which RabbitMQ leaves out."""
    return name.replace('\r', '').replace('\n', '')
