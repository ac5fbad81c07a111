"""In what the versions of RabbitMQ differ, as data.

Rule: the code of the model asks a `Version` for what it does, never for its number. A version is
here once its answers were compared with those of the real one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pika import frame, spec


@dataclass(frozen=True)
class Version:
    """What one version of RabbitMQ does in its own way.

    Attributes:
      name: its number, such as '4.3'.
      release: the one whose answers were compared, as server_properties have it.
      greeting: what it answers to a protocol header that it does not speak.
      unknown_exchange_type: the code for a type of exchange that is none.
      strict_headers: a headers exchange takes 1 and 1.0 for different values.
      has_queue_mode: it looks at the argument x-queue-mode.
      defaults_to_classic: it takes a missing x-queue-type for classic, also beside another one.
      has_global_qos: prefetch with `global` counts the whole channel; else each consumer.
      numbers_replies: a reply of direct reply-to uses up the delivery tag that it has.
      guards_passive: a passive declaration needs the permission to configure.
      names_access: a refusal says which permission is missing.
      replies_are_unroutable: a mandatory reply to a direct reply-to comes back, though delivered.
      dispatches_on_cancel: the next single active consumer gets messages at once.
      keeps_copies: a dead letter keeps the header CC also where its routing key is replaced.
      reverses_deaths: where x-death has several entries, a new one turns their order round.
      trusts_deaths: the x-death of a client that publishes is taken for a history, even nonsense.
      tells_last_death: dead letters have headers x-last-death-*, too.
      tells_acquired: quorum queues count acquisitions apart from failed deliveries: a nack is none.
      counts_in_get: Basic.GetOk of a quorum queue has x-delivery-count before it is redelivered.
      returns_to_tail: a quorum queue without delivery limit puts what it gets back at its end.
      has_quorum_priorities: quorum queues look at priorities of messages, and a single active
        consumer gives way to one of higher priority.
      delivery_limit: of a quorum queue that names none; None for any number.
      max_message_size: bytes.
      refuses_long_bodies: it looks whether a body is longer than announced, or than 512 MiB.
      cancel_ok_refusal: the code and text that Basic.CancelOk of a client gets.
      min_frame_max: the smallest frame size that a client may ask for, in bytes.
    """

    name: str
    release: str
    greeting: bytes
    unknown_exchange_type: int
    strict_headers: bool
    has_queue_mode: bool
    defaults_to_classic: bool
    has_global_qos: bool
    numbers_replies: bool
    guards_passive: bool
    names_access: bool
    replies_are_unroutable: bool
    dispatches_on_cancel: bool
    keeps_copies: bool
    reverses_deaths: bool
    trusts_deaths: bool
    tells_last_death: bool
    tells_acquired: bool
    counts_in_get: bool
    returns_to_tail: bool
    has_quorum_priorities: bool
    delivery_limit: int | None
    max_message_size: int
    refuses_long_bodies: bool
    cancel_ok_refusal: tuple[int, str]
    min_frame_max: int


VERSIONS = {
    version.name: version for version in (
        Version(name='3.10',
                release='3.10.8',
                greeting=frame.PROTOCOL_HEADER,
                unknown_exchange_type=spec.COMMAND_INVALID,
                strict_headers=False,
                has_queue_mode=True,
                defaults_to_classic=False,
                has_global_qos=True,
                numbers_replies=False,
                guards_passive=False,
                names_access=False,
                replies_are_unroutable=True,
                dispatches_on_cancel=False,
                keeps_copies=False,
                reverses_deaths=True,
                trusts_deaths=True,
                tells_last_death=False,
                tells_acquired=False,
                counts_in_get=True,
                returns_to_tail=True,
                has_quorum_priorities=False,
                delivery_limit=None,
                max_message_size=128 * 1024 * 1024,
                refuses_long_bodies=False,
                cancel_ok_refusal=(spec.COMMAND_INVALID, 'unimplemented method'),
                min_frame_max=4096),
        Version(name='4.3',
                release='4.3.6',
                greeting=b'AMQP\x03\x01\x00\x00',
                unknown_exchange_type=spec.PRECONDITION_FAILED,
                strict_headers=True,
                has_queue_mode=False,
                defaults_to_classic=True,
                has_global_qos=False,
                numbers_replies=True,
                guards_passive=True,
                names_access=True,
                replies_are_unroutable=False,
                dispatches_on_cancel=True,
                keeps_copies=True,
                reverses_deaths=False,
                trusts_deaths=False,
                tells_last_death=True,
                tells_acquired=True,
                counts_in_get=False,
                returns_to_tail=False,
                has_quorum_priorities=True,
                delivery_limit=20,
                max_message_size=16 * 1024 * 1024,
                refuses_long_bodies=True,
                cancel_ok_refusal=(spec.INTERNAL_ERROR, ''),
                min_frame_max=8192),
    )
}


def find(name: str) -> Version:
    """The version of that name.

    Raises:
      ValueError: there is none.
    """
    if name not in VERSIONS:
        raise ValueError(f'version: {name!r} is not modelled, only {", ".join(VERSIONS)}')
    return VERSIONS[name]
