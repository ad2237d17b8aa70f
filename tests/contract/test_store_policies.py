from __future__ import annotations

import asyncio

from runtime.core.policy import NOTHING_SET, Policy, Scope
from runtime.durable.outbox import posted_of
from runtime.store.audit import AuditEntry, AuditFilter
from runtime.store.policies import Bundle, PolicyChange, PolicyRecord
from runtime.store.port import Store
from runtime.store.records import Batch
from tests.contract.conftest import Backend
from tests.records import NOW, done, make_event

ACME = Scope(None, "acme")


async def change(store: Store, scope: Scope, changes: Policy, *reset: str) -> PolicyRecord:
    return await store.policies.change(PolicyChange(scope, changes, reset), by="ann", at=NOW, reason="test")


async def test_nothing_is_set_at_first(store: Store) -> None:
    assert await store.policies.version() == 0
    assert await store.policies.current() == []
    assert await store.policies.history(ACME, 10) == []


async def test_a_change_is_laid_over_what_was_set_before(store: Store) -> None:
    await change(store, ACME, Policy(weight=2.5, slots=3))
    record = await change(store, ACME, Policy(slots=4, state="paused"))
    assert record.policy == Policy(weight=2.5, slots=4, state="paused")
    assert (record.scope, record.by, record.at, record.reason) == (ACME, "ann", NOW, "test")


async def test_a_setting_can_be_reset(store: Store) -> None:
    await change(store, ACME, Policy(weight=2.0, slots=3))
    record = await change(store, ACME, Policy(rate=1.5), "slots", "weight")
    assert record.policy == Policy(rate=1.5)


async def test_each_scope_has_its_own_policy(store: Store) -> None:
    scopes = [Scope(), Scope("mail"), ACME, Scope("mail", "acme"), Scope(None, "*")]
    for backlog, scope in enumerate(scopes):
        await change(store, scope, Policy(backlog=backlog))
    found = {record.scope: record.policy.backlog for record in await store.policies.current()}
    assert found == {scope: backlog for backlog, scope in enumerate(scopes)}


async def test_every_version_is_kept_newest_first(store: Store) -> None:
    for slots in (1, 2, 3):
        await change(store, ACME, Policy(slots=slots))
    await change(store, Scope("mail"), Policy(slots=9))
    assert [record.policy.slots for record in await store.policies.history(ACME, 2)] == [3, 2]
    assert max(record.version for record in await store.policies.current()) == await store.policies.version()


async def test_a_version_is_found_by_its_number(store: Store) -> None:
    first = await change(store, ACME, Policy(slots=1))
    second = await change(store, Scope("mail"), Policy(slots=2))
    assert await store.policies.find(first.version) == first
    assert await store.policies.find(second.version) == second
    assert await store.policies.find(second.version + 1) is None


async def test_the_audit_says_who_changed_what_and_why(store: Store) -> None:
    await change(store, Scope("mail", "acme"), Policy(weight=2.0, state="paused"), "slots")
    [line] = await store.audit.lines(AuditFilter())
    assert (line.action, line.by, line.at, line.subject) == ("set", "ann", NOW, None)
    assert (line.target, line.detail) == ("tenant acme in mail", "weight 2.0, state paused, slots reset (test)")


async def test_a_bundle_changes_several_scopes_accepts_events_and_is_in_the_audit(store: Store) -> None:
    event = make_event()
    bundle = Bundle(
        changes=[PolicyChange(ACME, Policy(slots=3)), PolicyChange(Scope("mail"), Policy(rate=2.0))],
        posted=[posted_of(event, 0.0)],
        audits=[AuditEntry(action="import", by="ann", at=NOW, target="saga order")],
        by="ann",
        at=NOW,
        reason="import",
    )
    await change(store, ACME, Policy(weight=2.0))
    await store.policies.take_in(bundle)
    found = {record.scope: record for record in await store.policies.current()}
    assert found[ACME].policy == Policy(weight=2.0, slots=3)
    assert (found[Scope("mail")].policy, found[Scope("mail")].reason) == (Policy(rate=2.0), "import")
    assert [each.id for each in await store.outbox.waiting(10)] == [event.id]
    assert [line.target for line in await store.audit.lines(AuditFilter(action="import"))] == ["saga order"]


async def test_changes_by_several_processes_at_once_are_all_kept(backend: Backend) -> None:
    stores = [await backend.open_store(lease=False) for _ in range(3)]
    fields = [Policy(weight=2.0), Policy(slots=3), Policy(backlog=4)]
    await asyncio.gather(*(change(store, ACME, changes) for store, changes in zip(stores, fields, strict=True)))
    [record] = await stores[0].policies.current()
    assert record.policy == Policy(weight=2.0, slots=3, backlog=4)


async def test_an_empty_policy_is_a_version_too(store: Store) -> None:
    await change(store, ACME, Policy(slots=1))
    assert (await change(store, ACME, NOTHING_SET, "slots")).policy == NOTHING_SET


async def test_usage_of_all_processes_is_added_up(backend: Backend) -> None:
    first, second = [(await backend.open_store(lease=False)).policies for _ in range(2)]
    await first.count_usage({"a": {10: 5, 11: 1}, "b": {11: 2}}, 0)
    assert await second.count_usage({"a": {11: 3}, "c": {}}, 11) == {"a": {11: 4}, "c": {}}
    assert await first.count_usage({"a": {11: -1}}, 0) == {"a": {10: 5, 11: 3}}


async def test_old_usage_is_forgotten(store: Store) -> None:
    await store.policies.count_usage({"a": {10: 5, 11: 1}}, 0)
    await store.policies.forget_usage(11)
    assert await store.policies.count_usage({"a": {}}, 0) == {"a": {11: 1}}


async def test_those_waiting_are_counted_by_scope_up_to_a_limit(store: Store) -> None:
    events = [make_event(service=service, tenant=tenant) for service in ("mail", "sms") for tenant in ("a", "a", "b")]
    entries = await store.commit(Batch(events=events))
    await store.commit(Batch(outcomes=[done(entries[0])]))
    counts = {
        scope: await store.policies.count_waiting(scope, 100)
        for scope in (Scope(), Scope("mail"), Scope(None, "a"), Scope("sms", "b"), Scope("none"))
    }
    assert list(counts.values()) == [5, 2, 3, 1, 0]
    assert await store.policies.count_waiting(Scope(), 3) == 4
