"""Brings the schema up to date: numbered files, forward only, each in a transaction of its own."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from runtime.errors import SchemaTooNewError, ServerTooOldError
from runtime.store.postgres.pool import Connection
from runtime.store.sql import with_schema

OLDEST_SERVER = 14


class Migration(msgspec.Struct, frozen=True):
    """One step."""

    version: int
    name: str
    sql: str


def load_migrations(folder: Traversable) -> list[Migration]:
    """The migrations of a folder, whose files are named `0001_what_it_does.sql` and numbered without gaps."""
    names = sorted(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql"))
    migrations = [
        Migration(int(name[:4]), name[5:], (folder / f"{name}.sql").read_text(encoding="utf-8")) for name in names
    ]
    assert [each.version for each in migrations] == list(range(1, len(migrations) + 1)), (
        "gap in the migrations' numbers"
    )
    return migrations


MIGRATIONS = load_migrations(resources.files(__package__) / "migrations")


def check_server(major: int) -> None:
    """Refuse a server that lacks what the statements use.

    Raises:
        ServerTooOldError: it is older than `OLDEST_SERVER`.
    """
    if major < OLDEST_SERVER:
        raise ServerTooOldError(
            f"the PostgreSQL server has version {major}; {OLDEST_SERVER} or newer is needed: upgrade it, or leave out"
            " --database to use the embedded one"
        )


class Migrator:
    """Applies what is missing. Several processes may try at once; one does it, the others find it done."""

    def __init__(self, statements: dict[str, str], schema: str, migrations: list[Migration]) -> None:
        self._sql = statements
        self._schema = schema
        self._migrations = migrations

    async def migrate(self, connection: Connection) -> int:
        """Return the version reached.

        Raises:
            ServerTooOldError, SchemaTooNewError: this code and that database do not go together.
            asyncpg.PostgresError: the role lacks a right, for example.
        """
        check_server(connection.get_server_version().major)
        while not await self._step(connection):
            pass
        return len(self._migrations)

    async def _step(self, connection: Connection) -> bool:
        """Apply the next migration; return whether there was none left."""
        async with connection.transaction():
            await connection.execute(self._sql["lock_migrations"])
            if not await connection.fetchval(self._sql["schema_exists"], self._schema):
                await connection.execute(self._sql["create_schema"])
            if not await connection.fetchval(self._sql["migration_table_exists"]):
                await connection.execute(self._sql["create_migration_table"])
            version = await connection.fetchval(self._sql["migrated_version"])
            newest = len(self._migrations)
            if version > newest:
                raise SchemaTooNewError(
                    f"the schema {self._schema} has version {version}, this program knows versions up to {newest}:"
                    " use the newer program, or another database or schema"
                )
            if version == newest:
                return True
            migration = self._migrations[version]
            await connection.execute(with_schema(migration.sql, self._schema))
            await connection.execute(self._sql["record_migration"], migration.version, migration.name)
            return False
