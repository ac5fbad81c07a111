"""One channel, seen from the client: calls, consumers, confirms, the message that arrives.

Rule: this file answers for one channel and knows of no other; the connection owns the numbers.

After we sent channel.close all is thrown away but Close and CloseOk (clause 1.5.2.5, rule 15). A
number is free again when CloseOk came, or when ours is queued behind a Close of the broker's (rule
16).
"""

from __future__ import annotations

from pika import content, events, exceptions, frame, spec
from pika.calls import Call, CallQueue
from pika.confirms import Confirms
from pika.consumers import Consumers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar

    from pika import amqp_object
    from pika.consumers import Consumer
    from pika.outbox import Outbox

OPENING = 'opening'
OPEN = 'open'
CLOSING = 'closing'
CLOSED = 'closed'

# Encoded Basic.Publish per channel: most programs publish to few routes.
PUBLISH_FRAMES_KEPT = 256


class ChannelState:
    """The state of one channel and what each method of the broker does to it."""

    def __init__(self, number: int, outbox: Outbox, max_payload: int) -> None:
        self.number = number
        self.phase = OPENING
        self.calls = CallQueue()
        self.consumers = Consumers()
        self.confirms: Confirms | None = None
        self.incoming: content.IncomingContent | None = None
        self.publish_frames: dict[Any, bytes] = {}  # of Basic.Publish, by its arguments
        self._outbox = outbox
        self._max_payload = max_payload
        self._tags_made = 0
        self._close: Call | None = None
        self._reason: exceptions.ChannelClosed | None = None

    # What the client does.

    def call(self, method: amqp_object.Method, context: Any) -> None:
        """Queue `method`; it goes out when all before it on this channel are answered."""
        call = self._new_call(method, context)
        if type(method) is spec.Channel.Close:
            self._send_close(call)
            return
        if type(method) is spec.Confirm.Select and self.confirms is None:
            self.confirms = Confirms()
        elif type(method) is spec.Basic.Cancel:
            self.consumers.cancel(method.consumer_tag, call)
        self._push(call)

    def consume(self, method: spec.Basic.Consume, context: Any, owner: Any) -> str:
        """Register the consumer, then call; the broker may deliver before it answers (rule 28)."""
        if not method.consumer_tag:
            self._tags_made += 1
            method.consumer_tag = f'ctag{self.number}.{self._tags_made:032x}'
        tag = method.consumer_tag
        call = self._new_call(method, context)
        self.consumers.check_new(tag)
        self.consumers.add(tag, owner, method.no_ack)
        self._push(call)
        return tag

    def new_publish_frame(self, exchange: str, routing_key: str, mandatory: bool) -> bytes:
        """Encode Basic.Publish and keep it in `publish_frames`."""
        encoded = self._encode(spec.Basic.Publish(0, exchange, routing_key, mandatory))
        if len(self.publish_frames) >= PUBLISH_FRAMES_KEPT:
            self.publish_frames.clear()
        self.publish_frames[exchange, routing_key, mandatory] = encoded
        return encoded

    def send_chunks(self, chunks: list[Any]) -> None:
        """Send at once what passes the queue of calls, unless a barrier stands there."""
        if self.calls.barriers:
            self.calls.push_chunks(chunks)
        else:
            self._outbox.write_all(chunks)

    def abandon(self, context: Any) -> bool:
        """Nobody waits for `context` any more; False when it is not of this channel."""
        if self._close is not None and self._close.context is context:
            self._close.wanted = False
            return True
        call = self.calls.abandon(context)
        if call is None:
            return self.confirms is not None and self.confirms.abandon(context)
        method = call.method
        if isinstance(method, spec.Basic.Consume):
            if call.sent:
                self.consumers.cancel(method.consumer_tag, call)
            else:
                self.consumers.remove(method.consumer_tag)
        elif isinstance(method, spec.Basic.Cancel) and not call.sent:
            for tag in self.consumers.take_back(method.consumer_tag, call):
                self._give_back(tag)
        return True

    def contexts(self) -> list[Any]:
        """All contexts that have not come back."""
        contexts = self.calls.contexts()
        if self.confirms is not None:
            contexts += self.confirms.contexts()
        if self._close is not None and self._close.wanted and self._close.context is not None:
            contexts.append(self._close.context)
        return contexts

    def open(self, context: Any) -> None:
        """Send channel.open."""
        method = spec.Channel.Open()
        self._push(Call(method, self._encode(method), context))

    def _new_call(self, method: amqp_object.Method, context: Any) -> Call:
        call = Call(method, self._encode(method), context)
        if not call.expects_reply and context is not None:
            raise exceptions.ParameterValueError(
                'context', context,
                f'None for {method.NAME} with nowait, whose answer could not bring it back')
        return call

    def _encode(self, method: amqp_object.Method) -> bytes:
        return frame.method_frame(self.number, method, self._max_payload)

    def _push(self, call: Call) -> None:
        self.calls.push(call)
        self._write_ready()

    def _write_ready(self) -> None:
        self._outbox.write_all(self.calls.take_ready())
        for tag in self.consumers.take_held():
            self._give_back(tag)

    def stop(self) -> None:
        """Send, before a close, what was published behind a confirm.select; then nothing more."""
        self._outbox.write_all(self.calls.take_published())
        self.phase = CLOSING

    def _send_close(self, call: Call) -> None:
        """Close overtakes what waits; that is dropped, its contexts return with the end."""
        self.stop()
        self._close = call
        self.incoming = None
        self._outbox.write(call.frame)

    # What the broker does.

    def on_method(self, method: amqp_object.Method) -> events.Event | None:
        """Take a method frame; the event that it makes, if any."""
        if self.phase == CLOSING:
            handler = self._WHILE_CLOSING.get(type(method))
            return None if handler is None else handler(self, method)
        if self.incoming is not None and type(method) is not spec.Channel.Close:
            raise exceptions.ProtocolViolationError(
                spec.UNEXPECTED_FRAME,
                f'{method.NAME} on channel {self.number} amid the message of '
                f'{self.incoming.method.NAME}')
        if type(method) in self._MESSAGES:
            self.incoming = content.IncomingContent(method)
            return None
        if self.calls.answers(method):
            return self._on_reply(method)
        handler = self._METHODS.get(type(method))
        if handler is None:
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID, f'unexpected {method.NAME} on channel {self.number}')
        return handler(self, method)

    def on_header(self, payload: bytes, start: int, end: int) -> events.Event | None:
        """Take a content header frame."""
        if self.phase == CLOSING:
            return None
        incoming = self._expect_content('content header')
        return self._on_whole(incoming) if incoming.header(payload, start, end) else None

    def on_body(self, payload: bytes, start: int, end: int) -> events.Event | None:
        """Take a body frame."""
        if self.phase == CLOSING:
            return None
        incoming = self._expect_content('body')
        return self._on_whole(incoming) if incoming.whole_frame(payload, start, end) else None

    def on_streamed_body(self, unwanted: int) -> events.Event | None:
        """Take the end of a body frame; its payload is in `incoming`, or was unwanted."""
        if self.phase == CLOSING:
            return None
        incoming = self._expect_content('body')
        return self._on_whole(incoming) if incoming.streamed_frame(unwanted) else None

    def _expect_content(self, what: str) -> content.IncomingContent:
        if self.incoming is None:
            raise exceptions.ProtocolViolationError(
                spec.UNEXPECTED_FRAME, f'{what} frame without a method on channel {self.number}')
        return self.incoming

    def _on_whole(self, incoming: content.IncomingContent) -> events.Event | None:
        self.incoming = None
        assert incoming.properties is not None
        properties = spec.BasicProperties.from_raw(incoming.properties)
        return self._MESSAGES[type(incoming.method)](self, incoming.method, properties,
                                                     incoming.body)

    # Messages.

    def consumer_of(self, tag: str) -> Consumer | None:
        """The consumer to which a message may be handed at once, without a second look."""
        if self.phase != OPEN or self.incoming is not None:
            return None
        consumer = self.consumers.by_tag.get(tag)
        return consumer if consumer is not None and consumer.cancel is None else None

    def on_deliver(self, method: spec.Basic.Deliver, properties: spec.BasicProperties,
                   body: bytes) -> events.Event | None:
        """Take a complete message for a consumer."""
        tag = method.consumer_tag
        consumer = self.consumers.find(tag)
        if consumer is None:
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID,
                f'delivery on channel {self.number} for unknown consumer tag {tag!r}')
        if consumer.cancel is not None and not consumer.no_ack:
            if consumer.cancel.sent:
                self._give_back(method.delivery_tag)
            else:
                self.consumers.hold(consumer.cancel, method.delivery_tag)
            return None
        return events.Delivery(self.number, method, properties, body, consumer.owner)

    def _on_return(self, method: spec.Basic.Return, properties: spec.BasicProperties,
                   body: bytes) -> events.Event:
        tag = 0
        if self.confirms is not None:
            tag = self.confirms.returned((method.exchange, method.routing_key), properties.raw or
                                         b'', body)
        return events.Returned(self.number, method, properties, body, tag)

    def _on_get_ok(self, method: spec.Basic.GetOk, properties: spec.BasicProperties,
                   body: bytes) -> events.Event | None:
        if not self.calls.answers(method):
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID, f'unexpected {method.NAME} on channel {self.number}')
        return self._on_reply(method, properties, body)

    def _give_back(self, delivery_tag: int) -> None:
        self.send_chunks([self._encode(spec.Basic.Reject(delivery_tag, requeue=True))])

    # Answers.

    def _on_reply(self,
                  method: amqp_object.Method,
                  properties: spec.BasicProperties | None = None,
                  body: bytes | None = None) -> events.Event | None:
        call = self.calls.take_answered()
        self.consumers.answered()
        effect = self._EFFECTS.get(type(method))
        if effect is not None:
            effect(self, call, method)
        if self.phase == OPEN:  # not when an abandoned open is being closed
            self._write_ready()
        if call.wanted:
            return events.Reply(self.number, method, call.context, properties, body)
        return None

    def _on_open_ok(self, call: Call, method: spec.Channel.OpenOk) -> None:
        self.phase = OPEN
        if not call.wanted:
            close = spec.Channel.Close(spec.REPLY_SUCCESS, 'Normal shutdown', 0, 0)
            self._send_close(Call(close, self._encode(close), None))

    def _on_late_get_ok(self, call: Call, method: spec.Basic.GetOk) -> None:
        asked = call.method
        if not call.wanted and isinstance(asked, spec.Basic.Get) and not asked.no_ack:
            self._give_back(method.delivery_tag)

    def _on_consume_ok(self, call: Call, method: spec.Basic.ConsumeOk) -> None:
        consumer = self.consumers.find(method.consumer_tag)
        if not call.wanted and consumer is not None and consumer.cancel is call:
            late = self._new_call(spec.Basic.Cancel(method.consumer_tag), None)
            late.wanted = False
            self.consumers.cancel(method.consumer_tag, late)
            self.calls.push(late)

    def _on_cancel_ok(self, call: Call, method: spec.Basic.CancelOk) -> None:
        # For an unknown tag when the broker's own cancel crossed ours (rule 30); the answer names
        # what was asked.
        asked = call.method
        if isinstance(asked, spec.Basic.Cancel):
            self.consumers.cancelled(asked.consumer_tag)

    # Methods that come by themselves.

    def _on_confirm(self, method: Any) -> events.Event:
        if self.confirms is None:
            raise exceptions.ProtocolViolationError(
                spec.COMMAND_INVALID,
                f'{method.NAME} on channel {self.number} without confirm.select')
        tags, contexts = self.confirms.answered(method.delivery_tag, method.multiple)
        return events.Confirmed(self.number, method, tags, contexts)

    def _on_cancel(self, method: spec.Basic.Cancel) -> events.Event | None:
        # Not answered: RabbitMQ takes a cancel-ok here for an error (rule 30).
        consumer = self.consumers.cancelled_by_broker(method.consumer_tag)
        if consumer is None:
            return None
        return events.ConsumerCancelled(self.number, method, consumer.owner)

    def _on_flow(self, method: spec.Channel.Flow) -> events.Event:
        self._outbox.write(self._encode(spec.Channel.FlowOk(method.active)))
        return events.Flow(self.number, method.active)

    def _on_close(self, method: spec.Channel.Close) -> events.Event:
        self._outbox.write(self._encode(spec.Channel.CloseOk()))
        return self._ended(_closed_by_broker(method))

    def _on_crossing_close(self, method: spec.Channel.Close) -> None:
        self._outbox.write(self._encode(spec.Channel.CloseOk()))
        self._reason = _closed_by_broker(method)

    def _on_close_ok(self, method: spec.Channel.CloseOk) -> events.Event:
        assert self._close is not None
        asked = self._close.method
        assert isinstance(asked, spec.Channel.Close)
        return self._ended(self._reason or
                           exceptions.ChannelClosedByClient(asked.reply_code, asked.reply_text))

    def _ended(self, reason: exceptions.ChannelClosed) -> events.Event:
        self.phase = CLOSED
        self.incoming = None
        return events.ChannelClosed(self.number, reason, self.contexts())

    _MESSAGES: ClassVar[dict[type, Callable[..., events.Event | None]]] = {
        spec.Basic.Deliver: on_deliver,
        spec.Basic.Return: _on_return,
        spec.Basic.GetOk: _on_get_ok,
    }
    _METHODS: ClassVar[dict[type, Callable[..., events.Event | None]]] = {
        spec.Basic.Ack: _on_confirm,
        spec.Basic.Nack: _on_confirm,
        spec.Basic.Cancel: _on_cancel,
        spec.Channel.Flow: _on_flow,
        spec.Channel.Close: _on_close,
    }
    _WHILE_CLOSING: ClassVar[dict[type, Callable[..., events.Event | None]]] = {
        spec.Channel.Close: _on_crossing_close,
        spec.Channel.CloseOk: _on_close_ok,
    }
    _EFFECTS: ClassVar[dict[type, Callable[..., None]]] = {
        spec.Channel.OpenOk: _on_open_ok,
        spec.Basic.GetOk: _on_late_get_ok,
        spec.Basic.ConsumeOk: _on_consume_ok,
        spec.Basic.CancelOk: _on_cancel_ok,
    }


def _closed_by_broker(method: spec.Channel.Close) -> exceptions.ChannelClosedByBroker:
    return exceptions.ChannelClosedByBroker(method.reply_code,
                                            method.reply_text,
                                            class_id=method.class_id,
                                            method_id=method.method_id)
