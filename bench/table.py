"""The figures of `compare.py` as a table, with the goals beside them, and as a plot."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pathlib

# Workload, client, and of each round CPU and time; µs, or of memory bytes.
Figures = dict[str, dict[str, list[list[float]]]]


def median(rounds: list[list[float]]) -> float:
    """The middle one of what CPU, or memory, a message takes."""
    return statistics.median(figures[0] for figures in rounds)


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
            cpu = sorted(figures[0] for figures in rounds)
            wall = statistics.median(figures[1] for figures in rounds)
            lines.append(f'  {client:24}{median(rounds):12,.1f}   [{cpu[0]:,.1f} to {cpu[-1]:,.1f}]'
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
        axis.barh(names, [median(rounds) for _, rounds in row], color=colours)
        axis.set_title(workload)
        axis.set_xlabel('CPU µs a message')
        axis.set_xscale('log')
    pyplot.tight_layout()
    pyplot.savefig(path)
