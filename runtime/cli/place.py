"""The options that say where dead letters are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from runtime.cli.database import DatabaseUrl
from runtime.cli.desk import Desk, open_desk
from runtime.cli.target import target_options
from runtime.settings import Settings

DEFAULT_SCHEMA = Settings().schema

Place = Callable[[], AbstractContextManager[Desk]]
"""Opens the desk that the options name."""


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, and pass what they mean as `place`."""

    @target_options
    @click.option(
        "--data",
        "data_dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="The data directory of an app that does not run.",
    )
    @click.option("--database", type=DatabaseUrl(), metavar="URL", help="The database of an app that does not run.")
    @click.option("--schema", default=DEFAULT_SCHEMA, metavar="NAME", help="The schema it lives in there.")
    @functools.wraps(command)
    def with_place(
        *, app: str | None, url: str | None, data_dir: Path | None, database: str | None, schema: str, **rest: Any
    ) -> Any:
        place = functools.partial(open_desk, app=app, url=url, data_dir=data_dir, database=database, schema=schema)
        return command(place=place, **rest)

    return with_place
