"""The process that runs one case once: `python -m bench.worker CASE [--quick]`. Its measurement is JSON on stdout."""

from __future__ import annotations

import sys

import msgspec

from bench.case import load_case

QUICK = "--quick"


def main(arguments: list[str]) -> None:
    name, *flags = arguments
    measurement = load_case(name).measure(QUICK in flags)
    sys.stdout.buffer.write(msgspec.json.encode(measurement) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
