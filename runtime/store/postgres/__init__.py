"""The PostgreSQL implementation of the store."""

from runtime.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
