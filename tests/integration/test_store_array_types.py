"""What a connection knows of PostgreSQL's types without asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest

from actors import Actor
from runtime import App
from runtime.store.postgres.array_types import ARRAYS
from tests.apps import run
from tests.postgres import Server


class Step(msgspec.Struct):
    n: int


class Stepper(Actor):
    async def step(self, step: Step) -> None: ...


async def test_the_ids_are_those_of_the_server(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    rows = await admin.fetch(
        "SELECT typname, oid::int, typelem::int FROM pg_type WHERE typname = ANY($1::text[]) AND typdelim = ','",
        list(ARRAYS),
    )
    assert {name: (oid, element) for name, oid, element in rows} == ARRAYS


@pytest.mark.parametrize("pooled", [False, True])
async def test_an_app_asks_its_server_for_no_types(
    database: Server, monkeypatch: pytest.MonkeyPatch, *, pooled: bool
) -> None:
    asked: list[object] = []
    introspect: Callable[..., Awaitable[object]] = asyncpg.Connection._introspect_types  # type: ignore[attr-defined] # asyncpg's own affair

    def recorded(self: object, types: object, *arguments: object) -> Awaitable[object]:
        asked.append(types)
        return introspect(self, types, *arguments)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", recorded)
    app = App("test")
    app.service("steps", Stepper, keyed=True)
    async with run(app, database, pooled_connections=pooled) as running:
        await app.enqueue("steps", Step(1), tenant="t", key="k")
        await running.wait_idle("steps")
    assert asked == []
