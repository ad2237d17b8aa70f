"""The pure machine of one saga: events in, commands out."""

from sagas.machine.commands import Command, Discard, Finish, Outcome, Send, StartChild, Tell, Wake
from sagas.machine.events import (
    Cancelled,
    Done,
    Due,
    Event,
    Failed,
    Repaired,
    Resumed,
    Retried,
    Signalled,
    Skipped,
    Suspended,
    Undone,
)
from sagas.machine.invariants import validate
from sagas.machine.machine import begin, handle
from sagas.machine.state import Activity, Entry, Instance, Status

__all__ = [
    "Activity",
    "Cancelled",
    "Command",
    "Discard",
    "Done",
    "Due",
    "Entry",
    "Event",
    "Failed",
    "Finish",
    "Instance",
    "Outcome",
    "Repaired",
    "Resumed",
    "Retried",
    "Send",
    "Signalled",
    "Skipped",
    "StartChild",
    "Status",
    "Suspended",
    "Tell",
    "Undone",
    "Wake",
    "begin",
    "handle",
    "validate",
]
