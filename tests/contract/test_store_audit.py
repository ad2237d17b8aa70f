"""Who did what, when: noted alone or with a batch, and listed."""

from __future__ import annotations

import pytest

from runtime.errors import ConflictError
from runtime.store.audit import AuditEntry, AuditFilter
from runtime.store.port import Store
from runtime.store.records import Batch
from tests.records import NOW, died, done, make_event, new_id

SUBJECT = new_id()


def entry(action: str, by: str = "ann", at: float = NOW, **fields: object) -> AuditEntry:
    return AuditEntry(action=action, by=by, at=at, **fields)  # type: ignore[arg-type] # the tests' own


async def actions(store: Store, **which: object) -> list[str]:
    return [line.action for line in await store.audit.lines(AuditFilter(**which))]  # type: ignore[arg-type]


async def test_lines_come_back_newest_first_and_as_they_were_noted(store: Store) -> None:
    noted = [
        entry("abort", subject=SUBJECT, detail="wrong month"),
        entry("configure", by="bob", at=NOW + 1, target="reports"),
    ]
    await store.audit.note(noted)
    lines = await store.audit.lines(AuditFilter())
    assert [line.id for line in lines] == sorted((line.id for line in lines), reverse=True)
    told = [(line.action, line.by, line.at, line.subject, line.target, line.detail) for line in reversed(lines)]
    assert told == [
        ("abort", "ann", NOW, SUBJECT, None, "wrong month"),
        ("configure", "bob", NOW + 1, None, "reports", None),
    ]


async def test_lines_are_filtered_and_paged(store: Store) -> None:
    await store.audit.note([entry("a", subject=SUBJECT), entry("b", by="bob", at=NOW + 10), entry("c", target="s")])
    assert await actions(store, by="bob") == ["b"]
    assert await actions(store, action="c") == ["c"]
    assert await actions(store, subject=SUBJECT) == ["a"]
    assert await actions(store, target="s") == ["c"]
    assert await actions(store, since=NOW + 10) == ["b"]
    assert await actions(store, until=NOW + 10) == ["c", "a"]
    [newest] = await store.audit.lines(AuditFilter(limit=1))
    assert await actions(store, before=newest.id, limit=1) == ["b"]


async def test_what_belongs_to_a_batch_is_noted_with_it_or_not_at_all(store: Store) -> None:
    [kept] = await store.commit(Batch(events=[make_event()]))
    batch = Batch(outcomes=[done(kept)])
    batch.extra().audits.append(entry("abort", subject=kept.event.id))
    await store.commit(batch)
    with pytest.raises(ConflictError):
        await store.commit(batch)
    assert await actions(store) == ["abort"]


async def test_what_people_do_with_dead_letters_is_listed(store: Store) -> None:
    entries = await store.commit(Batch(events=[make_event(), make_event()]))
    for each in entries:
        await store.commit(died(each))
    await store.replay(entries[0].event.id, Batch(events=[make_event()]), by="ann", at=NOW, detail=None)
    await store.discard(entries[1].event.id, by="bob", at=NOW, detail="test data")
    lines = await store.audit.lines(AuditFilter())
    assert [(line.action, line.by, line.subject, line.detail) for line in lines] == [
        ("discard", "bob", entries[1].event.id, "test data"),
        ("replay", "ann", entries[0].event.id, None),
    ]
