"""How a running app is found without being told its port: a file per process in a private directory of the user's.

Nobody else can write there, so what a file says is this user's own word; but a killed process leaves its file behind,
so every reader asks the process itself before it believes one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import stat
import tempfile
import urllib.parse
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import platformdirs

from runtime.errors import RuntimeFaultError

DIRECTORY_NAME = "postroom"
PROBE_SECONDS = 2.0
SUFFIX = ".json"


class RendezvousError(RuntimeFaultError):
    """No private directory could be had in which to announce the app."""


class Announcement(msgspec.Struct, frozen=True):
    """What a running app says of itself. `started_at` is in seconds since the epoch (UTC)."""

    app: str
    pid: int
    incarnation: UUID
    url: str
    data_dir: str | None
    started_at: float


class _Health(msgspec.Struct):
    incarnation: UUID


def announce(announcement: Announcement) -> None:
    """Let this user's other programs find the app, until `withdraw`.

    Raises:
        RendezvousError: the directory cannot be made, or is not private to this user.
    """
    directory = _writable_directory()
    target = directory / f"{announcement.incarnation}{SUFFIX}"
    draft = target.with_suffix(".new")
    try:
        draft.write_bytes(msgspec.json.encode(announcement))
        draft.replace(target)
    except OSError as error:
        raise RendezvousError(
            f"cannot write {target}: {error.strerror}; name this app to other commands with --url {announcement.url}"
        ) from error


def withdraw(incarnation: UUID) -> None:
    """Take an announcement back; harmless if there is none."""
    for directory in _candidates():
        if is_private(directory):
            with contextlib.suppress(OSError):
                (directory / f"{incarnation}{SUFFIX}").unlink(missing_ok=True)


def running_apps() -> list[Announcement]:
    """The apps of this user that answer now, the oldest first. Files of those that are gone are removed."""
    found = [announcement for path in _files() if (announcement := _verified(path)) is not None]
    return sorted(found, key=lambda each: each.started_at)


def is_private(directory: Path) -> bool:
    """Whether it is a directory, no link, that this user alone owns and may enter."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    mine = status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and mine and stat.S_IMODE(status.st_mode) & 0o077 == 0


def _candidates() -> Iterator[Path]:
    """The user's runtime directory first; a directory of our own in the temporary one where the system has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the system has no runtime directory, which is answered below
        with contextlib.suppress(OSError):
            runtime = platformdirs.user_runtime_path(DIRECTORY_NAME)
            if is_private(runtime.parent):
                yield runtime
    yield Path(tempfile.gettempdir()) / f"{DIRECTORY_NAME}-{os.geteuid()}"


def _writable_directory() -> Path:
    for directory in _candidates():
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700)
        if is_private(directory) and os.access(directory, os.W_OK | os.X_OK):
            return directory
    raise RendezvousError(
        f"{directory} is not a private directory of this user, so other commands cannot find this app;"
        " remove it, or name the app to them with --url"
    )


def _files() -> Iterator[Path]:
    for directory in _candidates():
        if is_private(directory):
            yield from directory.glob(f"*{SUFFIX}")


def _verified(path: Path) -> Announcement | None:
    """The announcement in a file if its process answers; the file is removed once the process is surely gone.

    A process that is alive but slow to answer keeps its file: it would not be found again otherwise.
    """
    try:
        announcement = msgspec.json.decode(path.read_bytes(), type=Announcement)
    except (OSError, msgspec.DecodeError):
        return None
    try:
        if _is_alive(announcement.pid) and _incarnation_at(announcement.url) == announcement.incarnation:
            return announcement
    except TimeoutError:
        return None
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _incarnation_at(url: str) -> UUID | None:
    """Which process answers at a URL, or None if nobody or something else does. Raises TimeoutError."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return msgspec.json.decode(connection.getresponse().read(), type=_Health).incarnation
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
