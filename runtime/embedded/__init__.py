"""PostgreSQL without installing it: a server of the app's own, from a wheel, on a directory beside the app."""

from runtime.embedded.errors import (
    AccountError,
    BinariesMissingError,
    DataDirectoryError,
    DataDirectoryInUseError,
    DiskFullError,
    EmbeddedServerError,
    MajorVersionError,
    NotAClusterError,
    NotOwnedError,
    NotWritableError,
    OwnedByRootError,
    ServerNotRunningError,
    ServerStartError,
)
from runtime.embedded.server import Dsn, EmbeddedServer
from runtime.embedded.shared import SharedServer

__all__ = [
    "AccountError",
    "BinariesMissingError",
    "DataDirectoryError",
    "DataDirectoryInUseError",
    "DiskFullError",
    "Dsn",
    "EmbeddedServer",
    "EmbeddedServerError",
    "MajorVersionError",
    "NotAClusterError",
    "NotOwnedError",
    "NotWritableError",
    "OwnedByRootError",
    "ServerNotRunningError",
    "ServerStartError",
    "SharedServer",
]
