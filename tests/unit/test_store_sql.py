from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from runtime.errors import InvalidInputError, ServerTooOldError
from runtime.store.postgres.migration import check_server, load_migrations
from runtime.store.sql import load_statements, quoted_schema, with_schema


@pytest.mark.parametrize("name", ["", "Post", "post room", 'a"; DROP', "1a", "pg_mine", "a" * 64, "ä"])
def test_a_name_that_cannot_be_a_schema_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="schema"):
        quoted_schema(name)


def test_a_reserved_word_can_be_a_schema() -> None:
    assert with_schema("SELECT FROM {schema}.t", "user") == 'SELECT FROM "user".t'


def test_a_server_older_than_14_is_refused_and_told_the_versions() -> None:
    with pytest.raises(ServerTooOldError, match=r"13.*14"):
        check_server(13)
    check_server(14)


def test_statements_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "-- name: one\n-- Why.\nSELECT 1\nFROM {schema}.t;\n\n-- name: two\n-- Why.\nSELECT 2;\n"
    )
    (tmp_path / "notes.txt").write_text("-- name: three\n")
    assert load_statements(tmp_path, "s") == {"one": 'SELECT 1\nFROM "s".t', "two": "SELECT 2"}


def test_two_statements_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: one\n-- Why.\nSELECT 1;\n")
    (tmp_path / "b.sql").write_text("-- name: one\n-- Why.\nSELECT 2;\n")
    with pytest.raises(AssertionError, match="one"):
        load_statements(tmp_path, "s")


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1")
    (tmp_path / "0003_third.sql").write_text("SELECT 3")
    with pytest.raises(AssertionError, match="gap"):
        load_migrations(tmp_path)


def test_every_statement_of_the_store_has_a_comment() -> None:
    folder = resources.files("runtime.store.postgres") / "statements"
    for file in folder.iterdir():
        for block in file.read_text().split("-- name: ")[1:]:
            assert block.splitlines()[1].startswith("-- "), block
