"""`postroom bench`: the load benchmarks that ship with the product."""

from __future__ import annotations

from typing import IO

import click
import msgspec

from bench.case import case_names, load_case
from bench.results import results_table
from bench.runner import run_case
from runtime.cli.output import examples, show, table

ALL = "all"
STDOUT = "<stdout>"


@click.command(
    epilog=examples(
        "postroom bench --list",
        "postroom bench flights --repeat 5 --json flights.json",
        "postroom bench all --quick",
    )
)
@click.argument("case", default=ALL)
@click.option("--list", "only_list", is_flag=True, help="Say which benchmarks there are.")
@click.option(
    "--json",
    "target",
    type=click.File("wb", lazy=False),  # a wrong name must not be found only after the run
    metavar="FILE",
    help="Write the results as JSON too; - is stdout, without the table.",
)
@click.option("--quick", is_flag=True, help="One short iteration, to see that it works; the numbers mean nothing.")
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True, metavar="N", help="Take medians.")
def bench(case: str, target: IO[bytes] | None, repeat: int, *, only_list: bool, quick: bool) -> None:
    """Run a benchmark, or all of them, each repetition in a fresh process.

    CASE is a name that --list shows, or all.
    """
    names = case_names() if case == ALL else [case]
    if only_list:
        show(
            table(["benchmark", "question"], [(name, load_case(name).QUESTION) for name in names], whole=["benchmark"])
        )
        return
    results = [result for name in names for result in run_case(name, quick=quick, repeat=repeat)]
    if target is not None:
        target.write(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if target is None or target.name != STDOUT:
        show(results_table(results))
