from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from runtime.collector import THRESHOLDS, fewer_collections


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_the_collector_waits_for_more_objects_and_then_as_before() -> None:
    gc.set_threshold(700, 10, 10)
    with fewer_collections():
        assert gc.get_threshold()[0] == THRESHOLDS[0]
    assert gc.get_threshold()[0] == 700


def test_the_second_app_of_a_process_changes_nothing() -> None:
    gc.set_threshold(700, 10, 10)
    with fewer_collections(), fewer_collections():
        assert gc.get_threshold()[0] == THRESHOLDS[0]
    assert gc.get_threshold()[0] == 700


@pytest.mark.parametrize("own", [0, 50_000])
def test_a_process_that_has_thought_of_it_is_left_alone(own: int) -> None:
    gc.set_threshold(own, 10, 10)
    with fewer_collections():
        assert gc.get_threshold()[0] == own
    assert gc.get_threshold()[0] == own


def test_what_is_set_meanwhile_stays() -> None:
    gc.set_threshold(700, 10, 10)
    with fewer_collections():
        gc.set_threshold(0)
    assert gc.get_threshold()[0] == 0
