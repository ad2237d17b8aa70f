"""Named SQL: each statement stands in a `.sql` file below a line `-- name: such_and_such` and one comment."""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable

from runtime.errors import InvalidInputError

DEFAULT_SCHEMA = "postroom"

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


def quoted_schema(name: str) -> str:
    """The name of a schema as SQL writes it.

    Raises:
        InvalidInputError: it is not 1 to 63 lower-case letters, digits and underscores, or it is the server's own.
    """
    if not _IDENTIFIER.fullmatch(name) or name.startswith("pg_"):
        raise InvalidInputError("schema", f"must be 1 to 63 of a-z, 0-9 and _, not begin with pg_, not {name!r}")
    return f'"{name}"'


def with_schema(sql: str, schema: str) -> str:
    """Put the schema in. It is the only thing ever put into a statement: data travels as parameters."""
    return sql.replace("{schema}", quoted_schema(schema))


def load_statements(folder: Traversable, schema: str) -> dict[str, str]:
    """Every statement of a folder by its name."""
    statements: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".sql"):
            continue
        _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            assert name not in statements, f"two statements are called {name}"
            statements[name] = with_schema(_COMMENT.sub("", body).strip().removesuffix(";"), schema)
    return statements
