"""Sets of rules that go together. `fair` is the default; `salesforce` adds the rules of that platform on top of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actors.errors import SpecError
from runtime.core.fair_usage import Tiers
from runtime.core.policy import EVERY_TENANT, NOTHING_SET, Policy, Scope, require_policy

EXAMINED_ENTRIES = 2_000
"""Published as "the first several thousand" entries of the message type."""
DAILY_QUOTA = 250_000
ACTIVE_BATCH_JOBS = 5
FLEX_QUEUE = 100
"""Published limits of batch jobs of one tenant: those that run at once, and those that are held until they can."""


class SchedulingProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What an app's services do beside fair share.

    `tiers` turn on fair usage, `examined_entries` flow control, and `policies` hold where neither the app, nor its
    file, nor people set anything else; `batch_jobs` for each tenant in each service that is declared with `batch=True`.

    Raises:
        SpecError: `examined_entries` is below 1, or `batch_jobs` sets what is out of range or not for a tenant in a
            service.
    """

    tiers: Tiers | None = None
    examined_entries: int | None = None
    policies: dict[Scope, Policy] = {}
    batch_jobs: Policy = NOTHING_SET

    def policies_of(self, batch_services: Iterable[str]) -> dict[Scope, Policy]:
        """Its policies in an app that has these services for batch jobs."""
        if self.batch_jobs == NOTHING_SET:
            return self.policies
        return self.policies | {Scope(service, EVERY_TENANT): self.batch_jobs for service in batch_services}

    def __post_init__(self) -> None:
        if self.examined_entries is not None and self.examined_entries < 1:
            raise SpecError("examined_entries", f"must be at least 1, not {self.examined_entries}")
        try:
            require_policy(Scope("batch", EVERY_TENANT), self.batch_jobs)
        except SpecError as error:
            raise SpecError("batch_jobs", str(error)) from None


FAIR = SchedulingProfile()
SALESFORCE = SchedulingProfile(
    tiers=Tiers(),
    examined_entries=EXAMINED_ENTRIES,
    policies={Scope(None, EVERY_TENANT): Policy(daily_quota=DAILY_QUOTA)},
    batch_jobs=Policy(slots=ACTIVE_BATCH_JOBS, backlog=ACTIVE_BATCH_JOBS + FLEX_QUEUE),
)
PROFILES = {"fair": FAIR, "salesforce": SALESFORCE}


def profile_of(given: str | SchedulingProfile) -> SchedulingProfile:
    """A profile, or the one of that name. Raises SpecError."""
    if isinstance(given, SchedulingProfile):
        return given
    if given not in PROFILES:
        raise SpecError("profile", f"there is no profile {given!r}; there are {', '.join(PROFILES)}")
    return PROFILES[given]
