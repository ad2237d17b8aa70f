"""Which methods are handlers, and which actor classes are refused when they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from actors import Actor, HandlerError, Request
from actors.handler import handler_for
from actors.message import message_name, reply_type


class Deposit(msgspec.Struct):
    cents: int


class BigDeposit(Deposit):
    witness: str


class Withdraw(msgspec.Struct):
    cents: int


class GetBalance(Request[int]):
    pass


def names(actor: type[Actor]) -> dict[str, str]:
    return {kind.__name__: handler.name for kind, handler in actor.handlers.items()}


def test_annotations_say_which_message_a_method_takes() -> None:
    class Account(Actor):
        async def put(self, deposit: Deposit) -> None: ...
        async def balance(self, request: GetBalance) -> int:
            return 0

        async def anything(self, event: dict[str, Any]) -> None: ...

    assert names(Account) == {"Deposit": "put", "GetBalance": "balance", "dict": "anything"}
    assert Account.handlers[GetBalance].is_request


def test_a_union_is_handled_member_by_member() -> None:
    class Account(Actor):
        async def move(self, order: Deposit | Withdraw) -> None: ...

    assert names(Account) == {"Deposit": "move", "Withdraw": "move"}


def test_helpers_and_hooks_are_no_handlers() -> None:
    class Account(Actor):
        async def on_start(self) -> None: ...
        async def _apply(self, deposit: Deposit) -> None: ...
        async def unannotated(self, thing) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
        async def number(self, n: int) -> None: ...
        def _check(self, deposit: Deposit) -> bool:
            return True

        def limit(self, deposit: Deposit, cents: int) -> bool:
            return True

        def each(self, deposit: Deposit) -> Iterator[int]:
            yield deposit.cents

        @staticmethod
        def worth(deposit: Deposit) -> int:
            return deposit.cents

        async def put(self, deposit: Deposit) -> None: ...

    assert names(Account) == {"Deposit": "put"}


def test_a_plain_method_is_a_handler_too() -> None:
    class Account(Actor):
        def put(self, deposit: Deposit) -> None: ...
        async def take(self, withdraw: Withdraw) -> None: ...

    assert names(Account) == {"Deposit": "put", "Withdraw": "take"}


def test_a_plain_method_that_another_handler_would_hide_is_refused() -> None:
    with pytest.raises(HandlerError, match="both take Deposit"):

        class Account(Actor):
            def check(self, deposit: Deposit) -> None: ...
            async def put(self, deposit: Deposit) -> None: ...


def test_messages_of_an_enclosing_function_are_found() -> None:
    class Local(msgspec.Struct):
        n: int

    class Holder(Actor):
        async def take(self, local: Local) -> None: ...

    assert list(Holder.handlers) == [Local]


def test_a_subclass_of_a_message_goes_to_the_nearest_handler() -> None:
    class Account(Actor):
        async def put(self, deposit: Deposit) -> None: ...

    handler = handler_for(Account.handlers, BigDeposit)
    assert handler is not None
    assert handler.name == "put"
    assert handler_for(Account.handlers, Withdraw) is None


def test_two_handlers_for_one_message_are_refused_by_name() -> None:
    with pytest.raises(HandlerError, match=r"Account\.add and Account\.put both take Deposit"):

        class Account(Actor):
            async def add(self, deposit: Deposit) -> None: ...
            async def put(self, deposit: Deposit) -> None: ...


def test_an_inherited_handler_that_a_new_one_would_hide_is_refused() -> None:
    class Base(Actor):
        async def put(self, deposit: Deposit) -> None: ...

    with pytest.raises(HandlerError, match="both take Deposit"):

        class Derived(Base):
            async def receive(self, deposit: Deposit) -> None: ...


def test_overriding_a_handler_is_allowed() -> None:
    class Base(Actor):
        async def put(self, deposit: Deposit) -> None: ...

    class Derived(Base):
        async def put(self, deposit: Deposit) -> None: ...

    assert Derived.handlers[Deposit].method is Derived.put


def test_two_messages_stored_under_one_name_are_refused() -> None:
    other = msgspec.defstruct("Deposit", [("dollars", int)])

    with pytest.raises(HandlerError, match="stored as 'Deposit'"):

        class Account(Actor):
            async def put(self, deposit: Deposit) -> None: ...
            async def put_other(self, deposit: other) -> None: ...  # type: ignore[valid-type]


def test_a_handler_that_nothing_can_call_is_refused() -> None:
    with pytest.raises(HandlerError, match=r"Account\.put: takes a message but also needs 'witness'"):

        class Account(Actor):
            async def put(self, deposit: Deposit, witness: str) -> None: ...


def test_a_union_with_something_that_is_no_message_is_refused() -> None:
    with pytest.raises(HandlerError, match="every member of the union"):

        class Account(Actor):
            async def put(self, deposit: Deposit | int) -> None: ...


def test_an_annotation_without_meaning_is_refused() -> None:
    with pytest.raises(HandlerError, match="cannot resolve the annotation 'Nowhere'"):

        class Account(Actor):
            async def put(self, deposit: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_a_reply_of_another_type_than_promised_is_refused() -> None:
    with pytest.raises(HandlerError, match="GetBalance is answered with int, but the handler returns str"):

        class Account(Actor):
            async def balance(self, request: GetBalance) -> str:
                return ""


def test_reply_types_are_found_through_inheritance() -> None:
    class GetForeignBalance(GetBalance):
        currency: str

    assert reply_type(GetForeignBalance) is int
    assert reply_type(Request) is Any
    assert reply_type(Deposit) is None


def test_dynamic_messages_have_an_empty_name() -> None:
    assert message_name(dict) == ""
    assert message_name(Deposit) == "Deposit"
