"""Users, their passwords, and what they may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pika import spec

from pika_testing.broker.refusals import Refusal

ALL = ('.*', '.*', '.*')
CONFIGURE, WRITE, READ = range(3)
_NAMES = ('configure', 'write', 'read')


@dataclass
class User:
    """Who may log in.

    Attributes:
      name, password: for PLAIN and AMQPLAIN; with EXTERNAL the name is that of the certificate.
      permissions: by virtual host, patterns of names to configure, to write and to read.
    """

    name: str
    password: str
    permissions: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def require(self, what: int, kind: str, name: str, virtual_host: str,
                names_access: bool) -> None:
        """See that the user may do something with a queue or an exchange.

        names_access: a refusal says what is missing.

        Raises:
          Refusal: the user may not.
        """
        pattern = self.permissions.get(virtual_host, ('^$',) * 3)[what]
        if pattern == '.*':
            return
        name = name or 'amq.default'
        if not re.search(pattern, name):
            access = f'{_NAMES[what]} access' if names_access else 'access'
            raise Refusal(
                spec.ACCESS_REFUSED, f"{access} to {kind} '{name}' in vhost '{virtual_host}' "
                f"refused for user '{self.name}'")
