"""Durable state as a class declares it, and as it is read back."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from actors import Actor, SpecError, StateError, UnreadableStateError
from actors.state import guarded, read_state, state_of


class Line(msgspec.Struct):
    sku: str
    count: int = 1


class Basket(msgspec.Struct):
    lines: list[Line] = []
    total: int = 0


class Plain(Actor):
    pass


class Shop(Actor):
    state: Basket


class Renamed(Shop):
    state_version = 2

    @classmethod
    def upgrade_state(cls, version: int, raw: Any) -> msgspec.Struct:
        return Basket(total=raw["sum"] + version)


def test_a_class_without_the_annotation_has_no_durable_state() -> None:
    assert state_of(Plain) is None


def test_the_annotation_declares_it_and_subclasses_inherit_it() -> None:
    spec, inherited = state_of(Shop), state_of(Renamed)
    assert spec is not None
    assert inherited is not None
    assert (spec.kind, spec.version, spec.initial) == (Basket, 1, b'{"lines":[],"total":0}')
    assert (inherited.kind, inherited.version) == (Basket, 2)


def test_names_of_an_enclosing_function_are_found() -> None:
    class Local(msgspec.Struct):
        n: int = 0

    class Keeper(Actor):
        state: Local

    assert state_of(Keeper) is not None


def test_a_state_that_is_no_struct_is_refused() -> None:
    with pytest.raises(SpecError, match=r"state: Wrong\.state .* must be a msgspec\.Struct, not str"):

        class Wrong(Actor):
            state: str


def test_a_state_without_defaults_is_refused_with_the_field() -> None:
    with pytest.raises(SpecError, match=r"Line\.sku needs a default"):

        class Wrong(Actor):
            state: Line


def test_an_annotation_that_means_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot resolve the annotation 'Nowhere'"):

        class Wrong(Actor):
            state: Nowhere  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize("version", [0, -1, True, "2", 2**31])
def test_a_version_that_is_no_number_from_1_up_is_refused(version: Any) -> None:
    with pytest.raises(SpecError, match="state_version"):
        type("Wrong", (Shop,), {"state_version": version})


def test_a_stored_state_is_read_back() -> None:
    spec = state_of(Shop)
    assert spec is not None
    state = Basket([Line("tea", 2)], 5)
    assert read_state(Shop, 1, spec.encode(state)) == state


def test_an_older_state_goes_through_the_upgrade() -> None:
    assert read_state(Renamed, 1, b'{"sum": 41}') == Basket(total=42)


def test_the_usual_upgrade_takes_what_fits_and_fills_in_defaults() -> None:
    class Grown(Shop):
        state_version = 3

    assert read_state(Grown, 1, b'{"total": 4, "gone": 1}') == Basket(total=4)


@pytest.mark.parametrize(
    ("actor", "version", "payload", "problem"),
    [
        (Shop, 1, b'{"lines": [{"sku": 7}]}', r"state\.lines\[0\]\.sku: Expected `str`, got `int`"),
        (Shop, 1, b'{"total": "x"}', r"state\.total: Expected `int`, got `str`"),
        (Shop, 1, b"{", "state: Input data was truncated"),
        (Shop, 1, b'"\xff"', "state: "),
        (Shop, 2, b"{}", "stored by version 2 of Shop, and this is version 1"),
        (Renamed, 1, b"{}", "could not be upgraded from version 1: KeyError: 'sum'"),
    ],
)
def test_a_state_that_does_not_decode_says_what_is_wrong(
    actor: type[Actor], version: int, payload: bytes, problem: str
) -> None:
    with pytest.raises(UnreadableStateError, match=problem):
        read_state(actor, version, payload)


def test_an_upgrade_that_returns_something_else_is_unreadable() -> None:
    class Careless(Shop):
        state_version = 2

        @classmethod
        def upgrade_state(cls, version: int, raw: Any) -> msgspec.Struct:
            return Line(f"{raw}{version}")

    with pytest.raises(UnreadableStateError, match="upgrade_state of Careless must return Basket, not Line"):
        read_state(Careless, 1, b"{}")


class Add(msgspec.Struct):
    sku: str


class Changing(Actor):
    state: Basket
    raises: ClassVar[bool] = False

    def add(self, add: Add) -> int:
        self.state.lines.append(Line(add.sku))
        if self.raises:
            raise RuntimeError("after the change")
        return len(self.state.lines)


class Context:
    event_id = 1


def changing(*, raises: bool = False) -> Any:
    actor: Any = Changing()
    actor.raises = raises
    actor.state = Basket()
    return actor


def call(actor: Any) -> Any:
    spec = state_of(Changing)
    assert spec is not None
    return guarded(Changing.add, spec)(actor, Add("tea"))


def test_a_message_in_memory_that_changes_the_state_fails_and_the_change_is_undone() -> None:
    actor = changing()
    with pytest.raises(StateError, match="Changing changed it over a Add in memory"):
        call(actor)
    assert actor.state == Basket()


def test_a_message_in_memory_that_fails_leaves_the_state_as_it_was() -> None:
    actor = changing(raises=True)
    with pytest.raises(RuntimeError):
        call(actor)
    assert actor.state == Basket()


def test_an_event_changes_the_state() -> None:
    actor = changing()
    actor._context = Context()
    assert call(actor) == 1
    assert actor.state.lines == [Line("tea")]


def test_no_handler_runs_on_a_state_that_cannot_be_read() -> None:
    actor = changing()
    actor._actor_fault = UnreadableStateError("state.total", "is no number")
    with pytest.raises(UnreadableStateError, match=r"state\.total: is no number"):
        call(actor)
    assert actor.state == Basket()
