"""Fixtures of all tests."""

from tests.postgres import admin, database, empty_database, postgres_server, store

__all__ = ["admin", "database", "empty_database", "postgres_server", "store"]
