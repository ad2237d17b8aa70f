"""The ids of a replay's events: the same in every run, different in every replay."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from bench.replay import MAX_EVENTS, Replay
from runtime.durable.ids import IdSource, parse_id, timestamp_of

ids = st.builds(lambda milliseconds: IdSource(lambda: milliseconds / 1000).new_id(), st.integers(1, 2**42))
rows = st.integers(0, MAX_EVENTS - 1)


def replay(replay_id: UUID) -> Replay:
    return Replay(replay_id, 0, resumed=False)


@given(ids, rows)
def test_an_event_id_is_a_uuid_of_version_7_with_the_time_of_its_replay(replay_id: UUID, row: int) -> None:
    event_id = replay(replay_id).event_id(row)

    assert parse_id(str(event_id)) == event_id
    assert timestamp_of(event_id) == timestamp_of(replay_id)


@given(ids, rows)
def test_an_event_id_is_the_same_after_a_restart(replay_id: UUID, row: int) -> None:
    assert replay(replay_id).event_id(row) == Replay(replay_id, 7, resumed=True).event_id(row)


@given(ids, rows, rows)
def test_event_ids_grow_as_the_file_does(replay_id: UUID, one: int, other: int) -> None:
    made = replay(replay_id)

    assert (made.event_id(one) < made.event_id(other)) == (one < other)


@given(ids, rows)
def test_event_ids_lie_in_the_range_of_their_replay(replay_id: UUID, row: int) -> None:
    first, last = replay(replay_id).id_range

    assert first <= replay(replay_id).event_id(row) <= last


def test_two_replays_of_one_millisecond_share_no_id() -> None:
    source = IdSource(lambda: 1.0)
    one, other = (replay(source.new_id()) for _ in range(2))

    assert {one.event_id(row) for row in range(1000)}.isdisjoint(other.event_id(row) for row in range(1000))
