"""Reads the history of a crash campaign and says which promises it broke."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from runtime.durable.journal import MAX_UNRECORDED
from runtime.embedded import EmbeddedServer
from tests.fault.campaign_app import (
    ATTEMPTS,
    FLAKY,
    HISTORY,
    LEDGERS,
    POOLED_SLOTS,
    STRICT,
    TRACKERS,
    ZOMBIES,
    Note,
    Zombie,
    dies,
    echoes_of,
    fails,
)
from tests.fault.campaign_producer import SENT, Sent

MAX_RUNNING = POOLED_SLOTS + 4 * 20
"""Events in the slots of services that write no history through the database."""
BOUND = MAX_UNRECORDED + MAX_RUNNING
"""How many handled events one crash may repeat."""
PAUSES = "pauses.jsonl"
SHOWN = 5
CONDEMNED = "runtime.durable.suspects.TookProcessDownError"
DONE, DEAD = 1, 3

Key = tuple[str, str, str | None]
Step = tuple[int, int]


class Pause(msgspec.Struct, frozen=True):
    """Where the history ended when a process was about to go on."""

    pid: int
    size: int


class Verdict(msgspec.Struct):
    """What a campaign came to."""

    accepted: int = 0
    recorded: int = 0
    effects: int = 0
    echoes: int = 0
    repeats: int = 0
    most_repeats_of_a_crash: int = 0
    zombies: int = 0
    """Events that a paused process handled when it woke up, before it learned that others had taken it for dead."""
    condemned: int = 0
    """Events that were running at three kills one after another."""
    broken: list[str] = []

    def blame(self, claim: str, culprits: Iterable[object]) -> None:
        """Note the culprits, if any, under a claim that they break."""
        found = list(culprits)
        if found:
            self.broken.append(f"{claim}: {len(found)}, such as {found[:SHOWN]}")


class Checker:
    """Compares what was acknowledged, what lies in the database and what the handlers noted."""

    def __init__(self, home: Path) -> None:
        self._sent = {each.event: each for each in read(home / SENT, Sent)}
        self._pauses = {each.pid: each.size for each in read(home / PAUSES, Pause)}
        zombies = {each.incarnation: self._pauses.get(each.pid, 0) for each in read(home / ZOMBIES, Zombie)}
        placed = list(placed_notes(home / HISTORY))
        self._notes = [note for _, note in placed]
        self._after_death = [
            note for place, note in placed if note.incarnation in zombies and place >= zombies[note.incarnation]
        ]
        self.verdict = Verdict(accepted=len(self._sent))

    async def check(self, connection: asyncpg.Connection[asyncpg.Record]) -> Verdict:
        await self._check_outcomes(connection)
        await self._check_effects(connection)
        self._check_notes()
        return self.verdict

    async def _check_outcomes(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        verdict = self.verdict
        rows = await connection.fetch(
            "SELECT e.id, e.attempt, e.cause, o.kind FROM postroom.event_log e LEFT JOIN postroom.outcome o USING (seq)"
        )
        letters = await connection.fetch("SELECT id, cause_type FROM postroom.dead_letter")
        dead = {row["id"]: row["cause_type"] for row in letters}
        self.condemned = {event for event, cause in dead.items() if cause == CONDEMNED}
        verdict.condemned = len(self.condemned)
        kinds: dict[UUID, list[int]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["attempt"]):
            kinds[row["id"]].append(row["kind"])
        emitted = {row["id"] for row in rows if row["cause"] is not None}
        verdict.recorded = sum(DONE in each or DEAD in each for event, each in kinds.items() if event not in emitted)
        verdict.blame("accepted and not in the log", self._sent.keys() - kinds.keys())
        verdict.blame("in the log and never sent", kinds.keys() - self._sent.keys() - emitted)
        verdict.blame("not exactly one final outcome", (e for e, each in kinds.items() if not ended_once(each)))
        verdict.blame("dead without a letter, or the reverse", dead.keys() ^ {e for e in kinds if DEAD in kinds[e]})
        verdict.blame(
            "wrong outcomes",
            (
                (sent, kinds[event])
                for event, sent in self._sent.items()
                if event not in self.condemned and event in kinds and kinds[event] != expected(sent)
            ),
        )
        verdict.blame("still delayed", await connection.fetch("SELECT id FROM postroom.delayed"))

    async def _check_effects(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        verdict = self.verdict
        rows = await connection.fetch("SELECT event, service, tenant, key, n, attempt FROM effect ORDER BY place")
        counts = Counter(row["event"] for row in rows)
        due = {e for e, sent in self._sent.items() if sent.service in LEDGERS and not dies(sent.key, sent.n)}
        verdict.effects = len(rows)
        verdict.blame("effects twice", (event for event, count in counts.items() if count > 1))
        verdict.blame("effects missing", due - counts.keys() - self.condemned)
        verdict.blame("effects of what failed", counts.keys() - (due - self.condemned))
        placed = (((row["service"], row["tenant"], row["key"]), (row["n"], row["attempt"])) for row in rows)
        verdict.blame("effects out of order", out_of_order(placed))
        await self._check_echoes(connection)

    async def _check_echoes(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        rows = await connection.fetch("SELECT event, cause FROM echo")
        self.verdict.echoes = len(rows)
        twice = (event for event, count in Counter(row["event"] for row in rows).items() if count > 1)
        self.verdict.blame("emitted events with two effects", twice)
        emitted = await connection.fetch("SELECT id, cause FROM postroom.event_log WHERE cause IS NOT NULL")
        made = Counter(row["cause"] for row in emitted)
        wrong = (
            (sent, made[event])
            for event, sent in self._sent.items()
            if event not in self.condemned and made[event] != echoes_of(sent.service, sent.key, sent.n)
        )
        self.verdict.blame("a wrong number of emitted events", wrong)
        missing = {row["id"] for row in emitted} - {row["event"] for row in rows} - self.condemned
        self.verdict.blame("emitted events without effect", missing)

    def _check_notes(self) -> None:
        verdict = self.verdict
        seen: set[tuple[UUID, int]] = set()
        ran: set[UUID] = set()
        for life in lives(self._notes):
            verdict.blame("handled twice without a crash between", twice(life))
            again = sum((note.event, note.attempt) in seen for note in life)
            verdict.repeats += again
            verdict.most_repeats_of_a_crash = max(verdict.most_repeats_of_a_crash, again)
            verdict.blame("handled out of order", out_of_order(trail(life)))
            seen |= {(note.event, note.attempt) for note in life}
            ran |= {note.event for note in life}
        alive = Counter(self._notes) - Counter(self._after_death)
        notes = [note for note in self._notes if note in alive]
        verdict.blame("first handled out of order", out_of_order(trail(first_runs(notes))))
        verdict.zombies = len(self._after_death)
        if verdict.most_repeats_of_a_crash > BOUND:
            verdict.broken.append(f"a crash repeated {verdict.most_repeats_of_a_crash} events; the bound is {BOUND}")
        due = {event for event, sent in self._sent.items() if sent.service not in LEDGERS}
        verdict.blame("never handled", due - ran - self.condemned)


def read(path: Path, kind: Any) -> Iterator[Any]:
    """The lines of a file. The last may be cut short by a kill."""
    decoder = msgspec.json.Decoder(kind)
    if path.exists():
        yield from (decoder.decode(line) for line in path.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n")


def placed_notes(path: Path) -> Iterator[tuple[int, Note]]:
    """The notes, each with where it begins in the file."""
    place = 0
    decoder = msgspec.json.Decoder(Note)
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        if line[-1:] == b"\n":
            yield place, decoder.decode(line)
        place += len(line)


def note_pause(home: Path, pid: int) -> None:
    """Note how long the history was when a paused process was about to go on."""
    history = home / HISTORY
    size = history.stat().st_size if history.exists() else 0
    with (home / PAUSES).open("ab") as file:
        file.write(msgspec.json.encode(Pause(pid, size)) + b"\n")


def expected(sent: Sent) -> list[int]:
    """The outcomes of an event's attempts: 1 done, 2 retry, 3 dead. Where the order is strict it has one at its end."""
    if sent.service in STRICT:
        return [DEAD if dies(sent.key, sent.n) else DONE]
    if dies(sent.key, sent.n):
        return [2] * (ATTEMPTS - 1) + [DEAD]
    return [2] * fails(sent.key, sent.n, 1) + [DONE]


def ended_once(kinds: list[int]) -> bool:
    return None not in kinds and sum(kind in {DONE, DEAD} for kind in kinds) == 1 and kinds[-1] in {DONE, DEAD}


def trail(notes: Iterable[Note]) -> Iterator[tuple[Key, Step]]:
    """The steps of the services that keep their keys' order."""
    return (
        ((note.service, note.tenant, note.key), (note.n, note.attempt)) for note in notes if note.service in TRACKERS
    )


def out_of_order(places: Iterable[tuple[Key, Step]]) -> Iterator[tuple[Key, Step, Step]]:
    """Steps of a key that do not grow, each a number and an attempt.

    Where the order is not strict, events that are retried rejoin at the end, so the key that has such has no order.
    """
    last: dict[Key, Step] = {}
    for key, step in places:
        if (key[2] != FLAKY or key[0] in STRICT) and step <= last.get(key, (-1, 0)):
            yield key, last[key], step
        last[key] = step


def lives(notes: list[Note]) -> Iterator[list[Note]]:
    """What each process noted, in the order in which they lived."""
    own: dict[UUID, list[Note]] = {}
    for note in notes:
        own.setdefault(note.incarnation, []).append(note)
    yield from own.values()


def twice(life: list[Note]) -> list[tuple[UUID, int]]:
    counts = Counter((note.event, note.attempt) for note in life)
    return [name for name, count in counts.items() if count > 1]


def first_runs(notes: list[Note]) -> Iterator[Note]:
    seen: set[tuple[UUID, int]] = set()
    for note in notes:
        if (note.event, note.attempt) not in seen:
            seen.add((note.event, note.attempt))
            yield note


async def check(home: Path) -> Verdict:
    """The verdict over a home whose app has stopped."""
    server = EmbeddedServer(home / "data")
    await server.start()
    try:
        connection = await asyncpg.connect(**msgspec.structs.asdict(server.dsn()))
        try:
            return await Checker(home).check(connection)
        finally:
            await connection.close()
    finally:
        await server.stop()
