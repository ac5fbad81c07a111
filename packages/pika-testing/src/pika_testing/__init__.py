"""Tools for testing AMQP 0-9-1 adapters and programs."""

from pika_testing.broker import Clock, MemoryBroker
from pika_testing.describe import describe
from pika_testing.joint import Joint, in_process
from pika_testing.peer import (
    HANDSHAKE,
    HANDSHAKE_SCRIPT,
    ScriptedPeer,
    converse,
    message_frames,
    open_channel,
    open_connection,
)
from pika_testing.proxy import FaultProxy
from pika_testing.recorder import Recorder
from pika_testing.served import QueueState, ServedBroker
from pika_testing.server import BrokerServer
from pika_testing.session import Outcome, Session, contexts_of

__all__ = [
    'BrokerServer', 'Clock', 'FaultProxy', 'MemoryBroker', 'QueueState', 'ServedBroker',
    'HANDSHAKE', 'HANDSHAKE_SCRIPT', 'Joint', 'Outcome', 'Recorder', 'ScriptedPeer', 'Session',
    'contexts_of', 'converse', 'describe', 'in_process', 'message_frames', 'open_channel',
    'open_connection'
]

__version__ = '0.1.0'
