"""The rules of pika 1.4's behaviour, played once for all tests; their number at the end."""

from __future__ import annotations

import os

import differences
import pytest

COUNT = pytest.StashKey[str]()


@pytest.fixture(scope='session')
def rules(broker, request):
    played = [
        rule for path in differences.TRANSCRIPTS
        for rule in differences.compare(path, os.environ['PIKA_1_4'], broker.url)
    ]
    differ = sum(bool(rule.differences()) for rule in played)
    request.config.stash[COUNT] = f'{len(played)} rules of pika 1.4; {differ} differ with a reason'
    return played


def pytest_terminal_summary(terminalreporter, config):
    if COUNT in config.stash:
        terminalreporter.write_line(config.stash[COUNT])
