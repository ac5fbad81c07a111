"""The fixtures, as a user's pytest has them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

TESTS = textwrap.dedent("""
    import pytest
    from pika.parameters import URLParameters

    def test_one(amqp_broker, amqp_url):
        assert amqp_url == amqp_broker.url
        assert URLParameters(amqp_url).virtual_host == '/'
        with amqp_broker.locked() as broker:
            assert broker.version.name == '4.3'
            broker.add_virtual_host('left behind')

    def test_another_one_is_fresh(amqp_broker):
        with amqp_broker.locked() as broker:
            assert list(broker.virtual_hosts) == ['/']

    @pytest.mark.amqp_broker(version='3.10')
    def test_version(amqp_broker):
        with amqp_broker.locked() as broker:
            assert broker.version.name == '3.10'
""")


def test_fixtures(tmp_path):
    (tmp_path / 'test_user.py').write_text(TESTS)
    done = subprocess.run([
        sys.executable, '-m', 'pytest', '-q', '--strict-markers', '-p', 'no:cacheprovider',
        str(tmp_path)
    ],
                          capture_output=True,
                          text=True,
                          cwd=tmp_path,
                          timeout=60)
    assert '3 passed' in done.stdout, done.stdout
