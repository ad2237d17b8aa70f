"""What members state of the limits they share: all of them read it, and only who has seen the last of it adds to it."""

from __future__ import annotations

from uuid import uuid4

from runtime.core.portions import Claim, Limit, Statement
from runtime.store.port import Store
from tests.contract.conftest import Backend

CLAIMS = {
    Limit("slots"): Claim(3, 8, 12.5),
    Limit("slots", "mail", "acme"): Claim(0, 1, 13.0),
    Limit("rate", None, 'a "quoted" one'): Claim(6400, 6400, 14.0),
}


async def test_nothing_is_stated_at_first(store: Store) -> None:
    assert (await store.policies.portions.read()).statements == {}


async def test_what_a_member_states_is_read_by_all_until_it_states_something_else(backend: Backend) -> None:
    one, other = await backend.open_store(lease=False), await backend.open_store(lease=False)
    lease = await one.join(uuid4())
    name = lease.incarnation
    before = await other.policies.portions.read()
    assert await one.policies.portions.state(name, Statement(64, CLAIMS), before.version)
    seen = await other.policies.portions.read()
    assert seen.statements == {name: Statement(64, CLAIMS)}
    assert seen.now >= before.now > 1e9
    assert await one.policies.portions.state(name, Statement(32), seen.version)
    assert (await other.policies.portions.read()).statements == {name: Statement(32)}


async def test_a_statement_counts_only_if_nobody_has_stated_anything_since(backend: Backend) -> None:
    one, other = await backend.open_store(lease=False), await backend.open_store(lease=False)
    mine, yours = (await one.join(uuid4())).incarnation, (await other.join(uuid4())).incarnation
    version = (await one.policies.portions.read()).version
    assert await other.policies.portions.state(yours, Statement(1), version)
    assert not await one.policies.portions.state(mine, Statement(64), version)
    assert (await one.policies.portions.read()).statements == {yours: Statement(1)}


async def test_who_is_no_member_any_more_states_nothing(backend: Backend) -> None:
    one, other = await backend.open_store(lease=False), await backend.open_store(lease=False)
    lease = await one.join(uuid4())
    version = (await one.policies.portions.read()).version
    assert await one.policies.portions.state(lease.incarnation, Statement(64), version)
    assert await other.remove_member(lease.incarnation, lease.epoch)
    seen = await other.policies.portions.read()
    assert seen.statements == {}
    assert not await one.policies.portions.state(lease.incarnation, Statement(64), seen.version)
