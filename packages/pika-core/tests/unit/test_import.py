"""What importing pika does, and what its lazy names do; each in an interpreter of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pika
import pytest

FORBIDDEN = {'socket', 'ssl', 'select', 'selectors', 'asyncio', 'threading'}

# The adapters are taken away, wherever these tests run.
MISSING = """\
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith('pika_'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Missing())
"""


def run(code):
    path = pika.__path__[0].rpartition('pika')[0]
    return subprocess.run(
        [sys.executable, '-c', f'import sys; sys.path.insert(0, {path!r})\n{code}'],
        check=True,
        stdout=subprocess.PIPE,
        text=True).stdout


def modules(statement):
    return set(run(f'{statement}; print(*sys.modules)').split())


def test_import_does_no_io():
    extra = modules('import pika') - modules('import logging')
    assert not extra & FORBIDDEN
    assert 'typing' not in extra


def test_looking_around_does_no_io():
    extra = modules('import pika; dir(pika); pika.__all__; pika.adapters; dir(pika.adapters)')
    assert not (extra - modules('import logging')) & FORBIDDEN


def test_dir_has_the_lazy_names():
    assert {'BlockingConnection', 'SelectConnection', 'adapters',
            'tcp_socket_opts'} <= set(dir(pika))
    assert {'BlockingConnection', 'SelectConnection', 'IOLoop',
            'select_connection'} <= set(dir(pika.adapters))


@pytest.mark.parametrize('expression, cure', [
    ('import pika; pika.SelectConnection', 'pip install pika-select'),
    ('import pika; pika.BlockingConnection', 'pip install pika-blocking'),
    ('from pika import SelectConnection', 'pip install pika-select'),
    ('from pika.adapters import IOLoop', 'pip install pika-select'),
    ('from pika.adapters.blocking_connection import BlockingChannel', 'pip install pika-blocking'),
    ('import pika; pika.adapters.select_connection.SelectConnection', 'pip install pika-select'),
    ('from pika.adapters import LibevConnection', 'pip install pika-libev'),
    ('from pika.adapters.libev_connection import LibevConnection', 'pip install pika-libev'),
    ('from pika.adapters import AsyncioConnection', 'pip install pika-asyncio'),
    ('from pika.adapters import TornadoConnection', 'pip install pika-tornado'),
    ('from pika.adapters.gevent_connection import GeventConnection', 'pip install pika-gevent'),
    ('from pika.adapters.twisted_connection import TwistedChannel', 'pip install pika-twisted'),
    ('import pika.adapters.tornado_connection as t; t.TornadoConnection',
     'pip install pika-tornado'),
])
def test_missing_adapter_says_how_to_get_it(expression, cure):
    code = (f'{MISSING}\ntry:\n    {expression}\n'
            'except ModuleNotFoundError as error:\n    print(error)')
    assert run(code).strip() == cure


def test_missing_framework_says_how_to_get_it():
    code = ('from pika import _adapters\n_adapters.require("sys")\n'
            'try:\n    _adapters.require("no_such_framework")\n'
            'except ModuleNotFoundError as error:\n    print(error)')
    assert run(code).strip() == 'pip install no_such_framework'


def test_core_that_was_overwritten_says_how_to_mend_it(tmp_path):
    """The distribution `pika` has files of the same names; those that it has not stay."""
    shutil.copytree(pika.__path__[0], tmp_path / 'pika')
    (tmp_path / 'pika' / '__init__.py').write_text('__version__ = "1.4.4"')
    code = (f'sys.path.insert(0, {str(tmp_path)!r})\nfrom pika import _adapters\n'
            'try:\n    _adapters.require()\nexcept ImportError as error:\n    print(error)')
    assert 'pip uninstall -y pika, then pip install --force-reinstall' in run(code)


def test_what_an_adapter_lacks_is_not_hidden(tmp_path):
    (tmp_path / 'pika_select.py').write_text('import no_such_framework')
    code = (f'sys.path.insert(0, {str(tmp_path)!r})\nimport pika\ntry:\n    pika.SelectConnection\n'
            'except ModuleNotFoundError as error:\n    print(error.name)')
    assert run(code).strip() == 'no_such_framework'


@pytest.mark.parametrize('module', ['pika', 'pika.adapters'])
def test_misspelt_name_is_an_attribute_error(module):
    code = (f'import {module}\ntry:\n    {module}.SelectConection\n'
            'except AttributeError as error:\n    print(error)')
    assert run(code).strip() == f"module '{module}' has no attribute 'SelectConection'"


def test_lazy_name_is_the_adapters_own(tmp_path):
    (tmp_path / 'pika_select.py').write_text('class SelectConnection: pass\n'
                                             'class IOLoop: pass\n'
                                             'class PollEvents: pass\n')
    code = (f'sys.path.insert(0, {str(tmp_path)!r})\n'
            'import pika, pika_select\n'
            'from pika.adapters.select_connection import SelectConnection\n'
            'assert pika.SelectConnection is pika_select.SelectConnection is SelectConnection\n'
            'assert pika.adapters.IOLoop is pika_select.IOLoop\n'
            'assert "SelectConnection" in vars(pika)')
    run(code)


@pytest.mark.parametrize('name', [
    'exceptions', 'channel', 'connection', 'credentials', 'spec', 'frame', 'data', 'validators',
    'amqp_object', 'exchange_type', 'delivery_mode', 'tcp_socket_opts', 'adapters'
])
def test_submodules_are_bound(name):
    assert run(f'import pika; print(pika.{name}.__name__)').strip() == f'pika.{name}'


def test_connection_has_the_parameters_of_1_4():
    from pika import connection, parameters
    for name in ('Parameters', 'ConnectionParameters', 'URLParameters', 'SSLOptions'):
        assert getattr(connection, name) is getattr(parameters, name)


def test_logging_is_silent_without_handlers():
    assert run(
        'import pika, logging; print(len(logging.getLogger("pika").handlers))').strip() == '1'
