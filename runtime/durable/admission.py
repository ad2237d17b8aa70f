"""The way in: what is given becomes an event, or is refused with the field that is wrong. Nothing is stored here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from actors.context import Clock
from actors.errors import SpecError
from actors.job import Finalizer, JobEnded, Signature, SignatureScope
from actors.message import DYNAMIC, Message
from runtime.definition import Codec, ServiceDefinition
from runtime.durable.headers import Headers
from runtime.durable.ids import IdSource, require_id
from runtime.errors import InvalidInputError, PayloadTooLargeError, UnknownServiceError
from runtime.settings import DEFAULT_MAX_DEPTH, DEFAULT_MAX_PAYLOAD_BYTES, DEFAULT_MAX_REENQUEUES, Settings
from runtime.store.outbox import Posted
from runtime.store.records import Claim, Claiming, Delayed, Event

MAX_NAME_CHARACTERS = 200
MAX_IDEMPOTENCY_CHARACTERS = 500
WELL_FORMED = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is refused at the border."""

    max_payload_bytes: int
    max_delay_seconds: float
    max_depth: int = DEFAULT_MAX_DEPTH
    max_reenqueues: int = DEFAULT_MAX_REENQUEUES
    max_result_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES


def limits_of(settings: Settings) -> Limits:
    """The limits that an app's settings name."""
    return msgspec.convert(settings, Limits, from_attributes=True)


class Draft(Protocol):
    """One of many messages on their way in."""

    @property
    def message(self) -> Message: ...
    @property
    def tenant(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def id(self) -> UUID | None: ...
    @property
    def finalizer(self) -> Finalizer | None: ...


class Admission:
    """Turns messages into events for the services of one app."""

    def __init__(
        self,
        services: Mapping[str, ServiceDefinition],
        limits: Limits,
        *,
        ids: IdSource,
        clock: Clock,
    ) -> None:
        self._services = services
        self._codecs = {name: Codec(service) for name, service in services.items()}
        self._told = {name for name, codec in self._codecs.items() if {JobEnded.__name__, DYNAMIC} & set(codec.names)}
        """The services that may be told how a job ended."""
        self._limits = limits
        self._ids = ids
        self._clock = clock
        for service in services.values():
            if service.finalizer is not None:
                self._require_own_finalizer(service.finalizer)

    def new_id(self) -> UUID:
        """An id for an event, above all made before."""
        return self._ids.new_id()

    def codec(self, service: str) -> Codec:
        """Raises UnknownServiceError."""
        codec = self._codecs.get(service)
        if codec is None:
            known = ", ".join(sorted(self._codecs)) or "none"
            raise UnknownServiceError(f"no service is named {service!r}; this app has: {known}")
        return codec

    def __contains__(self, service: str) -> bool:
        return service in self._services

    def is_keyed(self, service: str) -> bool:
        """Whether a known service has one actor for each key."""
        return self._services[service].keyed

    def joins_endings(self, service: str) -> bool:
        """Whether a service may be told of ends in the commit of the job; none that is gone."""
        definition = self._services.get(service)
        return definition is not None and definition.joins_endings

    def deepens(self, service: str) -> bool:
        """Whether what a service's handlers emit counts as one deeper; also of one that is gone."""
        definition = self._services.get(service)
        return definition is None or definition.deepens

    def event(
        self,
        service: str,
        message: Message,
        *,
        tenant: str,
        key: str | None,
        by: str,
        event_id: UUID | None = None,
        cause: UUID | None = None,
        depth: int = 0,
        finalizer: Finalizer | None = None,
        idempotency_key: str | None = None,
    ) -> Event:
        """An event for a typed or dynamic message. Raises UnknownServiceError, InvalidInputError."""
        require_name("by", by)
        require_name("tenant", tenant)
        identity = self._ids.new_id() if event_id is None else require_id(event_id)
        return self.made(identity, service, message, tenant, key, by, cause, depth, finalizer, idempotency_key)

    def made(
        self,
        identity: UUID,
        service: str,
        message: Message,
        tenant: str,
        key: str | None,
        by: str,
        cause: UUID | None,
        depth: int,
        finalizer: Finalizer | None,
        idempotency_key: str | None,
    ) -> Event:
        """An event whose id, tenant and author are known to be well-formed. Raises as `event`."""
        name, payload = self._encode(service, self.codec(service), message)
        if not (key is not None and is_plain_name(key)):
            self._require_key(service, key)
        plain = finalizer is None and idempotency_key is None
        headers = None if plain else self._headers(finalizer, idempotency_key)
        return Event(
            identity, service, tenant, key, name, payload, self._clock.now(), by, 1, cause, None, depth, headers
        )

    def events(self, service: str, drafts: Iterable[Draft], *, by: str) -> list[Event]:
        """An event for each draft, all accepted at one time, or none of them. Raises as `event`."""
        codec = self.codec(service)
        require_name("by", by)
        drafts = list(drafts)
        return list(self._each_event(service, codec, drafts, by, self._ids.new_ids(len(drafts))))

    # Each call on this path costs a tenth of an event.
    def _each_event(
        self, service: str, codec: Codec, drafts: Iterable[Draft], by: str, ids: Iterator[UUID]
    ) -> Iterator[Event]:
        now, keyed, passed = self._clock.now(), self.is_keyed(service), set[str]()
        encode = self._encode
        for draft in drafts:
            name, payload = encode(service, codec, draft.message)
            tenant, key, identity = draft.tenant, draft.key, draft.id
            if type(tenant) is not str or tenant not in passed:
                require_name("tenant", tenant)
                passed.add(tenant)
            if key is not None or keyed:
                self._require_key(service, key)
            identity = next(ids) if identity is None else require_id(identity)
            if draft.finalizer is None:
                yield Event(identity, service, tenant, key, name, payload, now, by)
            else:
                headers = self._headers(draft.finalizer)
                yield Event(identity, service, tenant, key, name, payload, now, by, headers=headers)

    def json_event(
        self,
        service: str,
        payload: bytes,
        *,
        tenant: str,
        key: str | None,
        type_name: str | None,
        by: str,
        event_id: UUID | None = None,
        origin: UUID | None = None,
        finalizer: Finalizer | None = None,
    ) -> Event:
        """An event for a payload that is JSON text. Raises UnknownServiceError, InvalidInputError."""
        codec = self.codec(service)
        name = self._type_name(service, codec, type_name)
        self._require_size(payload)
        try:
            codec.decode(name, payload)
        except msgspec.DecodeError as error:
            raise _payload_error(error) from None
        except UnicodeDecodeError:
            raise InvalidInputError("payload", "is not UTF-8") from None
        require_name("by", by)
        self._require_address(service, tenant, key)
        identity = self._ids.new_id() if event_id is None else require_id(event_id)
        headers = None if finalizer is None else self._headers(finalizer)
        return Event(
            identity, service, tenant, key, name, bytes(payload), self._clock.now(), by, 1, None, origin, 0, headers
        )

    def replay_of(self, dead: Event, payload: bytes, by: str) -> Event:
        """The event that runs a dead one again. Raises as `json_event`."""
        event = self.json_event(
            dead.service, payload, tenant=dead.tenant, key=dead.key, type_name=dead.type, by=by, origin=dead.id
        )
        return msgspec.structs.replace(event, headers=dead.headers)

    def delayed(self, event: Event, delay_seconds: float) -> Event | Delayed:
        """The event itself, or with a delay what waits in its place. Raises InvalidInputError."""
        limit = self._services[event.service].max_delay_seconds or self._limits.max_delay_seconds
        if not 0 <= delay_seconds <= limit:
            raise InvalidInputError("delay_seconds", f"must be between 0 and {limit:g}, not {delay_seconds}")
        return Delayed(event, self._clock.now() + delay_seconds) if delay_seconds else event

    def takes(self, codec: Codec, type_name: str) -> bool:
        """Whether a service takes stored events of a type, be it as dynamic ones."""
        return type_name in codec.names or DYNAMIC in codec.names

    def replay_to(self, again: Event) -> Event:
        """A stored event that is to run again through a service, under the name by which that takes it.

        Raises UnknownServiceError, InvalidInputError. Whether its payload fits is found out when it runs.
        """
        codec = self.codec(again.service)
        if not self.takes(codec, again.type):
            raise InvalidInputError("type", f"{again.service} does not take {again.type!r}")
        self._require_address(again.service, again.tenant, again.key)
        return again if again.type in codec.names else msgspec.structs.replace(again, type=DYNAMIC)

    def posted(self, posted: Posted) -> Event | Delayed:
        """What was put into the outbox, by whatever program. Raises as `json_event`."""
        codec = self.codec(posted.service)
        name = self._type_name(posted.service, codec, posted.type)
        require_name("by", posted.enqueued_by)
        self._require_address(posted.service, posted.tenant, posted.key)
        event = Event(
            require_id(posted.id),
            posted.service,
            posted.tenant,
            posted.key,
            name,
            posted.payload,
            posted.accepted_at,
            posted.enqueued_by,
            headers=posted.headers,
        )
        return Delayed(event, posted.accepted_at + posted.delay_seconds) if posted.delay_seconds else event

    def claiming(self, record: Event | Delayed, signature: str | Signature) -> Claiming:
        """The same, to be stored unless its signature is held. Raises InvalidInputError."""
        event = record.event if isinstance(record, Delayed) else record
        if isinstance(signature, str):
            signature = Signature(signature)
        require_name("signature", signature.text)
        if not (math.isfinite(signature.seconds) and signature.seconds > 0):
            raise InvalidInputError("signature.seconds", f"must be a finite number above 0, not {signature.seconds}")
        now = self._clock.now()
        scope = _scope(signature.scope, event)
        return Claiming(record, Claim(scope, signature.text, event.id, now, now + signature.seconds))

    def _encode(self, service: str, codec: Codec, message: Message) -> tuple[str, bytes]:
        name = codec.name_of(message)
        if name is None:
            raise InvalidInputError("message", f"{service} does not take {type(message).__name__}")
        try:
            payload = codec.encode(message)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise InvalidInputError("message", f"cannot be encoded as JSON: {error}") from None
        if len(payload) > self._limits.max_payload_bytes:
            self._require_size(payload)
        return name, payload

    def _require_address(self, service: str, tenant: str, key: str | None) -> None:
        require_name("tenant", tenant)
        self._require_key(service, key)

    def _require_key(self, service: str, key: str | None) -> None:
        if key is None:
            if self.is_keyed(service):
                raise InvalidInputError("key", f"is required: {service} has one actor per key")
        else:
            require_name("key", key)

    def _type_name(self, service: str, codec: Codec, given: str | None) -> str:
        if given is None:
            if len(codec.names) == 1:
                return codec.names[0]
            if DYNAMIC in codec.names:
                return DYNAMIC
            raise InvalidInputError("type", f"is required: {service} takes {', '.join(codec.names)}")
        if given not in codec.names:
            known = ", ".join(name or "dynamic events" for name in codec.names)
            raise InvalidInputError("type", f"{service} does not take {given!r}; it takes {known}")
        return given

    def _headers(self, finalizer: Finalizer | None, idempotency_key: str | None = None) -> bytes | None:
        if finalizer is not None:
            self._require_finalizer(finalizer)
        if idempotency_key is not None:
            require_name("idempotency_key", idempotency_key, MAX_IDEMPOTENCY_CHARACTERS)
        try:
            encoded = Headers(finalizer=finalizer, idempotency_key=idempotency_key).encode()
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise InvalidInputError("finalizer.context", f"cannot be encoded as JSON: {error}") from None
        limit = self._limits.max_payload_bytes
        if encoded is not None and len(encoded) > limit:
            raise PayloadTooLargeError("finalizer.context", f"is over the limit of {limit:,} bytes")
        return encoded

    def _require_finalizer(self, finalizer: Finalizer) -> None:
        if finalizer.service not in self._told:
            self.codec(finalizer.service)
            raise InvalidInputError("finalizer", f"{finalizer.service} takes neither JobEnded nor dynamic events")
        if finalizer.key is not None:
            require_name("finalizer.key", finalizer.key)

    def _require_own_finalizer(self, finalizer: Finalizer) -> None:
        try:
            self._require_finalizer(finalizer)
        except (InvalidInputError, UnknownServiceError) as error:
            raise SpecError("finalizer", str(error)) from None

    def _require_size(self, payload: bytes) -> None:
        limit = self._limits.max_payload_bytes
        if len(payload) > limit:
            raise PayloadTooLargeError("payload", f"is {len(payload):,} bytes; the limit is {limit:,}")


def _scope(scope: SignatureScope, event: Event) -> str:
    """Names hold no control characters, so that no two scopes are written alike."""
    match scope:
        case "tenant":
            return f"tenant\x1f{event.service}\x1f{event.tenant}"
        case "service":
            return f"service\x1f{event.service}"
        case "global":
            return "global"
        case _:
            raise InvalidInputError("signature.scope", f"must be tenant, service or global, not {scope!r}")


def is_plain_name(value: object) -> bool:
    """Whether `require_name` certainly accepts it: a quick look that most names pass."""
    return type(value) is str and value.isprintable() and 0 < len(value) <= MAX_NAME_CHARACTERS


def require_name(field: str, value: str, max_characters: int = MAX_NAME_CHARACTERS) -> None:
    """Raise InvalidInputError unless `value` can name a tenant, a key or a person."""
    if is_plain_name(value):
        return
    if not isinstance(value, str):
        raise InvalidInputError(field, f"must be a string, not {type(value).__name__}")
    if not value:
        raise InvalidInputError(field, "must not be empty")
    if len(value) > max_characters:
        raise InvalidInputError(field, f"has {len(value)} characters; the limit is {max_characters}")
    if not WELL_FORMED.fullmatch(value):
        raise InvalidInputError(field, "must not contain control characters or lone surrogates")


def _payload_error(error: msgspec.DecodeError) -> InvalidInputError:
    text, _, path = str(error).partition(" - at `$")
    return InvalidInputError(f"payload{path.rstrip('`')}", text)
