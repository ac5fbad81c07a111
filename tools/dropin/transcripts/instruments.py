"""What packages that watch programs do to pika."""

import functools
import inspect

import pika
from pika.adapters import blocking_connection


def attributes(scene):
    """They can be set on channels, methods and properties; vars() shows properties."""
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.mine = 1
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_publish('', scene.name, b'x', pika.BasicProperties(headers={'a': 1}))
        method, properties, body = channel.basic_get(scene.name)
        method.mine = 2
        properties.mine = 3
        scene.say(channel.mine, method.mine, vars(properties)['headers'], vars(properties)['mine'])


def wrapped_methods(scene):
    """A method wrapped on the class is the one that is called."""
    for owner, name in ((blocking_connection.BlockingChannel,
                         'basic_publish'), (blocking_connection.BlockingChannel, 'basic_consume'),
                        (blocking_connection.BlockingChannel,
                         'consume'), (pika.spec.Basic.Deliver,
                                      '__init__'), (pika.BlockingConnection, 'channel')):
        original = getattr(owner, name)

        def make(original, name):

            @functools.wraps(original)
            def wrapper(*arguments, **options):
                if name not in seen:
                    seen.append(name)
                return original(*arguments, **options)

            return wrapper

        setattr(owner, name, make(original, name))
    seen = []
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.queue_declare(scene.name, exclusive=True)
        channel.basic_publish('', scene.name, b'x')
        channel.basic_consume(scene.name, lambda *told: channel.stop_consuming(), auto_ack=True)
        channel.start_consuming()
        messages = channel.consume(scene.name, inactivity_timeout=0)
        scene.say(inspect.isgenerator(messages), next(messages))
    scene.say(seen)


def private_names(scene):
    """Those that OpenTelemetry and New Relic use."""
    with scene.blocking() as connection:
        channel = connection.channel()
        channel.queue_declare(scene.name, exclusive=True)
        tag = channel.basic_consume(scene.name,
                                    lambda *told: scene.say('first', told[3]),
                                    auto_ack=True)
        channel._consumer_infos[tag].on_message_callback = lambda *told: scene.say('set', told[3])
        channel.basic_publish('', scene.name, b'x')
        connection.process_data_events(1)
        parameters = getattr(connection, 'params', None) or connection._impl.params
        scene.say(parameters.port == scene.parameters().port)
        scene.say(hasattr(blocking_connection, '_QueueConsumerGeneratorInfo'),
                  hasattr(blocking_connection, '_ConsumerDeliveryEvt'))


def versions(scene):
    """The version that programs look at is of pika 1."""
    scene.say(pika.__version__.split('.')[0])
