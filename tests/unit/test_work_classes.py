"""What is refused of classes of work, and how run times are learned."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors import Actor, SpecError
from runtime import App, ByRunTime, BySize
from runtime.core.work_classes import KINDS_KEPT, LARGE, MEDIUM, SMALL, UNKNOWN, RunTimes, class_of_size, kept_slots


class Load(msgspec.Struct):
    pass


class Worker(Actor):
    async def load(self, _: Load) -> None:
        pass


def by_size(**changes: Any) -> BySize:
    return BySize(**{"medium_bytes": 10, "large_bytes": 100, "guarantees": {"small": 0.25}, **changes})


def by_run_time(**changes: Any) -> ByRunTime:
    return ByRunTime(**{"medium_seconds": 1.0, "large_seconds": 10.0, "guarantees": {"small": 0.25}, **changes})


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"medium_bytes": 0}, "medium_bytes"),
            ({"large_bytes": 10}, "large_bytes"),
            ({"guarantees": {"small": 0.0}}, "guarantees.small"),
            ({"guarantees": {"small": float("nan")}}, "guarantees.small"),
            ({"guarantees": {"tiny": 0.1}}, "guarantees"),
            ({"guarantees": {"small": 0.6, "large": 0.6}}, "guarantees"),
            ({"guarantees": {"small": 0.5, "large": 0.5}}, "guarantees"),
            ({"guarantees": {"unknown": 0.5}}, "guarantees.unknown"),
        ],
    )
    def test_by_size_names_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(SpecError) as refused:
            by_size(**changes)
        assert refused.value.field == field

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"medium_seconds": -1.0}, "medium_seconds"),
            ({"large_seconds": float("inf")}, "large_seconds"),
            ({"large_seconds": 0.5}, "large_seconds"),
            ({"runs_seen": 0}, "runs_seen"),
            ({"guarantees": {"small": 1.5}}, "guarantees.small"),
        ],
    )
    def test_by_run_time_names_the_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(SpecError) as refused:
            by_run_time(**changes)
        assert refused.value.field == field

    @pytest.mark.parametrize(
        ("settings", "field"),
        [
            ({"classes": "size"}, "classes"),
            ({"work_class": "huge"}, "work_class"),
            ({"classes": by_size(), "slots": 1}, "slots"),
            ({"classes": by_size(), "slots": 3, "slots_per_event": 2}, "slots"),
            ({"classes": by_run_time(guarantees={"small": 0.1, "large": 0.1}), "slots": 2}, "classes.guarantees.large"),
        ],
    )
    def test_a_service_with_too_few_slots_for_its_classes(self, settings: dict[str, Any], field: str) -> None:
        with pytest.raises(SpecError) as refused:
            App("app").service("work", Worker, **settings)
        assert refused.value.field == field


def test_sizes_have_their_classes_from_their_bounds_on() -> None:
    assert [class_of_size(by_size(), size) for size in (0, 9, 10, 99, 100)] == [SMALL, SMALL, MEDIUM, MEDIUM, LARGE]


def test_a_part_of_less_than_one_slot_is_one_while_others_have_a_slot_left() -> None:
    assert kept_slots(8, {"small": 0.25, "large": 0.01}) == [2, 0, 1, 0]
    assert kept_slots(1, {"small": 0.25}) == [0, 0, 0, 0]


class TestRunTimes:
    def test_a_kind_is_unknown_until_enough_of_it_have_run(self) -> None:
        times = RunTimes(by_run_time(runs_seen=2))
        seen = []
        for seconds in (0.1, 0.1, 100.0):
            seen.append(times.class_of(("acme", "Load")))
            times.ran(("acme", "Load"), seconds)
        assert seen == [UNKNOWN, UNKNOWN, SMALL]
        assert times.class_of(("acme", "Load")) == LARGE
        assert times.class_of(("bee", "Load")) == UNKNOWN

    def test_a_kind_that_runs_faster_than_before_is_small_again(self) -> None:
        times = RunTimes(by_run_time())
        for seconds in [100.0] * 3 + [0.1] * 50:
            times.ran(("acme", "Load"), seconds)
        assert times.class_of(("acme", "Load")) == SMALL

    def test_only_the_last_kinds_are_known(self) -> None:
        times = RunTimes(by_run_time(runs_seen=1))
        for number in range(KINDS_KEPT + 1):
            times.ran((str(number), "Load"), 0.1)
        assert times.class_of(("0", "Load")) == UNKNOWN
        assert times.class_of(("1", "Load")) == SMALL
