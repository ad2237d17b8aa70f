"""Profiles in a running app: flow control, tiers, quotas and the flex queue."""

from __future__ import annotations

import pytest

from actors import SpecError
from runtime import App
from runtime.core.fair_usage import Tiers
from runtime.core.profile import SchedulingProfile
from runtime.errors import LimitError
from tests.apps import run
from tests.policy_scene import Job, Worker, app_of, fill, finish, slots, start_anew
from tests.postgres import Server


@pytest.fixture(autouse=True)
async def fresh() -> None:
    start_anew()


class TestProfiles:
    async def test_flow_control_puts_a_running_majority_back_counts_it_and_loses_nothing(
        self, database: Server
    ) -> None:
        app = app_of(slots=1)
        app.profile("salesforce")
        async with run(app, database) as running:
            await fill(app, "acme", 3)
            await fill(app, "acme", 4)
            event = await app.enqueue("work", Job(), tenant="acme")
            [standing] = running.operations.tenants.standings(service="work", tenant="acme", limit=5)
            assert standing.reenqueued == 5
            explained = await running.operations.tenants.explain(event)
            assert [reason.cause for reason in explained.reasons] == ["flow-control"]
            await finish(running)
            assert len(Worker.started) == 8

    async def test_a_tenant_that_dominates_is_capped_and_its_move_is_kept(self, database: Server) -> None:
        app = app_of(slots=8)
        app.profile(SchedulingProfile(tiers=Tiers(down_seconds=1e-6, up_seconds=1e-6)))
        async with run(app, database) as running:
            await fill(app, "acme", 20)
            waiting = await app.enqueue("work", Job(), tenant="acme")
            await fill(app, "bee", 1)
            for _ in range(2):
                await running.policies.follow()
            report = running.operations.tenants.report("acme")
            assert (report.moves[0].from_tier, report.moves[0].to_tier) == (0, 1)
            assert report.standings[0].cap == 2
            [reason] = (await running.operations.tenants.explain(waiting)).reasons[:1]
            assert reason.cause == "tier"
            assert reason.detail.endswith("is in tier 1, and may fill 2 slots, and fills 8")
            assert (report.moves[0].slots, report.moves[0].tenants_waiting) == (8, 1)
            await finish(running)
            for _ in range(4):
                await running.policies.follow()
            assert running.operations.tenants.report("acme").standings[0].cap is None

    async def test_the_daily_quota_of_the_profile_holds_unless_another_is_set(self, database: Server) -> None:
        app = app_of()
        app.profile("salesforce")
        app.tenant("acme", licences=2_000)
        async with run(app, database) as running:
            quotas = [running.operations.tenants.report(tenant).quota for tenant in ("acme", "bee")]
            assert [quota.quota for quota in quotas if quota] == [400_000, 250_000]

    def test_a_profile_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(SpecError, match="unfair"):
            app_of().profile("unfair")


async def test_the_profile_salesforce_holds_a_hundred_batch_jobs_of_a_tenant_beside_five_that_run(
    database: Server,
) -> None:
    app = App("policies")
    app.profile("salesforce")
    app.service("rolls", Worker, batch=True)
    app.service("mail", Worker)
    async with run(app, database) as running:
        await fill(app, "acme", 105, "rolls")
        assert slots(running, "rolls") == {"acme": 5}
        with pytest.raises(LimitError) as caught:
            await fill(app, "acme", 1, "rolls")
        assert (caught.value.limit, caught.value.allowed, caught.value.used) == ("backlog", 105, 105)
        await fill(app, "bee", 5, "rolls")
        await fill(app, "acme", 110, "mail")
        assert slots(running, "rolls") == {"acme": 5, "bee": 5}
        assert slots(running, "mail") == {"acme": 16}
        await finish(running, "rolls", "mail")
        await fill(app, "acme", 105, "rolls")
        await running.wait_idle("rolls")
    assert Worker.started.count("acme") == 105 + 105 + 110
