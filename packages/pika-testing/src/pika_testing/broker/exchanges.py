"""Exchanges: from a message to the names of what is bound.

Rule: an exchange knows its bindings and nothing else, least of all queues. Each type is one class
with `add`, `remove` and `find`.
"""

from __future__ import annotations

from pika_testing.broker.refusals import precondition, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol

    from pika_testing.broker.messages import Message
    from pika_testing.broker.versions import Version

    # 'queue' or 'exchange', and the name.
    Destination = tuple[str, str]

    class Router(Protocol):
        """Finds the destinations of a message."""

        def add(self, binding: Binding) -> None:
            """Take a binding."""

        def remove(self, binding: Binding) -> None:
            """Give one back."""

        def find(self, message: Message) -> Iterable[Destination]:
            """The destinations of a message; one may come several times."""
            ...


class Binding:
    """What leads from an exchange to a destination."""

    __slots__ = ('destination', 'key', 'arguments', 'identity')

    def __init__(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        self.destination = destination
        self.key = key
        self.arguments = arguments
        self.identity = (destination, key, repr(sorted(arguments.items(), key=_first)))

    def __repr__(self) -> str:
        kind, name = self.destination
        return f'<Binding of {kind} {name!r} with {self.key!r}>'


def _first(item: tuple[str, Any]) -> str:
    return item[0]


class DirectRouter:
    """By the whole routing key."""

    def __init__(self, version: Version) -> None:
        self._by_key: dict[str, dict[Binding, None]] = {}

    def add(self, binding: Binding) -> None:
        """Take a binding."""
        self._by_key.setdefault(binding.key, {})[binding] = None

    def remove(self, binding: Binding) -> None:
        """Give one back."""
        bindings = self._by_key[binding.key]
        del bindings[binding]
        if not bindings:
            del self._by_key[binding.key]

    def find(self, message: Message) -> Iterable[Destination]:
        """The destinations of a message."""
        for key in message.keys:
            for binding in self._by_key.get(key, ()):
                yield binding.destination


class FanoutRouter:
    """To all."""

    def __init__(self, version: Version) -> None:
        self._bindings: dict[Binding, None] = {}

    def add(self, binding: Binding) -> None:
        """Take a binding."""
        self._bindings[binding] = None

    def remove(self, binding: Binding) -> None:
        """Give one back."""
        del self._bindings[binding]

    def find(self, message: Message) -> Iterable[Destination]:
        """The destinations of a message."""
        for binding in self._bindings:
            yield binding.destination


class _Node:
    """One word of a pattern."""

    __slots__ = ('children', 'bindings')

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.bindings: dict[Binding, None] = {}


class TopicRouter:
    """By patterns of words between dots: * is one word, # any number; a tree of words."""

    def __init__(self, version: Version) -> None:
        self._root = _Node()

    def add(self, binding: Binding) -> None:
        """Take a binding."""
        node = self._root
        for word in _words(binding.key):
            node = node.children.setdefault(word, _Node())
        node.bindings[binding] = None

    def remove(self, binding: Binding) -> None:
        """Give one back."""
        path = [self._root]
        words = _words(binding.key)
        for word in words:
            path.append(path[-1].children[word])
        del path[-1].bindings[binding]
        for parent, word in zip(reversed(path[:-1]), reversed(words)):
            child = parent.children[word]
            if child.children or child.bindings:
                break
            del parent.children[word]

    def find(self, message: Message) -> Iterable[Destination]:
        """The destinations of a message."""
        for key in message.keys:
            words = _words(key)
            # Each place in the tree and in the words is looked at once: no pattern costs more.
            places = {(self._root, 0)}
            waiting = [(self._root, 0)]
            while waiting:
                node, index = waiting.pop()
                for place in self._steps(node, index, words):
                    if place not in places:
                        places.add(place)
                        waiting.append(place)
                if index == len(words):
                    for binding in node.bindings:
                        yield binding.destination

    @staticmethod
    def _steps(node: _Node, index: int, words: list[str]) -> Iterable[tuple[_Node, int]]:
        many = node.children.get('#')
        if many is not None:
            for end in range(index, len(words) + 1):
                yield many, end
        if index < len(words):
            for word in {words[index], '*'}:
                child = node.children.get(word)
                # A key may have the word # itself; in a pattern it has its meaning.
                if child is not None and word != '#':
                    yield child, index + 1


def _words(key: str) -> list[str]:
    return key.split('.') if key else []


class HeadersRouter:
    """By the values of headers."""

    def __init__(self, version: Version) -> None:
        self._bindings: dict[Binding, tuple[Callable[[Iterable[bool]], bool], dict[str, Any]]] = {}
        self._strict = version.strict_headers

    def add(self, binding: Binding) -> None:
        """Take a binding."""
        match = binding.arguments.get('x-match', 'all')
        wanted = {
            key: value
            for key, value in binding.arguments.items()
            if not key.startswith('x-') or match.endswith('with-x') and key != 'x-match'
        }
        self._bindings[binding] = (all if match.startswith('all') else any), wanted

    def remove(self, binding: Binding) -> None:
        """Give one back."""
        del self._bindings[binding]

    def find(self, message: Message) -> Iterable[Destination]:
        """The destinations of a message."""
        headers = message.properties.headers or {}
        for binding, (condition, wanted) in self._bindings.items():
            if condition(key in headers and (value is None or self._equal(value, headers[key]))
                         for key, value in wanted.items()):
                yield binding.destination

    def _equal(self, wanted: object, value: object) -> bool:
        if self._strict or isinstance(wanted, bool) or isinstance(value, bool):
            return type(wanted) is type(value) and wanted == value
        return wanted == value


def check_headers_binding(arguments: Mapping[str, Any]) -> None:
    """Look at the argument x-match.

    Raises:
      Refusal: it is none of the four.
    """
    match = arguments.get('x-match', 'all')
    if not isinstance(match, str):
        raise precondition(f'Invalid x-match field type {type_name(match)} (value {match}); '
                           'expected longstr')
    if match not in ('all', 'any', 'all-with-x', 'any-with-x'):
        raise precondition(f'Invalid x-match field value <<"{match}">>; expected all, any, '
                           'all-with-x, or any-with-x')


ROUTERS: dict[str, Callable[[Version], Router]] = {
    'direct': DirectRouter,
    'fanout': FanoutRouter,
    'topic': TopicRouter,
    'headers': HeadersRouter,
}


class Exchange:
    """An exchange and its bindings."""

    def __init__(self, name: str, kind: str, durable: bool, auto_delete: bool, internal: bool,
                 arguments: Mapping[str, Any], version: Version) -> None:
        self.name = name
        self.kind = kind
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.alternate: str | None = arguments.get('alternate-exchange')
        self.bindings: dict[tuple[Destination, str, str], Binding] = {}
        self._router = ROUTERS[kind](version)

    def bind(self, binding: Binding) -> None:
        """Add a binding; the same one again is none more."""
        if binding.identity not in self.bindings:
            self.bindings[binding.identity] = binding
            self._router.add(binding)

    def unbind(self, binding: Binding) -> bool:
        """Remove a binding; whether it was there."""
        found = self.bindings.pop(binding.identity, None)
        if found is not None:
            self._router.remove(found)
        return found is not None

    def unbind_all(self, destination: Destination) -> bool:
        """Remove what leads to a destination that has gone; whether something was."""
        found = [
            binding for binding in self.bindings.values() if binding.destination == destination
        ]
        for binding in found:
            self.unbind(binding)
        return bool(found)

    def route(self, message: Message) -> Iterable[Destination]:
        """The destinations of a message; one may come several times."""
        return self._router.find(message)
