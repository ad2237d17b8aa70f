from __future__ import annotations

import itertools

import pytest

from runtime.store.postgres.marks import SAVEPOINT, Marks

MARK = f"SAVEPOINT {SAVEPOINT}"
RELEASE = f"RELEASE SAVEPOINT {SAVEPOINT}"
ROLL_BACK_TO = f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"


def run(*events: str) -> list[str]:
    """What is sent: `k` keeps and `u` undoes an event of one statement, capitals one without."""
    marks = Marks()
    sent: list[str] = []
    for event in events:
        marks.begin_event()
        if event.islower():
            marks.before_statement()
            sent += [*filter(None, marks.take_owed().split("; ")), "statement"]
            marks.before_statement()
            assert not marks.take_owed(), "an event's second statement owes nothing"
        if event in "kK":
            marks.keep_event()
        else:
            marks.undo_event()
        marks.validate()
    return [*sent, *filter(None, marks.take_owed().split("; "))]


def test_an_event_cannot_begin_inside_another() -> None:
    marks = Marks()
    marks.begin_event()
    with pytest.raises(AssertionError):
        marks.begin_event()


@pytest.mark.parametrize("end", [Marks.keep_event, Marks.undo_event, Marks.before_statement])
def test_nothing_happens_outside_an_event(end: object) -> None:
    with pytest.raises(AssertionError):
        end(Marks())  # type: ignore[operator] # the parameters are methods


def test_events_without_statements_owe_nothing() -> None:
    assert run("K", "U", "K") == []


def test_the_first_event_needs_no_savepoint() -> None:
    assert run("k") == ["BEGIN", "statement"]
    assert run("u") == ["BEGIN", "statement", "ROLLBACK"]
    assert run("u", "k") == ["BEGIN", "statement", "ROLLBACK", "BEGIN", "statement"]


def test_each_event_after_the_first_has_a_savepoint() -> None:
    assert run("k", "k", "k") == ["BEGIN", "statement", MARK, "statement", RELEASE, MARK, "statement", RELEASE]


def test_an_event_that_sent_nothing_leaves_no_trace_between_others() -> None:
    assert run("k", "U", "K", "k") == ["BEGIN", "statement", MARK, "statement", RELEASE]


def test_the_savepoint_of_an_event_that_was_undone_serves_the_next() -> None:
    assert run("k", "u", "k") == ["BEGIN", "statement", MARK, "statement", ROLL_BACK_TO, "statement", RELEASE]


def simulate(sent: list[str]) -> list[int]:
    """What a server would have kept of numbered statements."""
    kept: list[int] = []
    mark: int | None = None
    open_ = False
    for place, one in enumerate(sent):
        if one == "BEGIN":
            assert not open_, "BEGIN inside a transaction"
            open_ = True
        elif one == "ROLLBACK":
            kept, open_, mark = [], False, None
        elif one == MARK:
            mark = len(kept)
        elif one == RELEASE:
            assert mark is not None, "no savepoint to release"
            mark = None
        elif one == ROLL_BACK_TO:
            assert mark is not None, "no savepoint to roll back to"
            del kept[mark:]
        else:
            assert open_, "a statement outside a transaction"
            kept.append(place)
    return kept


@pytest.mark.parametrize("length", range(1, 6))
def test_a_server_keeps_exactly_the_events_that_were_kept(length: int) -> None:
    for events in itertools.product("kuKU", repeat=length):
        sent = run(*events)
        statements = [place for place, one in enumerate(sent) if one == "statement"]
        ends = [event for event in events if event.islower()]
        assert simulate(sent) == [place for place, end in zip(statements, ends, strict=True) if end == "k"], events
