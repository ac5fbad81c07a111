"""Where programs see something else here than on pika 1.4: the transcripts of both, compared.

    python differences.py PYTHON_WITH_PIKA_1_4      print the page "Differences from pika 1.4"; the
                                                    broker is the one that AMQP_URL names

Rule: a difference has a reason, in the docstring of its rule, and a reason has a difference. An
exception here counts as that of pika 1.4 if an `except` for the one takes the other.
"""
from __future__ import annotations

import difflib
import inspect
import json
import os
import pathlib
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import transcript

if TYPE_CHECKING:
    from collections.abc import Iterable

TRANSCRIPTS = sorted((pathlib.Path(__file__).parent / 'transcripts').glob('*.py'))

HEAD = """\
Differences from pika 1.4
=========================

What programs of pika 1.4 see differently here, and why: {differing} of {all} rules. Each rule is
a small program in ``tools/dropin/transcripts`` that runs on ``pika==1.4.4`` and here, on the same
broker, and notes what is called, returned and raised. Lines with a minus are those of pika 1.4,
lines with a plus are ours; of the other rules all lines are equal.

This page is made from these programs by ``tools/dropin/differences.py``; ``nox -s dropin`` sees
that it is right. Names that are not here are in ``tools/dropin/gaps.txt``.
"""


class Rule(NamedTuple):
    """A rule, what is seen of it on both, and why that differs."""

    name: str
    text: str
    why: str
    ours: list[str]
    theirs: list[str]

    def differences(self) -> list[str]:
        """The lines that differ, each with a neighbour, hunks divided by '...'."""
        lines = list(difflib.unified_diff(self.theirs, self.ours, lineterm='', n=1))[3:]
        return ['...' if line.startswith('@@') else line.rstrip() for line in lines]


def compare(path: pathlib.Path, their_python: str, url: str) -> list[Rule]:
    """Run a file of transcripts on both, with the broker at `url`."""
    ours, theirs = (_run(python, path, url) for python in (sys.executable, their_python))
    found: list[Rule] = []
    for name, function in transcript.rules(transcript.load(path)).items():
        text, _, why = (inspect.getdoc(function) or '').partition('Differs: ')
        raised = [line[0][0] for line in theirs[name] if not isinstance(line, str)]
        found.append(
            Rule(f'{path.stem}: {name}', _unwrap(text), _unwrap(why), _lines(ours[name], raised),
                 _lines(theirs[name], raised)))
    return found


def _run(python: str, path: pathlib.Path, url: str) -> dict[str, list[transcript.Line]]:
    done = subprocess.run([python, transcript.__file__, str(path)],
                          env={
                              **os.environ, 'AMQP_URL': url
                          },
                          stdout=subprocess.PIPE,
                          text=True,
                          check=True)
    said: dict[str, list[transcript.Line]] = json.loads(done.stdout)
    return said


def _lines(said: Iterable[transcript.Line], raised: list[str]) -> list[str]:
    return [
        line if isinstance(line, str) else '  ' + next(
            (kind for kind in line[0] if kind in raised), line[0][0]) + line[1] for line in said
    ]


def _unwrap(text: str) -> str:
    return ' '.join(text.split())


def page(rules: list[Rule]) -> str:
    """The page, in reStructuredText."""
    differing = [rule for rule in rules if rule.differences()]
    parts = [HEAD.format(differing=len(differing), all=len(rules))]
    group = ''
    for rule in differing:
        if not rule.name.startswith(f'{group}:'):
            group = rule.name.partition(':')[0]
            parts.append(f'{group.capitalize()}\n{"-" * len(group)}\n')
        said = f'**{rule.text}** {_capital(rule.why)}'.replace('`', '``')
        parts.append('\n'.join(textwrap.wrap(said, 100)) + '\n')
        block = textwrap.indent('\n'.join(rule.differences()), '    ')
        parts.append(f'.. code-block:: diff\n\n{block}\n')
    return '\n'.join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == '__main__':
    _, python = sys.argv
    found = [rule for path in TRANSCRIPTS for rule in compare(path, python, os.environ['AMQP_URL'])]
    sys.stdout.write(page(found))
