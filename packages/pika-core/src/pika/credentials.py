"""How a client proves who it is: the answer of each SASL mechanism to Connection.Start.

The handshake asks `response_for` once, and calls `erase_credentials` when the answer is written.
An object of one's own that has `TYPE` and these two methods (and `secure(challenge)`, if its
mechanism takes more than one step) works as well: append its class to `VALID_TYPES`.
"""

from __future__ import annotations

from pika.exceptions import ParameterTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from pika.spec import Connection

    class Credentials(Protocol):
        """What the handshake asks of credentials; exists for type checkers only."""

        @property
        def TYPE(self) -> str:
            """Name of the mechanism, as brokers offer it."""
            ...

        def response_for(self, start: Connection.Start) -> tuple[str | None, bytes | None]:
            """Mechanism and response for Connection.StartOk, or (None, None)."""
            ...

        def erase_credentials(self) -> None:
            """Forget the secret: the response is written."""


def _offered(mechanism: str, start: Connection.Start) -> bool:
    """Whether a space-separated list of mechanisms has this word (clause 1.4.2.1.4)."""
    mechanisms: object = start.mechanisms  # bytes when decoded, str when constructed
    if isinstance(mechanisms, bytes):
        mechanisms = mechanisms.decode('ascii', 'replace')
    return mechanism in str(mechanisms).split()


class PlainCredentials:
    """User and password, for the mechanism PLAIN (RFC 4616).

    With `erase_on_connect` the connection forgets both once they are sent; the object passed to
    the parameters keeps them, since parameters copy it.

    What a broker answers to a wrong password comes as `ProbableAuthenticationError`.
    """

    TYPE = 'PLAIN'

    def __init__(self, username: str, password: str, erase_on_connect: bool = False) -> None:
        self.username: str | None = username
        self.password: str | None = password
        self.erase_on_connect = erase_on_connect

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PlainCredentials):
            return NotImplemented
        return (self.TYPE, self.username, self.password,
                self.erase_on_connect) == (other.TYPE, other.username, other.password,
                                           other.erase_on_connect)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} username={self.username!r}>'

    def _login(self) -> tuple[bytes, bytes]:
        """User and password as bytes; `bytes` pass unchanged."""
        encoded: list[bytes] = []
        for name, value in (('username', self.username), ('password', self.password)):
            plain: object = value
            if isinstance(plain, str):
                plain = plain.encode()
            if not isinstance(plain, bytes):
                raise ParameterTypeError(f'credentials.{name}',
                                         plain,
                                         'a str (None: erased when it was sent before)',
                                         secret=True)
            encoded.append(plain)
        return encoded[0], encoded[1]

    def response_for(self, start: Connection.Start) -> tuple[str | None, bytes | None]:
        r"""Mechanism and response for Connection.StartOk.

        Returns:
          ('PLAIN', b'\0user\0password'), or (None, None) if the broker does not offer PLAIN.

        Raises:
          ParameterTypeError: user or password is no str, or erased.
        """
        if not _offered(self.TYPE, start):
            return None, None
        return self.TYPE, b'\0%b\0%b' % self._login()

    def erase_credentials(self) -> None:
        """Set user and password to None if they are to be erased on connect."""
        if self.erase_on_connect:
            self.username = self.password = None


class AMQPlainCredentials(PlainCredentials):
    """User and password, for RabbitMQ's mechanism AMQPLAIN: PLAIN in the shape of a field table.

    It differs from PLAIN in nothing but the form; use it with brokers that offer no PLAIN.
    """

    TYPE = 'AMQPLAIN'

    def response_for(self, start: Connection.Start) -> tuple[str | None, bytes | None]:
        """Mechanism and response for Connection.StartOk.

        Returns:
          'AMQPLAIN' and a field table of LOGIN and PASSWORD without its four bytes of length, or
          (None, None) if the broker does not offer AMQPLAIN.

        Raises:
          ParameterTypeError: user or password is no str, or erased.
        """
        if not _offered(self.TYPE, start):
            return None, None
        from pika.data import encode_table  # for the one mechanism that needs it
        username, password = (part.decode('utf-8', 'surrogateescape') for part in self._login())
        pieces: list[bytes] = []
        encode_table(pieces, {'LOGIN': username, 'PASSWORD': password})
        return self.TYPE, b''.join(pieces)[4:]


class ExternalCredentials:
    """The identity proven outside AMQP, mostly by a TLS client certificate: mechanism EXTERNAL.

    The broker must offer EXTERNAL (RabbitMQ: plugin rabbitmq_auth_mechanism_ssl).
    """

    TYPE = 'EXTERNAL'

    def __init__(self) -> None:
        self.erase_on_connect = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExternalCredentials):
            return NotImplemented
        return self.erase_on_connect == other.erase_on_connect

    def __repr__(self) -> str:
        return f'<{type(self).__name__}>'

    def response_for(self, start: Connection.Start) -> tuple[str | None, bytes | None]:
        """('EXTERNAL', b''), or (None, None) if the broker does not offer EXTERNAL."""
        if not _offered(self.TYPE, start):
            return None, None
        return self.TYPE, b''

    def erase_credentials(self) -> None:
        """Nothing to erase: there is no secret."""


# Classes that `Parameters.credentials` accepts; append your own.
VALID_TYPES: list[type[Credentials]] = [PlainCredentials, ExternalCredentials]
