"""What few events carry beside their message. Most have none, and pay for none."""

from __future__ import annotations

from uuid import UUID

import msgspec

from actors.job import Finalizer
from runtime.store.records import Event


class Headers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ends` names the job whose end an event tells; `reenqueued` counts re-enqueues by finalizers in a row.

    `idempotency_key` is the sender's own, for what the event is to bring about.
    """

    finalizer: Finalizer | None = None
    ends: UUID | None = None
    reenqueued: int = 0
    idempotency_key: str | None = None

    def encode(self) -> bytes | None:
        """As an event carries them: None for none at all."""
        return None if self == NONE else _ENCODER.encode(self)


NONE = Headers()
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Headers)


def headers_of(event: Event) -> Headers:
    return NONE if event.headers is None else _DECODER.decode(event.headers)
