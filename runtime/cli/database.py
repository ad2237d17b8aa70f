"""Database URLs as option values."""

from __future__ import annotations

import click

SCHEMES = ("postgresql://", "postgres://")


class DatabaseUrl(click.ParamType[str]):
    """A PostgreSQL URL. It may hold a password, so a wrong one is not repeated."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        url = str(value)
        if not url.startswith(SCHEMES):
            self.fail("is not a PostgreSQL URL such as postgresql://user@host:5432/name", param, ctx)
        return url
