"""Database URLs as option values."""

from __future__ import annotations

import click

from runtime.errors import InvalidInputError

SCHEMES = ("postgresql://", "postgres://")


def require_database_url(url: str) -> str:
    """Raise InvalidInputError unless it looks like the URL of a PostgreSQL database."""
    if not url.startswith(SCHEMES):
        raise InvalidInputError("database", "is not a PostgreSQL URL such as postgresql://user@host:5432/name")
    return url


class DatabaseUrl(click.ParamType[str]):
    """A PostgreSQL URL. It may hold a password, so a wrong one is not repeated."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return require_database_url(str(value))
        except InvalidInputError as error:
            self.fail(error.problem, param, ctx)
