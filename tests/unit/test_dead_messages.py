"""Messages in memory that will never be handled: counted, kept up to a limit, and shown whatever they hold."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from runtime.cells.dead_messages import KEPT, DeadMessages, DeadReason
from runtime.views import MESSAGE_CHARACTERS, dead_messages_json


class Note(msgspec.Struct):
    text: Any


def test_all_are_counted_by_reason_and_the_last_are_kept_newest_first() -> None:
    dead = DeadMessages()
    for number in range(KEPT + 1):
        dead.add("app/a", Note(number), DeadReason.MAILBOX_FULL)
    dead.add("app/b", Note("last"), DeadReason.STOPPED)
    found = dead.found(2)
    assert (found.total, len(dead.last)) == (KEPT + 2, KEPT)
    assert found.reasons == {
        DeadReason.STOPPED: 1,
        DeadReason.MAILBOX_FULL: KEPT + 1,
        DeadReason.DROPPED_OLDEST: 0,
    }
    assert [(each.path, each.message) for each in found.last] == [("app/b", Note("last")), ("app/a", Note(KEPT))]


def test_a_flood_of_them_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    dead = DeadMessages()
    with caplog.at_level(logging.WARNING, "postroom.actors"):
        for _ in range(100):
            dead.add("app/a", Note("x"), DeadReason.STOPPED)
    assert [record.getMessage() for record in caplog.records] == ["app/a: Note became a dead letter: stopped"]


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Note("x"), '{"text":"x"}'),
        ({"n": [1, 2]}, '{"n":[1,2]}'),
        (Note({"a": {1j}}), '{"text":{"a":["1j"]}}'),
        (Note(Unshowable()), "<Note>"),
        (Note("\ud800"), "<Note>"),
        (Note("x" * 2000), '{"text":"' + "x" * (MESSAGE_CHARACTERS - 9)),
    ],
)
def test_whatever_a_message_holds_it_can_be_shown(message: object, text: str) -> None:
    dead = DeadMessages()
    dead.add("app/a", message, DeadReason.STOPPED)
    [shown] = dead_messages_json(dead.found(10)).dead_messages
    assert (shown.type, shown.message) == (type(message).__name__, text)
