"""The public API of `actors`, as `api` does for an app: trees, hooks, the context, specifications, errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from actors import (
    Actor,
    ActorError,
    ActorSpec,
    ActorStoppedError,
    AskCycleError,
    AutoShutdown,
    Backoff,
    BlockingHandlerError,
    Bounded,
    CalloutsError,
    CalloutTimeoutError,
    ChildCounts,
    ChildInfo,
    Clock,
    Context,
    CurrentEvent,
    Database,
    Decider,
    Directive,
    DynamicSpec,
    Exit,
    HandlerError,
    HandlerHungError,
    HandlerTimeoutError,
    Intensity,
    JobCause,
    JobEnded,
    JobOutcome,
    LinkedActorError,
    MailboxFullError,
    Message,
    Metadata,
    NotARequestError,
    PostroomError,
    Ref,
    Request,
    Restart,
    RetryLaterError,
    RetryOrder,
    RetryPolicy,
    Row,
    Signature,
    SignatureScope,
    SpecError,
    StartIgnoredError,
    StateError,
    Strategy,
    Supervision,
    SupervisorRef,
    SupervisorSpec,
    UnhandledMessageError,
    UnreadableStateError,
    check_tree,
    current_event,
)
from runtime import App, Enqueue, Settings


class Line(msgspec.Struct):
    text: str


class Other(msgspec.Struct):
    pass


class CountLines(Request[int]):
    pass


class Reader(Actor[Line | CountLines]):
    def __init__(self) -> None:
        self.lines = 0

    def state_ended(self) -> bool:
        return self.lines == 0

    def state_label(self) -> str | None:
        return f"{self.lines} lines"

    async def on_start(self) -> None:
        raise StartIgnoredError("nothing to read yet")

    async def on_stop(self) -> None:
        me: Ref[Any] = self.ctx.me
        self.ctx.log.info("%s stops", me.path)

    async def before_restart(self, reason: BaseException) -> None:
        logger: logging.LoggerAdapter[logging.Logger] = self.ctx.log
        logger.warning("%s", reason)

    async def read(self, line: Line) -> None:
        context: Context = self.ctx
        clock: Clock = context.clock
        seconds: float = clock.now() + clock.monotonic()
        attempt: int = context.attempt
        once: str | None = context.idempotency_key
        answers: list[int | Exception]
        try:
            answers = await context.callouts([self._look_up(1), self._look_up(2)], timeout_seconds=5.0)
        except CalloutsError as refused:
            answers = [refused]
        late = [answer.seconds for answer in answers if isinstance(answer, CalloutTimeoutError)]
        context.log.info("%s too late", late)
        service: str = context.service
        tenant: str | None = context.tenant
        event: CurrentEvent | None = current_event()
        if event is not None:
            context.log.info("%s of %s for %s by %s", event.id, event.tenant, event.key, event.service)
        if attempt > 2:
            raise RetryLaterError(f"{service} {tenant} {once}: {line.text}", at=seconds)
        sessions: SupervisorRef = context.supervisor("pipeline/sessions")
        (await sessions.start_child("ada")).tell(line)
        context.ref("pipeline/reader").tell(line)

    async def _look_up(self, number: int) -> int:
        return number

    def count(self, _question: CountLines) -> int:
        return self.lines


IMPATIENT = Supervision(
    restart=Restart.TRANSIENT,
    backoff=Backoff(initial_seconds=0.1, factor=2.0, max_seconds=5.0, jitter=0.5),
    shutdown_seconds=1.0,
    start_seconds=10.0,
    hang_seconds=30.0,
    brutal_kill=False,
    significant=True,
    decider=Decider(rules=((ValueError, Directive.RESUME), (OSError, Directive.ESCALATE)), otherwise=Directive.RESTART),
)
DIRECTIVE: Directive = IMPATIENT.decider.decide(ValueError("x"))
SECONDS: float = IMPATIENT.stop_seconds
TREE = SupervisorSpec(
    name="pipeline",
    children=[
        ActorSpec(name="reader", actor=Reader, supervision=IMPATIENT, mailbox=Bounded(capacity=10)),
        DynamicSpec(
            name="sessions",
            actor=Reader,
            template=Supervision(restart=Restart.TEMPORARY),
            mailbox=Bounded(10, policy=Bounded(1).policy),
            intensity=Intensity(),
            supervision=Supervision(),
        ),
        SupervisorSpec("inner", [ActorSpec("a", Reader), ActorSpec("b", str)]),  # type: ignore[arg-type] # no actor
    ],
    strategy=Strategy.REST_FOR_ONE,
    intensity=Intensity(max_restarts=5, period_seconds=10.0),
    auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
    supervision=Supervision(),
)
check_tree(TREE)
check_tree(ActorSpec("a", Reader))  # type: ignore[arg-type] # a tree begins with a supervisor

app = App("reading")
tree: SupervisorSpec = app.tree(TREE)
app.service("reading", Reader, metadata=Metadata(description="Reads", icon="book", tag="docs"), idle_seconds=60.0)


async def use_supervisor(context: Context) -> None:
    supervisor: SupervisorRef = app.supervisor("pipeline")
    counts: ChildCounts = supervisor.count_children()
    total: int = counts.specs + counts.active + counts.supervisors + counts.workers
    infos: tuple[ChildInfo, ...] = supervisor.which_children()
    exits: list[Exit] = [exited for info in infos for exited in info.exits if info.restarts and not exited.explained]
    when: list[float] = [exited.at for exited in exits]
    reader = await supervisor.start_child(ActorSpec("second", Reader))
    reader.tell(Line("x"))
    reader.tell(Other())  # type: ignore[arg-type] # a Reader does not take it
    inner: SupervisorRef = await supervisor.start_child(SupervisorSpec("third"))
    await inner.start_child(ActorSpec("fourth", int))  # type: ignore[arg-type] # no actor
    await supervisor.start_child(4)  # type: ignore[call-overload] # neither a specification nor a name
    await supervisor.restart_child(f"{total}{when}")
    await supervisor.terminate_child(inner.path)
    await supervisor.delete_child(infos[0].name + infos[0].state + infos[0].supervision.restart)
    child = await context.spawn(Reader, "child")
    child.tell(Other())  # type: ignore[arg-type] # as above
    await child.send(Other())  # type: ignore[arg-type] # as above


async def use_database(database: Database) -> None:
    await database.executemany("INSERT INTO t VALUES ($1)", [(1,), (2,)])
    count: Any = await database.fetchval("SELECT count(*) FROM t")
    row: Row | None = await database.fetchrow("SELECT 1 AS one")
    if row is not None:
        names: Iterator[str] = row.keys()
        pairs: Iterator[tuple[str, Any]] = row.items()
        print(list(names), list(row.values()), list(pairs), row.get("one", count))  # noqa: T201 # never run


PLAIN = (
    ActorError,
    ActorStoppedError,
    HandlerError,
    HandlerTimeoutError,
    LinkedActorError,
    NotARequestError,
    StateError,
    UnhandledMessageError,
    UnreadableStateError,
)


def use_errors(error: PostroomError) -> str:
    match error:
        case SpecError(field=field):
            return field
        case MailboxFullError(path=path, capacity=capacity):
            return f"{path} {capacity}"
        case AskCycleError(cycle=cycle):
            return " ".join(cycle)
        case HandlerHungError(path=path, seconds=seconds) | BlockingHandlerError(path=path, seconds=seconds):
            return f"{path} {seconds}"
        case RetryLaterError():
            return str(error.due_at(0.0))
        case _:
            return "an actor" if isinstance(error, PLAIN) else str(error)


def use_policies() -> RetryPolicy:
    policy = RetryPolicy(intervals=(1.0, 5.0), deadline_seconds=600.0, order=RetryOrder.STRICT)
    limit: int = policy.limit
    return RetryPolicy(attempts=limit)


def use_jobs(ended: JobEnded) -> Enqueue:
    scope: SignatureScope = "service"
    outcome: JobOutcome = ended.outcome
    cause: JobCause | None = ended.cause
    origin: UUID | None = ended.origin
    text = f"{ended.job} {ended.type} {ended.result} {outcome} {origin}"
    message: Message = {"failed": cause.type if cause is not None else text}
    return Enqueue(message=message, tenant="acme", key="k", signature=Signature(text=text, scope=scope, seconds=60.0))


SETTINGS = Settings(
    schema="postroom",
    max_payload_bytes=1024,
    max_delay_seconds=60.0,
    retention_days=1.5,
    max_depth=10,
    max_reenqueues=5,
    max_callouts=3,
    max_callout_rounds=3,
    callout_seconds=120.0,
    max_waiting_callouts=10_000,
    max_replay=10,
    max_schedules=10,
    lease_seconds=10.0,
    pulse_seconds=0.1,
    database_wait_seconds=60.0,
    max_result_bytes=1024,
    config=Path("policies.toml"),
    pooled_connections=True,
    development=True,
)
