"""Other versions of RabbitMQ than this machine's, each in a tree of its own; needs no root.

    python tools/rabbitmq_tree.py 4.3      fetch that version, if it is not here yet

A version is that of a release of Debian: apt, with a state of its own and the mirror and keys that
it is set up with here, downloads the server and what it needs, and dpkg-deb unpacks that into
`build/rabbitmq/VERSION`. A node runs there by `chroot` in a mount namespace of its own, so nothing
has to be unmounted afterwards; it sees the processes, the network and /tmp of this machine.

Rule: a tree that is there is whole. It gets its name when it is complete.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse

from rabbitmq_install import UnavailableError

# RabbitMQ 3.8.9, 3.10.8, 4.0.5; the last moves on: 4.3.6 in November 2026.
SUITES = {'3.8': 'bullseye', '3.10': 'bookworm', '4.0': 'trixie', '4.3': 'forky'}
WITH_SECURITY = ('bullseye', 'bookworm', 'trixie')
TREES = pathlib.Path(__file__).absolute().parents[1] / 'build' / 'rabbitmq'
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
TOOLS = ('apt-get', 'dpkg-deb', 'tar', 'unshare', 'chroot')

# A mount namespace; one of users as well for who is not root.
UNSHARE = ('unshare', '-m' if os.geteuid() == 0 else '-rm')

# What the server's scripts call.
PACKAGES = ('rabbitmq-server', 'dash', 'coreutils', 'sed', 'grep', 'mawk', 'base-files', 'libc-bin',
            'hostname')
# What these ask for and a node does not use.
NOT_UNPACKED = ('perl', 'libperl', 'systemd', 'gcc-', 'debconf', 'adduser', 'passwd', 'libpam',
                'logrotate', 'cron', 'libx11', 'locales')
NOT_EXTRACTED = ('./usr/share/doc/*', './usr/share/man/*', './usr/share/locale/*')

# Runs a command in the tree $1; the pid stays the same through all of it.
ENTER = """\
tree=$1; shift
mount --rbind /proc "$tree/proc" && mount --rbind /dev "$tree/dev" &&
mount --rbind /tmp "$tree/tmp" && cd / && exec chroot "$tree" "$@"
"""


def fetch(version: str) -> pathlib.Path:
    """The tree of a version of `SUITES`; it is made if it is not there.

    Raises:
        UnavailableError: the machine lacks something, or the download failed.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise UnavailableError(f'this machine has no {", ".join(missing)}')
    _run([*UNSHARE, 'true'])
    tree = TREES / version
    if tree.is_dir():
        return tree
    print(f'Fetching RabbitMQ {version} (Debian {SUITES[version]}, about 60 MB) ...',
          file=sys.stderr,
          flush=True)
    TREES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'{version}-', dir=TREES) as folder:
        new = pathlib.Path(folder) / 'tree'
        archives = _download(SUITES[version], pathlib.Path(folder) / 'apt')
        _unpack(archives, new)
        try:
            new.rename(tree)
        except OSError:
            if not tree.is_dir():  # else somebody else was faster
                raise
    return tree


def enter(tree: pathlib.Path) -> list[str]:
    """The words before a command that make it run in a tree."""
    return [*UNSHARE, '/bin/sh', '-c', ENTER, 'enter', str(tree)]


def _mirrors() -> tuple[str, str | None]:
    """Where apt gets Debian from on this machine, and its security updates."""
    found = _run(['apt-get', 'indextargets', '--format', '$(REPO_URI)']).split()
    # The first: somebody else's packages for Debian may have a path that ends the same.
    names = {
        urllib.parse.urlsplit(uri).path.strip('/').rpartition('/')[2]: uri
        for uri in reversed(found)
    }
    if 'debian' not in names:
        raise UnavailableError('apt knows no mirror of Debian here')
    return names['debian'], names.get('debian-security')


def _download(suite: str, state: pathlib.Path) -> list[pathlib.Path]:
    """The packages of the server of a release of Debian, and of all that it depends on."""
    mirror, security = _mirrors()
    sources = f'deb [signed-by={KEYRING}] {mirror} {suite} main\n'
    if security and suite in WITH_SECURITY:
        sources += f'deb [signed-by={KEYRING}] {security} {suite}-security main\n'
    for name in ('lists/partial', 'cache/archives/partial', 'etc'):
        (state / name).mkdir(parents=True)
    (state / 'status').touch()
    (state / 'etc' / 'sources.list').write_text(sources, encoding='utf-8')
    settings = {
        'Dir::Etc': state / 'etc',
        'Dir::Etc::sourcelist': state / 'etc' / 'sources.list',
        'Dir::Etc::sourceparts': '-',
        'Dir::Etc::preferencesparts': '-',
        'Dir::State': state,
        'Dir::State::lists': state / 'lists',
        'Dir::State::status': state / 'status',
        'Dir::Cache': state / 'cache',
        'Debug::NoLocking': '1',
        'Acquire::Languages': 'none',
        'APT::Install-Recommends': '0',
        'APT::Sandbox::User': '',
        'APT::Update::Error-Mode': 'any',
    }
    apt = ['apt-get', '-q', *(f'-o{name}={value}' for name, value in settings.items())]
    _run([*apt, 'update'])
    _run([*apt, '-y', '--download-only', '-oDpkg::Use-Pty=0', 'install', *PACKAGES])
    return sorted((state / 'cache' / 'archives').glob('*.deb'))


def _unpack(archives: list[pathlib.Path], tree: pathlib.Path) -> None:
    """Makes of packages a tree that a node can run in."""
    for name in ('usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'proc', 'dev', 'tmp', 'etc',
                 'var/lib/rabbitmq', 'var/log/rabbitmq'):
        (tree / name).mkdir(parents=True)
    for name in ('bin', 'sbin', 'lib', 'lib64'):
        (tree / name).symlink_to(f'usr/{name}')
    excluded = [f'--exclude={pattern}' for pattern in NOT_EXTRACTED]
    for archive in archives:
        if archive.name.startswith(NOT_UNPACKED):
            continue
        content = subprocess.Popen(['dpkg-deb', '--fsys-tarfile', archive], stdout=subprocess.PIPE)
        assert content.stdout is not None
        with content.stdout:
            _run([
                'tar', '-C',
                str(tree), '--keep-directory-symlink', '--no-same-owner', '-xf', '-', *excluded
            ], content.stdout.fileno())
        if content.wait():
            raise UnavailableError(f'{archive.name} cannot be unpacked')
    for name, target in (('sh', 'dash'), ('awk', 'mawk')):  # left to scripts of the packages
        if not os.path.lexists(tree / 'usr/bin' / name):
            (tree / 'usr/bin' / name).symlink_to(target)
    for name, text in (
        ('passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
        ('group', 'root:x:0:\n'),
        ('hosts', f'127.0.0.1 localhost {socket.gethostname()}\n'),
        ('nsswitch.conf', 'hosts: files\n'),
    ):
        (tree / 'etc' / name).write_text(text, encoding='utf-8')


def _run(command: list[str], stdin: int = subprocess.DEVNULL) -> str:
    """What a command prints.

    Raises:
        UnavailableError: it failed; the last line of what it said.
    """
    run = subprocess.run(command,
                         env={
                             **os.environ, 'LC_ALL': 'C.UTF-8'
                         },
                         stdin=stdin,
                         stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT,
                         text=True,
                         check=False)
    if run.returncode:
        lines = run.stdout.strip().splitlines() or [f'exit code {run.returncode}']
        raise UnavailableError(f'{command[0]}: {lines[-1]}')
    return run.stdout


def main(arguments: list[str]) -> int:
    """Fetches the versions that are named; 3 when one cannot be had, and the line that says why."""
    if not arguments or not set(arguments) <= set(SUITES):
        print(f'usage: python tools/rabbitmq_tree.py VERSION ..., of {", ".join(SUITES)}',
              file=sys.stderr)
        return 2
    for version in arguments:
        try:
            fetch(version)
        except UnavailableError as error:
            print(f'RabbitMQ {version}: not here: {error}', file=sys.stderr)
            return 3
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
