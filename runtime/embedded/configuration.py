"""The server's settings. They go on its command line, which neither a file nor ALTER SYSTEM can overrule."""

from __future__ import annotations

import re
from collections.abc import Mapping

from actors.errors import SpecError

PORT = 5432
"""Only a part of the socket's name: every server has a directory of its own."""

DEFAULTS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": "postroom",
}
"""What `settings` may change. Durability is on, and whoever switches it off has said so in the app's own code."""

FIXED: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "log_destination": "stderr",
    "logging_collector": "off",
    "lc_messages": "C",
}
"""What keeps the server private and its messages readable by us."""

RESERVED = frozenset(FIXED) | {
    "unix_socket_directories",
    "unix_socket_group",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "external_pid_file",
}

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


def server_settings(overrides: Mapping[str, str]) -> dict[str, str]:
    """The defaults with `overrides` applied. Raises `SpecError` for a name that is malformed or not free to choose.

    Whether PostgreSQL knows a name and takes its value shows at the start of the server.
    """
    for name, value in overrides.items():
        if not _NAME.fullmatch(name):
            raise SpecError("settings", f"{name!r} is not the name of a PostgreSQL setting; use lower case")
        if name in RESERVED:
            raise SpecError("settings", f"{name!r} is set by the runtime to keep the server private; leave it out")
        if "\0" in value:
            raise SpecError("settings", f"the value of {name!r} contains a NUL character")
    return {**DEFAULTS, **overrides, **FIXED}


def command_line(settings: Mapping[str, str]) -> list[str]:
    """`settings` as arguments of the server program."""
    return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
