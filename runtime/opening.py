"""Which store an app uses: the embedded server's, or one the user named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runtime.embedded import ServerNotRunningError, SharedServer
from runtime.errors import StoreUnavailableError
from runtime.settings import Settings
from runtime.store.postgres import PostgresStore


def open_store(settings: Settings, server: SharedServer | None, app_name: str) -> PostgresStore:
    """A store for these settings, not opened yet."""
    return PostgresStore(
        settings.database or _address_of(server),
        schema=settings.schema,
        application_name=f"postroom {app_name}",
        work_connections=settings.connections,
        pooler=settings.pooled_connections,
    )


def _address_of(server: SharedServer | None) -> Callable[[], Mapping[str, Any]]:
    assert server is not None, "without a database of the user's there is an embedded server"

    def address() -> Mapping[str, Any]:
        try:
            return msgspec.structs.asdict(server.dsn())
        except ServerNotRunningError as error:
            raise StoreUnavailableError(str(error)) from error

    return address
