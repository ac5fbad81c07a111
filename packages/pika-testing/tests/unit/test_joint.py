"""What `in_process` refuses; what it joins is tested with each adapter."""

from __future__ import annotations

import pytest
from pika_testing import MemoryBroker, in_process


def test_no_connection_class():
    with pytest.raises(TypeError, match='is no connection of an adapter'):
        in_process(dict, MemoryBroker())
