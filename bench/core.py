"""Broker-free benchmark: CPU ns and instructions per message, layer by layer.

    python bench/core.py [--rounds 7] [--instructions] [--json FILE] [NAME ...]
    python bench/core.py --bounds bench/bounds.json [--record]

Rounds of all workloads are interleaved, because the machine is noisy; the table shows the median
and the spread. Instructions are counted by `perf stat` where it can, else by `valgrind
--tool=callgrind`, as the difference between a long and a short run, with PYTHONHASHSEED=0, so that
a change of one per cent shows. Bounds of them are kept for each build of an interpreter: what needs
a tenth more fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from workloads import WORKLOADS

COUNTED = 10  # a counted run does 1/10 and 2/10 of a timed round
ROOM = 1.1  # of the bound
BOUNDED = ('codec publish', 'facade publish', 'protocol delivery', 'facade delivery')


def time_rounds(names: list[str], rounds: int) -> dict[str, list[float]]:
    """CPU ns per message of each round of each workload."""
    running = {name: WORKLOADS[name][0]() for name in names}
    figures: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, run in running.items():
            start = time.process_time_ns()
            done = run(WORKLOADS[name][1])
            taken = (time.process_time_ns() - start) / done
            if number:  # the first round warms up
                figures[name].append(taken)
    return figures


def counter() -> str | None:
    """The tool that counts instructions here; None where there is none."""
    if shutil.which('perf'):
        probe = subprocess.run(['perf', 'stat', '-e', 'instructions:u', 'true'],
                               capture_output=True,
                               text=True)
        if probe.returncode == 0 and 'not supported' not in probe.stderr:
            return 'perf'
    return 'valgrind' if shutil.which('valgrind') else None


def count(tool: str, name: str, messages: int) -> tuple[int, int]:
    """Instructions of a whole process, and how many messages it did: at least that many."""
    command = [sys.executable, os.path.abspath(__file__), '--once', str(messages), name]
    with tempfile.TemporaryDirectory() as folder:
        counters = {
            'perf': ['perf', 'stat', '-x,', '-e', 'instructions:u'],
            'valgrind': ['valgrind', '--tool=callgrind', f'--callgrind-out-file={folder}/out'],
        }
        result = subprocess.run(counters[tool] + command,
                                capture_output=True,
                                text=True,
                                env={
                                    **os.environ, 'PYTHONHASHSEED': '0'
                                },
                                check=True)
    patterns = {'perf': r'(\d+),[^,]*,instructions', 'valgrind': r'Collected\s*:\s*(\d+)'}
    found = re.search(patterns[tool], result.stderr)
    assert found, result.stderr
    return int(found.group(1)), int(result.stdout)


def instructions(tool: str, name: str) -> float:
    """Instructions per message: what a run costs more that does about twice as many."""
    messages = max(WORKLOADS[name][1] // COUNTED, 1)
    short, few = count(tool, name, messages)
    long, many = count(tool, name, 2 * messages)
    return (long - short) / (many - few)


def build(tool: str) -> str:
    """What decides how many instructions the same Python code takes."""
    return ', '.join([
        platform.python_implementation(),
        platform.python_version(),
        platform.python_compiler(),
        platform.machine(), tool
    ])


def check(path: str, record: bool) -> int:
    """Compare with the bounds of this build, or write them; the exit status."""
    tool = counter()
    if tool is None:
        print('neither perf nor valgrind can count instructions here: nothing is checked')
        return 0
    with open(path, encoding='utf-8') as file:
        bounds: dict[str, dict[str, int]] = json.load(file)
    here = build(tool)
    known = bounds.get(here, {})
    if not known and not record:
        print(f'{path} has no bounds for {here}; --record writes them')
        return 0
    counted = {name: round(instructions(tool, name)) for name in BOUNDED}
    if record:
        bounds[here] = counted
        with open(path, 'w', encoding='utf-8') as file:
            file.write(json.dumps(bounds, indent=1) + '\n')
        return 0
    print(f'instructions a message, {here}')
    for name, count_here in counted.items():
        print(f'{name:34}{count_here:10,}   bound {known[name] * ROOM:10,.0f}')
    return int(any(counted[name] > known[name] * ROOM for name in BOUNDED))


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME', help='workloads; all unless given')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--instructions', action='store_true', help='count instructions too')
    parser.add_argument('--json', metavar='FILE', help='write the figures there as well')
    parser.add_argument('--bounds', metavar='FILE', help='compare instructions with these')
    parser.add_argument('--record', action='store_true', help='write those of this build there')
    parser.add_argument('--once', type=int, metavar='MESSAGES', help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        parser.error(f'no workload {unknown[0]!r}; there are: {", ".join(WORKLOADS)}')
    if options.once:
        print(WORKLOADS[names[0]][0]()(options.once))
        return 0
    if options.bounds:
        return check(options.bounds, options.record)
    tool = counter() if options.instructions else None
    if options.instructions and tool is None:
        print('neither perf nor valgrind can count instructions here: times only')
    python = f'{platform.python_implementation()} {platform.python_version()}'
    print(f'{python}, median of {options.rounds} rounds' +
          (f', instructions by {tool}' if tool else ''))
    print(f'{"workload":34}{"CPU ns":>10}{"min":>10}{"max":>10}' +
          (f'{"instructions":>14}' if tool else ''))
    results = {}
    for name, figures in time_rounds(names, options.rounds).items():
        row = {'ns': statistics.median(figures), 'min': min(figures), 'max': max(figures)}
        line = f'{name:34}{row["ns"]:10.0f}{row["min"]:10.0f}{row["max"]:10.0f}'
        if tool:
            row['instructions'] = instructions(tool, name)
            line += f'{row["instructions"]:14.0f}'
        print(line, flush=True)
        results[name] = row
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump({
                'python': platform.python_version(),
                'counter': tool,
                'workloads': results
            },
                      file,
                      indent=1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
