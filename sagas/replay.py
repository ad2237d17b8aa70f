"""How a saga written as code gets on: its `run` is run anew, and what it asked for before is answered from the journal.

an answer comes -> run from the beginning -> what it asks for that is new is begun -> it waits, returns or raises
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any

import msgspec

from actors.message import message_name
from sagas.code import Call, Revoke, Saga, StepFailedError
from sagas.definition import NAME, Compensation, Node, Retry, Step, SubSaga, WaitSignal, WaitTime
from sagas.errors import DefinitionError
from sagas.machine.state import Instance
from sagas.plan import check_node

MAX_CALLS = 1_000


class DivergedError(BaseException):
    """A replay asks for something else than before. No exception of the saga's own, which it might catch."""


class Script:
    """One replay: what `run` has asked for so far, beside what it asked for before."""

    def __init__(self, saga: type[Saga], instance: Instance) -> None:
        self.instance = instance
        self.calls: list[Call[Any]] = []
        self.new: list[Node] = []
        self.now = instance.started_at
        self.random = Random(f"{instance.id} {instance.tenant}")  # noqa: S311 # the same on every replay
        self._signals = saga.signals
        self._names: Counter[str] = Counter()
        self._closed = False

    def close(self) -> None:
        """Nothing more is asked for: what is left of `run` is only cleaning up."""
        self._closed = True

    def is_settled(self, number: int) -> bool:
        return number < len(self.instance.calls) and self.instance.calls[number].state != "open"

    def answer(self, call: Call[Any]) -> Any:
        """What a call came to. Raises StepFailedError."""
        record = self.instance.calls[call.number]
        self.now = max(self.now, record.at)
        if record.state == "failed":
            raise StepFailedError(record.node.name, record.error or "")
        return msgspec.convert(record.output, call.returns, str_keys=True)

    def step(
        self,
        name: str,
        service: str,
        message: Any,
        *,
        returns: Any,
        key: str | None,
        retry: Retry,
        timeout_seconds: float | None,
        revoke: Revoke | None,
        pivot: bool,
    ) -> Call[Any]:
        compensation = None
        if revoke is not None:
            compensation = Compensation(service=revoke.service, key=literal(revoke.key), retry=revoke.retry)
        node = Step(
            name=self._place(name),
            service=service,
            message=message_name(type(message)),
            config=msgspec.to_builtins(message, str_keys=True),
            key=literal(key),
            retry=retry,
            timeout_seconds=timeout_seconds,
            compensation=compensation,
            pivot=pivot,
        )
        return self._call(node, returns, revoke)

    def saga(self, name: str, saga: str, given: Any, returns: Any) -> Call[Any]:
        value = literal(msgspec.to_builtins(given, str_keys=True)) or "`null`"
        return self._call(SubSaga(name=self._place(name), saga=saga, input=value), returns)

    def signal(self, name: str, returns: Any, timeout_seconds: float | None) -> Call[Any]:
        if name not in self._signals:
            raise DivergedError(f"it waits for the signal {name!r}, which is none of its `signals`")
        node = WaitSignal(name=self._place(name), signal=name, timeout_seconds=timeout_seconds)
        return self._call(node, returns)

    def sleep(self, name: str, seconds: float) -> Call[Any]:
        return self._call(WaitTime(name=self._place(name), seconds=float(seconds)), Any)

    def _place(self, name: str) -> str:
        """A name of its own for each call: those of one name are numbered."""
        if not NAME.fullmatch(name):
            raise DivergedError(f"the name {name!r} is no word of at most 63 letters, digits, - or _")
        self._names[name] += 1
        count = self._names[name] - 1
        return f"{name}[{count}]" if count else name

    def _call(self, node: Node, returns: Any, revoke: Revoke | None = None) -> Call[Any]:
        if self._closed:
            raise DivergedError("it asks for something while it is being closed")
        try:
            check_node(node)
        except DefinitionError as error:
            raise DivergedError(str(error)) from None
        number = len(self.calls)
        if number == MAX_CALLS:
            raise DivergedError(f"it asks for more than {MAX_CALLS} things")
        if number < len(self.instance.calls):
            before = self.instance.calls[number].node
            if msgspec.json.encode(before) != msgspec.json.encode(node):
                raise DivergedError(f"its call {number + 1} was {_told(before)}, and is {_told(node)} now")
        else:
            self.new.append(node)
        call: Call[Any] = Call(self, number, returns, revoke)
        self.calls.append(call)
        return call


class Waits(msgspec.Struct, frozen=True):
    """`run` waits for something that it asked for."""


class Returned(msgspec.Struct, frozen=True):
    value: Any


class Raised(msgspec.Struct, frozen=True):
    error: str
    diverged: bool = False
    """The code is to blame, and has to be changed before the saga can go on."""


def drive(kind: type[Saga], instance: Instance) -> tuple[Script, Waits | Returned | Raised]:
    """Run a saga's code from the beginning as far as it gets."""
    script = Script(kind, instance)
    try:
        saga = kind()
        saga.script = script
        coroutine = saga.run(_input_of(kind, instance))
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return script, _require_whole(script, Returned(stop.value))
    except DivergedError as error:
        return script, Raised(str(error), diverged=True)
    except Exception as error:  # noqa: BLE001 # whatever the saga's code raises
        return script, Raised(str(error) if isinstance(error, StepFailedError) else f"{type(error).__name__}: {error}")
    return script, _require_own(awaited) or _leave(script, coroutine)


def _require_own(awaited: object) -> Raised | None:
    if isinstance(awaited, Call):
        return None
    return Raised("it awaits something that is none of its own calls, which cannot be kept", diverged=True)


def _leave(script: Script, coroutine: Coroutine[Any, Any, Any]) -> Waits | Raised:
    """End a run that waits; the next one begins anew."""
    script.close()
    try:
        coroutine.close()
    except (DivergedError, RuntimeError) as error:
        return Raised(str(error), diverged=True)
    return Waits()


def input_type(kind: type[Saga]) -> Any:
    """The type of a saga's input, as `run` annotates it."""
    parameters = list(inspect.signature(kind.run, eval_str=True).parameters.values())[1:]
    hint = parameters[0].annotation if parameters else Any
    return Any if hint is inspect.Parameter.empty else hint


def literal(value: Any) -> str | None:
    """An expression that answers with a value; None stands for none."""
    if value is None:
        return None
    return "`" + msgspec.json.encode(value).decode().replace("`", "\\`") + "`"


def _input_of(kind: type[Saga], instance: Instance) -> Any:
    return msgspec.convert(instance.data["input"], input_type(kind), str_keys=True)


def _require_whole(script: Script, returned: Returned) -> Returned | Raised:
    """A replay that ends before it has asked for all that it asked for before has diverged."""
    missing = script.instance.calls[len(script.calls) :]
    if missing:
        return Raised(f"it ends before its call {len(script.calls) + 1}, {_told(missing[0].node)}", diverged=True)
    return returned


def _told(node: Node) -> str:
    return f"{node.name} ({msgspec.json.encode(node).decode()[:200]})"
