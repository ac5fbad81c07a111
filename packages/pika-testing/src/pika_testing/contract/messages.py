"""What becomes of messages: published, delivered, acknowledged, given back, returned."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from decimal import Decimal

import pytest
from pika import spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pika.data import FieldValue
    from pika.parameters import URLParameters

    from pika_testing.contract.interface import Channel, Client, Driver, Message
    from pika_testing.proxy import FaultProxy


class _Inbox(list['Message']):
    """A list as the callback of a consumer."""

    def put(self, *message: Any) -> None:
        """Append (method, properties, body)."""
        method, properties, body = message
        self.append((method, properties, body))

    @property
    def bodies(self) -> list[bytes]:
        """Of all, in order."""
        return [body for _, _, body in self]


def _wait_for_counts(channel: Channel, counts: tuple[int, int, int], faults: Any, virtual_host: str,
                     queue: str) -> None:
    """Until the queue has these: messages that are ready, not acknowledged, and consumers.

    The broker's own processes take a moment to tell each other.
    """
    channel.client.run(lambda: faults.queue_counts(virtual_host, queue) == counts)


def test_publish_consume_ack(channel: Channel, queue: str, faults: Any, virtual_host: str) -> None:
    """A thousand messages, in order; acknowledged they are gone."""
    inbox = _Inbox()
    tag = channel.consume(queue, inbox.put)
    for number in range(1000):
        channel.native.basic_publish('', queue, str(number).encode())
    channel.client.run(lambda: len(inbox) == 1000)
    assert inbox.bodies == [str(number).encode() for number in range(1000)]
    for method, _, _ in inbox:
        assert method.consumer_tag == tag and not method.redelivered
        channel.native.basic_ack(method.delivery_tag)
    _wait_for_counts(channel, (0, 0, 1), faults, virtual_host, queue)


def test_ack_of_all_up_to_a_tag(channel: Channel, queue: str, faults: Any,
                                virtual_host: str) -> None:
    """`multiple` speaks for those before."""
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    for _ in range(10):
        channel.native.basic_publish('', queue, b'x')
    channel.client.run(lambda: len(inbox) == 10)
    channel.native.basic_ack(inbox[6][0].delivery_tag, multiple=True)
    _wait_for_counts(channel, (0, 3, 1), faults, virtual_host, queue)


def test_messages_that_are_put_back(channel: Channel, queue: str) -> None:
    """Nack and reject with requeue: delivered again, and marked so."""
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    for body in (b'nacked', b'rejected'):
        channel.native.basic_publish('', queue, body)
    channel.client.run(lambda: len(inbox) == 2)
    channel.native.basic_nack(inbox[0][0].delivery_tag, requeue=True)
    channel.native.basic_reject(inbox[1][0].delivery_tag, requeue=True)
    channel.client.run(lambda: len(inbox) == 4)
    assert sorted(inbox.bodies[2:]) == [b'nacked', b'rejected']
    assert all(method.redelivered for method, _, _ in inbox[2:])


def test_messages_that_are_dropped(channel: Channel, queue: str, faults: Any,
                                   virtual_host: str) -> None:
    """Nack and reject without requeue."""
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    for _ in range(3):
        channel.native.basic_publish('', queue, b'x')
    channel.client.run(lambda: len(inbox) == 3)
    channel.native.basic_reject(inbox[0][0].delivery_tag, requeue=False)
    channel.native.basic_nack(inbox[2][0].delivery_tag, multiple=True, requeue=False)
    _wait_for_counts(channel, (0, 0, 1), faults, virtual_host, queue)


def test_recover(channel: Channel, queue: str) -> None:
    """All that is not acknowledged comes again."""
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    channel.native.basic_publish('', queue, b'x')
    channel.client.run(lambda: inbox)
    channel.call('basic_recover', requeue=True)
    channel.client.run(lambda: len(inbox) == 2)
    assert inbox[1][0].redelivered


def test_prefetch(channel: Channel, queue: str, faults: Any, virtual_host: str) -> None:
    """Rule 31: the broker sends no more than that ahead, and more for each ack."""
    inbox = _Inbox()
    channel.call('basic_qos', prefetch_count=3)
    for _ in range(10):
        channel.native.basic_publish('', queue, b'x')
    channel.consume(queue, inbox.put)
    channel.client.run(lambda: len(inbox) == 3)
    _wait_for_counts(channel, (7, 3, 1), faults, virtual_host, queue)
    for method, _, _ in list(inbox):
        channel.native.basic_ack(method.delivery_tag)
    channel.client.run(lambda: len(inbox) == 6)
    _wait_for_counts(channel, (4, 3, 1), faults, virtual_host, queue)


def test_auto_ack(channel: Channel, queue: str, faults: Any, virtual_host: str) -> None:
    """What was sent counts as acknowledged."""
    inbox = _Inbox()
    channel.consume(queue, inbox.put, auto_ack=True)
    channel.native.basic_publish('', queue, b'x')
    channel.client.run(lambda: inbox)
    _wait_for_counts(channel, (0, 0, 1), faults, virtual_host, queue)


def test_get(channel: Channel, queue: str) -> None:
    """A message with the count of those behind it, and None from an empty queue."""
    assert channel.get(queue) is None
    channel.confirm()
    channel.publish_confirmed('', queue, [b'one', b'two'])
    first, second = channel.get(queue), channel.get(queue, auto_ack=True)
    assert first is not None and second is not None
    assert (first[0].message_count, first[2]) == (1, b'one')
    assert (second[0].message_count, second[2]) == (0, b'two')
    channel.native.basic_ack(first[0].delivery_tag)
    assert channel.get(queue) is None


def test_consumer_ended_by_the_client(channel: Channel, queue: str, faults: Any,
                                      virtual_host: str) -> None:
    """Rule 29: no message reaches it afterwards, and none is lost."""
    inbox = _Inbox()
    tag = channel.consume(queue, inbox.put)
    assert channel.native.consumer_tags == [tag]
    channel.native.basic_publish('', queue, b'x')
    channel.client.run(lambda: inbox)
    channel.call('basic_cancel', tag)
    assert channel.native.consumer_tags == []
    channel.native.basic_nack(inbox[0][0].delivery_tag)
    assert len(inbox) == 1
    _wait_for_counts(channel, (1, 0, 0), faults, virtual_host, queue)


def test_server_cancels_consumer(channel: Channel, queue: str, faults: Any,
                                 virtual_host: str) -> None:
    """Rule 30: the queue goes away; the channel stays, and no Cancel-Ok is sent."""
    tag = channel.consume(queue, _Inbox().put)
    faults.delete_queue(virtual_host, queue)
    channel.client.run(lambda: channel.cancelled)
    assert channel.cancelled == [tag]
    assert channel.native.consumer_tags == []
    channel.call('queue_declare', queue)
    assert channel.native.is_open


def test_messages_that_come_back(channel: Channel) -> None:
    """Mandatory, and for nobody: returned with all that was sent."""
    properties = spec.BasicProperties(message_id='42')
    channel.native.basic_publish('', 'no such queue', b'back', properties, mandatory=True)
    channel.client.run(lambda: channel.returned)
    (method, returned, body), = channel.returned
    assert (method.reply_code, method.routing_key) == (312, 'no such queue')
    assert (returned.message_id, body) == ('42', b'back')


def test_returned_message_of_zero_bytes(channel: Channel) -> None:
    """Rule 12: no body frame follows."""
    channel.native.basic_publish('', 'no such queue', b'', mandatory=True)
    channel.client.run(lambda: channel.returned)
    assert channel.returned[0][2] == b''


# What goes into a frame: frame_max, without 7 bytes before and one behind the payload.
@pytest.mark.parametrize('size', [0, 1, 131064, 131065, 2 * 131064, 16 * 2**20],
                         ids=['0', '1', 'a frame', 'a frame and 1', '2 frames', '16 MiB'])
def test_bodies(channel: Channel, queue: str, size: int) -> None:
    """Consumed and fetched as they were published."""
    assert channel.native.connection
    body = (b'0123456789abcdef' * (size // 16 + 1))[:size]
    inbox = _Inbox()
    channel.native.basic_publish('', queue, body)
    channel.consume(queue, inbox.put)
    channel.client.run(lambda: inbox)
    assert inbox.bodies == [body]
    channel.call('basic_cancel', inbox[0][0].consumer_tag)
    channel.native.basic_nack(inbox[0][0].delivery_tag, requeue=True)
    message = channel.get(queue, auto_ack=True)
    assert message is not None and message[2] == body


def test_properties(channel: Channel, queue: str) -> None:
    """All of them, and headers of all types that a table has both ways."""
    headers: dict[str, FieldValue] = {
        'text': 'Grüße',
        'bytes': b'\0\xff',
        'yes': True,
        'small': -1,
        'large': 2**40,
        'fraction': 1.5,
        'decimal': Decimal('1.25'),
        'time': datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        'table': {
            'list': [1, 'two', None]
        },
    }
    sent = spec.BasicProperties(content_type='text/plain',
                                content_encoding='utf-8',
                                headers=headers,
                                delivery_mode=2,
                                priority=3,
                                correlation_id='correlation',
                                reply_to='reply',
                                expiration='60000',
                                message_id='id',
                                timestamp=1_700_000_000,
                                type='type',
                                user_id='guest',
                                app_id='app')
    channel.native.basic_publish('', queue, b'x', sent)
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    channel.client.run(lambda: inbox)
    assert inbox[0][1] == sent


def test_text_as_a_body(channel: Channel, queue: str) -> None:
    """A str is sent as UTF-8; other buffers as they are at that moment."""
    buffer = bytearray(b'before')
    channel.native.basic_publish('', queue, 'Grüße')
    channel.native.basic_publish('', queue, buffer)
    buffer[:] = b'after!'
    inbox = _Inbox()
    channel.consume(queue, inbox.put)
    channel.client.run(lambda: len(inbox) == 2)
    assert inbox.bodies == ['Grüße'.encode(), b'before']


def test_consumer_slower_than_the_broker(channel: Channel, queue: str) -> None:
    """32 MiB that the broker sends at once arrive whole and in order, however slow the reader."""
    channel.confirm()
    bodies = [number.to_bytes(2, 'big') * 32768 for number in range(512)]
    channel.publish_confirmed('', queue, bodies)
    inbox = _Inbox()

    def slow(*message: Any) -> None:
        time.sleep(0.001)
        inbox.put(*message)

    channel.consume(queue, slow, auto_ack=True)
    channel.client.run(lambda: len(inbox) == len(bodies))
    assert inbox.bodies == bodies


def test_broker_that_does_not_read(driver: Driver, proxy: FaultProxy, parameters: URLParameters,
                                   unique_name: str) -> None:
    """32 MiB published while nothing leaves arrive whole and in order once the broker reads."""
    channel = driver.connect(parameters).channel()
    channel.call('queue_declare', unique_name)
    bodies = [number.to_bytes(2, 'big') * 262144 for number in range(64)]
    proxy.stall()
    reader = threading.Timer(0.3, proxy.resume)
    reader.start()
    for body in bodies:
        channel.native.basic_publish('', unique_name, body)
    inbox = _Inbox()
    channel.consume(unique_name, inbox.put, auto_ack=True)
    channel.client.run(lambda: len(inbox) == len(bodies))
    reader.join()
    assert inbox.bodies == bodies


def test_blocked_and_unblocked(client: Client, channel: Channel, queue: str, faults: Any) -> None:
    """Rule 35: told to whom publishes; what was published meanwhile is not lost."""
    published = 0
    with faults.memory_alarm():
        while not client.blocked:  # the alarm reaches the connection's process in its own time
            channel.native.basic_publish('', queue, b'x')
            published += 1
            with contextlib.suppress(TimeoutError):
                client.run(lambda: client.blocked, 0.1)
    client.run(lambda: client.blocked == ['blocked', 'unblocked'])
    inbox = _Inbox()
    channel.consume(queue, inbox.put, auto_ack=True)
    client.run(lambda: len(inbox) == published)
