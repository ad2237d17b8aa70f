"""Shares, caps, states and limits of tenants in a running app, on what waits already and on what comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors import SpecError
from runtime import Settings
from runtime.core.policy import Policy, Scope
from runtime.errors import ClosedError, InvalidInputError, LimitError
from runtime.store.policies import PolicyChange
from tests.apps import run, url_of
from tests.policy_scene import Job, Worker, app_of, fill, finish, set_policy, slots, start_anew
from tests.postgres import Server

ACME, BEE = Scope(None, "acme"), Scope(None, "bee")


@pytest.fixture(autouse=True)
async def fresh() -> None:
    start_anew()


class TestCaps:
    async def test_a_tenant_fills_no_more_slots_than_the_app_says_and_others_the_rest(self, database: Server) -> None:
        app = app_of()
        app.tenant("acme", service="work", slots=2)
        async with run(app, database) as running:
            await fill(app, "acme", 10)
            await fill(app, "bee", 10)
            assert slots(running) == {"acme": 2, "bee": 6}
            await finish(running)

    async def test_a_cap_over_all_services_counts_both(self, database: Server) -> None:
        app = app_of("one", "two")
        app.tenant("acme", slots=3)
        async with run(app, database) as running:
            await fill(app, "acme", 4, "one")
            await fill(app, "acme", 4, "two")
            assert slots(running, "one") == {"acme": 3}
            assert slots(running, "two") == {}
            await finish(running, "one", "two")
            assert Worker.most == 3

    async def test_a_cap_of_the_whole_process_counts_all_services(self, database: Server) -> None:
        app = app_of("one", "two")
        app.limits(slots=5)
        async with run(app, database) as running:
            await fill(app, "acme", 8, "one")
            await fill(app, "bee", 8, "two")
            assert slots(running, "one") == {"acme": 5}
            assert slots(running, "two") == {}
            await finish(running, "one", "two")
            assert Worker.most == 5

    async def test_events_that_need_several_slots_fill_them(self, database: Server) -> None:
        app = app_of(slots_per_event=3)
        async with run(app, database) as running:
            await fill(app, "acme", 8)
            assert slots(running) == {"acme": 6}
            await finish(running)

    async def test_a_cap_of_each_tenant_holds_for_those_that_are_not_named(self, database: Server) -> None:
        app = app_of()
        app.tenant("*", slots=2)
        app.tenant("acme", service="work", slots=5)
        async with run(app, database) as running:
            for tenant in ("acme", "bee"):
                await fill(app, tenant, 8)
            assert slots(running) == {"acme": 5, "bee": 2}
            await finish(running)


class TestStates:
    async def test_a_tenant_is_paused_and_resumed_with_its_backlog(self, database: Server) -> None:
        app = app_of(slots=1)
        async with run(app, database) as running:
            await fill(app, "bee", 1)
            await fill(app, "acme", 3)
            await set_policy(running, ACME, Policy(state="paused"))
            await fill(app, "acme", 1)
            await fill(app, "bee", 1)
            Worker.gate.set()
            while Worker.started != ["bee", "bee"]:
                await running.backlog.progress()
            await set_policy(running, ACME, Policy(), "state")
            await running.wait_idle("work")
            assert Worker.started == ["bee", "bee"] + ["acme"] * 4

    async def test_a_drained_tenant_is_refused_and_its_backlog_is_handled(self, database: Server) -> None:
        app = app_of(slots=1)
        async with run(app, database) as running:
            await fill(app, "acme", 3)
            await set_policy(running, ACME, Policy(state="draining"))
            with pytest.raises(ClosedError, match="tenant acme is draining"):
                await app.enqueue("work", Job(), tenant="acme")
            await app.enqueue("work", Job(), tenant="bee")
            await finish(running)
            assert sorted(Worker.started) == ["acme"] * 3 + ["bee"]

    async def test_a_quarantined_service_starts_and_takes_nothing(self, database: Server) -> None:
        app = app_of("one", "two")
        async with run(app, database) as running:
            await set_policy(running, Scope("one"), Policy(state="quarantined"))
            with pytest.raises(ClosedError, match="service one is quarantined"):
                await app.enqueue("one", Job(), tenant="acme")
            await fill(app, "acme", 1, "two")
            assert slots(running, "two") == {"acme": 1}
            await finish(running, "two")

    async def test_what_was_set_is_in_force_after_a_restart(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await set_policy(running, ACME, Policy(state="paused"))
            await fill(app, "acme", 2)
        async with run(app, database) as running:
            await fill(app, "bee", 1)
            assert slots(running) == {"bee": 1}
            await set_policy(running, ACME, Policy(state="active"))
            await finish(running)

    async def test_a_service_that_is_restarted_keeps_the_terms(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            await set_policy(running, ACME, Policy(state="paused"))
            service = running.machinery.services["work"]
            await service.stop(1.0)
            await service.start(lambda _: None)
            await fill(app, "acme", 1)
            await fill(app, "bee", 1)
            assert slots(running) == {"bee": 1}
            await set_policy(running, ACME, Policy(), "state")
            await finish(running)


class TestLive:
    async def test_a_change_is_kept_with_who_made_it_and_why(self, database: Server) -> None:
        async with run(app_of(), database) as running:
            await running.policies.change(ACME, Policy(weight=2.0), by="ann", reason="they pay more")
            await running.policies.change(ACME, Policy(slots=3), by="bob")
            newest, oldest = await running.policies.history(ACME, 10)
            assert (newest.by, newest.policy) == ("bob", Policy(weight=2.0, slots=3))
            assert (oldest.by, oldest.reason, oldest.policy) == ("ann", "they pay more", Policy(weight=2.0))

    async def test_another_process_follows(self, database: Server) -> None:
        app = app_of()
        async with run(app, database) as running:
            version = await running.store.policies.version()
            pause = PolicyChange(ACME, Policy(state="paused"))
            await running.store.policies.change(pause, by="elsewhere", at=1.0, reason=None)
            assert await running.store.policies.version() > version
            await running.policies.follow()
            await fill(app, "acme", 1)
            assert slots(running) == {}
            await set_policy(running, ACME, Policy(), "state")
            await finish(running)

    @pytest.mark.parametrize(
        ("scope", "policy", "reset", "field"),
        [
            (ACME, Policy(weight=-1.0), (), "weight"),
            (Scope("nothing"), Policy(slots=1), (), "service"),
            (ACME, Policy(), ("speed",), "reset"),
        ],
    )
    async def test_what_is_wrong_is_named_and_nothing_is_set(
        self, database: Server, scope: Scope, policy: Policy, reset: tuple[str, ...], field: str
    ) -> None:
        async with run(app_of(), database) as running:
            with pytest.raises(InvalidInputError) as caught:
                await set_policy(running, scope, policy, *reset)
            assert caught.value.field == field
            assert await running.store.policies.version() == 0

    def test_the_app_refuses_settings_that_do_not_exist(self) -> None:
        with pytest.raises(SpecError, match="speed"):
            app_of().tenant("acme", speed=3)

    async def test_a_file_is_laid_over_the_app(self, database: Server, tmp_path: Path) -> None:
        path = tmp_path / "postroom.toml"
        path.write_text("[tenants.acme]\nstate = 'paused'", encoding="utf-8")
        app = app_of()
        async with app.running(Settings(database=url_of(database), config=path)) as running:
            await fill(app, "acme", 1)
            assert slots(running) == {}
            await set_policy(running, ACME, Policy(state="active"))
            await finish(running)


class TestLimits:
    async def test_a_full_backlog_refuses_with_the_facts_and_takes_nothing(self, database: Server) -> None:
        app = app_of(slots=1)
        app.tenant("*", backlog=3)
        async with run(app, database) as running:
            await fill(app, "acme", 2)
            with pytest.raises(LimitError) as caught:
                await fill(app, "acme", 2)
            assert (caught.value.limit, caught.value.allowed, caught.value.used) == ("backlog", 3, 2)
            await fill(app, "acme", 1)
            await fill(app, "bee", 3)
            await finish(running)
            assert len(Worker.started) == 6

    async def test_a_producer_can_wait_for_room(self, database: Server) -> None:
        app = app_of(slots=1)
        app.tenant("acme", backlog=1)
        async with run(app, database) as running:
            await fill(app, "acme", 1)
            waiting = asyncio.create_task(app.enqueue("work", Job(), tenant="acme", wait_seconds=30.0))
            await asyncio.sleep(0)
            assert not waiting.done()
            Worker.gate.set()
            await waiting
            await finish(running)
            assert len(Worker.started) == 2

    async def test_waiting_ends_with_the_time_given(self, database: Server) -> None:
        app = app_of(slots=1)
        app.tenant("acme", backlog=1)
        async with run(app, database) as running:
            await fill(app, "acme", 1)
            with pytest.raises(LimitError):
                await app.enqueue("work", Job(), tenant="acme", wait_seconds=0.05)
            await finish(running)

    async def test_a_backlog_of_before_the_start_counts(self, database: Server) -> None:
        app = app_of()
        app.limits("work", state="paused")
        async with run(app, database):
            await fill(app, "acme", 3)
        limited = app_of()
        limited.tenant("acme", backlog=4)
        async with run(limited, database) as running:
            await set_policy(running, Scope("work"), Policy(state="paused"))
            with pytest.raises(LimitError):
                await fill(limited, "acme", 2 + 8)
            await set_policy(running, Scope("work"), Policy(state="active"))
            await finish(running)

    async def test_the_daily_quota_is_kept_over_a_restart_and_shared(self, database: Server) -> None:
        app = app_of()
        app.tenant("*", daily_quota=5)
        async with run(app, database) as running:
            await fill(app, "acme", 4)
            await finish(running)
        async with run(app, database):
            await app.enqueue("work", Job(), tenant="acme")
            with pytest.raises(LimitError) as caught:
                await app.enqueue("work", Job(), tenant="acme")
            assert caught.value.limit == "daily_quota"
            assert caught.value.retry_after_seconds is not None
            assert 23 * 3600 < caught.value.retry_after_seconds <= 25 * 3600

    async def test_throttled_overflow_runs_in_one_slot(self, database: Server) -> None:
        app = app_of()
        app.tenant("acme", daily_quota=2, overflow="throttle")
        async with run(app, database) as running:
            await fill(app, "acme", 2)
            await fill(app, "acme", 1)
            await finish(running)
            Worker.gate.clear()
            await running.policies.follow()
            await fill(app, "acme", 4)
            assert slots(running) == {"acme": 1}
            await finish(running)

    async def test_a_rate_refuses_with_the_time_to_wait(self, database: Server) -> None:
        app = app_of()
        app.limits("work", rate=0.5, burst=2)
        async with run(app, database) as running:
            await fill(app, "acme", 2)
            with pytest.raises(LimitError) as caught:
                await app.enqueue("work", Job(), tenant="bee")
            assert caught.value.retry_after_seconds == pytest.approx(2.0, rel=0.3)
            await finish(running)
