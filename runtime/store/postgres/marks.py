"""Which control statements a unit of work owes the server: pure, so that every order of events can be tested.

                 begin          statement                  keep: RELEASE SAVEPOINT
    (no event) ---------> event ---------> event with one <
                            |                              undo: ROLLBACK TO SAVEPOINT, or ROLLBACK if it is the first
                            keep, undo: nothing is owed

Nothing is sent for its own sake. What is owed goes in front of the next statement, so an event that sends none costs
nothing, and one that sends one statement costs two round trips.
"""

from __future__ import annotations

SAVEPOINT = "postroom_event"


class Marks:
    """The first event needs no savepoint: until another is kept, rolling back everything undoes it alone."""

    __slots__ = ("_at_savepoint", "_kept", "_owed", "_sent", "began", "in_event")

    def __init__(self) -> None:
        self.began = False
        """Whether the server has, or is about to be told to have, an open transaction."""
        self.in_event = False
        self._sent = False
        self._kept = False
        self._at_savepoint = False
        self._owed: list[str] = []

    def begin_event(self) -> None:
        assert not self.in_event, "the event before has not ended"
        self.in_event = True
        self._sent = False

    def before_statement(self) -> None:
        """The event is about to send a statement."""
        assert self.in_event, "a statement outside an event"
        if self._sent:
            return
        self._sent = True
        if not self.began:
            self.began = True
            self._owed.append("BEGIN")
        elif not self._at_savepoint:
            self._at_savepoint = True
            self._owed.append(f"SAVEPOINT {SAVEPOINT}")

    def keep_event(self) -> None:
        self._end_event()
        if self._sent:
            self._kept = True
            if self._at_savepoint:
                self._at_savepoint = False
                self._owed.append(f"RELEASE SAVEPOINT {SAVEPOINT}")

    def undo_event(self) -> None:
        self._end_event()
        if not self._sent:
            return
        if self._at_savepoint:  # it stays, and serves the next event
            self._owed.append(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        else:
            self.began = False
            self._owed.append("ROLLBACK")

    def take_owed(self) -> str:
        """What to send in front of whatever is sent next; empty for nothing."""
        sql = "; ".join(self._owed)
        self._owed.clear()
        return sql

    def validate(self) -> None:
        """Raise AssertionError if the marks contradict themselves."""
        assert self.began or not self._at_savepoint, "a savepoint needs a transaction"
        assert self.began or not self._kept, "what was kept lives in the transaction"
        assert not (self._at_savepoint and not self._kept), "the first event that writes has no savepoint"

    def _end_event(self) -> None:
        assert self.in_event, "no event has begun"
        self.in_event = False
