"""The contract of all adapters, kept by `BlockingConnection`."""

from __future__ import annotations

import contextlib
import ssl
import time

import pytest
from pika import exceptions
from pika_blocking import BlockingConnection
from pika_testing.contract import *  # noqa: F403
from pika_testing.contract.interface import SECONDS


class Driver:
    callbacks = frozenset(
        ['message', 'return', 'cancel', 'timer', 'threadsafe', 'blocked', 'unblocked'])
    pipelines = False
    connects = True
    certificate_errors = ssl.SSLCertVerificationError

    def __init__(self):
        self.errors = []
        self.clients = []

    def connect(self, *parameters):
        client = Client(self, BlockingConnection(parameters))
        self.clients.append(client)
        return client

    def take_errors(self):
        errors, self.errors = self.errors, []
        return errors

    def close(self):
        for client in self.clients:
            if client.native.is_open:
                client.close()
            assert len(client.ends) <= 1


class Client:

    def __init__(self, driver, native):
        self.driver = driver
        self.native = native
        self.ends = []
        self.blocked = []
        self.channels = []
        self.call_later = native.call_later
        self.add_callback_threadsafe = native.add_callback_threadsafe
        native.add_on_connection_blocked_callback(lambda *args: self.blocked.append('blocked'))
        native.add_on_connection_unblocked_callback(lambda *args: self.blocked.append('unblocked'))

    @contextlib.contextmanager
    def noting(self):
        """Notes what an exception tells of the end of the connection or a channel."""
        try:
            yield
        except exceptions.ChannelClosedByBroker as error:
            ended, = (c for c in self.channels if c.native.is_closed and not c.left)
            ended.left = True
            ended.ends.append(error)
            raise
        except exceptions.ConnectionWrongStateError:
            raise
        except exceptions.AMQPConnectionError as error:
            self.ends.append(error)
            raise

    def run(self, until, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() >= deadline:
                raise TimeoutError(f'what was waited for has not happened in {seconds} s')
            try:
                with self.noting():
                    self.native.process_data_events(0.01)
            except (exceptions.ChannelClosedByBroker, exceptions.AMQPConnectionError):
                pass
            except Exception as error:
                self.driver.errors.append(error)

    def channel(self):
        with self.noting():
            channel = Channel(self, self.native.channel())
        self.channels.append(channel)
        return channel

    def close(self):
        self.native.close(200, 'as the contract says')
        assert self.native.is_closed and not self.ends


class Channel:

    def __init__(self, client, native):
        self.client = client
        self.native = native
        self.ends = []
        self.left = False  # its end has been told, or asked for
        self.returned = []
        self.cancelled = []
        native.add_on_return_callback(lambda channel, *message: self.returned.append(message))
        native.add_on_cancel_callback(
            lambda frame: self.cancelled.append(frame.method.consumer_tag))

    def call(self, operation, *arguments, **options):
        with self.client.noting():
            return getattr(self.native, operation)(*arguments, **options)

    do = call

    def confirm(self):
        self.call('confirm_delivery')

    def publish_confirmed(self, exchange, routing_key, bodies, mandatory=False):
        outcomes = []
        for body in bodies:
            try:
                self.call('basic_publish', exchange, routing_key, body, mandatory=mandatory)
                outcomes.append('ack')
            except exceptions.UnroutableError as error:
                returned, = error.messages
                assert returned.body == body
                outcomes.append('returned')
            except exceptions.NackError:
                outcomes.append('nack')
        return outcomes

    def consume(self, queue, on_message, **options):
        return self.call('basic_consume', queue, lambda channel, *message: on_message(*message),
                         **options)

    def get(self, queue, auto_ack=False):
        message = self.call('basic_get', queue, auto_ack)
        return None if message[0] is None else message

    def close(self):
        self.left = True
        self.call('close')
        assert not self.ends


@pytest.fixture
def make_driver():
    return Driver
