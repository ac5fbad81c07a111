"""Publisher confirms: the broker's word for each message, one by one or many at once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pika_testing.contract.interface import Channel


def test_acks(channel: Channel, queue: str) -> None:
    """A thousand, which a broker acknowledges many at a time where it can (rule 23)."""
    channel.confirm()
    bodies = [str(number).encode() for number in range(1000)]
    assert channel.publish_confirmed('', queue, bodies) == ['ack'] * 1000
    assert channel.call('queue_declare', queue, passive=True).method.message_count == 1000


def test_nacks(channel: Channel, unique_name: str) -> None:
    """A queue that is full refuses what it cannot take."""
    arguments = {'x-max-length': 2, 'x-overflow': 'reject-publish'}
    channel.call('queue_declare', unique_name, arguments=arguments)
    channel.confirm()
    outcomes = channel.publish_confirmed('', unique_name, [b'1', b'2'])
    assert outcomes == ['ack', 'ack']
    assert channel.publish_confirmed('', unique_name, [b'3', b'4']) == ['nack', 'nack']
    message = channel.get(unique_name)
    assert message is not None and (message[0].message_count, message[2]) == (1, b'1')


def test_returned_and_not_returned(channel: Channel, queue: str) -> None:
    """Rule 24: what goes nowhere comes back if it is mandatory, and is confirmed all the same."""
    channel.confirm()
    assert channel.publish_confirmed('', queue, [b'x'], mandatory=True) == ['ack']
    assert channel.publish_confirmed('', 'no such queue', [b'x'], mandatory=True) == ['returned']
    assert channel.publish_confirmed('', 'no such queue', [b'x']) == ['ack']
    assert channel.publish_confirmed('', queue, [b'x'], mandatory=True) == ['ack']
    assert [body for _, _, body in channel.returned] in ([b'x'], [])


def test_confirms_of_two_channels(channel: Channel, queue: str) -> None:
    """Each counts for itself."""
    other = channel.client.channel()
    channel.confirm()
    other.confirm()
    for _ in range(3):
        assert channel.publish_confirmed('', queue, [b'a'] * 7) == ['ack'] * 7
        assert other.publish_confirmed('', queue, [b'b'] * 3) == ['ack'] * 3
    assert channel.call('queue_declare', queue, passive=True).method.message_count == 30
