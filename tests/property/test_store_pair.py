"""Random commands to the in-memory store and to PostgreSQL: both answer alike, whatever came before."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from runtime.store.port import Store
from runtime.store.records import (
    Batch,
    DeadLetter,
    DeadLetterFilter,
    Delayed,
    Event,
    Outcome,
    OutcomeKind,
    StoredState,
)
from tests.postgres import Server
from tests.property.store_pair import Known, StorePair, events_of, same
from tests.records import CAUSE, NOW, make_event, new_id

SERVICES, TENANTS, KEYS = ("trips", "hotels"), ("acme", "zenith"), ("a", "b")
COUNTS = st.sampled_from([1, 1, 1, 2, 3, 7, 220])
"""One event, several, and so many that they are copied: each has a statement of its own."""
SECONDS = st.integers(0, 20).map(float)
PLACES = st.integers(0, 10_000)
"""Chooses from what there is."""


@st.composite
def fresh_events(draw: st.DrawFn, counts: st.SearchStrategy[int] = COUNTS) -> list[Event]:
    service, tenant, key = (draw(st.sampled_from(each)) for each in (SERVICES, TENANTS, (None, *KEYS)))
    return [
        make_event(service=service, tenant=tenant if number % 3 else TENANTS[0], key=key)
        for number in range(draw(counts))
    ]


async def unfinished(service: str, store: Store, _side: int) -> bool:
    return await store.has_unfinished(service)


class Stores(RuleBasedStateMachine):
    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.pair = StorePair(self.server)
        self.put_off: list[Delayed] = []
        self.died: list[UUID] = []
        self.batches: list[tuple[Batch, Batch]] = []

    def teardown(self) -> None:
        self.pair.close()

    def pick(self, place: int) -> Known:
        return self.pair.log[place % len(self.pair.log)]

    def waiting(self) -> list[Known]:
        return [known for known in self.pair.log if not known.ended]

    def write(self, memory: Batch, postgres: Batch) -> bool:
        self.batches.append((memory, postgres))
        return self.pair.write(lambda side: (memory, postgres)[side])

    @rule(events=fresh_events(), again=st.lists(PLACES, max_size=3), twice=st.booleans())
    def append(self, events: list[Event], again: list[int], twice: bool) -> None:  # noqa: FBT001 # drawn
        if self.pair.log:
            events += [self.pick(place).event for place in again]
        if twice:
            events.append(events[0])
        assert self.write(Batch(events=events), Batch(events=events))

    @rule(
        places=st.lists(PLACES, min_size=1, max_size=5),
        kinds=st.lists(st.sampled_from(OutcomeKind), min_size=5, max_size=5),
        emitted=fresh_events(st.sampled_from([0, 0, 1, 2])),
        due=SECONDS,
        wrong=st.integers(0, 9),
    )
    @precondition(lambda self: bool(self.waiting()))
    def end(self, places: list[int], kinds: list[OutcomeKind], emitted: list[Event], due: float, wrong: int) -> None:
        waiting = self.waiting()
        chosen = list({place % len(waiting): waiting[place % len(waiting)] for place in places}.values())
        if wrong == 0:
            chosen.append(chosen[0])
        elif wrong == 1:
            chosen += [known for known in self.pair.log if known.ended][:1]
        memory, postgres = (self.ending(chosen, kinds, emitted, due, side) for side in (0, 1))
        if self.write(memory, postgres):
            self.put_off += memory.delayed
            self.died += [letter.event.id for letter in memory.dead_letters]
            for known in chosen:
                known.ended = True

    def ending(
        self, chosen: list[Known], kinds: list[OutcomeKind], emitted: list[Event], due: float, side: int
    ) -> Batch:
        batch = Batch(events=list(emitted))
        for known, kind in zip(chosen, kinds, strict=False):
            error = None if kind is OutcomeKind.DONE else "ValueError: no such flight"
            batch.outcomes.append(Outcome(known.seq(side), kind, NOW, NOW + 1, error))
            if kind is OutcomeKind.RETRY:
                attempt = msgspec.structs.replace(known.event, attempt=known.event.attempt + 1)
                batch.delayed.append(Delayed(attempt, NOW + due))
            elif kind is OutcomeKind.DEAD:
                batch.dead_letters.append(DeadLetter(known.event, CAUSE, NOW + due))
        return batch

    @rule(events=fresh_events(st.integers(1, 3)), due=SECONDS, again=st.booleans())
    def delay(self, events: list[Event], due: float, again: bool) -> None:  # noqa: FBT001 # drawn
        delayed = [Delayed(event, NOW + due) for event in events]
        if again and self.put_off:
            delayed.append(self.put_off[-1])
        self.write(Batch(delayed=delayed), Batch(delayed=delayed))
        self.put_off += delayed

    @rule(now=SECONDS, limit=st.integers(1, 5))
    def release(self, now: float, limit: int) -> None:
        self.pair.append(lambda store, _: store.release_due(NOW + now, limit))

    @rule(place=PLACES, from_start=st.booleans(), limit=st.integers(1, 300))
    @precondition(lambda self: bool(self.pair.log))
    def read_pending(self, place: int, from_start: bool, limit: int) -> None:  # noqa: FBT001 # drawn
        known = self.pick(place)
        self.pair.ask(
            lambda store, side: store.read_pending(known.queue(side), 0 if from_start else known.seq(side), limit),
            events_of,
        )

    @rule()
    def look(self) -> None:
        pair = self.pair
        pair.ask(lambda store, _: store.queues(), pair.standing)
        pair.ask(lambda store, _: store.next_due(), same)
        pair.ask(
            lambda store, _: store.start_marks(), lambda marks, side: {pair.rank(s, side): marks[s] for s in marks}
        )
        for service in SERVICES:
            pair.ask(partial(unfinished, service), same)

    @rule(place=PLACES)
    @precondition(lambda self: bool(self.pair.log))
    def look_at_one(self, place: int) -> None:
        known = self.pick(place)
        self.pair.ask(lambda store, _: store.find_event(known.event.id), same)
        self.pair.ask(
            lambda store, side: store.outcome_counts(known.event.service, known.seq(side)),
            lambda counts, _: [tuple(each) for each in counts if any(each[1:])],
        )

    @rule(place=PLACES)
    @precondition(lambda self: bool(self.pair.log))
    def advance_watermark(self, place: int) -> None:
        """As far as all has ended in the queue of an entry."""
        queue = self.pick(place).queue(0)
        ended = None
        for known in self.pair.log:
            if known.queue(0) == queue:
                if not known.ended:
                    break
                ended = known
        if ended is not None:
            mark = ended
            self.pair.ask(lambda store, side: store.advance_watermarks({mark.queue(side): mark.seq(side)}), same)

    @rule(places=st.lists(PLACES, min_size=1, max_size=3), starts=st.integers(1, 3))
    @precondition(lambda self: bool(self.waiting()))
    def mark(self, places: list[int], starts: int) -> None:
        waiting = self.waiting()
        chosen = [waiting[place % len(waiting)] for place in places]
        self.pair.ask(lambda store, side: store.mark_started({known.seq(side): starts for known in chosen}), same)
        self.pair.ask(lambda store, _: store.clear_marks(), same)

    @rule(place=PLACES)
    @precondition(lambda self: bool(self.batches))
    def resolve(self, place: int) -> None:
        batches = self.batches[place % len(self.batches)]
        self.pair.ask(
            lambda store, side: store.resolve(batches[side]),
            lambda entries, _: None if entries is None else [entry.event for entry in entries],
        )

    @rule(events=fresh_events(st.integers(1, 3)))
    def resolve_what_never_arrived(self, events: list[Event]) -> None:
        batch = Batch(events=events)
        assert self.pair.ask(lambda store, _: store.resolve(batch), same) == [None, None]

    @rule(place=PLACES, replay=st.booleans(), unknown=st.integers(0, 5))
    def close_letter(self, place: int, replay: bool, unknown: int) -> None:  # noqa: FBT001 # drawn
        name = self.died[place % len(self.died)] if self.died and unknown else new_id()
        batch, at = Batch(events=[make_event(origin=name)]), NOW + place
        if replay:
            self.pair.append(lambda store, _: store.replay(name, batch, by="ann", at=at, detail=None))
        else:
            self.pair.ask(lambda store, _: store.discard(name, by="bob", at=at, detail="old"), same)

    @rule(
        service=st.sampled_from([None, *SERVICES]),
        tenant=st.sampled_from([None, *TENANTS]),
        state=st.sampled_from([None, "open", "replayed", "discarded"]),
        limit=st.integers(1, 4),
        before=st.one_of(st.none(), PLACES),
    )
    def list_letters(
        self, service: str | None, tenant: str | None, state: str | None, limit: int, before: int | None
    ) -> None:
        after = self.died[before % len(self.died)] if self.died and before is not None else None
        which = DeadLetterFilter(service=service, tenant=tenant, state=state, limit=limit, before=after)  # type: ignore[arg-type] # drawn
        self.pair.ask(lambda store, _: store.dead_letters(which), same)

    @rule(place=PLACES)
    @precondition(lambda self: bool(self.died))
    def show_letter(self, place: int) -> None:
        name = self.died[place % len(self.died)]
        self.pair.ask(lambda store, _: store.dead_letter(name), same)

    @rule(key=st.sampled_from(KEYS), version=st.integers(1, 3), payload=st.sampled_from([b"{}", b'{"n":1}']))
    def keep_state(self, key: str, version: int, payload: bytes) -> None:
        state = StoredState("trips", "acme", key, version, payload, NOW)
        event = make_event(key=key)
        memory, postgres = Batch(events=[event]), Batch(events=[event])
        for batch in (memory, postgres):
            batch.extra().states.append(state)
        self.write(memory, postgres)
        names = [("acme", each) for each in KEYS]
        self.pair.ask(
            lambda store, _: store.states("trips", names), lambda states, _: sorted(states, key=lambda each: each.key)
        )

    @rule()
    def restart(self) -> None:
        self.pair.restart()


@pytest.mark.timeout(300)
async def test_both_stores_answer_alike(database: Server) -> None:
    class Machine(Stores):
        server = database

    often = settings(max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=often)
