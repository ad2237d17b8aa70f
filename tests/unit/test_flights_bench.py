"""The bench runner: cases are found by name, every run has a process of its own, medians are taken."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import bench.cases
from bench.case import Measurement, Metric, UnknownCaseError, case_names, load_case, machine_settings, peak_rss_bytes
from bench.command import bench as command
from bench.results import results_table
from bench.runner import CaseFailedError, medians, run_case
from runtime.cli import main

ONE_PROCESS = """
import os
from bench.case import Measurement, Metric
QUESTION = "Which process is this?"
def measure(quick):
    return Measurement([Metric("pid", os.getpid(), "process")], {"asked_quick": quick})
"""
FAILING = """
QUESTION = "What if a case fails?"
def measure(quick):
    raise RuntimeError("the case's own words")
"""


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a file is a case, here and in the processes started from here."""
    package = tmp_path / "extra"
    package.mkdir()
    (tmp_path / "sitecustomize.py").write_text(f"import bench.cases\nbench.cases.__path__.append({str(package)!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(bench.cases, "__path__", [*bench.cases.__path__, str(package)])
    return package


def measurement(**values: float) -> Measurement:
    return Measurement([Metric(name, value, "s") for name, value in values.items()], {"events": 5})


def test_a_case_is_found_by_its_file_alone(cases: Path) -> None:
    (cases / "new_case.py").write_text(ONE_PROCESS)

    assert {"flights", "new-case"} <= set(case_names())
    assert load_case("new-case").QUESTION == "Which process is this?"


def test_an_unknown_case_lists_those_there_are() -> None:
    with pytest.raises(UnknownCaseError, match=r"no benchmark is named 'nope'; there are: .*flights"):
        load_case("nope")


def test_the_median_of_the_repetitions_is_taken() -> None:
    results = medians("c", [measurement(a=1, b=30), measurement(a=5, b=10), measurement(a=2, b=20)], quick=False)

    assert [(result.metric, result.value, result.n) for result in results] == [("a", 2, 3), ("b", 20, 3)]


def test_a_result_carries_its_settings() -> None:
    (result,) = medians("c", [measurement(a=1)], quick=True)

    assert result.settings == {**machine_settings(), "quick": True, "events": 5}


def test_each_repetition_has_a_process_of_its_own(cases: Path) -> None:
    (cases / "pids.py").write_text(ONE_PROCESS)

    pids = {run_case("pids", quick=True, repeat=1)[0].value for _ in range(2)}

    assert len(pids) == 2


def test_the_quick_run_is_told_to_the_case(cases: Path) -> None:
    (cases / "pids.py").write_text(ONE_PROCESS)

    assert run_case("pids", quick=True, repeat=1)[0].settings["asked_quick"] is True
    assert run_case("pids", quick=False, repeat=1)[0].settings["asked_quick"] is False


def test_a_case_that_fails_is_named(cases: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (cases / "failing.py").write_text(FAILING)

    with pytest.raises(CaseFailedError, match="'failing' failed with exit code 1"):
        run_case("failing", quick=True, repeat=1)
    assert "the case's own words" in capfd.readouterr().err


def test_the_peak_is_of_this_process_and_grows_with_it() -> None:
    before = peak_rss_bytes()
    block = b"x" * (before + 50_000_000)

    assert peak_rss_bytes() > len(block)


def test_the_list_says_what_each_case_answers() -> None:
    result = CliRunner().invoke(command, ["--list"])

    assert result.exit_code == 0
    assert load_case("flights").QUESTION in result.output


def test_results_are_written_as_json_beside_the_table(cases: Path, tmp_path: Path) -> None:
    (cases / "pids.py").write_text(ONE_PROCESS)
    target = tmp_path / "results.json"

    result = CliRunner().invoke(command, ["pids", "--quick", "--repeat", "3", "--json", str(target)])

    assert result.exit_code == 0, result.output
    (row,) = json.loads(target.read_text())
    assert set(row) == {"case", "metric", "value", "unit", "n", "settings"}
    assert (row["case"], row["n"]) == ("pids", 3)
    assert "pids" in result.output


def test_json_on_stdout_stands_alone(cases: Path) -> None:
    (cases / "pids.py").write_text(ONE_PROCESS)

    result = CliRunner().invoke(command, ["pids", "--quick", "--json", "-"])

    assert msgspec.json.decode(result.stdout, type=list[dict[str, object]])[0]["case"] == "pids"


def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["flights", "--json", str(tmp_path / "none" / "x.json")])

    assert result.exit_code == 2
    assert "No such file or directory" in result.output


def test_an_unknown_case_is_one_line_and_no_traceback() -> None:
    result = CliRunner().invoke(main, ["bench", "nope"])

    assert result.exit_code == 1
    assert result.stderr == f"postroom: error: no benchmark is named 'nope'; there are: {', '.join(case_names())}\n"


def test_metrics_of_one_name_are_told_apart_by_their_settings() -> None:
    rates = [Metric("rate", 1.0, "x", {"tenants": count}) for count in (10, 10_000)]

    results = medians("c", [Measurement(rates, {"cycles": 5})], quick=True)

    assert [(result.settings["tenants"], result.settings["cycles"]) for result in results] == [(10, 5), (10_000, 5)]
    assert list(results_table(results).columns[1].cells) == ["rate (tenants 10)", "rate (tenants 10,000)"]
