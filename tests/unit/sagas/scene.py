"""A saga under test: its machine, the services' answers given by hand, and what it asked for."""

from __future__ import annotations

from typing import Any

from sagas.definition import Definition
from sagas.machine import (
    Command,
    Done,
    Due,
    Event,
    Failed,
    Outcome,
    Send,
    StartChild,
    Tell,
    Wake,
    begin,
    handle,
    validate,
)
from sagas.plan import Plan


class Scene:
    """Checks the invariants after every event."""

    def __init__(
        self, definition: Definition | Plan, given: Any = None, parent: tuple[str, str, int] | None = None
    ) -> None:
        self.plan = definition if isinstance(definition, Plan) else Plan(definition)
        self.now = 1000.0
        self.commands: list[Command] = []
        self.instance, commands = begin(
            self.plan, given, instance_id="i", version=1, tenant="t", by="ann", now=self.now, parent=parent
        )
        self._take(commands)

    @property
    def sent(self) -> list[str]:
        """Places of what was sent, in order."""
        return [each.place for each in self.commands if isinstance(each, Send | StartChild)]

    @property
    def status(self) -> str:
        return self.instance.status

    @property
    def outcome(self) -> Outcome | None:
        return self.instance.outcome

    @property
    def told(self) -> list[Tell]:
        return [each for each in self.commands if isinstance(each, Tell)]

    def last_sent(self, place: str) -> Send:
        return [each for each in self.commands if isinstance(each, Send) and each.place == place][-1]

    def happen(self, event: Event) -> None:
        self._take(handle(self.plan, self.instance, event, self.now))

    def done(self, place: str, output: Any = None, *, pivoted: bool = False) -> None:
        self.happen(Done(place, output, pivoted))

    def failed(self, place: str, error: str = "broken", *, permanent: bool = False) -> None:
        self.happen(Failed(place, self.instance.activities[place].attempt, error, permanent))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the timers that fall due in it come in order."""
        self.now += seconds
        for wake in sorted(self._timers(), key=lambda each: each.due_at):
            self.happen(Due(wake.place, wake.timer))

    def history(self) -> list[str]:
        return [f"{entry.what} {entry.place}".strip() for entry in self.instance.history]

    def _timers(self) -> list[Wake]:
        due = [each for each in self.commands if isinstance(each, Wake) and each.due_at <= self.now]
        self.commands = [each for each in self.commands if each not in due]
        return due

    def _take(self, commands: list[Command]) -> None:
        self.commands += commands
        validate(self.plan, self.instance)
