"""Law 2: a context comes back exactly once, whatever client and broker do at the same time.

A model of a broker hears what the client sends, late, and answers, late; it is as strict as
RabbitMQ about what must not be sent to it.
"""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pika import events, frame, spec
from pika.connection import ConnectionParameters
from pika.protocol import Protocol
from pika_testing import contexts_of, message_frames, open_connection

CHANNELS = (1, 2, 3)


class BrokerChannel:
    """What the broker knows of a channel."""

    def __init__(self):
        self.pending = []  # requests without an answer, in order
        self.consumers = set()
        self.ended = set()  # consumers whose cancel was heard and not answered
        self.closing = False
        self.confirms = False
        self.published = 0
        self.unconfirmed = set()
        self.delivered = 0
        self.unacked = set()
        self.content = 0  # frames that belong to the publish at hand


class Broker:
    """Hears frames, and is an AssertionError where RabbitMQ would end the connection."""

    def __init__(self):
        self.channels = {}
        self.sent = bytearray()

    def send(self, channel, method, body=None):
        frames = ([frame.method_frame(channel, method)] if body is None else message_frames(
            channel, method, None, body))
        self.sent += b''.join(frames)

    def hear(self, data):
        while data:
            size, item = frame.decode_frame(data)
            assert size, 'frames are sent whole'
            data = data[size:]
            self._hear(item.channel_number, item)

    def _hear(self, number, item):
        method = item.method if isinstance(item, frame.Method) else None
        if isinstance(method, spec.Channel.Open):
            assert number not in self.channels, 'second channel.open seen (rule 16)'
            self.channels[number] = BrokerChannel()
        channel = self.channels.get(number)
        assert channel is not None, f'{item} on a channel that is not open (rule 15)'
        if channel.closing:
            self._hear_closing(number, method)
        elif method is None:
            assert channel.content, f'{item} without a publish (rule 12)'
            channel.content -= 1
        else:
            assert not channel.content, f'{method} amid a publish (rule 12)'
            self._hear_method(number, channel, method)

    def _hear_closing(self, number, method):
        if isinstance(method, spec.Channel.Close):
            self.send(number, spec.Channel.CloseOk())
        elif isinstance(method, spec.Channel.CloseOk):
            del self.channels[number]

    def _hear_method(self, number, channel, method):
        committing = [spec.Tx.Commit] == [type(request) for request in channel.pending]
        assert not committing or isinstance(method, spec.Channel.Close), 'while committing'
        if isinstance(method, spec.Channel.Close):
            self.send(number, spec.Channel.CloseOk())
            del self.channels[number]
        elif isinstance(method, spec.Basic.Publish):
            channel.content = 2
            if channel.confirms:
                channel.published += 1
                channel.unconfirmed.add(channel.published)
        elif isinstance(method, (spec.Basic.Ack, spec.Basic.Nack, spec.Basic.Reject)):
            assert method.delivery_tag in channel.unacked, 'unknown delivery tag (rule 27)'
            channel.unacked.remove(method.delivery_tag)
        elif isinstance(method, spec.Channel.FlowOk):
            pass
        else:
            self._hear_request(channel, method)

    def _hear_request(self, channel, method):
        if isinstance(method, spec.Confirm.Select):  # with what is published before a close
            channel.confirms = True
        else:
            assert not channel.pending, f'{method} behind {channel.pending} (rule 20)'
        if isinstance(method, spec.Basic.Consume):
            assert method.consumer_tag not in channel.consumers, 'a tag twice'
            channel.consumers.add(method.consumer_tag)
        elif isinstance(method, spec.Basic.Cancel) and method.nowait:
            channel.consumers.discard(method.consumer_tag)
        if not getattr(method, 'nowait', False):
            channel.pending.append(method)

    def answer(self, number, body):
        channel = self.channels[number]
        request = channel.pending.pop(0)
        if isinstance(request, spec.Basic.Get) and body is not None:
            channel.delivered += 1
            if not request.no_ack:
                channel.unacked.add(channel.delivered)
            self.send(number, spec.Basic.GetOk(channel.delivered, False, '', 'q', 0), body)
            return
        if isinstance(request, spec.Basic.Cancel):
            channel.consumers.discard(request.consumer_tag)
        answers = {
            spec.Channel.Open: spec.Channel.OpenOk(b''),
            spec.Basic.Get: spec.Basic.GetEmpty(),
            spec.Basic.Qos: spec.Basic.QosOk(),
            spec.Queue.Declare: spec.Queue.DeclareOk('q', 0, 0),
            spec.Confirm.Select: spec.Confirm.SelectOk(),
            spec.Tx.Commit: spec.Tx.CommitOk(),
            spec.Basic.Consume: spec.Basic.ConsumeOk(getattr(request, 'consumer_tag', '')),
            spec.Basic.Cancel: spec.Basic.CancelOk(getattr(request, 'consumer_tag', '')),
        }
        self.send(number, answers[type(request)])


class Conversation(RuleBasedStateMachine):
    """Client and broker, each a little behind the other."""

    def __init__(self):
        super().__init__()
        self.protocol = Protocol(ConnectionParameters(heartbeat=0))
        open_connection(self.protocol)
        self.protocol.data_to_send()
        self.broker = Broker()
        self.waiting = {}  # contexts by number
        self.usable = {}  # channel: whether confirms are on, as the client sees it
        self.to_ack = {}
        self.tags = set()
        self.numbers = itertools.count()
        self.late = b''  # what the broker has sent and the client has not got

    # What the client does.

    def context(self, name):
        number = next(self.numbers)
        self.waiting[number] = context = f'{number} {name}'
        return context

    @rule()
    def opens_a_channel(self):
        if len(self.usable) < len(CHANNELS):
            number = self.protocol.open_channel(self.context('open'))
            assert number not in self.usable
            self.usable[number] = False
            self.to_ack[number] = set()

    @precondition(lambda self: self.usable)
    @rule(data=st.data(),
          method=st.sampled_from([
              spec.Basic.Qos(),
              spec.Queue.Declare(queue='q'),
              spec.Basic.Get(queue='q'),
              spec.Basic.Get(queue='q', no_ack=True),
              spec.Tx.Commit(),
              spec.Confirm.Select(),
          ]))
    def calls(self, data, method):
        number = data.draw(st.sampled_from(sorted(self.usable)))
        self.protocol.call(number, method, self.context(method.NAME))
        self.usable[number] = self.usable[number] or isinstance(method, spec.Confirm.Select)

    @precondition(lambda self: self.usable)
    @rule(data=st.data())
    def calls_without_waiting(self, data):
        number = data.draw(st.sampled_from(sorted(self.usable)))
        self.protocol.call(number, spec.Queue.Declare(queue='q', nowait=True))

    @precondition(lambda self: self.usable)
    @rule(data=st.data(), nowait=st.booleans(), no_ack=st.booleans())
    def consumes(self, data, nowait, no_ack):
        number = data.draw(st.sampled_from(sorted(self.usable)))
        method = spec.Basic.Consume(queue='q', nowait=nowait, no_ack=no_ack)
        context = None if nowait else self.context('consume')
        tag = self.protocol.consume(number, method, context, ('owner', no_ack))
        self.tags.add((number, tag))

    @precondition(lambda self: self.usable and self.tags)
    @rule(data=st.data(), nowait=st.booleans())
    def cancels(self, data, nowait):
        number, tag = data.draw(st.sampled_from(sorted(self.tags)))
        if number in self.usable:
            context = None if nowait else self.context('cancel')
            self.protocol.call(number, spec.Basic.Cancel(tag, nowait), context)

    @precondition(lambda self: self.usable)
    @rule(data=st.data())
    def publishes(self, data):
        number = data.draw(st.sampled_from(sorted(self.usable)))
        context = self.context('publish') if self.usable[number] else None
        tag = self.protocol.publish(number, '', 'q', b'body', context=context)
        assert bool(tag) is self.usable[number]

    @precondition(lambda self: any(self.to_ack.values()))
    @rule(data=st.data())
    def acks(self, data):
        number = data.draw(st.sampled_from([key for key, tags in self.to_ack.items() if tags]))
        tag = data.draw(st.sampled_from(sorted(self.to_ack[number])))
        self.to_ack[number].remove(tag)
        self.protocol.ack(number, tag)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def abandons(self, data):
        context = self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))
        self.protocol.abandon(context)
        if context.endswith('open'):  # then it is closed as soon as it is open
            self.forget_channels_that_close()

    @precondition(lambda self: self.usable)
    @rule(data=st.data())
    def closes_a_channel(self, data):
        number = data.draw(st.sampled_from(sorted(self.usable)))
        self.protocol.call(number, spec.Channel.Close(200, '', 0, 0), self.context('close'))
        del self.usable[number]
        self.to_ack.pop(number)

    @rule()
    def writes(self):
        self.broker.hear(b''.join(self.protocol.data_to_send()))

    @rule(share=st.floats(0, 1))
    def reads(self, share):
        """Some of what the broker has sent, cut anywhere."""
        self.late += bytes(self.broker.sent)
        self.broker.sent.clear()
        end = round(len(self.late) * share)
        self.protocol.receive_data(self.late[:end], 0.0)
        self.late = self.late[end:]
        self.pull()

    # What the broker does.

    def heard(self, ready):
        return sorted(number for number, channel in self.broker.channels.items()
                      if not channel.closing and not channel.content and ready(channel))

    @rule(data=st.data(), body=st.sampled_from([None, b'', b'body']))
    def server_answers(self, data, body):
        numbers = self.heard(lambda channel: channel.pending)
        if numbers:
            self.broker.answer(data.draw(st.sampled_from(numbers)), body)

    @rule(data=st.data())
    def server_closes_a_channel(self, data):
        numbers = self.heard(lambda channel: True)
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            self.broker.channels[number].closing = True
            self.broker.send(number, spec.Channel.Close(404, 'gone', 0, 0))

    @rule(data=st.data(), multiple=st.booleans(), kind=st.sampled_from(['Ack', 'Nack']))
    def server_confirms(self, data, multiple, kind):
        numbers = self.heard(lambda channel: channel.unconfirmed)
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            channel = self.broker.channels[number]
            tag = data.draw(st.sampled_from(sorted(channel.unconfirmed)))
            self.broker.send(number, getattr(spec.Basic, kind)(tag, multiple))
            channel.unconfirmed = {
                other for other in channel.unconfirmed
                if other != tag and not (multiple and other < tag)
            }

    @rule(data=st.data())
    def server_delivers(self, data):
        numbers = self.heard(lambda channel: channel.consumers)
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            channel = self.broker.channels[number]
            channel.delivered += 1
            channel.unacked.add(channel.delivered)
            tag = data.draw(st.sampled_from(sorted(channel.consumers)))
            method = spec.Basic.Deliver(tag, channel.delivered, False, '', 'q')
            self.broker.send(number, method, b'body')

    @rule(data=st.data())
    def server_cancels(self, data):
        numbers = self.heard(lambda channel: channel.consumers)
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            channel = self.broker.channels[number]
            tag = data.draw(st.sampled_from(sorted(channel.consumers)))
            channel.consumers.remove(tag)
            self.broker.send(number, spec.Basic.Cancel(tag, True))

    # What must hold.

    def forget_channels_that_close(self):
        for number in list(self.usable):
            state = self.protocol._channels.get(number)
            if state is None or state.phase == 'closing':
                del self.usable[number]
                self.to_ack.pop(number)

    def pull(self):
        event = self.protocol.next_event()
        while event is not None:
            assert not isinstance(event, events.Closed), event
            self.check(event)
            event = self.protocol.next_event()
        self.forget_channels_that_close()

    def check(self, event):
        for context in contexts_of(event):
            number = int(context.split()[0])
            assert self.waiting.pop(number, None) is context, f'{context} was not waiting'
        if isinstance(event, events.ChannelClosed):
            self.usable.pop(event.channel, None)
            self.to_ack.pop(event.channel, None)
            self.tags = {(number, tag) for number, tag in self.tags if number != event.channel}
        elif isinstance(event, events.Delivery) and not event.consumer[1]:
            if event.channel in self.usable:
                self.to_ack[event.channel].add(event.method.delivery_tag)

    @invariant()
    def nothing_is_pulled_twice(self):
        assert self.protocol.next_event() is None

    def teardown(self):
        """The stream ends, and all that is waiting comes back at once."""
        self.protocol.receive_data(self.late + bytes(self.broker.sent), 0.0)
        self.pull()
        self.protocol.receive_eof(0.0)
        end = self.protocol.next_event()
        assert isinstance(end, events.Closed)
        assert sorted(map(id, end.contexts)) == sorted(map(id, self.waiting.values()))
        assert self.protocol.next_event() is None


TestConversation = Conversation.TestCase
TestConversation.settings = settings(stateful_step_count=60)
