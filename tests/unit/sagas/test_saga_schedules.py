"""Sagas that schedules start: each run is a saga, and lasts until that has ended."""

from __future__ import annotations

import pytest

from actors.errors import SpecError
from runtime import App, testing
from runtime.errors import InvalidInputError, NotFoundError
from sagas import Flow, Sagas
from sagas.scheduling import SagaScheduleBody
from tests.unit.ledger import HOUR, Close, closing_app, standing


@pytest.fixture
def app() -> App:
    return closing_app()


@pytest.fixture
def sagas(app: App) -> Sagas:
    sagas = Sagas(app)
    sagas.register(
        Flow("closing").step("close", "ledger", "{day: input.day}", message="Close").definition(), input=Close
    )
    return sagas


async def test_a_schedule_starts_a_saga_at_each_moment(app: App, sagas: Sagas) -> None:
    sagas.schedule("nightly", "closing", Close(3), cron="0 3 * * *", tenant="acme")
    async with testing.app(app) as kit:
        await kit.pass_time(27 * HOUR)
        found = await standing(kit)
        assert found.runs == 2
        saga = await sagas.show(str(found.job))
        assert (saga.status, saga.tenant) == ("completed", "acme")
        assert [handled.message for handled in kit.handled("ledger")] == [Close(3), Close(3)]


async def test_a_moment_is_skipped_while_the_saga_before_has_not_ended(app: App, sagas: Sagas) -> None:
    async with testing.app(app) as kit:
        body = SagaScheduleBody(cron="* * * * *", saga="closing", input={"day": 3})
        await sagas.put_schedule("acme", "weekly", body)
        kit.fail("ledger", Close, times=1)  # tried again after 150 s
        await kit.pass_time(180)
        found = await standing(kit, "weekly")
        assert (found.runs, found.skipped) == (1, 2)
        await kit.pass_time(60)
        assert (await standing(kit, "weekly")).runs == 2


async def test_a_schedule_of_a_saga_that_cannot_start_is_refused(app: App, sagas: Sagas) -> None:
    with pytest.raises(SpecError, match="saga: no saga is named 'gone'; there are: closing"):
        sagas.schedule("nightly", "gone", cron="@daily", tenant="acme")
    with pytest.raises(SpecError, match=r"input\.day: Expected `int`, got `str`"):
        sagas.schedule("nightly", "closing", {"day": "x"}, cron="@daily", tenant="acme")
    async with testing.app(app) as kit:
        await kit.idle()
        with pytest.raises(NotFoundError, match="no saga is named 'gone'"):
            await sagas.put_schedule("acme", "weekly", SagaScheduleBody(cron="@daily", saga="gone"))
        for cron, day, told in (("@daily", "x", r"input\.day: Expected `int`"), ("@dayly", 1, "cron: '@dayly'")):
            body = SagaScheduleBody(cron=cron, saga="closing", input={"day": day})
            with pytest.raises(InvalidInputError, match=told):
                await sagas.put_schedule("acme", "weekly", body)
