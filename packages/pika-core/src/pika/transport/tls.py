"""TLS as a filter: plaintext on one side, ciphertext on the other, no socket.

Rule: no I/O, and no door raises but the constructor. After each `receive` the owner sends what
`data_to_send` holds, since reading may require writing (handshake, renegotiation, key update,
alert), uses the plaintext, and only then looks at `error` and `close_notify`.
"""

from __future__ import annotations

import ssl
from collections import deque

from pika.exceptions import (
    AMQPConnectionError,
    AMQPConnectorTransportSetupError,
    StreamLostError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Union

    from pika.parameters import Parameters

    Chunk = Union[bytes, memoryview]

# RFC 8446 5.1: a record holds at most 2**14 bytes of plaintext.
_RECORD = 16384
# Measured: a memory BIO that grows further copies what it holds, again and again.
_OUTGOING = 65536
# OpenSSL's words for bytes that are no TLS record at all.
_NOT_TLS = frozenset(
    ['WRONG_VERSION_NUMBER', 'UNKNOWN_PROTOCOL', 'HTTP_REQUEST', 'PACKET_LENGTH_TOO_LONG'])


class TLSError(AMQPConnectorTransportSetupError):
    """The TLS handshake failed; the text keeps OpenSSL's reason, `exception` is the `ssl.SSLError`.

    It is `recoverable` only where the connection broke: certificates and settings stay as they are.
    """


def tls_error(parameters: Parameters, text: str, cause: Exception | None = None) -> TLSError:
    """Make the error that says: no TLS connection to this host."""
    error = TLSError(cause, text, host=parameters.host, port=parameters.port, phase='TLS')
    error.recoverable = not isinstance(cause, (ssl.SSLError, ValueError))
    return error


class TLSFilter:
    """The client's side of one TLS connection.

    Attributes:
        connected: the handshake is done.
        close_notify: the peer said that it sends no more; an end without this is bare.
        error: what ended it: a TLSError in the handshake, a StreamLostError later; None so far.

    Raises:
        TLSError: the context cannot be used for a client, or the server name is none.
    """

    def __init__(self, parameters: Parameters) -> None:
        options = parameters.ssl_options
        assert options is not None, 'TLSFilter needs parameters with ssl_options'
        self.connected = False
        self.close_notify = False
        self.error: AMQPConnectionError | None = None
        self._parameters = parameters
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._plaintext: deque[Chunk] = deque()
        self._ciphertext: list[bytes] = []
        try:
            self._ssl = options.context.wrap_bio(self._incoming,
                                                 self._outgoing,
                                                 server_hostname=options.server_hostname or
                                                 parameters.host)
        except (ssl.SSLError, ValueError) as error:  # ValueError: the server name is none.
            raise tls_error(parameters, f'cannot start TLS: {error}', error) from error

    @property
    def pending(self) -> int:
        """Bytes of plaintext that wait for the handshake."""
        return sum(map(len, self._plaintext))

    def start(self) -> None:
        """Begin the handshake: `data_to_send` holds the ClientHello."""
        self._handshake()

    def receive(self, ciphertext: bytes) -> bytes:
        """Take what the peer sent; return what it meant, which may be nothing yet."""
        if self.error or self.close_notify:
            return b''
        self._incoming.write(ciphertext)
        if not self.connected:
            self._handshake()
        plaintext: list[bytes] = []
        if self.connected:
            try:
                while not self.close_notify:
                    record = self._ssl.read(_RECORD)
                    plaintext.append(record)
                    self.close_notify = not record
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self.close_notify = True
            except ssl.SSLError as error:
                self._lost(error)
            self._encrypt()
        return b''.join(plaintext)

    def receive_eof(self) -> None:
        """Note the end of the TCP stream: an error in the handshake; later `close_notify` tells."""
        if not self.connected and not self.error:
            self.error = tls_error(
                self._parameters,
                'the peer ended the connection during the TLS handshake (does it speak TLS here?)')

    def send(self, chunks: Iterable[Chunk]) -> None:
        """Encrypt these chunks, or keep them until the handshake is done."""
        self._plaintext.extend(filter(len, chunks))
        if self.connected:
            self._encrypt()

    def data_to_send(self) -> list[bytes]:
        """Hand over, once, the ciphertext for the peer."""
        self._take_ciphertext()
        result, self._ciphertext = self._ciphertext, []
        return result

    def close(self) -> None:
        """Say close_notify; the peer's own is not waited for."""
        if self.connected and not self.error:
            try:
                self._ssl.unwrap()
            except ssl.SSLError:
                pass  # Mostly SSLWantReadError: the peer has not answered yet.

    def _handshake(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            hint = ' (the peer does not speak TLS on this port)' if error.reason in _NOT_TLS else ''
            self.error = tls_error(self._parameters, f'TLS handshake failed: {error}{hint}', error)
            return
        self.connected = True
        self._encrypt()

    def _encrypt(self) -> None:
        waiting = self._plaintext
        while waiting and not self.error:
            chunk = waiting.popleft()
            # One record for many small chunks; a large one is encrypted where it lies.
            if waiting and len(chunk) + len(waiting[0]) <= _RECORD:
                joined = bytearray(chunk)
                while waiting and len(joined) + len(waiting[0]) <= _RECORD:
                    joined += waiting.popleft()
                chunk = memoryview(joined)
            try:
                written = self._ssl.write(chunk)
            except ssl.SSLWantReadError:  # A renegotiation of TLS 1.2 waits for the peer.
                waiting.appendleft(chunk)
                return
            except ssl.SSLError as error:
                self._lost(error)
                return
            if written < len(chunk):
                waiting.appendleft(memoryview(chunk)[written:])
            if self._outgoing.pending >= _OUTGOING:
                self._take_ciphertext()

    def _take_ciphertext(self) -> None:
        if self._outgoing.pending:
            self._ciphertext.append(self._outgoing.read())

    def _lost(self, error: ssl.SSLError) -> None:
        # An alert of TLS 1.3 (such as "certificate required") arrives after our handshake.
        self.error = StreamLostError(f'TLS: {error}',
                                     host=self._parameters.host,
                                     port=self._parameters.port,
                                     phase='TLS')
        self.error.__cause__ = error
