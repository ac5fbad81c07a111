"""The examples of docs/broker-in-memory.rst and of README.rst, as files of a user's tests."""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

TOP = pathlib.Path(__file__).parents[2]
BLOCK = re.compile(r'^( *)\.\. code-block:: python\n\n((?:\1 {4}.*\n|\n)+)', re.MULTILINE)


def examples(path):
    """The blocks of Python in a page that have tests."""
    blocks = [textwrap.dedent(code) for _, code in BLOCK.findall(path.read_text(encoding='utf-8'))]
    return [code for code in blocks if 'def test_' in code]


PAGE = examples(TOP / 'docs' / 'broker-in-memory.rst')
README = examples(TOP / 'README.rst')


def test_each_has_examples():
    assert len(PAGE) == 7
    assert len(README) == 1
    assert len(README[0].strip().splitlines()) <= 10


@pytest.mark.parametrize('code', PAGE + README)
def test_passes(tmp_path, code):
    (tmp_path / 'test_user.py').write_text(code)
    done = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '.'],
                          cwd=tmp_path,
                          capture_output=True,
                          text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout
    assert f'{code.count("def test_")} passed' in done.stdout
