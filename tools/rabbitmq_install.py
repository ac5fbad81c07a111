"""The `rabbitmq-server` of this machine, installed with apt where it is absent and can be.

Rule: installing starts no service, and a signal that comes meanwhile takes effect afterwards.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not /usr/sbin/rabbitmq-server: that wrapper changes to the user of the system's own broker.
SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
POLICY = pathlib.Path('/usr/sbin/policy-rc.d')
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UnavailableError(Exception):
    """There is no RabbitMQ to start here; the text says in one line why, or what to install."""


def require_server() -> None:
    """Installs RabbitMQ where it is absent and that is possible."""
    if os.access(SERVER, os.X_OK):
        return
    if shutil.which('apt-get') is None or os.geteuid() != 0:
        raise UnavailableError(
            'no RabbitMQ here: set AMQP_URL, or run as root: '
            'apt-get update && apt-get install --no-install-recommends rabbitmq-server')
    print('Installing rabbitmq-server with apt (about 100 MB) ...', file=sys.stderr, flush=True)
    install = ['install', '-y', '--no-install-recommends', 'rabbitmq-server']
    _apt('update')
    _apt(*install, '--download-only')
    # Half an installation is worse than a Ctrl-C that takes effect seconds later.
    with signals_held(), _no_services():
        output = _apt(*install)
    if not os.access(SERVER, os.X_OK):
        print(*output.splitlines()[-15:], sep='\n', file=sys.stderr)
        raise UnavailableError('apt could not install rabbitmq-server: install it, or set AMQP_URL')


def _apt(*arguments: str) -> str:
    """What apt-get has to say."""
    command = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', *arguments]
    environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    run = subprocess.run(command,
                         env=environment,
                         stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT,
                         text=True,
                         check=False)
    return run.stdout


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Inside, packages that are installed do not start their services."""
    if os.path.lexists(POLICY):
        yield
        return
    try:
        POLICY.write_text('#!/bin/sh\nexit 101\n', encoding='ascii')
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


@contextlib.contextmanager
def signals_held(*more: signal.Signals) -> Iterator[set[int]]:
    """Inside, signals wait; yields the mask from before, which a child has to get back."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, *more})
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
