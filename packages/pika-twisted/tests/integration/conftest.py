"""The drivers of the contract; a test module makes one of them and a reactor its `make_driver`.

`TwistedConnection` connects by itself, with TLS by the core's filter; for
`TwistedProtocolConnection` endpoints connect, with TLS by Twisted. No reactor is installed: each
session has its own, which runs one turn at a time.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import time

import OpenSSL.crypto
import OpenSSL.SSL
import pytest
import service_identity
from pika import exceptions
from pika_testing.contract.interface import SECONDS
from pika_twisted import TwistedConnection, TwistedProtocolConnection
from twisted.internet import asyncioreactor, defer
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.logger import Logger, globalLogPublisher

log = Logger()


class Driver:
    callbacks = frozenset(
        ['message', 'return', 'timer', 'threadsafe', 'blocked', 'unblocked', 'reply', 'get'])
    pipelines = True
    connects = True
    certificate_errors = ssl.SSLCertVerificationError

    def __init__(self, reactor):
        self.reactor = reactor
        # Seconds to wait in a turn; the reactor of asyncio adds ten milliseconds.
        self.pause = -0.009 if hasattr(reactor, '_asyncioEventloop') else 0.01
        self.errors = []
        self.clients = []
        globalLogPublisher.addObserver(self.observe)

    def observe(self, event):
        failure = event.get('log_failure') or event.get('failure')  # as older Twisted has it
        if failure is not None:
            self.errors.append(failure.value)

    def run(self, until, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() >= deadline:
                raise TimeoutError(f'what was waited for has not happened in {seconds} s')
            self.reactor.iterate(self.pause)

    def wait(self, deferred):
        results = []
        deferred.addCallbacks(lambda result: results.append((result, None)),
                              lambda failure: results.append((None, failure.value)))
        self.run(lambda: results)
        (result, error), = results
        if error is not None:
            raise error
        return result

    def connect(self, *parameters):
        client = Client(self)
        self.clients.append(client)
        client.native = self.open(client, parameters)
        client.watch()
        self.run(lambda: client.opened or client.ends)
        if client.ends:
            raise client.ends[0]
        return client

    def open(self, client, parameters):
        return TwistedConnection(parameters, custom_reactor=self.reactor)

    def take_errors(self):
        gc.collect()
        errors, self.errors = self.errors, []
        return errors

    def close(self):
        for client in self.clients:
            if not client.ends:
                client.close()
        # A peer that was deaf is given up in ten seconds; nothing else is left behind.
        self.run(lambda: not self.reactor.getDelayedCalls(), 11)
        globalLogPublisher.removeObserver(self.observe)
        for client in self.clients:
            assert len(client.ends) == 1, client.ends
            assert client.opened <= 1
        gc.collect()


class EndpointDriver(Driver):
    connects = False
    certificate_errors = (OpenSSL.SSL.Error, service_identity.VerificationError)

    def open(self, client, parameters):
        parameters, = parameters
        endpoint = HostnameEndpoint(self.reactor, parameters.host, parameters.port)
        if parameters.ssl_options is not None:
            context = parameters.ssl_options.context
            authorities = [
                Certificate.load(der, OpenSSL.crypto.FILETYPE_ASN1)
                for der in context.get_ca_certs(binary_form=True)
            ]
            options = optionsForClientTLS(parameters.host,
                                          trustRootFromCertificates(authorities),
                                          clientCertificate=getattr(context, 'of_twisted', None))
            endpoint = wrapClientTLS(options, endpoint)
        native = TwistedProtocolConnection(parameters, self.reactor)
        self.wait(connectProtocol(endpoint, native))
        return native


class Client:

    def __init__(self, driver):
        self.driver = driver
        self.opened = 0
        self.ends = []
        self.blocked = []
        self.run = driver.run
        self.call_later = driver.reactor.callLater
        self.add_callback_threadsafe = driver.reactor.callFromThread

    def watch(self):
        self.native.ready.addCallbacks(self.on_open,
                                       lambda failure: self.ends.append(failure.value))
        self.native.closed.addCallback(self.on_end)
        self.native.add_on_connection_blocked_callback(lambda *args: self.blocked.append('blocked'))
        self.native.add_on_connection_unblocked_callback(
            lambda *args: self.blocked.append('unblocked'))

    def on_open(self, native):
        assert native is self.native and native.is_open
        self.opened += 1

    def on_end(self, reason):
        assert self.native.is_closed
        self.ends.append(reason)

    def channel(self):
        return Channel(self, self.driver.wait(self.native.channel()))

    def close(self):
        self.native.close(200, 'as the contract says')
        self.run(lambda: self.ends)
        end, = self.ends
        assert isinstance(end, exceptions.ConnectionClosedByClient), end
        assert (end.reply_code, end.reply_text) == (200, 'as the contract says')


class Channel:

    def __init__(self, client, native):
        self.client = client
        self.native = native
        self.ends = []
        self.returned = []
        self.cancelled = []
        native.on_closed.addCallback(self.on_end)
        native.add_on_return_callback(lambda message: self.returned.append(message[1:]))

    def on_end(self, reason):
        assert self.native.is_closed
        self.ends.append(reason)

    def do(self, operation, *arguments, **options):
        result = getattr(self.native, operation)(*arguments, **options)
        if isinstance(result, defer.Deferred):
            errors = []
            result.addErrback(lambda failure: errors.append(failure.value))
            if errors:
                raise errors[0]

    def begin(self, callback, operation, *arguments, **options):
        deferred = getattr(self.native, operation)(*arguments, **options)
        deferred.addCallbacks(callback, lambda failure: None)

    def call(self, operation, *arguments, **options):
        return self.client.driver.wait(getattr(self.native, operation)(*arguments, **options))

    def confirm(self):
        self.call('confirm_delivery')

    def publish_confirmed(self, exchange, routing_key, bodies, mandatory=False):
        outcomes = {}

        def failed(failure, number):
            error = failure.value
            if isinstance(error, exceptions.UnroutableError):
                returned, = error.messages
                assert returned.body == bodies[number]
                outcomes[number] = 'returned'
            else:
                outcomes[number] = 'nack' if isinstance(error, exceptions.NackError) else error

        for number, body in enumerate(bodies):
            deferred = self.native.basic_publish(exchange, routing_key, body, mandatory=mandatory)
            deferred.addCallbacks(lambda ack, number=number: outcomes.setdefault(number, 'ack'),
                                  failed,
                                  errbackArgs=[number])
        self.client.run(lambda: len(outcomes) == len(bodies))
        for outcome in outcomes.values():
            if isinstance(outcome, Exception):
                raise outcome
        return [outcomes[number] for number in range(len(bodies))]

    def consume(self, queue, on_message, **options):
        messages, tag = self.call('basic_consume', queue, **options)

        async def read():
            while True:
                try:
                    message = await messages.get()
                except exceptions.ConsumerCancelled as error:
                    if 'by the broker' in str(error):
                        self.cancelled.append(tag)
                    return
                except exceptions.AMQPError:
                    return
                try:
                    on_message(*message[1:])
                except Exception:
                    log.failure('raised by on_message')

        defer.ensureDeferred(read())
        return tag

    def get(self, queue, auto_ack=False):
        message = self.call('basic_get', queue, auto_ack)
        return None if message is None else message[1:]

    def close(self):
        reason = self.client.driver.wait(self.native.close())
        assert isinstance(reason, exceptions.ChannelClosedByClient)
        assert self.ends == [reason]


@pytest.fixture
def client_context(client_context, certificates):
    """The same, and the certificate for Twisted, which cannot ask the context for it."""
    pem = (certificates / 'client.pem').read_text() + (certificates / 'client.key').read_text()
    client_context.of_twisted = PrivateCertificate.loadPEM(pem)
    return client_context


@pytest.fixture
def by_itself():
    return Driver


@pytest.fixture
def by_an_endpoint():
    return EndpointDriver


def running(reactor):
    """The reactor runs, one turn at a time, until the session ends; then nothing of it is left."""
    reactor.suggestThreadPoolSize(1)  # of the resolver's threads, which are counted with all others
    if not reactor.running:
        reactor.startRunning(installSignalHandlers=False)
    yield reactor
    reactor.getThreadPool().stop()  # else the process waits for its threads
    for waker in list(reactor._internalReaders):
        reactor.removeReader(waker)
        waker.connectionLost(None)


@pytest.fixture(scope='session')
def default_reactor():
    """The reactor that Twisted takes by itself here."""
    from twisted.internet import reactor
    yield from running(reactor)


@pytest.fixture(scope='session')
def asyncio_reactor():
    """One on a loop of asyncio."""
    loop = asyncio.new_event_loop()
    yield from running(asyncioreactor.AsyncioSelectorReactor(loop))
    loop.close()
