"""Sagas written as code: a class whose `run` awaits steps that are kept, and is replayed after each of them.

What `run` does must follow from its input and from what it awaits: no clock, chance, file or network of its own. What
was done is not done again on a replay; a replay that asks for something else than before parks the saga.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from runtime.views import utc
from sagas.definition import FailurePolicy, Retry
from sagas.errors import SagaError

if TYPE_CHECKING:
    from sagas.replay import Script

R = TypeVar("R")
UNDO_RETRY = Retry(attempts=5)


class StepFailedError(SagaError):
    """Raised where `run` awaits a step that has failed for good. Left alone, it has the saga undone."""

    def __init__(self, place: str, error: str) -> None:
        super().__init__(f"{place}: {error}")
        self.place = place
        self.error = error


class Revoke(msgspec.Struct, frozen=True, kw_only=True):
    """What undoes a step: a message to a service, or what makes one of the step's answer.

    Where the step was not answered in time, the answer is None.
    """

    service: str
    message: msgspec.Struct | dict[str, Any] | Callable[[Any], msgspec.Struct | dict[str, Any]]
    key: str | None = None
    retry: Retry = UNDO_RETRY


class Call(Generic[R]):
    """Something that a saga asked for. It is under way from the moment that it is made; await it for the answer."""

    __slots__ = ("_script", "number", "returns", "revoke")

    def __init__(self, script: Script, number: int, returns: Any, revoke: Revoke | None = None) -> None:
        self._script = script
        self.number = number
        self.returns = returns
        self.revoke = revoke

    def __await__(self) -> Generator[Call[R], None, R]:
        if not self._script.is_settled(self.number):
            yield self
        answer: R = self._script.answer(self)
        return answer


class Saga:
    """Base of sagas written as code. A class is registered by `Sagas.register`, under `name`.

    Raise `version` when a change of `run` would ask sagas that run already for something else, and register the class
    of the old version beside it until those have ended.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    on_failure: ClassVar[FailurePolicy] = "compensate"
    signals: ClassVar[frozenset[str]] = frozenset()
    """The signals that it may wait for."""
    script: Script
    """For the machine alone."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    async def run(self, given: Any) -> Any:
        """What the saga does. Its parameter's annotation is the type of the input; what it returns is the result."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        return self.script.instance.id

    @property
    def tenant(self) -> str:
        return self.script.instance.tenant

    @property
    def now(self) -> datetime:
        """When the last thing that was awaited came to its end; the start of the saga before that."""
        return utc(self.script.now)

    @property
    def random(self) -> Random:
        """Chance that falls the same on every replay."""
        return self.script.random

    def step(
        self,
        name: str,
        service: str,
        message: msgspec.Struct | dict[str, Any],
        *,
        returns: type[R] = Any,  # type: ignore[assignment] # any JSON, unless a type is given
        key: str | None = None,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
        undo: Revoke | None = None,
        pivot: bool = False,
    ) -> Call[R]:
        """Send a service a message. Awaiting it raises StepFailedError when it has failed for good.

        `returns` is the type of the answer; the other settings are those of `sagas.definition.Step`.
        """
        return self.script.step(
            name,
            service,
            message,
            returns=returns,
            key=key,
            retry=retry or Retry(),
            timeout_seconds=timeout_seconds,
            revoke=undo,
            pivot=pivot,
        )

    def saga(self, name: str, saga: str, given: Any = None, *, returns: type[R] = Any) -> Call[R]:  # type: ignore[assignment] # as above
        """Run another saga, which is undone when this one is. Awaiting it raises StepFailedError when it was undone."""
        return self.script.saga(name, saga, given, returns)

    def signal(
        self,
        name: str,
        *,
        returns: type[R] = Any,  # type: ignore[assignment] # as above
        timeout_seconds: float | None = None,
    ) -> Call[R]:
        """Wait for a signal, one of `signals`, whose payload is the answer. One that came before is kept.

        Awaiting it raises StepFailedError when it has not come within `timeout_seconds`.
        """
        return self.script.signal(name, returns, timeout_seconds)

    def sleep(self, name: str, seconds: float) -> Call[None]:
        """Wait for a time, also across restarts."""
        return self.script.sleep(name, seconds)
