"""`TwistedConnection` on a broker in its own thread, without a socket."""

from __future__ import annotations

import subprocess
import sys
import textwrap

# In a process of its own, as a reactor runs once.
PROGRAM = textwrap.dedent("""
    import sys

    from pika import exceptions
    from pika_testing import MemoryBroker, in_process
    from pika_twisted import TwistedConnection
    from twisted.internet import defer, reactor, task

    broker = MemoryBroker()

    async def main():
        connection = await in_process(TwistedConnection, broker)().ready
        channel = await connection.channel()
        await channel.confirm_delivery()
        await channel.queue_declare('q')
        await channel.queue_declare('short', arguments={'x-message-ttl': 20})
        await channel.basic_publish('', 'q', b'hello', mandatory=True)
        try:
            await channel.basic_publish('', 'no queue', b'', mandatory=True)
        except exceptions.UnroutableError:
            print('returned')
        messages, tag = await channel.basic_consume('q')
        message = await messages.get()
        print(message.body.decode())
        channel.basic_ack(message.method.delivery_tag)
        await channel.basic_publish('', 'short', b'')
        await task.deferLater(reactor, 0.04, lambda: None)
        declared = await channel.queue_declare('short', passive=True)
        print('left', declared.method.message_count)
        print(await connection.close())

    done = defer.ensureDeferred(main())
    done.addErrback(lambda failure: failure.printTraceback(sys.stderr))
    done.addBoth(lambda _: reactor.stop())
    reactor.run()
""")


def test_round():
    done = subprocess.run([sys.executable, '-c', PROGRAM],
                          capture_output=True,
                          text=True,
                          timeout=60)
    assert done.stderr == ''
    *lines, end = done.stdout.splitlines()
    assert lines == ['returned', 'hello', 'left 0']
    assert end.startswith("(200, 'Normal shutdown')")
