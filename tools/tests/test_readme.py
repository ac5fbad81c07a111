"""The examples of the adapters in README.rst of the repository, word for word."""
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
EXAMPLES = {
    name: CALLBACKS + code if 'on_open' in code else code
    for name, code in zip(('select', 'asyncio', 'tornado', 'libev', 'twisted'), ADAPTERS)
}


def test_each_adapter_has_its_example():
    adapters = {path.name for path in (TOP / 'packages').iterdir()} - {'pika-core', 'pika-testing'}
    assert adapters == {'pika-blocking', *(f'pika-{name}' for name in EXAMPLES)}
    for name, code in EXAMPLES.items():
        assert f'pika_{name}' in code or name == 'select' and 'SelectConnection' in code


@pytest.mark.parametrize('name', EXAMPLES)
def test_publish(amqp_url, name):
    """In a process of its own, as a reactor runs once."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare('test', auto_delete=True)
        channel.queue_declare('test', exclusive=True)
        channel.queue_bind('test', 'test')
        script = f'import readme\nreadme.run({EXAMPLES[name]!r}, {amqp_url!r})'
        path = os.pathsep.join([str(TOP / 'tools'), *sys.path])
        done = subprocess.run([sys.executable, '-c', script],
                              env={
                                  **os.environ, 'PYTHONPATH': path
                              },
                              timeout=60,
                              capture_output=True,
                              text=True)
        assert (done.returncode, done.stderr) == (0, '')
        assert 'Normal shutdown' in done.stdout
        messages = channel.consume('test', auto_ack=True, inactivity_timeout=10)
        assert next(messages)[2] == b'Test message.'
