"""The adapter of docs/writing-an-adapter.rst keeps the contract; its code blocks are run here."""

import pathlib

import readme

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'writing-an-adapter.rst'

for _block in readme.code_blocks(PAGE):
    exec(compile(_block, PAGE.name, 'exec'))


def test_adapter_is_about_a_hundred_lines():
    adapter, _ = readme.code_blocks(PAGE)
    assert 80 < sum(bool(line.strip()) for line in adapter.splitlines()) < 120
