"""Exchanges, bindings and routes."""

from pika import spec

from scenarios.client import Session


def direct(session: Session) -> None:
    """A direct exchange routes by the whole routing key, to each queue once."""
    channel = session.channel()
    channel.exchange('x')
    for name in ('q1', 'q2'):
        channel.queue(name)
    channel.bind('q1', 'x', 'a')
    channel.bind('q1', 'x', 'b')
    channel.bind('q2', 'x', 'b')
    channel.bind('q2', 'x', 'b')
    for key in ('a', 'b', 'c', ''):
        channel.publish('x', key, key.encode())
    channel.get_all('q1', 'q2')


def default(session: Session) -> None:
    """The default exchange routes to the queue of that name."""
    channel = session.channel()
    channel.queue('q')
    channel.publish('', 'q', b'1')
    channel.publish('', 'no queue', b'2')
    channel.get_all('q')


def fanout(session: Session) -> None:
    """A fanout exchange routes to each bound queue, whatever the key."""
    channel = session.channel()
    channel.exchange('x', 'fanout')
    for name in ('q1', 'q2', 'q3'):
        channel.queue(name)
    channel.bind('q1', 'x')
    channel.bind('q1', 'x', 'again')
    channel.bind('q2', 'x', 'other')
    channel.publish('x', 'whatever', b'1')
    channel.get_all('q1', 'q2', 'q3')


def topic(session: Session) -> None:
    """* is one word, # any number, at any place."""
    channel = session.channel()
    channel.exchange('x', 'topic')
    for pattern in ('#', 'a.#', '#.c', '*.b.*', 'a.*', '*', 'a.#.c', '#.b.#', '', 'a.b.c', '*.#',
                    'a..c', '#.#', 'a*'):
        channel.queue(f'q {pattern}')
        channel.bind(f'q {pattern}', 'x', pattern)
    for key in ('', 'a', 'a.b', 'a.b.c', 'a.c', 'b', 'a..c', '.', 'x.b.y', 'x.y.b.z.c', 'a*',
                'A.B'):
        channel.publish('x', key, key.encode())
    channel.settle()
    for pattern in ('#', 'a.#', '#.c', '*.b.*', 'a.*', '*', 'a.#.c', '#.b.#', '', 'a.b.c', '*.#',
                    'a..c', '#.#', 'a*'):
        channel.get_all(f'q {pattern}')


def headers(session: Session) -> None:
    """x-match says whether all or any of the bound headers must be equal."""
    channel = session.channel()
    channel.exchange('x', 'headers')
    arguments = {
        'all': {
            'x-match': 'all',
            'a': 1,
            'b': 'two'
        },
        'any': {
            'x-match': 'any',
            'a': 1,
            'b': 'two'
        },
        'neither': {
            'a': 1,
            'b': 'two'
        },
        'void': {
            'x-match': 'all',
            'a': None
        },
        'none': {},
        'none of any': {
            'x-match': 'any'
        },
        'x-': {
            'x-match': 'all',
            'x-a': 1,
            'b': 'two'
        },
        'all-with-x': {
            'x-match': 'all-with-x',
            'x-a': 1
        },
        'any-with-x': {
            'x-match': 'any-with-x',
            'x-a': 1,
            'b': 'two'
        },
    }
    for queue, table in arguments.items():
        channel.queue(queue)
        channel.do(spec.Queue.Bind(0, queue, 'x', '', arguments=table))
    for body, table in ((b'1', {
            'a': 1,
            'b': 'two'
    }), (b'2', {
            'a': 1
    }), (b'3', {
            'b': 'two',
            'c': 3
    }), (b'4', {
            'a': 'one'
    }), (b'5', {
            'x-a': 1,
            'b': 'two'
    }), (b'6', {}), (b'7', {
            'a': 1.0,
            'b': 'two'
    }), (b'8', {
            'x-a': 1
    }), (b'9', {
            'a': True
    })):
        channel.publish('x', 'ignored', body, headers=table)
    channel.publish('x', 'ignored', b'10')
    channel.get_all(*arguments)


def headers_bad_match(session: Session) -> None:
    """An unknown x-match is refused."""
    channel = session.channel()
    channel.exchange('x', 'headers')
    channel.queue('q')
    channel.call(spec.Queue.Bind(0, 'q', 'x', '', arguments={'x-match': 'some'}))


def headers_match_of_another_type(session: Session) -> None:
    """x-match must be a string."""
    channel = session.channel()
    channel.exchange('x', 'headers')
    channel.queue('q')
    channel.call(spec.Queue.Bind(0, 'q', 'x', '', arguments={'x-match': 1}))


def exchange_to_exchange(session: Session) -> None:
    """A message goes through bound exchanges, and to a queue once, also in a circle."""
    channel = session.channel()
    channel.exchange('x')
    channel.exchange('y', 'fanout')
    channel.exchange('z', 'topic')
    channel.queue('q')
    channel.queue('r')
    channel.call(spec.Exchange.Bind(0, 'y', 'x', 'key'))
    channel.call(spec.Exchange.Bind(0, 'z', 'y'))
    channel.call(spec.Exchange.Bind(0, 'x', 'z', '#'))
    channel.bind('q', 'y')
    channel.bind('q', 'x', 'key')
    channel.bind('r', 'z', 'k*')
    channel.bind('r', 'z', 'key')
    channel.publish('x', 'key', b'1')
    channel.publish('x', 'other', b'2')
    channel.get_all('q', 'r')
    channel.call(spec.Exchange.Unbind(0, 'y', 'x', 'key'))
    channel.publish('x', 'key', b'3')
    channel.get_all('q', 'r')
    channel.call(spec.Exchange.Unbind(0, 'y', 'x', 'key'))


def exchange_bind_to_missing(session: Session) -> None:
    """Both exchanges must be there."""
    connection = session.client()
    connection.channel().exchange('x')
    connection.channel().call(spec.Exchange.Bind(0, 'x', 'nowhere', 'key'))
    connection.channel().call(spec.Exchange.Bind(0, 'nowhere', 'x', 'key'))
    connection.channel().call(spec.Exchange.Unbind(0, 'nowhere', 'x', 'key'))


def exchange_bind_to_default(session: Session) -> None:
    """The default exchange has no bindings of one's own."""
    connection = session.client()
    connection.channel().exchange('x')
    connection.channel().call(spec.Exchange.Bind(0, '', 'x', 'key'))
    connection.channel().call(spec.Exchange.Bind(0, 'x', '', 'key'))
    connection.channel().call(spec.Exchange.Unbind(0, 'x', '', 'key'))


def alternate(session: Session) -> None:
    """What an exchange cannot route goes to its alternate exchange."""
    channel = session.channel()
    channel.exchange('last', 'fanout')
    channel.exchange('x', arguments={'alternate-exchange': 'last'})
    channel.exchange('nowhere', arguments={'alternate-exchange': 'is not there'})
    channel.queue('q')
    channel.queue('rest')
    channel.bind('q', 'x', 'key')
    channel.bind('rest', 'last')
    channel.publish('x', 'key', b'1', mandatory=True)
    channel.publish('x', 'other', b'2', mandatory=True)
    channel.publish('nowhere', 'other', b'3', mandatory=True)
    channel.get_all('q', 'rest')


def alternate_circle(session: Session) -> None:
    """Alternate exchanges in a circle end."""
    channel = session.channel()
    channel.exchange('x', arguments={'alternate-exchange': 'y'})
    channel.exchange('y', arguments={'alternate-exchange': 'x'})
    channel.publish('x', 'other', b'1', mandatory=True)
    channel.settle()


def declare_again(session: Session) -> None:
    """The same exchange may be declared again, another one not."""
    connection = session.client()
    for options in ({}, {
            'durable': True
    }, {
            'auto_delete': True
    }, {
            'internal': True
    }, {
            'arguments': {
                'alternate-exchange': 'y'
            }
    }, {
            'arguments': {
                'some': 1
            }
    }):
        connection.channel().call(spec.Exchange.Declare(0, 'x', 'direct', **options))
    connection.channel().call(spec.Exchange.Declare(0, 'x', 'fanout'))
    connection.channel().call(spec.Exchange.Declare(0, 'x', 'fanout', passive=True, durable=True))
    connection.channel().call(spec.Exchange.Declare(0, 'y', 'direct', passive=True))


def declare_unknown_type(session: Session) -> None:
    """A type that is none."""
    session.channel().call(spec.Exchange.Declare(0, 'x', 'strange'))


def declare_reserved(session: Session) -> None:
    """Names with amq. are the broker's; those that it has can be declared as they are."""
    connection = session.client()
    connection.channel().call(spec.Exchange.Declare(0, 'amq.mine', 'direct'))
    connection.channel().call(spec.Exchange.Declare(0, 'amq.direct', 'direct', durable=True))
    connection.channel().call(spec.Exchange.Declare(0, 'amq.direct', 'direct'))
    connection.channel().call(spec.Exchange.Declare(0, 'amq.nothing', 'direct', passive=True))
    connection.channel().call(spec.Exchange.Declare(0, '', 'direct'))
    connection.channel().call(spec.Exchange.Declare(0, '', 'direct', passive=True))


def predeclared(session: Session) -> None:
    """A virtual host has exchanges of all types from the beginning."""
    connection = session.client()
    for kind, name in (('direct', 'amq.direct'), ('fanout', 'amq.fanout'), ('topic', 'amq.topic'),
                       ('headers', 'amq.headers'), ('headers',
                                                    'amq.match'), ('topic', 'amq.rabbitmq.trace')):
        connection.channel().call(spec.Exchange.Declare(0, name, kind, durable=True))


def long_names(session: Session) -> None:
    """Carriage returns are dropped from names; anything else may be in them."""
    channel = session.channel()
    channel.exchange('x' * 255)
    channel.declare('ä' * 100 + '\r\n')
    channel.bind('ä' * 100, 'x' * 255, 'k' * 255)
    channel.publish('x' * 255, 'k' * 255, b'1')
    channel.get_all('ä' * 100)


def delete(session: Session) -> None:
    """Deleting twice is no error; what is bound goes."""
    connection = session.client()
    channel = connection.channel()
    channel.exchange('x')
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.call(spec.Exchange.Delete(0, 'x'))
    channel.call(spec.Exchange.Delete(0, 'x'))
    channel.exchange('x')
    channel.publish('x', 'key', b'1', mandatory=True)
    channel.settle()
    channel.call(spec.Exchange.Delete(0, 'amq.direct'))
    connection.channel().call(spec.Exchange.Delete(0, ''))


def delete_if_unused(session: Session) -> None:
    """An exchange with a binding is in use."""
    connection = session.client()
    channel = connection.channel()
    channel.exchange('x')
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.call(spec.Exchange.Delete(0, 'x', if_unused=True))
    channel = connection.channel()
    channel.call(spec.Queue.Unbind(0, 'q', 'x', 'key'))
    channel.call(spec.Exchange.Delete(0, 'x', if_unused=True))


def auto_delete(session: Session) -> None:
    """An auto-delete exchange goes with its last binding."""
    connection = session.client()
    channel = connection.channel()
    channel.exchange('x', auto_delete=True)
    channel.exchange('y', auto_delete=True)
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.do(spec.Exchange.Bind(0, 'x', 'y', 'key'))
    channel.call(spec.Queue.Unbind(0, 'q', 'x', 'key'))
    connection.channel().call(spec.Exchange.Declare(0, 'x', 'direct', passive=True))
    connection.channel().call(spec.Exchange.Declare(0, 'y', 'direct', passive=True))


def auto_delete_with_queue(session: Session) -> None:
    """It goes with the queue that was bound to it, too."""
    connection = session.client()
    channel = connection.channel()
    channel.exchange('x', auto_delete=True)
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.call(spec.Queue.Delete(0, 'q'))
    connection.channel().call(spec.Exchange.Declare(0, 'x', 'direct', passive=True))


def internal(session: Session) -> None:
    """Nobody can publish to an internal exchange, only through one that is bound to it."""
    connection = session.client()
    channel = connection.channel()
    channel.exchange('x', internal=True)
    channel.exchange('y')
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.do(spec.Exchange.Bind(0, 'x', 'y', 'key'))
    channel.publish('y', 'key', b'1')
    channel.get_all('q')
    channel.publish('x', 'key', b'2')
    channel.settle()


def publish_to_missing(session: Session) -> None:
    """The channel closes; the connection goes on."""
    connection = session.client()
    channel = connection.channel()
    channel.publish('nowhere', 'key', b'1')
    channel.settle()
    connection.channel().declare('q')


def queue_bind_errors(session: Session) -> None:
    """What bind and unbind refuse."""
    connection = session.client()
    connection.channel().queue('q')
    connection.channel().call(spec.Queue.Bind(0, 'q', 'nowhere', 'key'))
    connection.channel().call(spec.Queue.Bind(0, 'no queue', 'amq.direct', 'key'))
    connection.channel().call(spec.Queue.Bind(0, 'q', '', 'key'))
    connection.channel().call(spec.Queue.Unbind(0, 'q', '', 'q'))
    connection.channel().call(spec.Queue.Unbind(0, 'q', 'amq.direct', 'never bound'))
    connection.channel().call(spec.Queue.Unbind(0, 'no queue', 'amq.direct', 'key'))
    connection.channel().call(spec.Queue.Unbind(0, 'q', 'nowhere', 'key'))


def bindings_with_arguments(session: Session) -> None:
    """A binding with other arguments is another one."""
    channel = session.channel()
    channel.exchange('x')
    channel.queue('q')
    channel.bind('q', 'x', 'key')
    channel.bind('q', 'x', 'key', some=1)
    channel.call(spec.Queue.Unbind(0, 'q', 'x', 'key'))
    channel.publish('x', 'key', b'1')
    channel.get_all('q')
    channel.call(spec.Queue.Unbind(0, 'q', 'x', 'key', {'some': 1}))
    channel.publish('x', 'key', b'2')
    channel.get_all('q')


def current_queue(session: Session) -> None:
    """An empty name is the queue that this channel has declared last."""
    connection = session.client()
    channel = connection.channel()
    channel.declare('')
    channel.call(spec.Queue.Bind(0, '', 'amq.direct', ''))
    channel.call(spec.Queue.Declare(0, ''))
    channel.queue('named')
    channel.call(spec.Queue.Bind(0, '', 'amq.direct', ''))
    channel.publish('amq.direct', 'named', b'1', mandatory=True)
    channel.settle()
    channel.get('')
    channel.call(spec.Queue.Delete(0, ''))
    channel.call(spec.Queue.Purge(0, ''))


def no_current_queue(session: Session) -> None:
    """Without one, an empty name is an error."""
    connection = session.client()
    connection.channel().call(spec.Queue.Bind(0, '', 'amq.direct', 'key'))
    connection.channel().get('')
    connection.channel().call(spec.Queue.Declare(0, '', passive=True))
    connection.channel().call(spec.Queue.Delete(0, ''))
    connection.channel().call(spec.Queue.Purge(0, ''))
    connection.channel().call(spec.Basic.Consume(0, ''))


def carbon_copies(session: Session) -> None:
    """The headers CC and BCC are more routing keys; BCC is taken out."""
    channel = session.channel()
    for name in ('q1', 'q2', 'q3'):
        channel.queue(name)
    channel.publish('', 'q1', b'1', headers={'CC': ['q2'], 'BCC': ['q3'], 'other': 1})
    channel.get_all('q1', 'q2', 'q3')
    channel.publish('', 'q1', b'2', headers={'CC': 'q2'})
    channel.settle()


def alternate_not_a_name(session: Session) -> None:
    """The name of an alternate exchange is a string."""
    session.channel().call(
        spec.Exchange.Declare(0, 'x', 'direct', arguments={'alternate-exchange': 1}))
