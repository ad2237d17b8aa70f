from __future__ import annotations

import copy
import pickle
import time
from uuid import RFC_4122, UUID

import msgspec
import pytest

from actors.errors import PostroomError
from runtime.durable.ids import IdSource, InvalidIdError, parse_id, require_id, timestamp_of

BY_TIME_AND_NODE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
RANDOM = UUID("9b2fe4a0-6d1f-4c4e-8a35-2f7f0c1b6d11")


class HandDriven:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_ids_grow_though_the_clock_stands_still() -> None:
    source = IdSource(HandDriven(1_700_000_000.0))
    ids = [source.new_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))
    assert {timestamp_of(made) for made in ids} == {1_700_000_000.0}


def test_ids_grow_past_the_counter_by_running_ahead_of_the_clock() -> None:
    source = IdSource(HandDriven(1_700_000_000.0))
    ids = [source.new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert 1_700_000_000.0 < timestamp_of(ids[-1]) <= 1_700_000_000.003


def test_ids_grow_though_the_clock_goes_back() -> None:
    clock = HandDriven(1_700_000_000.0)
    source = IdSource(clock)
    first = source.new_id()
    clock.now -= 3600.0
    second = source.new_id()
    clock.now = 1_700_000_001.0
    assert first < second < source.new_id()


def test_a_clock_before_the_epoch_still_gives_valid_ids() -> None:
    source = IdSource(HandDriven(-5.0))
    assert parse_id(str(source.new_id())) < source.new_id()


@pytest.mark.parametrize("random", [b"\x00", b"\xff"])
def test_version_and_variant_hold_whatever_is_drawn(random: bytes) -> None:
    made = IdSource(HandDriven(1_700_000_000.123), lambda count: random * count).new_id()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert timestamp_of(made) == pytest.approx(1_700_000_000.123, abs=0.001)


def test_two_sources_at_the_same_moment_do_not_meet() -> None:
    clock = HandDriven(1_700_000_000.0)
    one, other = IdSource(clock), IdSource(clock)
    assert not {one.new_id() for _ in range(5_000)} & {other.new_id() for _ in range(5_000)}


def test_an_id_is_an_ordinary_uuid() -> None:
    made = IdSource().new_id()
    assert type(made) is UUID
    assert made == UUID(str(made))
    assert hash(made) == hash(UUID(bytes=made.bytes))
    assert made.is_safe == UUID(str(made)).is_safe
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=UUID) == made
    assert timestamp_of(made) == pytest.approx(time.time(), abs=60.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order-1",
        str(RANDOM),
        str(BY_TIME_AND_NODE),
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5dac96774bbcceb302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
        "01890a5d-ac96-774b-0cce-b302099a8057",
        "\u06601890a5d-ac96-774b-bcce-b302099a8057",
        "x" * 10_000,
    ],
)
def test_anything_but_a_canonical_uuid_of_version_7_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidIdError, match="must be a UUIDv7") as caught:
        parse_id(text)
    assert isinstance(caught.value, PostroomError)
    assert caught.value.field == "id"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_an_id_is_read_in_either_case() -> None:
    made = IdSource().new_id()
    assert parse_id(str(made)) == parse_id(str(made).upper()) == made


def test_many_ids_grow_and_follow_what_was_made_before() -> None:
    source = IdSource(HandDriven(1_700_000_000.0))
    before = source.new_id()
    many = list(source.new_ids(10_000))
    after = source.new_id()
    assert [before, *many, after] == sorted({before, *many, after})
    assert all(made.version == 7 and made.variant == RFC_4122 for made in many)
    assert 1_700_000_000.0 <= timestamp_of(after) <= 1_700_000_000.004


def test_ids_made_in_between_are_other_ids() -> None:
    source = IdSource(HandDriven(1_700_000_000.0))
    many = source.new_ids(3)
    made = [next(many), source.new_id(), next(many), source.new_id(), next(many)]
    assert len(set(made)) == 5


def test_no_ids_are_no_trouble() -> None:
    assert list(IdSource().new_ids(0)) == []


@pytest.mark.parametrize("given", [BY_TIME_AND_NODE, RANDOM, UUID(int=0), str(RANDOM), 5, None])
def test_only_a_uuid_of_version_7_is_taken_as_an_id(given: object) -> None:
    with pytest.raises(InvalidIdError):
        require_id(given)  # type: ignore[arg-type]


def test_an_id_is_taken_as_it_is_or_as_text() -> None:
    made = IdSource().new_id()
    assert require_id(made) is made
    assert require_id(str(made)) == made
