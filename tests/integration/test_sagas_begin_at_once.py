"""Sagas whose first decision is part of the commit that starts them, and those where it cannot be."""

from __future__ import annotations

import asyncio

import pytest

from runtime.core.policy import Policy, Scope
from runtime.errors import LimitError, NotFoundError
from runtime.store.records import StoredState
from sagas import SagaFilter
from tests.apps import run
from tests.postgres import Server
from tests.two_steps import counts, two_steps


async def test_a_saga_without_an_id_of_its_own_begins_in_the_commit_that_starts_it(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        saga = await sagas.start("two", 5, tenant="acme")
        done = await sagas.wait(saga)
        assert (done.status, done.result, done.started_by) == ("completed", 7, "app")
        assert await counts(running) == {"work": 2}
        first = await running.database.fetchval(
            "SELECT cause FROM postroom.event_log ORDER BY seq DESC OFFSET 1 LIMIT 1"
        )
        assert str(first) == saga


async def test_a_saga_with_an_id_is_started_by_an_event(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        done = await sagas.wait(await sagas.start("two", 5, tenant="acme", id="mine"))
        assert (done.status, done.result) == ("completed", 7)
        assert await counts(running) == {"sagas": 1, "work": 2}


async def test_what_began_at_once_is_there_after_a_restart_and_goes_on(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        await running.policies.change(Scope("work"), Policy(state="paused"), by="ops")
        ids = [await sagas.start("two", n, tenant="acme") for n in range(3)]
    app, sagas = two_steps()
    async with run(app, database) as running:
        assert len(await sagas.list(SagaFilter(status="running"))) == 3
        await running.policies.change(Scope("work"), Policy(state="active"), by="ops")
        assert [(await sagas.wait(saga)).result for saga in ids] == [2, 3, 4]


async def test_nothing_begins_while_its_tenant_is_paused(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        await running.policies.change(Scope("sagas", "acme"), Policy(state="paused"), by="ops")
        saga = await sagas.start("two", 5, tenant="acme")
        assert await counts(running) == {"sagas": 1}
        await running.policies.change(Scope("sagas", "acme"), Policy(state="active"), by="ops")
        assert (await sagas.wait(saga)).result == 7


async def test_what_begins_at_once_keeps_to_limits_and_waits_for_nothing(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        scope = Scope("sagas", "acme")
        await running.policies.change(scope, Policy(backlog=1), by="ops")
        await sagas.wait(await sagas.start("two", 5, tenant="acme"))  # an event: the backlog has to be counted first
        await running.wait_idle("sagas")
        for _ in range(3):  # the second would be refused if the first still counted
            await sagas.start("two", 5, tenant="acme")
        assert (await counts(running))["sagas"] == 1
        await running.policies.change(scope, Policy(rate=0.001, burst=1), by="ops")
        await sagas.start("two", 5, tenant="acme")
        with pytest.raises(LimitError):
            await sagas.start("two", 5, tenant="acme")


async def test_all_who_start_a_saga_at_one_time_share_one_look_at_its_versions(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        monkeypatch.setattr("sagas.catalog.FRESH_SECONDS", -1.0)
        read, looks = running.store.states, list[str]()

        async def noted(service: str, names: list[tuple[str, str]]) -> list[StoredState]:
            looks.append(service)
            return await read(service, names)

        monkeypatch.setattr(running.store, "states", noted)
        assert await asyncio.gather(*(sagas.catalog.current("two") for _ in range(50))) == [1] * 50
        assert looks == ["saga-definitions"]
        with pytest.raises(NotFoundError):
            await sagas.catalog.current("gone")
        assert await sagas.catalog.current("two") == 1


async def test_the_actor_of_a_saga_that_has_ended_is_gone(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        saga = await sagas.start("two", 5, tenant="acme")
        assert (await sagas.wait(saga)).status == "completed"
        assert running.machinery.services["sagas"].node().children_total == 0
        assert (await sagas.show(saga)).result == 7
