"""The examples of the adapters in README.rst of the repository and of the packages, word for word.

Each publishes one message. Where an example stands on the one before it, that runs first.
"""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pika
import pytest
import readme

TOP = pathlib.Path(__file__).parents[2]
_, _, CALLBACKS, *ADAPTERS = readme.code_blocks(TOP / 'README.rst')
NAMES = ('select', 'asyncio', 'tornado', 'libev', 'gevent', 'twisted')
SHORT = {
    name: CALLBACKS + code if 'on_open' in code else code for name, code in zip(NAMES, ADAPTERS)
}
EXAMPLES = [pytest.param(code, 1, id=name) for name, code in SHORT.items()]
for name in NAMES:
    FIRST, *REST = readme.code_blocks(TOP / 'packages' / f'pika-{name}' / 'README.rst')
    EXAMPLES.append(pytest.param(FIRST, 1, id=f'pika-{name}'))
    EXAMPLES.extend(
        pytest.param(FIRST + code, 2, id=f'pika-{name}, create_connection')
        for code in REST
        if 'create_connection' in code)


def test_each_adapter_has_its_example():
    adapters = {path.name for path in (TOP / 'packages').iterdir()} - {'pika-core', 'pika-testing'}
    assert adapters == {'pika-blocking', *(f'pika-{name}' for name in NAMES)}
    for name, code in SHORT.items():
        assert f'pika_{name}' in code or name == 'select' and 'SelectConnection' in code


@pytest.mark.parametrize('code, messages', EXAMPLES)
def test_publish(amqp_url, code, messages):
    """In a process of its own, as a reactor runs once."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare('test', auto_delete=True)
        channel.queue_declare('test', exclusive=True)
        channel.queue_bind('test', 'test')
        script = f'import readme\nreadme.run({code!r}, {amqp_url!r})'
        path = os.pathsep.join([str(TOP / 'tools'), *sys.path])
        done = subprocess.run([sys.executable, '-c', script],
                              env={
                                  **os.environ, 'PYTHONPATH': path
                              },
                              timeout=60,
                              capture_output=True,
                              text=True)
        assert (done.returncode, done.stderr) == (0, '')
        consumer = channel.consume('test', auto_ack=True, inactivity_timeout=10)
        assert [next(consumer)[2] for _ in range(messages)] == [b'Test message.'] * messages
