"""A supervisor's machine whose instructions are carried out at once."""

from __future__ import annotations

from random import Random

from actors.spec import Backoff, Intensity, Restart, Strategy, Supervision
from runtime.core.supervision import SupervisorMachine
from runtime.core.supervision_events import (
    Answer,
    CancelRestart,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    ChildStopped,
    CutShort,
    Event,
    Forget,
    Instruction,
    RestartDue,
    ScheduleRestart,
    StartChild,
    Started,
    StartRequested,
    StopChild,
)

BOOM = ValueError("boom")
STEADY = Backoff(initial_seconds=1.0, factor=2.0, max_seconds=60.0, jitter=0.0)


def spec(restart: Restart = Restart.PERMANENT, *, shutdown_seconds: float = 5.0) -> Supervision:
    return Supervision(restart=restart, backoff=STEADY, shutdown_seconds=shutdown_seconds)


class Bench:
    """A machine whose instructions are carried out at once and well, but for those in `fails` and `hangs`."""

    def __init__(
        self,
        children: dict[str, Supervision] | str = "abc",
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 3,
    ) -> None:
        specs = {name: spec() for name in children} if isinstance(children, str) else children
        self.machine = SupervisorMachine(
            "root",
            specs.items(),
            strategy=strategy,
            intensity=Intensity(max_restarts=max_restarts, period_seconds=5.0),
            random=Random(1),
        )
        self.now = 1000.0
        self.log: list[str] = []
        self.fails: dict[str, BaseException] = {}
        self.hangs: set[str] = set()
        self.timers: dict[str, float] = {}
        self.answers: dict[int, BaseException | None] = {}
        self.end: Instruction | None = None

    def send(self, event: Event) -> None:
        queue = [event]
        while queue:
            for instruction in self.machine.handle(queue.pop(0), now=self.now, at=self.now + 1e9):
                queue += self.carry_out(instruction)
            self.machine.validate()

    def carry_out(self, instruction: Instruction) -> list[Event]:  # noqa: C901  # one case for each instruction
        match instruction:
            case StartChild(name=name, life=life):
                self.log.append(f"start {name}")
                if name in self.hangs:
                    return []
                if name in self.fails:
                    return [ChildStartFailed(name, life, self.fails[name])]
                return [ChildStarted(name, life)]
            case StopChild(name=name):
                self.log.append(f"stop {name}")
                return [] if name in self.hangs else [ChildStopped(name)]
            case CutShort(name=name):
                self.log.append(f"cut {name}")
            case ScheduleRestart(name=name, delay_seconds=delay):
                self.timers[name] = self.now + delay
            case CancelRestart(name=name):
                del self.timers[name]
            case Answer(ticket=ticket, error=error):
                self.answers[ticket] = error
            case Forget(name=name):
                self.log.append(f"forget {name}")
            case Started():
                self.log.append("started")
            case _:
                self.end = instruction
        return []

    def start(self) -> Bench:
        self.send(StartRequested())
        self.log.clear()
        return self

    def exit(self, name: str, reason: BaseException | None = BOOM, *, explained: bool = False) -> None:
        self.send(ChildExited(name, self.machine.children[name].life, reason, explained))

    def wait(self) -> float:
        """Let the next restart delay pass; returns how long it was."""
        name = min(self.timers, key=self.timers.__getitem__)
        delay, self.now = self.timers[name] - self.now, self.timers.pop(name)
        self.send(RestartDue(name))
        return delay

    def seen(self) -> list[str]:
        log, self.log = self.log, []
        return log

    def running(self) -> str:
        return "".join(child.name for child in self.machine.children.values() if child.state.value == "running")
