"""A commit's waiters all learn its fate, once."""

from __future__ import annotations

import asyncio

import pytest

from runtime.durable.commit_group import CommitGroup, Fate
from runtime.errors import StoreError
from runtime.store.records import Batch, Delayed, Extras, Outcome, OutcomeKind, StoredState
from tests.records import NOW, make_event


async def test_everyone_who_waits_gets_the_refusal_and_so_does_who_comes_later() -> None:
    fate = Fate(asyncio.get_running_loop())
    waiting = [asyncio.create_task(fate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    fate.settle(StoreError("no"))
    for task in waiting:
        with pytest.raises(StoreError, match="no"):
            await task
    with pytest.raises(StoreError, match="no"):
        await fate.wait()


async def test_one_who_gives_up_waiting_disturbs_nobody() -> None:
    fate = Fate(asyncio.get_running_loop())
    impatient, patient = (asyncio.create_task(fate.wait()) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    fate.settle()
    await patient


async def test_a_refusal_that_nobody_waits_for_is_no_complaint_and_the_first_fate_stands() -> None:
    fate = Fate(asyncio.get_running_loop())
    fate.settle()
    fate.settle(StoreError("too late"))
    await fate.wait()


async def test_what_handlers_made_is_kept_apart_from_what_producers_gave() -> None:
    group = CommitGroup()
    given, late, emitted = make_event(), make_event(), make_event()
    group.add([given, Delayed(late, NOW)])
    outcome = Outcome(7, OutcomeKind.DONE, NOW, NOW)
    group.record(Batch(outcomes=[outcome], events=[emitted]), 3)
    assert group.own == Batch(outcomes=[outcome], events=[emitted])
    assert group.batch == Batch(events=[given, emitted], outcomes=[outcome], delayed=[Delayed(late, NOW)])
    assert (group.count, group.recorded) == (4, {3: [7]})


async def test_extras_are_gathered_in_the_order_made() -> None:
    group = CommitGroup()
    one, two = (StoredState("trips", "acme", "flight-1", 1, payload, NOW) for payload in (b"1", b"2"))
    group.record(Batch(extras=Extras(states=[one])), 3)
    group.record(Batch(), 3)
    group.record(Batch(extras=Extras(states=[two])), 3)
    assert group.batch == group.own == Batch(extras=Extras(states=[one, two]))
    assert (group.count, len(group.batch)) == (2, 2)
