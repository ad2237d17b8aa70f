"""What a saga is, as data: a tree of nodes that can be stored, compared and moved as JSON.

Every node has a name of its own within its saga. Expressions (JMESPath) see the saga's data: `input`, the outputs
of the nodes before by their `output` names, `saga` (id, tenant, started_at), and inside a loop its `item` and `index`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

import msgspec

from sagas.errors import DefinitionError

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,62}")
RESERVED = frozenset({"input", "saga", "index"})
"""Names in the data that are not a node's to write."""
NOTHING = "`{}`"
"""A mapping to a message without fields."""
MAX_NODES = 1_000
MAX_AT_ONCE = 1_000
MAX_ATTEMPTS = 1_000
ONE_YEAR_SECONDS = 366 * 86_400.0


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How often a step is sent, each time with all attempts that its service gives an event.

    Between two sends it waits `initial_seconds * factor ** n`, at most `max_seconds`.
    """

    attempts: int = 1
    initial_seconds: float = 1.0
    factor: float = 2.0
    max_seconds: float = 3_600.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after `attempt` (1 is the first) failed."""
        try:
            return min(self.initial_seconds * self.factor ** (attempt - 1), self.max_seconds)
        except OverflowError:
            return self.max_seconds


class Compensation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What undoes a step: a message to a service, tried until it is done or parked for a person."""

    service: str
    message: str = ""
    """The name of the message's class; may be left out where the service takes one only."""
    input: str = NOTHING
    config: dict[str, Any] = {}
    key: str | None = None
    retry: Retry = Retry(attempts=5)


class Step(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="step",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """A message to a service, whose answer is the output.

    `input` maps the saga's data to the message's fields, `config` sets fields to constants. `key` is the instance of a
    keyed service that it is for. After a `pivot` is done the saga only goes forward.
    """

    name: str
    service: str
    message: str = ""
    input: str = NOTHING
    config: dict[str, Any] = {}
    key: str | None = None
    output: str | None = None
    retry: Retry = Retry()
    timeout_seconds: float | None = None
    """For one send. A step that was not answered in time is compensated too: it may have been done."""
    compensation: Compensation | None = None
    pivot: bool = False


class Sequence(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="sequence",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """One node after another."""

    name: str
    nodes: tuple[Node, ...] = ()


class Parallel(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="parallel",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """All branches at once; done when all are."""

    name: str
    branches: tuple[Node, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way of a choice, taken if the condition `when` is true."""

    when: str
    then: Node


class Choice(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="choice",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """The first case whose condition is true, else `otherwise`, else nothing."""

    name: str
    cases: tuple[Case, ...] = ()
    otherwise: Node | None = None


class Loop(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="loop",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """The body for each item of the list `over`, at most `at_once` of them at a time.

    What the body's nodes put out stays with their round; `collect`, evaluated at the end of each, makes the output: the
    list of its values in the order of the items.
    """

    name: str
    over: str
    body: Node
    item: str = "item"
    at_once: int = 1
    collect: str | None = None
    output: str | None = None


class WaitSignal(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="wait_signal",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Wait until someone sends the signal; one that came before is kept. Its payload is the output."""

    name: str
    signal: str
    output: str | None = None
    timeout_seconds: float | None = None
    """The node fails when the signal has not come in so long."""


class WaitTime(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="wait_time",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Wait for `seconds`, or until the time that `until` says in seconds since 1970 (see the function `epoch`)."""

    name: str
    seconds: float | None = None
    until: str | None = None


class SubSaga(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="saga",
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Another saga, whose result is the output. When this one is undone, so is that."""

    name: str
    saga: str
    input: str = NOTHING
    output: str | None = None


Node = Annotated[
    Step | Sequence | Parallel | Choice | Loop | WaitSignal | WaitTime | SubSaga,
    msgspec.Meta(title="Node"),
]

Called = Step | SubSaga
"""The nodes that others answer."""

FailurePolicy = Literal["compensate", "park"]


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A whole saga.

    `result` maps its data to what its starter gets. `on_failure` says what a step that failed for good leads to:
    `compensate` undoes the steps before it, `park` waits for a person, who retries, repairs or cancels.

    Raises:
        DefinitionError: a name, number or expression is wrong; it names step and field.
    """

    name: str
    root: Sequence
    result: str | None = None
    on_failure: FailurePolicy = "compensate"
    label: str = ""
    description: str = ""
    owner: str = ""


def encode(definition: Definition) -> bytes:
    """The definition as JSON with sorted keys: equal definitions give equal bytes. Raises DefinitionError."""
    try:
        return msgspec.json.encode(definition, order="sorted")
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise DefinitionError("", "definition", f"cannot be written as JSON: {error}") from None


def decode(document: bytes | str) -> Definition:
    """Read a definition. Raises DefinitionError with the place that is wrong."""
    try:
        return msgspec.json.decode(document, type=Definition)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise DefinitionError("", place.rstrip("`") or "definition", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DefinitionError("", "definition", f"is not JSON: {error}") from None


def require_seconds(step: str, field: str, value: float | None) -> None:
    """Raises DefinitionError unless `value` is None or a number of seconds above 0, at most a year."""
    if value is not None and not (math.isfinite(value) and 0 < value <= ONE_YEAR_SECONDS):
        raise DefinitionError(step, field, f"must be above 0 and at most a year of seconds, not {value}")


def require_retry(step: str, field: str, retry: Retry) -> None:
    """Raises DefinitionError for a number out of range."""
    if not 1 <= retry.attempts <= MAX_ATTEMPTS:
        raise DefinitionError(step, f"{field}.attempts", f"must be between 1 and {MAX_ATTEMPTS}, not {retry.attempts}")
    if not (math.isfinite(retry.factor) and retry.factor >= 1):
        raise DefinitionError(step, f"{field}.factor", f"must be 1 or more, not {retry.factor}")
    for name in ("initial_seconds", "max_seconds"):
        require_seconds(step, f"{field}.{name}", getattr(retry, name))
