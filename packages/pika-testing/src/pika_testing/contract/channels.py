"""What one asks of a channel: every operation, answers in order, and how channels end."""

from __future__ import annotations

import contextlib

import pytest
from pika import exceptions, spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika_testing.contract.interface import Channel, Client, Driver


def _answer(channel: Channel, operation: str, *arguments: Any, **options: Any) -> Any:
    """What the broker answers; Any: the tests name the method that they expect."""
    return channel.call(operation, *arguments, **options).method


def test_operations_on_exchanges(channel: Channel, unique_name: str) -> None:
    """Declare, bind and unbind exchanges, delete."""
    other = f'{unique_name}-other'
    assert isinstance(_answer(channel, 'exchange_declare', unique_name, 'topic', durable=True),
                      spec.Exchange.DeclareOk)
    assert isinstance(_answer(channel, 'exchange_declare', unique_name, passive=True),
                      spec.Exchange.DeclareOk)
    assert isinstance(_answer(channel, 'exchange_declare', other, 'fanout', internal=True),
                      spec.Exchange.DeclareOk)
    assert isinstance(_answer(channel, 'exchange_bind', other, unique_name, 'a.#'),
                      spec.Exchange.BindOk)
    assert isinstance(_answer(channel, 'exchange_unbind', other, unique_name, 'a.#'),
                      spec.Exchange.UnbindOk)
    for name in (unique_name, other):
        assert isinstance(_answer(channel, 'exchange_delete', name), spec.Exchange.DeleteOk)
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.call('exchange_declare', unique_name, passive=True)
    assert caught.value.reply_code == 404


def test_operations_on_queues(channel: Channel, unique_name: str) -> None:
    """Declare, bind, unbind, purge, delete; the counts are the broker's."""
    declared = _answer(channel, 'queue_declare', unique_name, arguments={'x-max-length': 10})
    assert isinstance(declared, spec.Queue.DeclareOk)
    assert (declared.queue, declared.message_count, declared.consumer_count) == (unique_name, 0, 0)
    named_by_broker = _answer(channel, 'queue_declare', '', exclusive=True)
    assert named_by_broker.queue.startswith('amq.gen')
    assert isinstance(_answer(channel, 'queue_bind', unique_name, 'amq.direct', 'key'),
                      spec.Queue.BindOk)
    channel.confirm()
    outcomes = channel.publish_confirmed('amq.direct', 'key', [b'a', b'b', b'c'], mandatory=True)
    assert outcomes == ['ack'] * 3
    assert _answer(channel, 'queue_declare', unique_name, passive=True).message_count == 3
    assert _answer(channel, 'queue_purge', unique_name).message_count == 3
    assert isinstance(
        _answer(channel, 'queue_unbind', unique_name, exchange='amq.direct', routing_key='key'),
        spec.Queue.UnbindOk)
    assert channel.publish_confirmed('amq.direct', 'key', [b'd'], mandatory=True) == ['returned']
    assert channel.publish_confirmed('', unique_name, [b'e']) == ['ack']
    assert _answer(channel, 'queue_delete', unique_name).message_count == 1


def test_queue_bound_without_a_routing_key(channel: Channel, queue: str) -> None:
    """The key is the queue's name."""
    channel.call('queue_bind', queue, 'amq.direct')
    channel.confirm()
    assert channel.publish_confirmed('amq.direct', queue, [b'x'], mandatory=True) == ['ack']


def test_transactions(channel: Channel, queue: str) -> None:
    """What is published counts when it is committed, and not when it is rolled back."""
    assert isinstance(_answer(channel, 'tx_select'), spec.Tx.SelectOk)
    channel.native.basic_publish('', queue, b'dropped')
    assert isinstance(_answer(channel, 'tx_rollback'), spec.Tx.RollbackOk)
    channel.native.basic_publish('', queue, b'kept')
    assert isinstance(_answer(channel, 'tx_commit'), spec.Tx.CommitOk)
    message = channel.get(queue)
    assert message is not None and message[2] == b'kept' and message[0].message_count == 0


def test_flow_and_qos(channel: Channel) -> None:
    """What is answered with no more than that it is so."""
    assert channel.call('flow', True) is True
    channel.call('basic_qos', prefetch_count=10)
    assert channel.native.is_open


def test_update_secret(client: Client) -> None:
    """Rule 36: a broker that keeps passwords of its own takes any."""
    client.native.update_secret('guest', 'rotation')
    assert client.channel().native.is_open


def test_interleaved_channels(client: Client, queue: str) -> None:
    """Messages of several frames on five channels at once, each complete and in its order."""
    channels = [client.channel() for _ in range(5)]
    got: list[tuple[int, int]] = []
    for channel in channels:
        name = f'{queue}-{int(channel.native)}'
        channel.call('queue_declare', name)
        # As a default of the function: each has a channel of its own.
        channel.consume(name,
                        lambda method, properties, body, number=int(channel.native): got.append(
                            (number, body[0])) if len(set(body)) == 1 else got.clear(),
                        auto_ack=True)
    for number in range(10):
        for channel in channels:
            channel.native.basic_publish('', f'{queue}-{int(channel.native)}',
                                         bytes([number]) * 300_000)
    client.run(lambda: len(got) == 50)
    for channel in channels:
        mine = [number for source, number in got if source == int(channel.native)]
        assert mine == list(range(10))


def test_five_hundred_channels(client: Client) -> None:
    """All at once, each with an answer of its own; numbers are used again."""
    channels = [client.channel() for _ in range(500)]
    assert sorted(int(channel.native) for channel in channels) == list(range(1, 501))
    names = {_answer(channel, 'queue_declare', '', exclusive=True).queue for channel in channels}
    assert len(names) == 500
    for channel in channels[:250]:
        channel.close()
    assert int(client.channel().native) == int(channels[0].native)


def test_server_closes_channel_while_call_waits(client: Client, channel: Channel,
                                                unique_name: str) -> None:
    """The caller gets the broker's reason; the channel ends once, the connection goes on."""
    neighbour = client.channel()
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.call('queue_declare', unique_name, passive=True)
    assert caught.value.reply_code == 404
    assert unique_name in caught.value.reply_text
    assert len(channel.ends) <= 1 and channel.native.is_closed
    assert neighbour.call('queue_declare', unique_name).method.queue == unique_name
    assert int(client.channel().native) == int(channel.native)  # rule 16: the number is free


def test_server_closes_channel_while_idle(client: Client, channel: Channel) -> None:
    """Rule 27: an ack of nothing; the reason is told once, and kept for whoever calls later."""
    channel.native.basic_ack(4711)
    client.run(lambda: channel.ends)
    end, = channel.ends
    assert isinstance(end, exceptions.ChannelClosedByBroker)
    assert end.reply_code == 406
    with pytest.raises(exceptions.ChannelWrongStateError) as caught:
        channel.do('basic_publish', '', 'nowhere', b'')
    assert caught.value.__cause__ is end
    assert client.native.is_open and client.channel().native.is_open


def test_publish_to_an_exchange_that_is_not_there(client: Client, channel: Channel,
                                                  unique_name: str) -> None:
    """404, and the connection goes on."""
    with contextlib.suppress(exceptions.ChannelClosedByBroker):  # a fast broker, a blocking call
        channel.do('basic_publish', unique_name, 'key', b'lost')
    client.run(lambda: channel.ends)
    assert isinstance(channel.ends[0], exceptions.ChannelClosedByBroker)
    assert channel.ends[0].reply_code == 404
    assert client.channel().native.is_open


def test_channel_closed_by_the_client(client: Client, channel: Channel) -> None:
    """Closed, and no call goes through any more; its number serves the next."""
    channel.close()
    assert channel.native.is_closed
    with pytest.raises(exceptions.ChannelWrongStateError):
        channel.do('basic_publish', '', 'queue', b'')
    assert int(client.channel().native) == int(channel.native)


def test_calls_are_answered_in_their_order(driver: Driver, channel: Channel,
                                           unique_name: str) -> None:
    """Rule 20: many calls, one at a time on the wire, each with its own answer."""
    if not driver.pipelines:
        pytest.skip('this adapter waits for each answer')
    names: list[str] = []
    for number in range(100):
        channel.begin(lambda frame: names.append(frame.method.queue),
                      'queue_declare',
                      f'{unique_name}-{number}',
                      exclusive=True)
    channel.call('basic_qos', prefetch_count=1)
    assert names == [f'{unique_name}-{number}' for number in range(100)]


def _with(**properties: Any) -> list[Any]:
    """The arguments of a publish with these properties, which no type checker would let pass."""
    return ['', 'key', b'', spec.BasicProperties(**properties)]


@pytest.mark.parametrize('operation, arguments, named', [
    ('queue_declare', ['q' * 256], 'queue'),
    ('exchange_declare', ['e' * 256], 'exchange'),
    ('basic_publish', ['', 'k' * 256, b''], 'routing_key'),
    ('basic_publish', ['', 'key', 12], 'body'),
    ('basic_publish', _with(priority=300), 'priority'),
    ('basic_publish', _with(expiration=1000), 'expiration'),
    ('basic_publish', _with(headers={'a': {
        'b': [object()]
    }}), r'headers\.a\.b\[0\]'),
])
def test_values_that_cannot_be_sent(channel: Channel, operation: str, arguments: list[Any],
                                    named: str) -> None:
    """The error names parameter and path, and nothing has been sent: the channel goes on."""
    with pytest.raises(exceptions.AMQPError, match=named) as caught:
        channel.do(operation, *arguments)
    assert isinstance(caught.value, (TypeError, ValueError))
    channel.call('basic_qos', prefetch_count=1)
    assert channel.native.is_open
