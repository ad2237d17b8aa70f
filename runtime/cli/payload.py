"""Payloads given on the command line: whole, or field by field on top of what is there."""

from __future__ import annotations

import sys
from typing import IO

import click
import msgspec

from runtime.errors import InvalidInputError


def raw_json(text: bytes, field: str = "payload") -> msgspec.Raw:
    """Check that bytes are JSON in UTF-8, and keep them as they are. Raises InvalidInputError, naming the field."""
    try:
        text.decode()
        msgspec.json.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputError(field, f"is not JSON: {error}") from None
    return msgspec.Raw(text)


def argument_or_stdin(argument: str) -> msgspec.Raw:
    """The JSON given, or standard input for `-`. Raises InvalidInputError."""
    text = sys.stdin.buffer.read() if argument == "-" else argument.encode(errors="surrogateescape")
    return raw_json(text)


def with_fields(payload: bytes, assignments: dict[str, msgspec.Raw]) -> bytes:
    """Set fields of a JSON object, leaving the text of the others as it is.

    Raises:
        InvalidInputError: the payload is not an object.
    """
    try:
        fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise InvalidInputError("payload", "is not a JSON object, so --set cannot change its fields") from None
    return msgspec.json.encode(fields | assignments)


class AssignmentType(click.ParamType[tuple[str, msgspec.Raw]]):
    """`field=value`, where the value is JSON, or a string if it is none."""

    name = "field=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, msgspec.Raw]:
        field, equals, text = str(value).partition("=")
        if not (field and equals):
            self.fail(f"{value!r} is not FIELD=VALUE", param, ctx)
        try:
            return field, raw_json(text.encode())
        except InvalidInputError:
            return field, msgspec.Raw(msgspec.json.encode(text))


def read_file(file: IO[bytes] | None) -> bytes | None:
    return bytes(raw_json(file.read())) if file else None
