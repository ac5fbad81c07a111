"""What the protocol forbids, and users that may not; the connection ends, or the channel."""

from pika import frame, spec

from scenarios.client import Session


def tune_properties(session: Session) -> None:
    """What a broker offers."""
    client = session.client()
    start = client.start
    mechanisms = sorted(start.mechanisms.split())  # each node has an order of its own
    session.note(start.version_major, start.version_minor, mechanisms, start.locales)
    session.note(sorted(start.server_properties['capabilities'].items()))
    session.note(start.server_properties['product'])


def tuned(session: Session) -> None:
    """The values of Connection.Tune."""
    client = session.client()
    session.note(client.offered)


def wrong_password(session: Session) -> None:
    """A client that can be told is told."""
    session.client(password='wrong', capabilities=['authentication_failure_close'])
    session.settle()


def wrong_password_untold(session: Session) -> None:
    """One that cannot just ends."""
    session.client(password='wrong')
    session.settle()


def wrong_user(session: Session) -> None:
    """A user that is not there gets the same answer."""
    session.client(user='nobody', capabilities=['authentication_failure_close'])
    session.settle()


def missing_virtual_host(session: Session) -> None:
    """No such virtual host."""
    session.client(virtual_host='no such host')
    session.settle()


def channel_number_in_use(session: Session) -> None:
    """A channel cannot be opened twice."""
    channel = session.channel()
    channel.say(spec.Channel.Open())
    session.settle()


def channel_not_open(session: Session) -> None:
    """A method on a channel that is not open."""
    client = session.client()
    client.say(5, spec.Queue.Declare(0, 'q'))
    session.settle()


def channel_beyond_maximum(session: Session) -> None:
    """A number that was not negotiated."""
    client = session.client(channel_max=10)
    client.say(11, spec.Channel.Open())
    session.settle()


def channel_max_too_high(session: Session) -> None:
    """More channels than were offered."""
    session.client(channel_max=65000)
    session.settle()


def frame_max_too_low(session: Session) -> None:
    """Less than the smallest frame."""
    session.client(frame_max=4095)
    session.settle()


def frame_max_too_high(session: Session) -> None:
    """More than was offered."""
    session.client(frame_max=1000000)
    session.settle()


def frame_max_unlimited(session: Session) -> None:
    """Zero asks for no limit, where the broker has one."""
    session.client(frame_max=0)
    session.settle()


def channel_max_unlimited(session: Session) -> None:
    """The same for channels."""
    session.client(channel_max=0)
    session.settle()


def close_channel(session: Session) -> None:
    """A closed channel's number is free again; what is sent to it meanwhile is ignored."""
    client = session.client()
    channel = client.channel()
    channel.say(spec.Channel.Close(200, '', 0, 0))
    channel.client.answer(channel.number, (spec.Channel.CloseOk,))
    channel.open()
    channel.declare('q')


def after_channel_error(session: Session) -> None:
    """What was on its way when the broker closed the channel is ignored."""
    client = session.client()
    channel = client.channel()
    channel.client.send(
        frame.method_frame(1, spec.Queue.Declare(0, 'missing', passive=True)) +
        frame.method_frame(1, spec.Queue.Declare(0, 'q')))
    session.settle()
    channel.open()
    channel.declare('q', passive=True)


def close_connection(session: Session) -> None:
    """Close, and nothing more."""
    client = session.client()
    client.channel().queue('q')
    client.close()


def not_implemented_methods(session: Session) -> None:
    """Methods of old."""
    client = session.client()
    client.channel().call(spec.Access.Request())


def server_method(session: Session) -> None:
    """A method that only a broker may send."""
    channel = session.channel()
    channel.say(spec.Queue.DeclareOk('q', 0, 0))
    session.settle()


def open_ok_from_client(session: Session) -> None:
    """An answer to a question that nobody has asked."""
    channel = session.channel()
    channel.say(spec.Channel.OpenOk())
    session.settle()


def cancel_ok_from_client(session: Session) -> None:
    """An answer that some brokers wait for."""
    channel = session.channel()
    channel.say(spec.Basic.CancelOk('tag'))
    session.settle()
    session.sleep(0.3)


def get_ok_from_client(session: Session) -> None:
    """A method with content that only a broker may send."""
    channel = session.channel()
    channel.say(spec.Basic.GetOk(1, False, '', 'q', 0))
    session.settle()


def connection_method_on_channel(session: Session) -> None:
    """Connection methods belong to channel 0."""
    channel = session.channel()
    channel.say(spec.Connection.Close(200, '', 0, 0))
    session.settle()


def channel_method_on_zero(session: Session) -> None:
    """And channel methods do not."""
    client = session.client()
    client.say(0, spec.Queue.Declare(0, 'q'))
    session.settle()


def channel_open_on_zero(session: Session) -> None:
    """Channel 0 cannot be opened."""
    client = session.client()
    client.say(0, spec.Channel.Open())
    session.settle()


def open_twice(session: Session) -> None:
    """A connection opens once."""
    client = session.client()
    client.say(0, spec.Connection.Open('/'))
    session.settle()


def start_ok_twice(session: Session) -> None:
    """And logs in once."""
    client = session.client()
    client.say(0, spec.Connection.StartOk({}, 'PLAIN', '\0guest\0guest', 'en_US'))
    session.settle()


def update_secret(session: Session) -> None:
    """A new secret, which users with passwords do not need."""
    client = session.client()
    client.say(0, spec.Connection.UpdateSecret('secret', 'why'))
    client.note(0, client.answer(0, (spec.Connection.UpdateSecretOk,)))
    session.settle()
    client.channel().declare('q')


def channel_max_reached(session: Session) -> None:
    """As many channels as were negotiated, whatever their numbers."""
    client = session.client(channel_max=2)
    client.channel()
    client.say(7, spec.Channel.Open())
    client.answer(7, (spec.Channel.OpenOk,))
    client.say(3, spec.Channel.Open())
    session.settle()


def message_too_large(session: Session) -> None:
    """A body beyond what every broker takes; only announced, as that is enough."""
    channel = session.channel()
    channel.client.send(
        frame.method_frame(1, spec.Basic.Publish(0, '', 'q')) +
        frame.content_header_frame(1, 600 * 1024 * 1024, b'\0\0'))
    channel.client.send(frame.Body(1, b'x' * 100000).marshal() * 2)
    session.settle()


def message_of_17_mebibytes(session: Session) -> None:
    """Some brokers take it."""
    channel = session.channel()
    channel.queue('q')
    channel.confirm()
    channel.publish('', 'q', b'x' * 17 * 1024 * 1024)
    session.sleep(1)


def permissions(session: Session) -> None:
    """A user may only do what the patterns of names allow."""
    admin = session.channel()
    admin.queue('mine-q')
    admin.queue('other')
    admin.exchange('mine-x')
    admin.exchange('other-x')
    session.add_user('limited', '^mine.*', '^mine.*', '^mine.*')
    connection = session.client(user='limited', password='limited')
    channel = connection.channel()
    channel.declare('mine-new')
    channel.bind('mine-new', 'mine-x', 'key')
    channel.publish('mine-x', 'key', b'1')
    channel.get_all('mine-new')
    for method in (spec.Queue.Declare(0, 'other'), spec.Queue.Declare(0, 'other', passive=True),
                   spec.Queue.Declare(0, ''), spec.Queue.Delete(0, 'other'),
                   spec.Queue.Purge(0, 'other'), spec.Basic.Get(0, 'other'),
                   spec.Basic.Consume(0, 'other'), spec.Queue.Bind(0, 'other', 'mine-x', ''),
                   spec.Queue.Bind(0, 'mine-q', 'other-x',
                                   ''), spec.Queue.Unbind(0, 'mine-q', 'other-x', ''),
                   spec.Exchange.Declare(0, 'other-x', 'direct'),
                   spec.Exchange.Declare(0, 'other-x', 'direct',
                                         passive=True), spec.Exchange.Delete(0, 'other-x'),
                   spec.Exchange.Bind(0, 'mine-x', 'other-x',
                                      ''), spec.Exchange.Bind(0, 'other-x', 'mine-x', ''),
                   spec.Queue.Declare(0,
                                      'mine-dead',
                                      arguments={'x-dead-letter-exchange': 'other-x'}),
                   spec.Exchange.Declare(0,
                                         'mine-y',
                                         'direct',
                                         arguments={'alternate-exchange': 'other-x'})):
        connection.channel().call(method)
    for exchange in ('other-x', ''):
        channel = connection.channel()
        channel.publish(exchange, 'mine-q', b'1')
        channel.settle()


def no_permission_for_virtual_host(session: Session) -> None:
    """A user without any permission cannot even connect."""
    session.add_user('stranger')
    session.client(user='stranger', password='stranger')
    session.settle()
