"""Whatever happens: each moment of a schedule comes to one end, and none of them runs twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import SpecError
from runtime.core.cron import Cron
from runtime.core.schedule import Overlap
from runtime.core.schedule_standing import Choice, Standing, begun, choose, come, in_time, ran, refused, skipped, waits
from tests.property.cases import cases

JOB = UUID(int=7)
START = 1_760_000_000.0
ZONES = ["UTC", "Europe/Athens", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]
MINUTES = ["*", "*/7", "0", "30", "15,45", "0-10/3", "59"]
HOURS = ["*", "*/2", "0", "1", "2,3", "1-3", "23"]
DAYS = ["* * *", "1 * *", "L * *", "* * SUN", "* 3,10 SUN", "28-31 * *", "13 * FRI", "* * 7#2"]

CRONS = st.builds(
    lambda minute, hour, days, zone: Cron(f"{minute} {hour} {days}", zone),
    *(st.sampled_from(MINUTES), st.sampled_from(HOURS), st.sampled_from(DAYS), st.sampled_from(ZONES)),
)
INSTANTS = st.integers(min_value=1_700_000_000_000, max_value=1_900_000_000_000).map(lambda number: number / 1000)


@settings(max_examples=cases(150), deadline=None)
@given(CRONS, INSTANTS)
def test_moments_rise_and_are_the_same_from_wherever_one_begins(cron: Cron, start: float) -> None:
    moments = list(islice(cron.moments(start), 40))
    assert moments == sorted(set(moments))
    assert all(moment > start for moment in moments)
    for before, moment in zip([start, *moments], moments, strict=False):
        assert cron.after(before) == moment
        assert cron.after((before + moment) / 2) == moment


@settings(max_examples=cases(150), deadline=None)
@given(CRONS, INSTANTS, st.integers(0, 39), st.floats(0.0, 1.0))
def test_the_newest_moment_is_the_last_that_has_come(cron: Cron, start: float, index: int, part: float) -> None:
    moments = list(islice(cron.moments(start), 41))
    now = moments[index] + part * (moments[index + 1] - moments[index]) * 0.999
    assert cron.newest(moments[0], now) == moments[index]


STEPS = st.lists(st.tuples(st.floats(0.0, 40_000.0), st.booleans(), st.booleans()), min_size=1, max_size=40)


def history(
    cron: Cron, overlap: Overlap, catch_up: float | None, steps: list[tuple[float, bool, bool]]
) -> Iterator[tuple[Standing, float]]:
    """The standing after each look: looks come at any time, runs end or go on, and some are refused."""
    now, standing, ran_at = START, begun(cron, START), set[float]()
    for pause, running, refusing in steps:
        now += pause
        standing = in_time(come(standing, cron, now), catch_up, now)
        standing.validate()
        moment = standing.waiting_at
        if moment is not None:
            assert catch_up is None or now <= moment + catch_up
            choice = choose(overlap, running=running and standing.job is not None)
            if choice is Choice.SKIP:
                standing = skipped(standing, now)
            elif choice is Choice.WAIT:
                standing = waits(standing, now)
            elif refusing:
                standing = refused(standing, "no room", now)
            else:
                assert moment not in ran_at
                ran_at.add(moment)
                standing = ran(standing, JOB)
        standing.validate()
        yield standing, now


@settings(max_examples=cases(150), deadline=None)
@given(CRONS, st.sampled_from(["skip", "queue", "allow"]), st.sampled_from([None, 1.0, 5_000.0]), STEPS)
def test_each_moment_runs_is_skipped_is_missed_or_waits(
    cron: Cron, overlap: Overlap, catch_up: float | None, steps: list[tuple[float, bool, bool]]
) -> None:
    moments = cron.moments(START)
    ahead, come_so_far = next(moments), 0
    for standing, now in history(cron, overlap, catch_up, steps):
        while ahead <= now:
            ahead, come_so_far = next(moments), come_so_far + 1
        waiting = int(standing.waiting_at is not None)
        assert standing.runs + standing.skipped + standing.missed + waiting == come_so_far
        assert standing.next_at == ahead
        assert standing.look_at is not None
        assert now < standing.look_at <= ahead
        assert overlap == "skip" or standing.skipped == 0
        assert (standing.skipped + standing.missed == 0) == (standing.note is None)


def refused_field(text: str, zone: str) -> str | None:
    try:
        Cron(text, zone).after(START)
    except SpecError as error:
        return error.field
    return None


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_taken_or_refused_with_its_field(text: str, zone: str) -> None:
    assert refused_field(text, zone) in {None, "cron", "timezone"}


@given(st.text(alphabet="0123456789*/,-#LW ?@SUNMON", max_size=40))
def test_whatever_looks_like_cron_is_taken_or_refused(text: str) -> None:
    assert refused_field(text, "Europe/Athens") in {None, "cron"}
