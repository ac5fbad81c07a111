"""The figures of `compare.py` as a table and as a plot, and the goals beside them.

`python bench/table.py FIGURES.json` prints the goals, as the page "Performance" has them.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pathlib

# Workload, client, and of each round CPU and time; µs, or of memory bytes.
Figures = dict[str, dict[str, list[list[float]]]]


def median(rounds: list[list[float]]) -> float:
    """The middle one of what CPU, or memory, a message takes."""
    return statistics.median(cpu for cpu, _ in rounds)


def text(result: dict[str, Any]) -> str:
    """A table in plain text: medians, and behind them the spread from least to most."""
    figures: Figures = result['figures']
    lines = [
        f'CPU of the client, us a message (memory: bytes), median of {result["rounds"]} rounds '
        f'[least to most]; time in us. Python {result["python"]}, {result["machine"]}.'
    ]
    for workload, row in figures.items():
        lines += ['', workload]
        for client, rounds in sorted(row.items(), key=lambda item: median(item[1])):
            spent = [cpu for cpu, _ in rounds]
            wall = statistics.median(seconds for _, seconds in rounds)
            lines.append(
                f'  {client:24}{median(rounds):12,.1f}   [{min(spent):,.1f} to {max(spent):,.1f}]'
                f'   {wall:,.1f}')
    lines += ['', 'import, CPU ms beyond a bare interpreter']
    lines += [
        f'  {name:24}{statistics.median(times):12,.1f}'
        for name, times in result['imports'].items()
    ]
    return '\n'.join(lines)


def plot(result: dict[str, Any], path: pathlib.Path) -> None:
    """Bars of CPU per message, a panel for each workload."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    pyplot.rcParams['svg.fonttype'] = 'none'  # text stays text
    shown = [
        'publish', 'confirms, 1,000 outstanding', 'consume', 'consume, ack each', 'RPC round trip'
    ]
    figures: Figures = result['figures']
    panels = [workload for workload in shown if workload in figures]
    _, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 6), squeeze=False)
    for axis, workload in zip(axes[0], panels):
        row = sorted(figures[workload].items(), key=lambda item: -median(item[1]))
        names = [client for client, _ in row]
        colours = [
            '#888888' if name == 'rabbitmq-c' else '#cc6633' if name.startswith(
                ('pika 1.4', 'py-', 'aio', 'amqps')) else '#336699' for name in names
        ]
        bars = axis.barh(names, [median(rounds) for _, rounds in row], color=colours)
        axis.bar_label(bars, fmt='%.1f', padding=3)
        axis.set_title(workload)
        axis.set_xlabel('CPU µs a message')
        axis.set_xscale('log')
        axis.set_xlim(0.1, 1000)
    pyplot.tight_layout()
    pyplot.savefig(path)


class Goal(NamedTuple):
    """A client is to cost at most so many times what another one costs."""

    workload: str
    client: str
    times: float
    peer: str


LOOPS = ('select', 'asyncio', 'tornado', 'libev', 'gevent')
OLD_LOOPS = ('select', 'asyncio', 'tornado')
C = 'rabbitmq-c'
WINDOW = 'confirms, 1,000 outstanding'
GOALS = [
    *(Goal('publish', loop, 0.5, C) for loop in (*LOOPS, 'blocking, coalesced')),
    Goal('publish', 'blocking', 1.5, C),
    *(Goal('publish', loop, 0.1, f'pika 1.4 {loop}') for loop in (*OLD_LOOPS, 'blocking')),
    Goal('publish', 'twisted', 0.25, 'pika 1.4 twisted'),
    *(Goal(WINDOW, client, 1.2, C) for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal(WINDOW, client, 1 / 6, 'pika 1.4 select') for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal('consume', client, 2.5, C) for client in (*LOOPS, 'blocking')),
    Goal('consume', 'twisted', 4, C),
    *(Goal('consume', client, 1 / 3, f'pika 1.4 {client}')
      for client in (*OLD_LOOPS, 'blocking', 'twisted')),
    *(Goal('consume, ack each', client, 1.2, C) for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal('consume, ack each', client, 0.25, 'pika 1.4 select')
      for client in (*LOOPS, 'twisted', 'blocking')),
    Goal('consume, ack each', 'blocking', 1 / 8, 'pika 1.4 blocking'),
    *(Goal('publish 1 MiB', client, 1, C) for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal('consume 1 MiB', client, 2.5, C) for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal('RPC round trip', client, 0.45, f'pika 1.4 {client}')
      for client in (*OLD_LOOPS, 'twisted', 'blocking')),
    *(Goal('RPC round trip', client, 2.5, C) for client in (*LOOPS, 'twisted', 'blocking')),
    *(Goal(what, client, 0.6, f'pika 1.4 {client}')
      for what in ('idle connection', 'idle channel')
      for client in (*OLD_LOOPS, 'twisted', 'blocking')),
]


def goals(result: dict[str, Any]) -> str:
    """Each goal and what has come of it, as a table in reStructuredText."""
    figures: Figures = result['figures']
    lines = [
        '.. csv-table::',
        '   :header: workload, client, cost, compared with, cost, times, goal, met', ''
    ]
    for goal in GOALS:
        ours, theirs = (median(figures[goal.workload][name]) for name in (goal.client, goal.peer))
        times = ours / theirs
        met = 'yes' if times <= goal.times else '**no**'
        lines.append(f'   "{goal.workload}", "{goal.client}", "{ours:,.1f}", {goal.peer}, '
                     f'"{theirs:,.1f}", {times:.2f}, {goal.times:.2f}, {met}')
    imported = result['imports']
    core, old = (statistics.median(imported[name]) for name in ('core', 'pika 1.4'))
    lines.append(f'   import (CPU ms), core, {core:.1f}, pika 1.4, {old:.1f}, {core / old:.2f}, '
                 f'0.50, {"yes" if core <= old / 2 else "**no**"}')
    return '\n'.join(lines)


if __name__ == '__main__':
    with open(sys.argv[1], encoding='utf-8') as file:
        print(goals(json.load(file)))
