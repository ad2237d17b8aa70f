"""What a supervisor tells its operators: failures that nothing else explains."""

from __future__ import annotations

import logging

from actors.errors import PostroomError
from runtime.core.supervision_errors import describe, is_normal
from runtime.core.supervision_events import ChildExited, ChildResumed, ChildStartFailed, ChildStopped, Event

_log = logging.getLogger("runtime.supervision.supervisor")


def log_event(supervisor: str, event: Event, *, starting: bool) -> None:
    """Log a child's failure. While the supervisor starts, whoever started it is told of a failed start instead."""
    match event:
        case ChildExited(name=name, reason=BaseException() as reason, explained=False) if not is_normal(reason):
            _warn(supervisor, name, "ended", reason)
        case ChildStartFailed(name=name, reason=BaseException() as reason) if not starting:
            _warn(supervisor, name, "could not start", reason)
        case ChildStopped(name=name, problem=BaseException() as reason):
            _warn(supervisor, name, "had trouble stopping", reason)
        case ChildResumed(name=name, reason=reason):
            _warn(supervisor, name, "failed and goes on", reason)
        case _:
            pass


def log_end(reason: BaseException) -> None:
    _log.error("%s", reason)


def _warn(supervisor: str, name: str, what: str, reason: BaseException) -> None:
    traceback = None if isinstance(reason, PostroomError) else reason  # our own errors say all in one line
    _log.warning("%s/%s %s: %s", supervisor, name, what, describe(reason), exc_info=traceback)
