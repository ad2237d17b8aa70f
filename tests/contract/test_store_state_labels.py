"""States by their labels: what lists of a service's actors are made of."""

from __future__ import annotations

import msgspec

from runtime.store.port import Store
from runtime.store.records import Batch, Extras, StateFilter, StoredState
from tests.records import NOW


def state(key: str, label: str | None, *, tenant: str = "a", service: str = "trips") -> StoredState:
    return StoredState(service, tenant, key, 1, b"{}", NOW, label)


async def write(store: Store, *states: StoredState) -> None:
    await store.commit(Batch(extras=Extras(states=list(states))))


async def keys(store: Store, *labels: str, **more: object) -> list[tuple[str, str]]:
    which = msgspec.convert({"service": "trips", "labels": labels, **more}, StateFilter)
    return [(found.tenant, found.key) for found in await store.list_states(which)]


async def test_states_are_listed_by_service_label_and_tenant_the_highest_keys_first(store: Store) -> None:
    await write(
        store,
        state("1", "open"),
        state("2", "shut"),
        state("3", "open", tenant="b"),
        state("4", None),
        state("5", "open", service="others"),
    )
    assert await keys(store, "open") == [("b", "3"), ("a", "1")]
    assert await keys(store, "open", "shut", tenant="a") == [("a", "2"), ("a", "1")]
    assert await keys(store) == []


async def test_a_page_ends_at_its_limit_and_the_next_begins_below_it(store: Store) -> None:
    await write(store, *(state(f"{number:02}", "open", tenant="ab"[number % 2]) for number in range(20)))
    first = await keys(store, "open", limit=7)
    rest = await keys(store, "open", before=first[-1][1])
    assert [key for _, key in first + rest] == [f"{number:02}" for number in reversed(range(20))]


async def test_a_state_is_found_under_its_newest_label_alone(store: Store) -> None:
    await write(store, state("1", "open"))
    await write(store, state("1", "shut"))
    assert await keys(store, "open") == []
    assert await keys(store, "shut") == [("a", "1")]
    assert [found.label for found in await store.states("trips", [("a", "1")])] == ["shut"]


async def test_states_of_one_key_are_found_for_every_tenant(store: Store) -> None:
    await write(store, state("1", "open"), state("1", None, tenant="b"), state("2", "open"))
    found = await store.states_of_key("trips", "1")
    assert sorted((one.tenant, one.label) for one in found) == [("a", "open"), ("b", None)]
    assert await store.states_of_key("others", "1") == []


async def test_states_that_have_ended_are_dropped_when_they_have_aged(store: Store) -> None:
    ended = msgspec.structs.replace(state("1", "shut"), ended=True)
    await write(store, ended, state("2", "open"), msgspec.structs.replace(ended, key="3", saved_at=NOW + 10))
    await store.expire(NOW + 5)
    assert await keys(store, "open", "shut") == [("a", "3"), ("a", "2")]


async def test_a_state_that_goes_on_after_its_end_stays(store: Store) -> None:
    await write(store, msgspec.structs.replace(state("1", "shut"), ended=True))
    await write(store, state("1", "open"))
    await store.expire(NOW + 5)
    assert await keys(store, "open") == [("a", "1")]
