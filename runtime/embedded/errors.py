"""Why the embedded PostgreSQL server cannot run. Each text is one line that ends with what to do."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import RuntimeFaultError


class EmbeddedServerError(RuntimeFaultError):
    """Base of the errors of the embedded server."""


class BinariesMissingError(EmbeddedServerError):
    """No PostgreSQL binaries that can run here were found."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}; install PostgreSQL with the system's package manager, or name a server with --database"
        )


class AccountError(EmbeddedServerError):
    """Started as root, and no unprivileged account can run the server."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; run postroom as an ordinary user, or name a server with --database")


class ServerStartError(EmbeddedServerError):
    """The server ended, or did not become ready, during its start. `reason` is its own last word."""

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__(f"PostgreSQL did not start: {reason}; its log is {log}")
        self.reason = reason


class ServerNotRunningError(EmbeddedServerError):
    """The server was asked for something that only a running one can give."""


class DataDirectoryError(EmbeddedServerError):
    """Base of the errors about the data directory, which is named by `path`."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"data directory {path} {problem}")
        self.path = path


class NotAClusterError(DataDirectoryError):
    """Something else lies where the cluster should be."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "does not hold a PostgreSQL cluster; move it away, or choose another with --data")


class MajorVersionError(DataDirectoryError):
    """The cluster belongs to a major version of PostgreSQL whose binaries are not here."""

    def __init__(self, path: Path, major: int) -> None:
        super().__init__(
            path,
            f"was made by PostgreSQL {major}, whose binaries are not installed; install PostgreSQL {major},"
            " or choose another with --data",
        )
        self.major = major


class NotOwnedError(DataDirectoryError):
    """The data belongs to another account."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(path, f"belongs to {owner}; run postroom as that user, or choose another with --data")
        self.owner = owner


class OwnedByRootError(DataDirectoryError):
    """Root owns the cluster, and PostgreSQL refuses to run as root."""

    def __init__(self, path: Path, account: str) -> None:
        super().__init__(path, f"belongs to root, which PostgreSQL does not run as; give it back: chown -R {account}")


class NotWritableError(DataDirectoryError):
    """The data directory cannot be made or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"cannot be written ({reason}); make it writable, or choose another with --data")


class DataDirectoryInUseError(DataDirectoryError):
    """A live process holds the data directory. `pid` is None where it has not written its number yet."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(path, f"is in use by {holder}; stop it, or choose another with --data")
        self.pid = pid


class DiskFullError(DataDirectoryError):
    """There is no room for the data: a full disk, a quota or a limit on the size of files."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"has no room ({reason}); free some space, or choose another with --data")
