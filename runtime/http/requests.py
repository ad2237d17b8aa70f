"""What requests may carry, decoded strictly: an unknown or wrong field is named and nothing is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from multidict import MultiMapping

from actors.job import Finalizer, Signature
from runtime.http.errors import BadRequestError
from runtime.operations import MAX_PAGE
from runtime.store.records import DeadLetterFilter

T = TypeVar("T")

BY_HTTP = "http"
MAX_NAME = 200
MAX_REASON = 2000

FIELD_ERROR = re.compile(
    r"Object (?P<kind>contains unknown|missing required) field `(?P<field>.*?)`(?: - at `\$\.(?P<path>.*)`)?", re.DOTALL
)

Name = Annotated[str, msgspec.Meta(min_length=1)]
Person = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME, description="whom the audit names")]


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For routes that take no query."""


class DeadLetterQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters to list."""

    service: Name | msgspec.UnsetType = msgspec.UNSET
    tenant: Name | msgspec.UnsetType = msgspec.UNSET
    state: Literal["open", "replayed", "discarded", "all"] = "open"
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 50
    before: UUID | msgspec.UnsetType = msgspec.UNSET

    def filter(self) -> DeadLetterFilter:
        return DeadLetterFilter(
            service=self.service or None,
            tenant=self.tenant or None,
            state=None if self.state == "all" else self.state,
            limit=self.limit,
            before=self.before or None,
        )


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event to enqueue. With an `id` (a UUIDv7 of the caller's) sending it twice is harmless."""

    tenant: str
    payload: msgspec.Raw
    key: str | None = None
    type: str | None = None
    id: UUID | None = None
    delay_seconds: float = 0.0
    finalizer: Finalizer | None = None
    signature: str | Signature | None = None
    by: Person = BY_HTTP


class ReplayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`payload`, where given, replaces the event's own."""

    by: Person = BY_HTTP
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class DiscardBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: Person = BY_HTTP
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] | None = None


def decode_body(text: bytes, kind: type[T]) -> T:
    """Decode a request's body; an empty one counts as an empty object.

    Raises:
        BadRequestError: it is not JSON in UTF-8, or not what `kind` says; the error names the field.
    """
    try:
        text.decode()  # what is kept as raw JSON is not checked otherwise
        return msgspec.json.decode(text or b"{}", type=kind)
    except UnicodeDecodeError as error:
        raise BadRequestError("body", f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise BadRequestError("body", "is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _named(error, "body") from None
    except msgspec.DecodeError as error:
        raise BadRequestError("body", str(error)) from None


def decode_query(query: MultiMapping[str], kind: type[T]) -> T:
    """Decode a query string, in which every parameter may stand once.

    Raises:
        BadRequestError: names the parameter that is unknown, repeated or wrong.
    """
    values: dict[str, str] = {}
    for name, value in query.items():
        if name in values:
            raise BadRequestError(name, "is given twice")
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _named(error, "query") from None


def decode_id(parameters: Mapping[str, str]) -> UUID:
    """The event id in a path. Raises BadRequestError."""
    try:
        return UUID(parameters["id"])
    except ValueError:
        raise BadRequestError("id", "is not a UUID") from None


def _named(error: msgspec.ValidationError, whole: str) -> BadRequestError:
    """Find the place, which msgspec tells inside its text."""
    text = str(error)
    if match := FIELD_ERROR.fullmatch(text):
        place = f"{match['path']}.{match['field']}" if match["path"] else match["field"]
        return BadRequestError(place, "is unknown" if match["kind"] == "contains unknown" else "is required")
    problem, _, path = text.partition(" - at `$.")
    return BadRequestError(path.rstrip("`") or whole, problem)
