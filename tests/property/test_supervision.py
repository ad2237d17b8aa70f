"""The supervisor's machine against a world that answers, fails, exits and asks at random."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import PostroomError, StartIgnoredError
from actors.spec import AutoShutdown, Backoff, Decider, Directive, Intensity, Restart, Strategy, Supervision
from runtime.core.backoff import delay_seconds
from runtime.core.supervision import SupervisorMachine
from runtime.core.supervision_child import EXITS_KEPT
from runtime.core.supervision_errors import (
    AutomaticShutdownError,
    EscalatedError,
    RestartLimitError,
    ShutdownError,
)
from runtime.core.supervision_events import (
    AddRequested,
    Answer,
    CancelRestart,
    ChildExited,
    ChildRestartedItself,
    ChildStarted,
    ChildStartFailed,
    ChildStopped,
    CutShort,
    DeleteRequested,
    Escalate,
    Event,
    Forget,
    Instruction,
    RestartDue,
    RestartRequested,
    ScheduleRestart,
    ShutDown,
    StartChild,
    Started,
    StartFailed,
    StartRequested,
    StopChild,
    Stopped,
    StopRequested,
    TerminateRequested,
)
from runtime.core.supervision_state import Phase
from tests.property.cases import cases

DECIDER = Decider(((KeyError, Directive.STOP), (OSError, Directive.ESCALATE), (LookupError, Directive.RESUME)))
REASONS = (None, ShutdownError("done"), ValueError("boom"), KeyError("k"), OSError("disk"), IndexError("i"))
START_ERRORS = (ValueError("no start"), KeyError("k"), OSError("disk"), StartIgnoredError("no need"))
NAMES = ("a", "b", "c", "d", "e")


class World:
    """Carries instructions out, as a shell would, and checks what a supervisor owes its surroundings."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.strategy = data.draw(st.sampled_from(Strategy), label="strategy")
        self.auto_shutdown = data.draw(st.sampled_from(AutoShutdown), label="auto_shutdown")
        self.intensity = Intensity(max_restarts=data.draw(st.integers(0, 6)), period_seconds=5.0)
        specs = [(name, self.supervision()) for name in NAMES[: data.draw(st.integers(0, 4))]]
        self.machine = SupervisorMachine(
            "root",
            specs,
            strategy=self.strategy,
            intensity=self.intensity,
            random=Random(7),
            auto_shutdown=self.auto_shutdown,
        )
        self.now = 100.0
        self.alive: dict[str, int] = {}
        self.operation: StartChild | StopChild | None = None
        self.cut = False
        self.timers: dict[str, float] = {}
        self.tickets: set[int] = set()
        self.next_ticket = 1
        self.ended = True
        self.unexplained = 0
        self.asked_to_stop = False

    def supervision(self) -> Supervision:
        restart = self.data.draw(st.sampled_from(Restart), label="restart")
        allowed = self.auto_shutdown is not AutoShutdown.NEVER and restart is not Restart.PERMANENT
        return Supervision(
            restart=restart,
            significant=allowed and self.data.draw(st.booleans(), label="significant"),
            decider=DECIDER,
            backoff=Backoff(initial_seconds=self.data.draw(st.sampled_from([0.0, 0.1, 3.0])), max_seconds=10.0),
            shutdown_seconds=2.0,
        )

    def send(self, event: Event) -> None:
        instructions = self.machine.handle(event, now=self.now, at=self.now + 1e9)
        self.machine.validate()
        for instruction in instructions:
            self.carry_out(instruction)
        if self.ended:
            assert not self.alive
            assert not self.timers
            assert self.operation is None
            assert not self.tickets

    def carry_out(self, instruction: Instruction) -> None:  # noqa: C901  # one case for each instruction
        match instruction:
            case StartChild(name=name):
                assert self.operation is None
                assert name not in self.alive
                assert self.machine.phase is not Phase.STOPPING
                self.operation, self.cut = instruction, False
            case StopChild(name=name, shutdown_seconds=seconds):
                assert self.operation is None
                assert 0 <= seconds <= 2.0
                self.check_stop_order(name)
                self.operation, self.cut = instruction, False
            case CutShort(name=name, seconds=seconds):
                assert self.operation is not None
                assert self.operation.name == name
                assert 0 <= seconds <= 2.0
                self.cut = True
            case ScheduleRestart(name=name, delay_seconds=delay):
                assert 0 <= delay <= 10.0
                self.timers[name] = self.now + delay
            case CancelRestart(name=name):
                del self.timers[name]
            case Answer(ticket=ticket):
                self.tickets.remove(ticket)
            case Forget(name=name):
                assert name not in self.alive
            case Started():
                assert not self.ended
            case Stopped():
                assert self.asked_to_stop
                self.ended = True
            case StartFailed():
                self.ended = True
            case Escalate(reason=reason):
                assert isinstance(reason, RestartLimitError | EscalatedError)
                assert isinstance(reason, EscalatedError) or self.unexplained > self.intensity.max_restarts
                self.ended = True
            case ShutDown(reason=reason):
                assert isinstance(reason, AutomaticShutdownError)
                assert self.auto_shutdown is not AutoShutdown.NEVER
                self.ended = True

    def check_stop_order(self, name: str) -> None:
        if self.machine.phase is Phase.STOPPING and name in self.alive:
            order = list(self.machine.children)
            assert name == max(self.alive, key=order.index)

    def step(self) -> None:
        moves = [self.request, self.let_time_pass, self.late_report]
        if self.ended:
            moves = [self.start]
        if self.operation is not None:
            moves += [self.answer] * 3
        if self.alive:
            moves += [self.child_exits] * 2
        if self.timers:
            moves += [self.fire] * 2
        self.data.draw(st.sampled_from(moves), label="move")()

    def start(self) -> None:
        self.ended, self.unexplained, self.asked_to_stop = False, 0, False
        self.send(StartRequested())

    def answer(self, *, well: bool = False) -> None:
        operation, self.operation = self.operation, None
        assert operation is not None
        fails = not well and self.data.draw(st.booleans(), label="fails")
        if isinstance(operation, StopChild):
            self.alive.pop(operation.name, None)
            self.send(ChildStopped(operation.name, OSError("dirty") if fails else None))
        elif fails or (well and self.cut):
            self.unexplained += 1
            self.send(ChildStartFailed(operation.name, operation.life, None if self.cut else self.start_error()))
        else:
            self.alive[operation.name] = operation.life
            self.send(ChildStarted(operation.name, operation.life))

    def start_error(self) -> BaseException:
        return self.data.draw(st.sampled_from(START_ERRORS), label="start error")

    def child_exits(self) -> None:
        name = self.data.draw(st.sampled_from(sorted(self.alive)), label="exits")
        life = self.alive.pop(name)
        reason = self.data.draw(st.sampled_from(REASONS), label="reason")
        explained = self.data.draw(st.booleans(), label="explained")
        self.unexplained += not explained
        self.send(ChildExited(name, life, reason, explained))

    def late_report(self) -> None:
        self.send(ChildExited(self.data.draw(st.sampled_from(NAMES)), 0, None))

    def fire(self) -> None:
        name = min(self.timers, key=self.timers.__getitem__)
        self.now = max(self.now, self.timers.pop(name))
        self.send(RestartDue(name))

    def let_time_pass(self) -> None:
        limit = min(self.timers.values(), default=math.inf)
        self.now = min(self.now + self.data.draw(st.sampled_from([0.01, 1.0, 6.0])), max(self.now, limit))

    def request(self) -> None:
        name = self.data.draw(st.sampled_from(NAMES), label="of")
        kind = self.data.draw(
            st.sampled_from([AddRequested, TerminateRequested, RestartRequested, DeleteRequested, None]), label="ask"
        )
        if kind is None:
            self.stop(self.now + self.data.draw(st.sampled_from([0.0, 1.0, 9.0])))
            return
        self.next_ticket += 1
        ticket = self.next_ticket
        self.tickets.add(ticket)
        try:
            if kind is AddRequested:
                self.send(AddRequested(name, self.supervision(), ticket))
            elif kind is TerminateRequested:
                self.send(TerminateRequested(name, ticket))
            elif kind is RestartRequested:
                self.send(RestartRequested(name, ticket))
            else:
                self.tickets.discard(ticket)
                self.send(DeleteRequested(name))
        except PostroomError:
            self.tickets.discard(ticket)

    def stop(self, deadline: float) -> None:
        self.asked_to_stop = True
        self.send(StopRequested(deadline))

    def settle(self) -> None:
        """With nothing going wrong any more, everything asked for comes to its end."""
        for _ in range(200):
            if self.operation is not None:
                self.answer(well=True)
            elif self.timers:
                self.fire()
            else:
                return
        raise AssertionError("it never comes to rest")


@settings(max_examples=cases(300), deadline=None)
@given(st.data())
def test_any_sequence_of_events_keeps_the_invariants_and_leaves_nothing_behind(data: st.DataObject) -> None:
    world = World(data)
    for _ in range(data.draw(st.integers(5, 60), label="steps")):
        world.step()
    world.settle()
    world.machine.validate()
    assert not world.tickets
    for child in world.machine.children.values():
        assert len(child.exits) <= EXITS_KEPT
        assert child.name in world.alive or child.waits_for is None
    if not world.ended:
        assert world.machine.phase is Phase.RUNNING
        world.stop(world.now)
        world.settle()
    assert world.ended
    assert not world.alive


@settings(max_examples=cases(100), deadline=None)
@given(strategy=st.sampled_from(Strategy), exits=st.integers(1, 50))
def test_explained_exits_never_exhaust_the_intensity_nor_touch_a_sibling(strategy: Strategy, exits: int) -> None:
    machine = SupervisorMachine(
        "root",
        [("a", Supervision()), ("b", Supervision())],
        strategy=strategy,
        intensity=Intensity(max_restarts=0),
        random=Random(7),
    )
    machine.handle(StartRequested(), now=0.0, at=0.0)
    machine.handle(ChildStarted("a", 1), now=0.0, at=0.0)
    machine.handle(ChildStarted("b", 2), now=0.0, at=0.0)
    life = 1
    for _ in range(exits):
        machine.handle(ChildRestartedItself("a", ValueError("inside")), now=0.0, at=0.0)
        [start] = machine.handle(ChildExited("a", life, ValueError("boom"), explained=True), now=0.0, at=0.0)
        assert isinstance(start, StartChild)
        life = start.life
        assert machine.handle(ChildStarted("a", life), now=0.0, at=0.0) == []
        machine.validate()
    assert machine.phase is Phase.RUNNING
    assert machine.children["a"].restarts == 2 * exits
    assert machine.children["b"].restarts == 0


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    initial = draw(st.floats(0, 1e6))
    return Backoff(
        initial_seconds=initial,
        factor=draw(st.floats(1, 1e6)),
        max_seconds=initial + draw(st.floats(0, 1e6)),
        jitter=draw(st.floats(0, 1)),
    )


@settings(max_examples=cases(100))
@given(backoff=backoffs(), failures=st.integers(1, 10_000), seed=st.integers(0, 1000))
def test_a_delay_is_never_negative_and_never_above_the_maximum(backoff: Backoff, failures: int, seed: int) -> None:
    assert 0 <= delay_seconds(backoff, failures, Random(seed)) <= backoff.max_seconds
