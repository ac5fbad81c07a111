"""Importing chooses no reactor, and a missing Twisted says what to install."""

from __future__ import annotations

import subprocess
import sys

import pika_twisted


def run(code):
    path = pika_twisted.__path__[0].rpartition('pika_twisted')[0]
    code = f'import sys; sys.path.insert(0, {path!r})\n{code}'
    return subprocess.run([sys.executable, '-c', code],
                          check=True,
                          stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def test_import_installs_no_reactor():
    assert run('import pika_twisted; print("twisted.internet.reactor" in sys.modules)') == 'False'


def test_import_starts_no_thread():
    assert run('import pika_twisted, threading; print(threading.active_count())') == '1'


def test_missing_twisted():
    code = ('sys.modules["twisted"] = None\ntry:\n    import pika_twisted\n'
            'except ModuleNotFoundError as error:\n    print(error)')
    assert run(code) == 'pip install twisted'
