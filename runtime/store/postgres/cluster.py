"""Which database cluster an address leads to. It must stay the same for as long as an app runs.

A standby that is promoted is the same cluster. Another one, be it empty or restored from a copy, does not have what was
accepted, and what is known of the log would be wrong there.
"""

from __future__ import annotations

import asyncpg

from runtime.errors import AnotherClusterError

IDENTITY = "SELECT system_identifier FROM pg_control_system()"


class Cluster:
    """Remembers the cluster of the first connection."""

    def __init__(self) -> None:
        self._identity: int | None = None

    async def recognise(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Learn or compare where the connection leads. A role that may not ask is let pass.

        Raises:
            AnotherClusterError: it leads to another cluster than the connections before.
        """
        try:
            identity = await connection.fetchval(IDENTITY)
        except asyncpg.InsufficientPrivilegeError:
            return
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise AnotherClusterError(
                f"the address leads to another database cluster now (system identifier {identity}, not"
                f" {self._identity}); nothing is written there: correct it, or start the app anew to work there"
            )
