"""A process with the durable app on its own server: `python -m bench.durable_child fill|drain|serve FOLDER COUNT`.

`fill` leaves events waiting and ends. `drain` handles what waits and prints a `Drained` as JSON. `serve` fills, prints
`waiting` and waits to be killed, or, with COUNT 0, prints `serving` as soon as an event is handled.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from bench.case import peak_rss_bytes
from bench.durable import CHUNK, Worker, drain, fill, make_app, resident_bytes
from bench.loops import loop_name, run_on
from runtime import Running, Settings

SETTLE_SECONDS = 0.5
"""After which the windows are full."""


class Drained(msgspec.Struct, frozen=True):
    """What a drain took."""

    rate: float
    waiting_bytes: int
    """Memory held while all events waited."""
    peak_bytes: int


async def main(work: str, folder: Path, count: int) -> None:
    app = make_app(chunk_size=CHUNK)
    async with app.running(Settings(data_dir=folder)) as started:
        if work == "drain":
            await _drain(started, count)
        elif work == "serve" and not count:
            await _serve()
        else:
            await fill(app, count)
            _say("waiting")
            if work == "serve":
                await asyncio.Event().wait()
        Worker.gate.release()


async def _drain(started: Running, count: int) -> None:
    await Worker.gate.reached.wait()
    await asyncio.sleep(SETTLE_SECONDS)
    waiting = resident_bytes()
    rate = await drain(started, count)
    _say(msgspec.json.encode(Drained(rate, waiting, peak_rss_bytes())).decode())


async def _serve() -> None:
    await Worker.gate.reached.wait()
    _say("serving")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_on(loop_name(), main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
