"""What programs of pika 1.x see, rule by rule, on the pika of this Python.

    python transcript.py transcripts/FILE.py [RULE ...]     print, as JSON, what each rule has said

Rule: each function of a file of transcripts is a small program about one rule. Its docstring is the
rule; a paragraph in it that begins with "Differs:" says why what it sees here is not what pika 1.4
shows. It gets a `Scene`, tells `say` what it sees, and ends within `LIMIT` seconds. It runs on
either pika, so it uses nothing but what pika 1.4 has.

The broker is the one that ``AMQP_URL`` names.
"""
from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import os
import pathlib
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pika

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any, Union

    # What was said: a line, or an exception: the names of its classes and what it tells.
    Line = Union[str, tuple[list[str], str]]

LIMIT = 10.0


class Scene:
    """The stage of one rule: the broker, and what was said so far."""

    def __init__(self, name: str) -> None:
        self.name = name  # for queues, exchanges
        self.url = os.environ['AMQP_URL']
        self.said: list[Line] = []

    def say(self, *what: Any) -> None:
        """Note what is seen: strings as they are, all else by its repr."""
        self.said.append(' '.join(item if isinstance(item, str) else repr(item) for item in what))

    def error(self, error: BaseException) -> None:
        """Note an exception: the class by which a program catches it, and the broker's reason."""
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind is not object]
        code = getattr(error, 'reply_code', None)
        told = f' {code} {getattr(error, "reply_text", "")}' if code is not None else ''
        self.said.append((kinds, told))

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """Note what a call returns, or raises."""
        try:
            result = call()
        except Exception as error:
            self.say(what + ' raises')
            self.error(error)
            return None
        self.say(what, 'gives', result)
        return result

    def parameters(self, **changes: Any) -> Any:
        """Those of the broker."""
        parameters = pika.URLParameters(self.url)
        for name, value in changes.items():
            setattr(parameters, name, value)
        return parameters

    @contextlib.contextmanager
    def blocking(self, **changes: Any) -> Iterator[Any]:
        """A BlockingConnection; closed if the program has not done so."""
        connection = pika.BlockingConnection(self.parameters(**changes))
        try:
            yield connection
        finally:
            if connection.is_open:
                connection.close()

    def select(self, use: Callable[[Any], None], seconds: float = 0.25, **changes: Any) -> Any:
        """A SelectConnection whose loop runs for some seconds; `use` gets it once it is open."""
        connection = pika.SelectConnection(
            self.parameters(**changes),
            on_open_callback=use,
            on_open_error_callback=lambda connection, error: self.error(error),
            on_close_callback=lambda connection, error: connection.ioloop.add_callback(connection.
                                                                                       ioloop.stop))
        loop = connection.ioloop
        loop.call_later(seconds, loop.stop)
        self.run(loop)
        if connection.is_open:
            connection.close()
            loop.start()
        return connection

    def run(self, loop: Any) -> None:
        """Run it till it is stopped, and note what comes out of it; then it is run again."""
        while True:
            try:
                loop.start()
                return
            except Exception as error:
                self.say('the loop raises')
                self.error(error)

    def channel(self, use: Callable[[Any], None], seconds: float = 0.25, **changes: Any) -> Any:
        """The same with a channel."""
        return self.select(lambda connection: connection.channel(on_open_callback=use), seconds,
                           **changes)

    @contextlib.contextmanager
    def server(self, answer: bytes | None) -> Iterator[int]:
        """A port where each client is sent these bytes and let go; None says nothing and waits."""
        listener = socket.create_server(('127.0.0.1', 0))
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    held.append(client)
                    if answer is not None:
                        client.recv(8)
                        client.sendall(answer)
                        client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            for client in held:
                client.close()


def load(path: pathlib.Path) -> ModuleType:
    """A file of transcripts as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rules(module: ModuleType) -> dict[str, Callable[[Scene], None]]:
    """Its rules: the functions that it defines, in their order, but for helpers."""
    return {
        name: value for name, value in vars(module).items() if inspect.isfunction(value) and
        value.__module__ == module.__name__ and not name.startswith('_')
    }


def _give_up(name: str) -> None:
    """End all: what a rule waits for cannot be interrupted."""
    print(f'{name} has not ended within {LIMIT} s', file=sys.stderr, flush=True)
    os._exit(3)


def main(path: str, *names: str) -> None:
    """Run the rules of a file and print what they said."""
    said = {}
    for name, rule in rules(load(pathlib.Path(path))).items():
        if names and name not in names:
            continue
        scene = Scene(name)
        guard = threading.Timer(LIMIT, _give_up, (name,))
        guard.daemon = True
        guard.start()
        rule(scene)
        guard.cancel()
        said[name] = scene.said
    json.dump(said, sys.stdout)


if __name__ == '__main__':
    main(*sys.argv[1:])
