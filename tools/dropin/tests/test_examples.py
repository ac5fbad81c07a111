"""The programs in examples/ do the same here and, in an environment of its own, on pika 1.4.4."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parents[3] / 'examples').glob('*.py'))


def run(python, example, url):
    """What it prints."""
    done = subprocess.run([python, str(example)],
                          env={
                              **os.environ, 'AMQP_URL': url
                          },
                          timeout=60,
                          capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('example', EXAMPLES, ids=lambda path: path.stem)
def test_same_on_pika_1_4(amqp_url, example):
    ours = run(sys.executable, example, amqp_url)
    assert ours
    assert ours == run(os.environ['PIKA_1_4'], example, amqp_url)
