"""OpenTelemetry's instrumentation for pika, from the index, sees what it sees of pika 1.x."""

from __future__ import annotations

import pika
import pytest
from opentelemetry.instrumentation.pika import PikaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


@pytest.fixture
def spans():
    """A function that returns the spans that have ended, by kind."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    assert instrumentor.is_instrumented_by_opentelemetry, 'no distribution pika is installed'

    def ended(kind):
        return [span for span in exporter.get_finished_spans() if span.kind is kind]

    yield ended
    instrumentor.uninstrument()


@pytest.fixture
def channel(spans, amqp_url):
    """A channel of a connection that was made when all was instrumented, with a queue 'q'."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare('q', exclusive=True)
        yield channel


def trace(span):
    return format(span.context.trace_id, '032x')


def test_consumer_with_a_callback_is_in_the_trace_of_the_publisher(channel, spans):
    got = []
    channel.basic_publish('', 'q', b'one')
    channel.basic_consume('q', lambda c, method, properties, body: got.append(properties), True)
    while not got:
        channel.connection.process_data_events(time_limit=1)
    sent, = spans(SpanKind.PRODUCER)
    received, = spans(SpanKind.CONSUMER)
    assert sent.name == 'q send' and received.name == 'q receive'
    assert trace(sent) == trace(received)
    assert trace(sent) in got[0].headers['traceparent']
    assert sent.attributes['net.peer.name'] == channel.connection.params.host
    assert sent.attributes['net.peer.port'] == channel.connection.params.port


def test_consumer_as_a_generator(channel, spans):
    for number in range(3):
        channel.basic_publish('', 'q', b'%d' % number, pika.BasicProperties(message_id='m'))
    consumer = channel.consume('q', auto_ack=True, inactivity_timeout=10)
    assert [next(consumer)[2] for _ in range(3)] == [b'0', b'1', b'2']
    sent = spans(SpanKind.PRODUCER)
    received = spans(SpanKind.CONSUMER)
    assert [trace(span) for span in sent] == [trace(span) for span in received]
    assert {span.attributes['messaging.message.id'] for span in sent + received} == {'m'}


def test_publish_of_the_callback_api(spans, amqp_url):

    def opened(channel):
        channel.queue_declare('', exclusive=True, callback=lambda frame: publish(channel, frame))

    def publish(channel, frame):
        channel.basic_publish('', frame.method.queue, b'x')
        channel.connection.close()

    connection = pika.SelectConnection(
        pika.URLParameters(amqp_url),
        on_open_callback=lambda connection: connection.channel(on_open_callback=opened),
        on_open_error_callback=lambda connection, error: connection.ioloop.stop(),
        on_close_callback=lambda connection, reason: connection.ioloop.stop())
    connection.ioloop.start()
    sent, = spans(SpanKind.PRODUCER)
    assert sent.attributes['net.peer.port'] == connection.params.port
