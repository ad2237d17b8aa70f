"""What goes wrong in supervision, each in one line."""

from __future__ import annotations

from actors.errors import PostroomError
from actors.spec import Intensity

REASON_LIMIT = 300
"""Characters of an exception's message that are shown."""
GLIMPSE_LIMIT = 4 * REASON_LIMIT
"""Characters that are kept until then: lines and indentation are still to be taken out."""


class SupervisionError(PostroomError):
    """Base of the errors of supervision."""


class RestartLimitError(SupervisionError):
    """A supervisor gave up: `child` needed more restarts than its intensity allows. `__cause__` is the last reason."""

    def __init__(self, supervisor: str, child: str, intensity: Intensity, reason: BaseException | None) -> None:
        super().__init__(
            f"supervisor {supervisor!r} gave up: more than {intensity.max_restarts} restarts"
            f" in {intensity.period_seconds:g} s, the last of {child!r} after {describe(reason)}"
        )
        self.supervisor = supervisor
        self.child = child
        self.__cause__ = reason


class EscalatedError(SupervisionError):
    """A supervisor failed because its decider sends `child`'s failure up. `__cause__` is that failure."""

    def __init__(self, supervisor: str, child: str, reason: BaseException) -> None:
        super().__init__(f"supervisor {supervisor!r} passes on the failure of {child!r}: {describe(reason)}")
        self.supervisor = supervisor
        self.child = child
        self.__cause__ = reason


class ShutdownError(SupervisionError):
    """The reason of an orderly end: a normal exit, as OTP's `shutdown` and `{shutdown, Term}`."""


class AutomaticShutdownError(ShutdownError):
    """A supervisor ended of itself, because its significant children have ended."""

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"supervisor {supervisor!r} shut down: its significant child {child!r} has ended")
        self.supervisor = supervisor
        self.child = child


class StartTimeoutError(SupervisionError):
    """A child's start took longer than its limit, and was cut."""

    def __init__(self, child: str, seconds: float) -> None:
        super().__init__(
            f"{child!r} did not start within {seconds:g} s; see what it waits for or raise its start_seconds"
        )
        self.child = child


class NoSuchChildError(SupervisionError, LookupError):
    """The supervisor has no child of that name."""

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"supervisor {supervisor!r} has no child {child!r}")
        self.child = child


class ChildConflictError(SupervisionError):
    """The supervisor or the child is in a state that does not allow what was asked."""


class ChildStuckError(SupervisionError):
    """A child did not end although it was cancelled; something of it may still be alive."""

    def __init__(self, child: str) -> None:
        super().__init__(f"{child!r} did not end although it was cancelled; look for code that catches CancelledError")
        self.child = child


def is_normal(reason: BaseException | None) -> bool:
    """Whether a transient child that exits so has done its work."""
    return reason is None or isinstance(reason, ShutdownError)


def describe(reason: BaseException | None) -> str:
    """`ExceptionType: message` on one line of bounded length; "normal exit" for None."""
    return "normal exit" if reason is None else describe_glimpse(glimpse(reason))


Glimpse = tuple[type[BaseException], str]
"""What is kept of an exception until somebody wants it described: kept whole, it would keep alive all that its stack
refers to."""


def glimpse(reason: BaseException) -> Glimpse:
    try:
        message = str(reason)
    except Exception:  # noqa: BLE001  # a user's exception may fail to show itself; its type must not be lost with it
        message = ""
    return type(reason), message if len(message) <= GLIMPSE_LIMIT else message[:GLIMPSE_LIMIT]


def describe_glimpse(seen: Glimpse) -> str:
    """As `describe`."""
    kind, message = seen[0].__name__, " ".join(seen[1].split())
    if len(message) > REASON_LIMIT:
        message = message[: REASON_LIMIT - 1] + "…"
    return f"{kind}: {message}" if message else kind
