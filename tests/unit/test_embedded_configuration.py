"""Settings of the embedded server, and what may not be changed about it."""

from __future__ import annotations

import re

import pytest

from actors.errors import PostroomError, SpecError
from runtime.embedded.configuration import RESERVED, command_line, server_settings


@pytest.mark.parametrize("name", ["", "Work_Mem", "work mem", "work-mem", "1x", "a.b.c", "x=1 -c fsync", "x\n"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="not the name of a PostgreSQL setting"):
        server_settings({name: "1"})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_keeps_the_server_private_cannot_be_changed(name: str) -> None:
    with pytest.raises(SpecError, match=re.escape(f"'{name}' is set by the runtime")):
        server_settings({name: "x"})


def test_a_value_with_a_nul_is_refused_in_one_line() -> None:
    with pytest.raises(PostroomError) as caught:
        server_settings({"work_mem": "1\0"})
    assert "\n" not in str(caught.value)


def test_nothing_that_was_committed_can_be_lost_by_default() -> None:
    settings = server_settings({})
    assert [settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3


def test_the_server_listens_on_no_network() -> None:
    assert server_settings({})["listen_addresses"] == ""


def test_an_override_wins_over_a_default_and_may_name_an_extension() -> None:
    settings = server_settings({"shared_buffers": "16MB", "auto_explain.log_min_duration": "5s"})
    assert settings["shared_buffers"] == "16MB"
    assert settings["auto_explain.log_min_duration"] == "5s"


def test_settings_become_arguments_one_by_one() -> None:
    assert command_line({"jit": "off", "port": "5432"}) == ["-c", "jit=off", "-c", "port=5432"]
