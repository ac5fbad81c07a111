"""Law 3: the same bytes, in any chunking and through either door, give the same events and answers.

The conversations were recorded with a real RabbitMQ by tools/record_sessions.py.
"""

from __future__ import annotations

import itertools
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika_testing import Session

FOLDER = pathlib.Path(__file__).parents[1] / 'sessions'
SESSIONS = {path.stem: Session.load(path) for path in sorted(FOLDER.glob('*.json'))}
SMALL = [name for name, session in SESSIONS.items() if len(session.received) < 10000]


def check(session, *cutting):
    """The replay gives what was recorded."""
    outcome = session.replay(*cutting)
    assert outcome.events == session.events
    assert outcome.sent == session.sent
    # Law 2: each context comes back once.
    assert sorted(outcome.returned) == sorted(outcome.given)


def test_sessions_are_there():
    assert {'basics', 'confirms', 'bodies', 'channel_errors', 'cancels'} <= set(SESSIONS)


@pytest.mark.parametrize('into_buffer', [False, True])
@pytest.mark.parametrize('name', SESSIONS)
def test_session_comes_at_once(name, into_buffer):
    check(SESSIONS[name], (), into_buffer)


@pytest.mark.parametrize('into_buffer', [False, True])
@pytest.mark.parametrize('name', [name for name in SESSIONS if name != 'bodies'])
def test_session_comes_byte_by_byte(name, into_buffer):
    """Rule 14."""
    check(SESSIONS[name], itertools.repeat(1), into_buffer)


@pytest.mark.parametrize('size', [7, 8, 1000, 4096, 65536, 131072])
@pytest.mark.parametrize('into_buffer', [False, True])
@pytest.mark.parametrize('name', SESSIONS)
def test_session_comes_in_equal_pieces(name, into_buffer, size):
    if size > 8 or name in SMALL:
        check(SESSIONS[name], itertools.repeat(size), into_buffer)


@pytest.mark.parametrize('name', SMALL)
@given(sizes=st.lists(st.integers(1, 50), min_size=1), into_buffer=st.booleans())
def test_session_comes_in_pieces_of_any_size(name, sizes, into_buffer):
    """Law 3."""
    check(SESSIONS[name], itertools.cycle(sizes), into_buffer)


@given(sizes=st.lists(st.integers(1, 140000), min_size=1),
       into_buffer=st.booleans(),
       name=st.sampled_from(['bodies', 'small_frames']))
def test_large_bodies_come_in_pieces_of_any_size(sizes, into_buffer, name):
    """Law 3."""
    sizes = [size for size in sizes if size > 100] or [5000]
    check(SESSIONS[name], itertools.cycle(sizes), into_buffer)
