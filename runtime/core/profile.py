"""Sets of rules that go together. `fair` is the default; `salesforce` adds the rules of that platform on top of it."""

from __future__ import annotations

import msgspec

from actors.errors import SpecError
from runtime.core.fair_usage import Tiers
from runtime.core.policy import EVERY_TENANT, Policy, Scope

EXAMINED_ENTRIES = 2_000
"""Published as "the first several thousand" entries of the message type."""
DAILY_QUOTA = 250_000


class SchedulingProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What an app's services do beside fair share.

    `tiers` turn on fair usage, `examined_entries` flow control, and `policies` hold where neither the app, nor its
    file, nor people set anything else.

    Raises:
        SpecError: `examined_entries` is below 1.
    """

    tiers: Tiers | None = None
    examined_entries: int | None = None
    policies: dict[Scope, Policy] = {}

    def __post_init__(self) -> None:
        if self.examined_entries is not None and self.examined_entries < 1:
            raise SpecError("examined_entries", f"must be at least 1, not {self.examined_entries}")


FAIR = SchedulingProfile()
SALESFORCE = SchedulingProfile(
    tiers=Tiers(),
    examined_entries=EXAMINED_ENTRIES,
    policies={Scope(None, EVERY_TENANT): Policy(daily_quota=DAILY_QUOTA)},
)
PROFILES = {"fair": FAIR, "salesforce": SALESFORCE}


def profile_of(given: str | SchedulingProfile) -> SchedulingProfile:
    """A profile, or the one of that name. Raises SpecError."""
    if isinstance(given, SchedulingProfile):
        return given
    if given not in PROFILES:
        raise SpecError("profile", f"there is no profile {given!r}; there are {', '.join(PROFILES)}")
    return PROFILES[given]
