"""A saga written as code, as the machine sees it: a flat list of calls that grows as the code asks for more."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from actors.message import message_name
from sagas.code import Revoke, Saga
from sagas.definition import Compensation, Definition, Sequence, SubSaga
from sagas.errors import DefinitionError, ExpressionError
from sagas.machine.failing import end, turn_back
from sagas.machine.state import Activity, CallRecord, Instance
from sagas.plan import CODE, Code, Plan, PlanNode, Rounds
from sagas.replay import Raised, Returned, drive, input_type

if TYPE_CHECKING:
    from sagas.machine.run import Run


class CodePlan(Plan):
    """See the module. It is bound to an instance for each event.

    Raises:
        DefinitionError: the class has no usable name, or its `run` cannot be read.
    """

    is_code = True

    def __init__(self, kind: type[Saga], instance: Instance | None = None) -> None:
        definition = Definition(
            name=kind.name, root=Sequence(name=kind.name), on_failure=kind.on_failure, description=kind.__doc__ or ""
        )
        super().__init__(definition)
        self.kind = kind
        self.signals = kind.signals
        self._instance = instance
        if not inspect.iscoroutinefunction(kind.run):
            raise DefinitionError("", "run", f"{kind.__name__}.run must be an async method")
        try:
            self.types["input"] = input_type(kind)
        except (NameError, TypeError, ValueError) as error:
            raise DefinitionError("", "run", f"its annotations cannot be read: {error}") from None

    def bound(self, instance: Instance) -> Plan:
        return CodePlan(self.kind, instance)

    def __getitem__(self, number: int) -> PlanNode:
        if number == CODE:
            return PlanNode(CODE, Code(self.definition.name), None, (), (), undoable=False, beside=False)
        assert self._instance is not None, "a plan is bound before it is used"
        node = self._instance.calls[number].node
        undoable = isinstance(node, SubSaga) or getattr(node, "compensation", None) is not None
        beside = sum(record.state == "open" for record in self._instance.calls) > 1
        return PlanNode(number, node, CODE, (), (), undoable=undoable, beside=beside)

    def start(self, run: Run) -> None:
        """Run the code as far as it gets, and begin what it asks for."""
        instance = run.instance
        instance.activities.pop(self.definition.name, None)
        script, outcome = drive(self.kind, instance)
        if isinstance(outcome, Raised) and outcome.diverged:
            self._park(run, outcome.error)
            return
        begun = len(instance.calls)
        instance.calls.extend(CallRecord(node) for node in script.new)
        for number in range(begun, len(instance.calls)):
            run.enter(self[number], ())
        if isinstance(outcome, Raised):
            self._raised(run, outcome.error)
        elif isinstance(outcome, Returned) and not script.new and not instance.activities:
            self._returned(run, outcome.value)

    def _returned(self, run: Run, value: Any) -> None:
        try:
            run.instance.result = msgspec.json.decode(msgspec.json.encode(value))
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            self._park(run, f"what it returns cannot be written as JSON: {error}")
        else:
            end(run, "completed")

    def resume(self, run: Run, planned: PlanNode) -> None:
        record = run.instance.calls[planned.id]
        if record.state == "open":  # what has no answer, such as a time
            record.state, record.at = "done", run.now
        self.start(run)

    def keep(self, run: Run, planned: PlanNode, rounds: Rounds, value: Any) -> None:  # noqa: ARG002 # it has no loops
        record = run.instance.calls[planned.id]
        record.state, record.output, record.at = "done", value, run.now

    def output_type(self, run: Run, planned: PlanNode) -> Any:
        script, _ = drive(self.kind, run.instance)
        return script.calls[planned.id].returns if planned.id < len(script.calls) else Any

    def catches(self, run: Run, planned: PlanNode, error: str) -> bool:
        """A step that has failed for good is for the code to decide about."""
        record = run.instance.calls[planned.id]
        record.state, record.error, record.at = "failed", error, run.now
        run.complete(planned, ())
        return True

    def compensation(self, run: Run, planned: PlanNode) -> Compensation:
        """Ask the code what undoes one of its steps. Raises ExpressionError where it cannot say."""
        script, _ = drive(self.kind, run.instance)
        revoke = script.calls[planned.id].revoke if planned.id < len(script.calls) else None
        if revoke is None:
            raise ExpressionError(planned.node.name, "the code no longer says what undoes the step")
        message = self._message(run.instance.calls[planned.id], revoke, script.calls[planned.id].returns)
        made: Compensation = planned.node.compensation
        return msgspec.structs.replace(
            made, message=message_name(type(message)), config=msgspec.to_builtins(message, str_keys=True)
        )

    @staticmethod
    def _message(record: CallRecord, revoke: Revoke, returns: Any) -> Any:
        if not callable(revoke.message):
            return revoke.message
        answer = msgspec.convert(record.output, returns, str_keys=True) if record.state == "done" else None
        try:
            return revoke.message(answer)
        except Exception as error:  # noqa: BLE001 # whatever the saga's code raises
            raise ExpressionError(record.node.name, f"what undoes it cannot be said: {error}") from None

    def _park(self, run: Run, error: str) -> None:
        run.todo.clear()
        run.instance.activities[self.definition.name] = Activity(CODE, (), "parked", error=error)
        run.note("parked", self.definition.name, error)

    def _raised(self, run: Run, error: str) -> None:
        if run.instance.pivoted or self.definition.on_failure == "park":
            self._park(run, error)
        else:
            turn_back(run, "compensated", error)
