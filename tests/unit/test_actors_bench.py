"""The benchmarks of actors: what they compare, what they skip, and that all messages are accounted for."""

from __future__ import annotations

import pytest

from bench.actors_rounds import NotYetError, Rounds, skipped
from bench.cases.fan_in import fan_in
from bench.cases.restart import restart
from bench.cases.ring import ring
from bench.cases.send import send
from bench.cases.tell import tell
from bench.erlang import run
from bench.limits import LIMITS
from bench.loops import LOOPS, UnknownLoopError, loop_name, run_on


async def one(_: int) -> float:
    return 1.0


async def four(_: int) -> float:
    return 4.0


def test_the_ratio_is_the_rate_by_the_limit() -> None:
    rounds = Rounds(count=100, quick_count=5, quick=True)

    rounds.compare(one, four)

    result = rounds.result()
    assert [(metric.metric, metric.value) for metric in result.metrics] == [("rate", 1), ("limit", 4), ("ratio", 0.25)]
    assert result.settings == {"loop": rounds.loop, "count": 5, "limit": "four"}


def test_an_unknown_loop_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_BENCH_LOOP", "nope")

    with pytest.raises(UnknownLoopError, match="POSTROOM_BENCH_LOOP=nope: there is no such loop here; there are: asy"):
        loop_name()


def test_a_loop_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_BENCH_LOOP", "asyncio")

    assert loop_name() == "asyncio"


def test_without_erlang_its_part_is_skipped_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    rounds = Rounds(count=100, quick_count=5, quick=True)

    assert rounds.erlang("cast") is None
    assert rounds.result().settings["erlang"] == "skipped: not installed"


@pytest.mark.skipif(not run.erlang_installed(), reason="Erlang is not installed")
@pytest.mark.parametrize("case", ["cast", "call", "call_100", "ring", "fan_in", "restart", "spawn"])
def test_every_case_of_erlang_runs(case: str) -> None:
    assert run.measure_erlang(case, 1000).seconds > 0


def test_what_is_skipped_has_no_metrics_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    result = skipped("send", NotYetError("there is none"))

    assert (result.metrics, result.settings) == ([], {"skipped": "there is none"})
    assert capsys.readouterr().err == "send: skipped: there is none\n"


@pytest.mark.parametrize("work", [*LIMITS, tell, send, restart, ring, fan_in])
@pytest.mark.parametrize("loop", LOOPS)
def test_limits_and_work_run_on_every_loop(loop: str, work: object) -> None:
    assert callable(work)
    assert run_on(loop, work(1000)) > 0
