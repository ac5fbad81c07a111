"""The examples of the README do what they say."""

from __future__ import annotations

import pathlib
import re
import textwrap

README = pathlib.Path(__file__).parents[2] / 'README.rst'


def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'::\n\n((?:    .*\n|\n)+)', README.read_text(encoding='utf-8'))
    code = [textwrap.dedent(block) for block in blocks if 'import' in block]
    assert len(code) == 3
    names = {}
    for block in code:
        exec(block, names)
    assert (tmp_path / 'session.json').is_file()
