"""Classes of work in a service: which class an entry is of, and the scheduler that shares the slots among them."""

from __future__ import annotations

from collections.abc import Callable

from runtime.core.classed_share import ClassedShare, Classifier
from runtime.core.fair_share import FairShare
from runtime.core.flow_control import make_share
from runtime.core.scheduler import Scheduler
from runtime.core.work_classes import WORK_CLASSES, ByRunTime, BySize, RunTimes, WorkClasses, class_of_size
from runtime.definition import ServiceDefinition
from runtime.durable.slots import Slots
from runtime.store.records import Entry


class SizeClassifier:
    """See `BySize`."""

    def __init__(self, rule: BySize) -> None:
        self._rule = rule

    def class_of(self, entry: Entry) -> int:
        return class_of_size(self._rule, len(entry.event.payload))

    def ran(self, entry: Entry, seconds: float) -> None:
        """Its size stays what it is."""


class RunTimeClassifier:
    """See `ByRunTime`."""

    def __init__(self, rule: ByRunTime) -> None:
        self._times = RunTimes(rule)

    def class_of(self, entry: Entry) -> int:
        return self._times.class_of(_kind(entry))

    def ran(self, entry: Entry, seconds: float) -> None:
        self._times.ran(_kind(entry), seconds)


def scheduler_of(
    definition: ServiceDefinition, examined_entries: int | None, wake: Callable[[], None]
) -> Scheduler[Entry]:
    """What shares the slots of a service, with flow control over so many entries if that is a number."""
    cost, rule = definition.slots_per_event, definition.classes
    if rule is None:
        return make_share(examined_entries, slots_per_entry=cost, wake=wake)
    shares: list[FairShare[Entry]] = [
        make_share(examined_entries, slots_per_entry=cost, wake=wake) for _ in WORK_CLASSES
    ]
    made: ClassedShare[Entry] = ClassedShare(_classifier(rule), shares, cost)
    made.set_classes(definition.slots // cost, rule.guarantees)
    return made


def slots_of(definition: ServiceDefinition, wake: Callable[[], None]) -> Slots:
    """The slots of a service, which is of one class among those of the app."""
    place = WORK_CLASSES.index(definition.work_class)
    return Slots(definition.slots, definition.slots_per_event, wake, place)


def detail_of(slots: Slots, fair: Scheduler[Entry]) -> str:
    """What people are told of the slots of a service."""
    classes = "; ".join(str(each) for each in fair.classes() if each.filled or each.waiting or each.kept)
    return f"{slots.detail()}; {classes}" if classes else slots.detail()


def _classifier(rule: WorkClasses) -> Classifier[Entry]:
    return SizeClassifier(rule) if isinstance(rule, BySize) else RunTimeClassifier(rule)


def _kind(entry: Entry) -> tuple[str, str]:
    return entry.event.tenant, entry.event.type
