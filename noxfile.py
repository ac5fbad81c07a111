"""What is done to all packages: tests, checks, builds.

Rule: this file knows no package by name. A package is a folder in packages/ with a pyproject.toml,
which says what the package is called, needs, tests with (dependency group ``test``) and runs on
(classifiers). What is tested is its wheel, made from its sdist, never the source tree.

    nox                          everything that must pass
    nox -s tests                 unit tests, every package on every Python that is here
    nox -s "tests(pika-core-3.9)"
    nox -s integration           against RabbitMQ
    nox -s integration -- 3.8 4.3                against these versions of it
    nox -s memory -- all                         what of it runs on the broker in memory, too
    nox -s tests -- -k confirms  what follows -- goes to pytest
"""
from __future__ import annotations

import atexit
import collections
import itertools
import os
import pathlib
import shutil
import subprocess
import sys

import nox

nox.needs_version = '>=2025.10.14'
nox.options.default_venv_backend = 'uv|virtualenv'
nox.options.download_python = 'never'
nox.options.error_on_missing_interpreters = False
nox.options.sessions = [
    'lint', 'typecheck', 'tests', 'memory', 'foreign', 'integration', 'dropin', 'speed', 'build'
]

TOP = pathlib.Path(__file__).parent
sys.path.append(str(TOP / 'tools'))

import rabbitmq_tree  # noqa: E402 (it lies in tools)

DIST = TOP / 'build' / 'dist'
CONSTRAINTS = DIST / 'constraints.txt'
SOURCES = ('noxfile.py', 'bench', 'examples', 'packages', 'tools')
# What the generator of pika/spec.py needs too. Another version may format otherwise.
FORMATTERS = ('yapf ==0.43.*', 'tomli; python_version < "3.11"')
# Seconds that one test may take.
TIMEOUT = 120
# Tests against RabbitMQ mostly wait; each process has a node of its own.
PROCESSES = 5
NEWEST = list(rabbitmq_tree.SUITES)[-1]
# Seconds after Ctrl-C for a broker to be stopped, and pytest to finish its report.
PATIENCE = 10

PACKAGES = {
    project['project']['name']: project
    for project in (dict(nox.project.load_toml(path), path=path.parent)
                    for path in sorted(TOP.glob('packages/*/pyproject.toml')))
}
PYTHONS = sorted(
    {python for project in PACKAGES.values() for python in nox.project.python_versions(project)},
    key=lambda version: [int(part) for part in version.split('.')])


def runs(python: str, command: str | os.PathLike[str]) -> bool:
    """Whether `command` starts CPython `python`: a shim of pyenv may be there and start nothing."""
    code = 'import platform; print(platform.python_implementation(), platform.python_version())'
    try:
        answer = subprocess.run([command, '-I', '-c', code],
                                stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL,
                                text=True).stdout
    except OSError:
        return False
    return answer.startswith(f'CPython {python}.')


def find_pythons() -> list[str]:
    """The Pythons of PYTHONS that are here; those that only pyenv has are put on PATH."""
    versions = pathlib.Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser() / 'versions'
    found = []
    for python in PYTHONS:
        command = f'python{python}'
        if not runs(python, command):
            folders = [
                path.parent for path in versions.glob(f'*/bin/{command}') if runs(python, path)
            ]
            if not folders:
                continue
            os.environ['PATH'] = f'{folders[0]}{os.pathsep}{os.environ["PATH"]}'
        found.append(python)
    return found


FOUND = find_pythons()
if not FOUND:
    sys.exit(f'no CPython {PYTHONS[0]} to {PYTHONS[-1]} on PATH or in pyenv')
ENDS = list(dict.fromkeys(FOUND[:1] + FOUND[-1:]))


@atexit.register
def report_pythons() -> None:
    """The closing words: which Pythons the tests did not see."""
    if ran:
        print(f'Python {", ".join(python for python in PYTHONS if python in ran)}: tests ran')
        for python in PYTHONS:
            if python not in FOUND:
                print(f'Python {python}: not on this machine, its tests did not run')


ran: list[str] = []


def install(session: nox.Session, *names: str) -> None:
    """Install the wheels of the packages `names` and what they declare, siblings as wheels too."""
    session.install(*(str(next(DIST.glob(f'{name.replace("-", "_")}-*.whl'))) for name in names),
                    '--constraint', str(CONSTRAINTS))


def install_test_requirements(session: nox.Session, *names: str, group: str = 'test') -> None:
    """Install what the tests of the packages `names` declare, those that have such a group."""
    requirements = {
        requirement for name in names if group in PACKAGES[name].get('dependency-groups', ())
        for requirement in nox.project.dependency_groups(PACKAGES[name], group)
    }
    session.install(*sorted(requirements), '--constraint', str(CONSTRAINTS))


def pytest(session: nox.Session, arguments: list[str], chosen: list[str],
           **environment: str) -> None:
    """Run pytest; that a filter among what was `chosen` by hand selects nothing is no failure."""
    if session.python not in ran:
        ran.append(str(session.python))
    session.install('pytest-timeout')
    session.run('pytest',
                f'--timeout={TIMEOUT}',
                *arguments,
                *chosen,
                env=environment,
                success_codes=[0, 5] if chosen else [0],
                interrupt_timeout=PATIENCE,
                terminate_timeout=PATIENCE)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdists, and wheels from the sdists, and check what they say of themselves."""
    backends = {req for project in PACKAGES.values() for req in project['build-system']['requires']}
    session.install('build', 'twine', *sorted(backends))
    shutil.rmtree(DIST, ignore_errors=True)
    for project in PACKAGES.values():
        session.run('python', '-m', 'build', '--no-isolation', '--outdir', str(DIST),
                    str(project['path']))
    session.run('twine', 'check', '--strict', *map(str, sorted(DIST.iterdir())))
    # Without this an index that has packages of these names could answer for the wheels.
    CONSTRAINTS.write_text(''.join(
        f'{wheel.name.split("-")[0].replace("_", "-")} @ {wheel.as_uri()}\n'
        for wheel in sorted(DIST.glob('*.whl'))))


@nox.session(requires=['build'])
@nox.parametrize('python, package', [
    nox.param(python, name, id=f'{name}-{python}')
    for name, project in PACKAGES.items()
    for python in nox.project.python_versions(project)
])
def tests(session: nox.Session, package: str) -> None:
    """Unit tests of one package on one Python, where only what it declares is installed."""
    project = PACKAGES[package]
    install(session, package)
    # Before pytest arrives, which would bring what a package forgot to declare.
    session.run('python', '-I', str(TOP / 'tools' / 'check_install.py'), package,
                project['tool']['flit']['module']['name'])
    install_test_requirements(session, package)
    pytest(session, [str(project['path'] / 'tests' / 'unit')], session.posargs)


def with_integration_tests() -> list[str]:
    """The packages that have tests against a broker."""
    return [name for name in PACKAGES if (PACKAGES[name]['path'] / 'tests/integration').is_dir()]


def install_for_integration(session: nox.Session, names: list[str]) -> None:
    """Install the packages `names`, and what their tests against a broker need."""
    install(session, *names)
    install_test_requirements(session, *names)
    if session.python == PYTHONS[0]:  # newer ones cannot run them
        install_test_requirements(session, *names, group='oldest')
    session.install('pytest', 'pytest-xdist', 'trustme')


@nox.session(python=ENDS[-1:], requires=['build'])
def memory(session: nox.Session) -> None:
    """What is tested against RabbitMQ, on the broker in memory: the contract, README's examples.

    The contract with the packages that have ``memory = true`` in ``tool.rabbitmq``; with ``-- all``
    with each adapter.
    """
    every = session.posargs[:1] == ['all']
    names = with_integration_tests()
    install_for_integration(session, names)
    paths = [
        str(TOP / 'tools' / 'tests' / 'test_readme.py'),
        str(TOP / 'tools' / 'tests' / 'test_broker_in_memory.py')
    ]
    for name in names:
        if every or PACKAGES[name]['tool'].get('rabbitmq', {}).get('memory'):
            contracts = (PACKAGES[name]['path'] / 'tests/integration').glob('test_contract*.py')
            paths += map(str, sorted(contracts))
    plugins = ['-p', 'pytest_rabbitmq', '-p', 'pytest_memory']
    pytest(session, [*plugins, f'-n{PROCESSES}', '--dist=worksteal', *paths],
           session.posargs[every:],
           PYTHONPATH=str(TOP / 'tools'))


@nox.session(python=ENDS, requires=['build'])
def integration(session: nox.Session) -> None:
    """Tests against RabbitMQ on the oldest and the newest Python; ``-- 3.8 4.3`` names versions.

    On the oldest Python that packages allow, where it is here, frameworks are the oldest they allow
    (dependency group ``oldest``). On the newest one here, packages with ``newest = true`` in
    ``tool.rabbitmq`` meet the newest RabbitMQ instead, where it can be had, those with ``"too"``
    both, and on this Python alone.
    """
    versions = list(itertools.takewhile(rabbitmq_tree.SUITES.__contains__, session.posargs))
    names = with_integration_tests()
    install_for_integration(session, names)
    folders = {name: str(PACKAGES[name]['path'] / 'tests/integration') for name in names}
    tools = str(TOP / 'tools' / 'tests')
    if versions:
        runs = [(version, [tools, *folders.values()]) for version in versions]
    else:
        wishes = {name: PACKAGES[name]['tool'].get('rabbitmq', {}).get('newest') for name in names}
        newest = []
        for name in filter(wishes.get, names):
            if session.python == ENDS[-1]:
                newest.append(folders[name] if wishes[name] == 'too' else folders.pop(name))
            elif wishes[name] == 'too':  # what is compared is the broker: once is enough
                del folders[name]
        runs = [(NEWEST, newest)] if newest else []
        runs.append(('', [tools, *folders.values()]))
    missing = []
    for version, paths in runs:
        try:
            if version:
                rabbitmq_tree.fetch(version)
        except rabbitmq_tree.UnavailableError as error:
            missing.append(f'RabbitMQ {version}: not here: {error}')
            if not versions:
                runs[-1][1].extend(paths)
            continue
        pytest(session, ['-p', 'pytest_rabbitmq', f'-n{PROCESSES}', '--dist=worksteal', *paths],
               session.posargs[len(versions):],
               PYTHONPATH=str(TOP / 'tools'),
               RABBITMQ_VERSION=version)
    for line in missing:
        print(line)
    if versions and len(missing) == len(versions):
        session.error('none of these versions of RabbitMQ is here')


@nox.session(python=ENDS[-1:], requires=['build'])
def dropin(session: nox.Session) -> None:
    """What programs and instrumentation for pika 1.4 ask for, against RabbitMQ."""
    folder = TOP / 'tools' / 'dropin'
    install(session, *PACKAGES)
    session.run('python', str(folder / 'surface.py'), 'compare', str(folder / 'pika-1.4.4.json'),
                str(folder / 'gaps.txt'))
    # OpenTelemetry asks for a distribution called pika; its wheel here has no file.
    session.install(str(folder / 'pika'), '--constraint', str(CONSTRAINTS))
    session.install('opentelemetry-instrumentation-pika', 'opentelemetry-sdk', 'pytest', 'trustme')
    # What the examples are compared with; in an environment of its own, as it is `pika` too.
    reference = pathlib.Path(session.create_tmp()) / 'pika-1.4'
    session.run('python', '-m', 'venv', '--clear', str(reference))
    session.run(str(reference / 'bin/python'),
                '-m',
                'pip',
                'install',
                '-q',
                'pika==1.4.4',
                'gevent',
                'tornado',
                'twisted',
                external=True)
    pytest(session, ['-p', 'pytest_rabbitmq', str(folder / 'tests')],
           session.posargs,
           PYTHONPATH=os.pathsep.join([str(TOP / 'tools'), str(folder)]),
           PIKA_1_4=str(reference / 'bin/python'))


@nox.session(python=ENDS[-1:], requires=['build'])
@nox.parametrize('package, client', [
    nox.param(name, client, id=client)
    for name, project in PACKAGES.items()
    for client in project['tool'].get('foreign', {}).get('clients', ())
])
def foreign(session: nox.Session, package: str, client: str) -> None:
    """Another project's client, in an environment of its own, on the broker of a package."""
    settings = PACKAGES[package]['tool']
    install(session, package)
    session.install(client)
    script = TOP / 'tools' / 'foreign' / settings['foreign']['clients'][client]
    for version in settings['foreign']['versions']:
        session.run('python', '-m', settings['flit']['module']['name'], '--version', version, '--',
                    'python', str(script))


@nox.session
def lint(session: nox.Session) -> None:
    """Format (yapf, google style), ruff, equal copies of LICENSE, current generated files."""
    session.install(*FORMATTERS, 'ruff >=0.17,<0.18')
    session.run('yapf', '--diff', '--recursive', '--parallel', *SOURCES)
    session.run('ruff', 'check', *SOURCES)
    session.run('python', 'tools/spec/generate.py', '--check')
    license_text = (TOP / 'LICENSE').read_text()
    for project in PACKAGES.values():
        if (project['path'] / 'LICENSE').read_text() != license_text:
            session.error(f'{project["path"]}/LICENSE is not a copy of LICENSE')
    session.log(f'LICENSE: {len(PACKAGES)} equal copies')


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the sources and what users write (typing_tests) with mypy --strict and pyright."""
    editable = [
        argument for project in PACKAGES.values() for argument in ('-e', str(project['path']))
    ]
    session.install('mypy', 'pyright[nodejs]', 'pytest', *editable)
    paths = [
        str(path)
        for path in sorted(TOP.glob('packages/*/src')) + sorted(TOP.glob('packages/*/typing_tests'))
    ]
    session.run('mypy', '--strict', *paths)
    session.run('pyright', '--project', str(TOP / 'pyproject.toml'))


@nox.session
def spec(session: nox.Session) -> None:
    """Generate pika/spec.py; ``-- --check`` only proves that it is current."""
    session.install(*FORMATTERS)
    session.run('python', 'tools/spec/generate.py', *session.posargs)


def share(killed: int, survived: int) -> str:
    """How much of the mutants was killed, in words."""
    total = killed + survived
    return f'{killed} of {total} mutants killed, {100 * killed / total:.1f} %'


@nox.session(python=ENDS[-1:], requires=['build'])
def mutants(session: nox.Session) -> None:
    """Change the code of packages that have settings for mutmut: which changes go unnoticed."""
    session.install('mutmut')
    for name, project in PACKAGES.items():
        if 'mutmut' not in project['tool']:
            continue
        install_test_requirements(session, name)
        # A copy, since mutmut leaves its work beside the sources.
        copy = TOP / 'build' / 'mutants' / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(project['path'], copy)
        with session.chdir(copy):
            session.run('mutmut', 'run', silent=not sys.stdout.isatty())
            results = session.run('mutmut', 'results', '--all', 'true', silent=True)
        # Lines such as "pika.data.x_encode_table__mutmut_7: survived".
        counts: collections.Counter[tuple[str, bool]] = collections.Counter()
        for line in results.splitlines():
            mutant, _, status = line.strip().partition(': ')
            killed = status in ('killed', 'timeout')
            counts[mutant.rpartition('.')[0], killed] += 1
            if not killed:
                print(line.strip())
        for module in sorted({module for module, _ in counts}):
            print(f'{module}: {share(counts[module, True], counts[module, False])}')
        total = share(
            *(sum(counts[key] for key in counts if key[1] is killed) for killed in (True, False)))
        print(f'{name}: {total}; to see one: cd {copy} && mutmut show NAME')


def compare(session: nox.Session, *options: str) -> None:
    """Run bench/compare.py against RabbitMQ."""
    session.run('python',
                'tools/rabbitmq.py',
                'run',
                '--',
                'python',
                'bench/compare.py',
                *options,
                interrupt_timeout=PATIENCE,
                terminate_timeout=PATIENCE)


@nox.session(requires=['build'])
def bench(session: nox.Session) -> None:
    """What a message costs, layer by layer and client by client; -- options of bench/compare.py."""
    install(session, *PACKAGES)
    session.install('trustme', 'matplotlib')
    session.run('python', 'bench/core.py')
    session.run('python', 'bench/memory_broker.py')
    compare(session, *session.posargs)


@nox.session(requires=['build'])
def speed(session: nox.Session) -> None:
    """Instructions a message within their bounds; the comparison once, small: does it work?"""
    install(session, *PACKAGES)
    session.install('trustme', 'matplotlib')
    session.run('python', 'bench/core.py', '--bounds', 'bench/bounds.json')
    session.run('python', 'bench/memory_broker.py', '--messages', '1000')
    folder = pathlib.Path(session.create_tmp())
    # Ours, and rabbitmq-c; the others are installed by `bench` alone.
    compare(session, '--rounds', '1', '--scale', '0.01', '--clients', '[!ap]*', '--json',
            str(folder / 'figures.json'), '--plot', str(folder / 'figures.svg'))


@nox.session(requires=['build'])
def demo(session: nox.Session) -> None:
    """10,000 messages through each adapter and a broker; ``-- rabbitmq`` starts a RabbitMQ."""
    install(session, *PACKAGES)
    starter = []
    if session.posargs == ['rabbitmq']:
        session.install('trustme')
        starter = ['python', 'tools/rabbitmq.py', 'run', '--']
    session.run(*starter,
                'python',
                'tools/demo.py',
                interrupt_timeout=PATIENCE,
                terminate_timeout=PATIENCE)
