"""How a service is supervised and retried, as plain data. Every number is a default that can be changed."""

from __future__ import annotations

import enum
import math
from itertools import combinations

import msgspec

from actors.errors import SpecError

DEFAULT_MAX_RESTARTS = 3
DEFAULT_PERIOD_SECONDS = 5.0
DEFAULT_SHUTDOWN_SECONDS = 5.0
DEFAULT_ATTEMPTS = 3
MAX_ATTEMPTS = 1000
MAX_BREAKER_WINDOW = 10_000


def require_positive(field: str, value: float) -> None:
    """Raise `SpecError` unless `value` is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise SpecError(field, f"must be a finite number above 0, not {value}")


class Restart(enum.StrEnum):
    """When a child that exited is started again, in OTP's terms."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after an abnormal exit."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(enum.StrEnum):
    """Which siblings share the fate of a child that is restarted, in OTP's terms."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(enum.StrEnum):
    """Whether a supervisor ends of itself when its significant children have ended, in OTP's terms."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    """With the first of them that ends and is not restarted."""
    ALL_SIGNIFICANT = "all_significant"
    """With the last of them."""


class Directive(enum.StrEnum):
    """What becomes of a child that raised an exception."""

    RESTART = "restart"
    """What its restart type says."""
    RESUME = "resume"
    """It keeps its state and goes on; where it has ended already, as `RESTART`."""
    STOP = "stop"
    """It is not started again, whatever its restart type."""
    ESCALATE = "escalate"
    """Its supervisor stops the siblings and fails with it."""


class Decider(msgspec.Struct, frozen=True):
    """Maps exceptions to directives: the first rule whose type the exception is an instance of counts.

    Raises `SpecError` for a rule that no exception can reach.
    """

    rules: tuple[tuple[type[BaseException], Directive], ...] = ()
    otherwise: Directive = Directive.RESTART

    def __post_init__(self) -> None:
        for (earlier, _), (later, _) in combinations(self.rules, 2):
            if issubclass(later, earlier):
                raise SpecError("rules", f"{later.__name__} is never reached after {earlier.__name__}; put it before")

    def decide(self, reason: BaseException) -> Directive:
        for kind, directive in self.rules:
            if isinstance(reason, kind):
                return directive
        return self.otherwise


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """More than `max_restarts` restarts within `period_seconds` make a supervisor give up and escalate."""

    max_restarts: int = DEFAULT_MAX_RESTARTS
    period_seconds: float = DEFAULT_PERIOD_SECONDS

    def __post_init__(self) -> None:
        if self.max_restarts < 0:
            raise SpecError("max_restarts", f"must be 0 or more, not {self.max_restarts}")
        require_positive("period_seconds", self.period_seconds)


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential delay: `initial_seconds * factor ** n`, at most `max_seconds`.

    `jitter` (0 to 1) is the part of the delay that is drawn at random, so that failures do not march in step.
    """

    initial_seconds: float = 0.05
    factor: float = 2.0
    max_seconds: float = 30.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.initial_seconds) and self.initial_seconds >= 0):
            raise SpecError("initial_seconds", f"must be 0 or more, not {self.initial_seconds}")
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise SpecError("factor", f"must be 1 or more, not {self.factor}")
        if not self.max_seconds >= self.initial_seconds:
            raise SpecError("max_seconds", f"must be at least initial_seconds ({self.initial_seconds})")
        if not 0 <= self.jitter <= 1:
            raise SpecError("jitter", f"must be between 0 and 1, not {self.jitter}")


class RetryOrder(enum.StrEnum):
    """Where an event stands that is tried again."""

    RELAXED = "relaxed"
    """At the end of the log: nothing waits for it, and later events of its key overtake it."""
    STRICT = "strict"
    """Where it was: later events of its key wait until it is done or a dead letter, and nothing else does."""


DEFAULT_RETRY_BACKOFF = Backoff(initial_seconds=1.0, max_seconds=600.0)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of an event whose handler raised.

    `attempts` counts the first one: 3, or one more than there are intervals. The pauses between them grow by `backoff`
    (one second, doubled up to ten minutes), or are the `intervals` given, in seconds, of which the last one is
    repeated. An exception that is an instance of `permanent` is not tried again, and nothing is tried later than
    `deadline_seconds` after the event was accepted. A handler asks for another pause with `RetryLaterError`.

    Raises:
        SpecError: a number is out of range, or what is given contradicts itself.
    """

    attempts: int | None = None
    backoff: Backoff | None = None
    intervals: tuple[float, ...] = ()
    permanent: tuple[type[Exception], ...] = ()
    deadline_seconds: float | None = None
    order: RetryOrder = RetryOrder.RELAXED
    """An event without a key has nothing to keep in order, and is always tried again at the end."""

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_ATTEMPTS:
            raise SpecError("attempts", f"must be between 1 and {MAX_ATTEMPTS}, not {self.limit}")
        if self.intervals and self.backoff is not None:
            raise SpecError("intervals", "say what the pauses are, and so does backoff; give one of them")
        for interval in self.intervals:
            if not (math.isfinite(interval) and interval >= 0):
                raise SpecError("intervals", f"must be seconds from 0 up, not {interval}")
        if len(self.intervals) >= self.limit:
            raise SpecError(
                "intervals", f"has {len(self.intervals)}, and {self.limit} attempts have {self.limit - 1} pauses"
            )
        if self.deadline_seconds is not None:
            require_positive("deadline_seconds", self.deadline_seconds)

    @property
    def limit(self) -> int:
        """How many attempts there are at most."""
        if self.attempts is not None:
            return self.attempts
        return len(self.intervals) + 1 if self.intervals else DEFAULT_ATTEMPTS


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """When a service parks the events of one tenant: at least `ratio` of its last `window` failed.

    After `pause_seconds`, twice as long each time up to `max_pause_seconds`, one chunk of them is tried; when all of it
    succeeds, the tenant goes on. An event counts as failed once, at its first attempt; failures by a `permanent`
    exception and by `RetryLaterError` do not count.

    Raises:
        SpecError: a number is out of range.
    """

    window: int = 100
    ratio: float = 0.9
    pause_seconds: float = 30.0
    max_pause_seconds: float = 600.0

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MAX_BREAKER_WINDOW:
            raise SpecError("window", f"must be between 1 and {MAX_BREAKER_WINDOW}, not {self.window}")
        if not 0 < self.ratio <= 1:
            raise SpecError("ratio", f"must be above 0 and at most 1, not {self.ratio}")
        require_positive("pause_seconds", self.pause_seconds)
        if not (math.isfinite(self.max_pause_seconds) and self.max_pause_seconds >= self.pause_seconds):
            raise SpecError("max_pause_seconds", f"must be at least pause_seconds ({self.pause_seconds:g})")


class Supervision(msgspec.Struct, frozen=True, kw_only=True):
    """How a child is looked after. Times are seconds; `math.inf` is no limit.

    Raises:
        SpecError: a number is out of range, or a child is significant and permanent: it would never end for good.
    """

    restart: Restart = Restart.PERMANENT
    intensity: Intensity = Intensity()
    backoff: Backoff = Backoff()
    shutdown_seconds: float = DEFAULT_SHUTDOWN_SECONDS
    """Time to stop. A nested supervisor wants `math.inf`: its children have limits of their own."""
    start_seconds: float = math.inf
    """Time to start; a start that takes longer is cut and has failed."""
    hang_seconds: float = math.inf
    """A child at work that makes no progress for so long is cancelled, then restarted."""
    brutal_kill: bool = False
    """Stop it without any time to clean up; `shutdown_seconds` does not count."""
    significant: bool = False
    """Its end counts for the automatic shutdown of its supervisor."""
    decider: Decider = Decider()

    def __post_init__(self) -> None:
        for field in ("shutdown_seconds", "start_seconds", "hang_seconds"):
            if not (value := getattr(self, field)) > 0:
                raise SpecError(field, f"must be above 0, or math.inf for no limit, not {value}")
        if self.significant and self.restart is Restart.PERMANENT:
            raise SpecError("significant", "a permanent child never ends for good; make it transient or temporary")

    @property
    def stop_seconds(self) -> float:
        """The time that the child is given to stop, 0 where it is killed."""
        return 0.0 if self.brutal_kill else self.shutdown_seconds


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What people see of a service. `owner` is whom its failures concern."""

    label: str = ""
    description: str = ""
    icon: str = ""
    tag: str = ""
    owner: str = ""
