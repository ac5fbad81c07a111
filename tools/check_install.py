"""Check an environment in which one distribution was installed, what it declares, and nothing else.

    python -I check_install.py DISTRIBUTION MODULE

Rule: what a distribution needs, it declares. So every module of it is imported here, where only the
declared things are. A module may lack something only if the error is the cure ("pip install ...")
or if an extra of the distribution names it.

A distribution without dependencies must be alone here, and importing it must load none of FORBIDDEN
and take no more than LIMIT_MS over ``import logging``.

Needs the standard library only, for there is nothing else. The exit status is 1 when a check fails.
"""
from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys

FORBIDDEN = ('socket', 'ssl', 'select', 'selectors', 'asyncio', 'threading')
LIMIT_MS = 40
INSTALLERS = {'pip', 'setuptools', 'wheel'}


def run(code: str) -> str:
    """What `code` prints in a fresh interpreter that sees the installed distributions only."""
    return subprocess.run([sys.executable, '-I', '-c', code],
                          check=True,
                          stdout=subprocess.PIPE,
                          text=True).stdout


def modules_after(statement: str) -> set[str]:
    """The names in ``sys.modules`` after `statement`."""
    return set(run(f'{statement}; import sys; print(*sys.modules)').split())


def import_ms(statement: str) -> float:
    """CPU milliseconds that `statement` takes."""
    return float(
        run('import time; t = time.process_time(); '
            f'{statement}; print((time.process_time() - t) * 1000)'))


def extra_requirements(requirements: list[str]) -> set[str]:
    """Names of the distributions that only an extra asks for."""
    return {
        re.split(r'[^\w.-]', requirement, maxsplit=1)[0]
        for requirement in requirements
        if 'extra ==' in requirement
    }


def import_everything(module: str, optional: set[str]) -> int:
    """Import `module` and all that is in it; how many modules were imported."""
    count = 1
    for info in pkgutil.walk_packages(importlib.import_module(module).__path__, module + '.'):
        try:
            importlib.import_module(info.name)
            count += 1
        except ModuleNotFoundError as error:
            if 'pip install' not in str(error) and error.name not in optional:
                raise
    return count


def check_alone(module: str) -> list[str]:
    """What is wrong with a distribution that needs nothing."""
    found = []
    extra = modules_after(f'import {module}') - modules_after('import logging')
    forbidden = sorted(extra.intersection(FORBIDDEN))
    if forbidden:
        found.append(f'import {module} imports {", ".join(forbidden)}')
    # Rounds alternate and the best counts: another load on the machine only ever adds.
    rounds = [
        (import_ms('import logging'), import_ms(f'import logging, {module}')) for _ in range(7)
    ]
    cost = min(ours for _, ours in rounds) - min(base for base, _ in rounds)
    print(f'import {module}: {cost:.1f} ms over import logging')
    if cost > LIMIT_MS:
        found.append(
            f'import {module} takes {cost:.1f} ms over import logging, more than {LIMIT_MS}')
    return found


def main(distribution: str, module: str) -> int:
    """Print what is here and what is wrong with it; the exit status."""
    here = {found.metadata['Name'] for found in importlib.metadata.distributions()} - INSTALLERS
    print(f'installed: {", ".join(sorted(here))}')
    run(f'import {module}')
    requirements = importlib.metadata.requires(distribution) or []
    optional = extra_requirements(requirements)
    wrong = []
    if all('extra ==' in requirement for requirement in requirements):
        if here != {distribution}:
            wrong.append(f'{distribution} declares nothing but is not alone')
        wrong += check_alone(module)
    print(f'{module}: {import_everything(module, optional)} modules imported')
    for line in wrong:
        print(f'error: {line}', file=sys.stderr)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
