"""What connecting raises, and what it tells callbacks."""

import time

import pika
from pika import credentials

REFUSED = 1  # no server listens on this port


def _both(scene, **changes):
    """What BlockingConnection raises, and what SelectConnection tells."""
    _blocking(scene, scene.parameters(**changes))
    _select(scene, scene.parameters(**changes))


def _blocking(scene, parameters):
    scene.say('blocking')
    try:
        pika.BlockingConnection(parameters).close()
        scene.say('is open')
    except Exception as error:
        scene.error(error)


def _select(scene, parameters):
    scene.say('select')
    connection = pika.SelectConnection(parameters,
                                       on_open_callback=lambda connection: scene.say('is open'),
                                       on_open_error_callback=lambda connection, error:
                                       (scene.error(error), connection.ioloop.stop()))
    connection.ioloop.call_later(5, connection.ioloop.stop)
    connection.ioloop.start()


def refused(scene):
    """No server listens."""
    _both(scene, host='127.0.0.1', port=REFUSED)


def name_without_address(scene):
    """The name of the host is unknown.

    Differs: both say the same, and it is an AMQPConnectionError as well as a socket.gaierror.
    """
    _both(scene, host='no.such.host.invalid')


def silent_server(scene):
    """A server that says nothing within stack_timeout.

    Differs: both say the same, and it is an AMQPConnectionError; ConnectionOpenAborted is kept for
    the program's own close().
    """
    with scene.server(None) as port:
        _both(scene, host='127.0.0.1', port=port, stack_timeout=0.5)


def wrong_password(scene):
    """The broker says no."""
    _both(scene, credentials=pika.PlainCredentials('guest', 'wrong'))


def missing_virtual_host(scene):
    """The broker has no such virtual host."""
    _both(scene, virtual_host='no-such-host')


def mechanism_not_offered(scene):
    """The broker does not offer EXTERNAL without TLS."""
    _both(scene, credentials=credentials.ExternalCredentials())


def another_protocol(scene):
    """The server does not speak AMQP."""
    with scene.server(b'HTTP/1.1 400 Bad Request\r\n\r\n') as port:
        _both(scene, host='127.0.0.1', port=port)


def server_that_hangs_up(scene):
    """The server closes the stream before it has said anything.

    Differs: it is a StreamLostError, since a full or starting broker does so, too.
    """
    with scene.server(b'') as port:
        _both(scene, host='127.0.0.1', port=port)


def another_version(scene):
    """The server wants another version of AMQP."""
    with scene.server(b'AMQP\x00\x01\x00\x00') as port:
        _both(scene, host='127.0.0.1', port=port)


def attempts(scene):
    """connection_attempts and retry_delay of the last of several parameters."""
    first = pika.ConnectionParameters('127.0.0.1', REFUSED, connection_attempts=1, retry_delay=60)
    last = pika.ConnectionParameters('127.0.0.1', REFUSED, connection_attempts=3, retry_delay=0.2)
    started = time.monotonic()
    _blocking(scene, [first, last])
    scene.say(round(time.monotonic() - started, 1))


def second_of_several(scene):
    """The next one is tried."""
    connection = pika.BlockingConnection(
        [pika.ConnectionParameters('127.0.0.1', REFUSED),
         scene.parameters()])
    scene.say(connection.is_open)
    connection.close()


def name_without_address_among_several(scene):
    """The next one is tried after a name that is unknown.

    Differs: pika 1.4 gives all up.
    """
    _blocking(scene, [pika.ConnectionParameters('no.such.host.invalid'), scene.parameters()])


def parameters_that_are_none(scene):
    """Wrong arguments of connections.

    Differs: a wrong type is a TypeError that says what is asked for.
    """
    for what in ([], 'amqp://localhost', 5, [5], None):
        if what is None:
            continue
        scene.attempt(f'blocking {what!r}', lambda: pika.BlockingConnection(what))
        scene.attempt(f'select {what!r}', lambda: pika.SelectConnection(what))


def create_connection(scene):
    """The first broker that answers; on_done gets the connection."""

    def on_done(outcome):
        scene.say(type(outcome).__name__, outcome.is_open)
        outcome.ioloop.stop()

    loop = pika.adapters.select_connection.IOLoop()
    pika.SelectConnection.create_connection(
        [pika.ConnectionParameters('127.0.0.1', REFUSED),
         scene.parameters()], on_done, loop)
    loop.start()


def create_connection_fails(scene):
    """All attempts fail; on_done gets the errors.

    Differs: an error of the handshake is told itself, and not within another one.
    """

    def on_done(outcome):
        scene.error(outcome)
        for error in outcome.exceptions:
            scene.error(error)
        loop.stop()

    loop = pika.adapters.select_connection.IOLoop()
    pika.SelectConnection.create_connection([
        pika.ConnectionParameters('127.0.0.1', REFUSED),
        scene.parameters(credentials=pika.PlainCredentials('guest', 'wrong'))
    ], on_done, loop)
    loop.start()


def create_connection_aborted(scene):
    """The program gives up; later there is nothing to give up.

    Differs: that is an error of the workflow.
    """

    def on_done(outcome):
        scene.error(outcome)
        loop.stop()

    loop = pika.adapters.select_connection.IOLoop()
    workflow = pika.SelectConnection.create_connection([scene.parameters()], on_done, loop)
    workflow.abort()
    loop.start()
    scene.attempt('late', workflow.abort)


def own_workflow(scene):
    """An AMQPConnectionWorkflow of the program is taken and returned."""

    def on_done(outcome):
        scene.say(type(outcome).__name__)
        loop.stop()

    loop = pika.adapters.select_connection.IOLoop()
    mine = pika.AMQPConnectionWorkflow()
    scene.say(
        pika.SelectConnection.create_connection([scene.parameters()], on_done, loop, mine) is mine)
    loop.start()


def parameters_of_an_attempt(scene):
    """The connection has a copy."""
    given = scene.parameters(heartbeat=600)
    with scene.blocking(heartbeat=600) as connection:
        scene.say(connection._impl.params.heartbeat if hasattr(connection, '_impl') else connection.
                  params.heartbeat)
    scene.say(given.heartbeat)
