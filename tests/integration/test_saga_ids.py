"""Starts of sagas under ids of the caller's own: what repeats one, and what is another."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.policy import Policy, Scope
from runtime.errors import ConflictError
from sagas import Flow
from sagas.library import checksum_of
from tests.apps import run
from tests.postgres import Server
from tests.two_steps import counts, two_steps


@pytest.mark.parametrize(
    ("another", "told"),
    [
        ({"input": 6}, "id: a saga of this id was started with another input"),
        ({"saga": "empty"}, "id: a saga of this id was started as two"),
        ({"version": 2}, "id: a saga of this id was started with version 1"),
    ],
)
async def test_another_start_of_an_id_that_is_taken_is_refused(
    database: Server, another: dict[str, Any], told: str
) -> None:
    app, sagas = two_steps()
    sagas.register(Flow("empty").definition())
    first: dict[str, Any] = {"saga": "two", "input": 5, "tenant": "acme", "id": "mine"}
    async with run(app, database):
        done = await sagas.wait(await sagas.start(**first))
        changed = Flow("two").definition()
        await sagas.catalog.publish(changed, checksum_of(changed), by="ann")
        assert await sagas.start(**first) == "mine"
        assert await sagas.start(**first, version=1) == "mine"
        with pytest.raises(ConflictError) as caught:
            await sagas.start(**{**first, **another})
        assert (str(caught.value), caught.value.field) == (told, "id")
        assert await sagas.show("mine") == done
        await sagas.start("two", 6, tenant="else", id="mine")
        assert (await sagas.wait("mine", tenant="else")).status == "completed"


async def test_of_two_different_starts_at_once_the_first_decides_and_the_other_is_in_its_history(
    database: Server,
) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        await running.policies.change(Scope("sagas", "acme"), Policy(state="paused"), by="ops")
        for given in (5, 6, 5):
            await sagas.start("two", given, tenant="acme", id="mine", by="ann")
        await running.policies.change(Scope("sagas", "acme"), Policy(state="active"), by="ops")
        done = await sagas.wait("mine")
        await running.wait_idle("sagas")
        assert (await counts(running))["sagas"] == 3
        refused = [each.detail for each in (await sagas.show("mine")).history if each.what == "refused"]
    assert done.result == 7
    assert refused == ["another start by ann: a saga of this id was started with another input"]


async def test_a_start_is_repeated_also_after_its_input_was_repaired(database: Server) -> None:
    app, sagas = two_steps()
    async with run(app, database) as running:
        await running.policies.change(Scope("work"), Policy(state="paused"), by="ops")
        await sagas.start("two", 5, tenant="acme", id="mine")
        await sagas.suspend("mine", by="ann")
        await running.wait_idle("sagas")
        for repaired in (6, 7):
            await sagas.repair("mine", {"input": repaired}, by="ann")
            await running.wait_idle("sagas")
        assert await sagas.start("two", 5, tenant="acme", id="mine") == "mine"
        with pytest.raises(ConflictError):
            await sagas.start("two", 7, tenant="acme", id="mine")
