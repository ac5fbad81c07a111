"""The code blocks of a README, run word for word.

Rule: the text is not touched. Its ``BlockingConnection()`` reaches the broker of the tests because
the defaults of connection parameters are read when parameters are made.
"""
from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING
from unittest import mock

from pika import connection

if TYPE_CHECKING:
    import pathlib

BLOCK = re.compile(r'^\.\. code-block:: python\n\n((?:(?: {4}.*)?\n)+)', re.MULTILINE)


def code_blocks(path: pathlib.Path) -> list[str]:
    """The Python code blocks of a file, in its order."""
    return [textwrap.dedent(block) for block in BLOCK.findall(path.read_text(encoding='utf-8'))]


def run(code: str, url: str) -> None:
    """Run `code` as a script whose broker is the one at `url`."""
    given = connection.URLParameters(url)
    defaults = {
        'DEFAULT_HOST': given.host,
        'DEFAULT_PORT': given.port,
        'DEFAULT_VIRTUAL_HOST': given.virtual_host,
        'DEFAULT_CREDENTIALS': given.credentials,
    }
    with mock.patch.multiple(connection.Parameters, **defaults):
        exec(compile(code, 'README.rst', 'exec'), {'__name__': '__main__'})
