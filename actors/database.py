"""What `self.db` offers a handler: statements inside the transaction that also records the event's completion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, overload


class Row(Protocol):
    """One row of a result: by column name or by position."""

    @overload
    def __getitem__(self, column: str, /) -> Any: ...
    @overload
    def __getitem__(self, column: int, /) -> Any: ...
    def __len__(self) -> int: ...
    def keys(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...
    def items(self) -> Iterator[tuple[str, Any]]: ...
    @overload
    def get(self, column: str, /) -> Any: ...
    @overload
    def get(self, column: str, default: Any, /) -> Any: ...


class Database(Protocol):
    """PostgreSQL, with `$1`-style parameters.

    The transaction opens with the first statement and is committed by the runtime together with the outcome of the
    event and the events it emitted; when the handler raises, what it wrote is rolled back. A statement that fails
    leaves the transaction unusable until the handler ends: let it raise, or roll back to a savepoint set before.
    Settings changed by SET last at most until the chunk of events that shares the transaction ends.

    Errors are those of asyncpg, and `runtime.errors.DatabaseUseError` for BEGIN, COMMIT and ROLLBACK, which are not the
    handler's to send, and for statements sent after the handler has ended.
    """

    async def execute(self, sql: str, *args: Any) -> str:
        """Run a statement and return its command tag, such as `INSERT 0 1`."""
        ...

    async def executemany(self, sql: str, args: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each sequence of arguments."""
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Return all rows. Bound the query yourself."""
        ...

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        """Return the first row, or None."""
        ...

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        ...
