"""What can be set for a tenant, a service, a tenant within a service, or the whole runtime: shares, caps and limits."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from actors.errors import SpecError
from actors.spec import require_positive
from runtime.core.slot_account import NO_CAP
from runtime.core.work_classes import WorkClass, require_guarantees

EVERY_TENANT = "*"
"""Stands, as a tenant, for each one that has no setting of its own."""
State = Literal["active", "paused", "draining", "quarantined"]
"""paused: nothing is started, events are accepted and wait. draining: events are refused, those that wait are handled.
quarantined: both, nothing is started and events are refused."""
Overflow = Literal["refuse", "throttle"]
"""What happens to events beyond a daily quota. throttle: they are accepted, and run in one slot."""
MAX_WEIGHT = 1e6
MAX_COUNT = 10**15
RANGES = (
    ("slots", 1, NO_CAP),
    ("backlog", 0, MAX_COUNT),
    ("burst", 1, MAX_COUNT),
    ("daily_quota", 0, MAX_COUNT),
    ("licences", 0, MAX_COUNT),
)
EVENTS_PER_LICENCE = 200


class Scope(msgspec.Struct, frozen=True, order=True):
    """Whom a policy is for; None stands for all."""

    service: str | None = None
    tenant: str | None = None

    def __str__(self) -> str:
        if self.tenant is None:
            return "the runtime" if self.service is None else f"service {self.service}"
        tenant = "each tenant" if self.tenant == EVERY_TENANT else f"tenant {self.tenant}"
        return tenant if self.service is None else f"{tenant} in {self.service}"


EVERYTHING = Scope()


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of one scope; what is None is not set here.

    `weight` and, for `*`, `slots` count within each service by itself. Several `slots`, `backlog` and `rate` that apply
    to an event hold all at once; of a weight the most specific one holds.
    """

    weight: float | None = None
    """Slot time in proportion to others while all of them wait."""
    slots: int | None = None
    """How many slots may be filled at once. Of a service, it takes the place of the number it was registered with."""
    state: State | None = None
    backlog: int | None = None
    """How many events may wait or run."""
    rate: float | None = None
    """Events accepted a second."""
    burst: int | None = None
    """How many of them may come at once; as many as come in a second, if not set."""
    daily_quota: int | None = None
    """Events accepted within 24 hours."""
    licences: int | None = None
    """Raises the daily quota to 200 for each, if that is more."""
    overflow: Overflow | None = None
    guarantees: dict[WorkClass, float] | None = None
    """Of a service with classes of work: which part of its slots is kept for each, in place of those registered. Of the
    app: which part of its `slots` is kept for the services of each class."""

    @property
    def quota(self) -> int | None:
        """Events within 24 hours: the greater of what is set and what the licences give."""
        if self.licences is None:
            return self.daily_quota
        return max(self.daily_quota or 0, EVENTS_PER_LICENCE * self.licences)

    def over(self, base: Policy) -> Policy:
        """These settings, and those of `base` where there is none."""
        values = {name: getattr(self, name) for name in FIELDS if getattr(self, name) is not None}
        return msgspec.structs.replace(base, **values)


FIELDS = Policy.__struct_fields__
NOTHING_SET = Policy()
OF_TENANTS = ("daily_quota", "licences", "overflow")
"""What a tenant has over all services."""


def require_policy(scope: Scope, policy: Policy) -> None:
    """Raise SpecError, naming the field, unless every setting is in range and means something for the scope."""
    for field in ("weight", "rate"):
        value = getattr(policy, field)
        if value is not None:
            require_positive(field, value)
    if policy.weight is not None and not 1 / MAX_WEIGHT <= policy.weight <= MAX_WEIGHT:
        raise SpecError("weight", f"must be between {1 / MAX_WEIGHT:g} and {MAX_WEIGHT:g}, not {policy.weight}")
    for field, least, most in RANGES:
        value = getattr(policy, field)
        if value is not None and not least <= value <= most:
            raise SpecError(field, f"must be between {least} and {most}, not {value}")
    for field, values in (("state", State), ("overflow", Overflow)):
        value = getattr(policy, field)
        if value is not None and value not in get_args(values):
            raise SpecError(field, f"must be one of {', '.join(get_args(values))}, not {value!r}")
    if policy.guarantees is not None:
        require_guarantees("guarantees", policy.guarantees)
    _require_scope(scope, policy)


def require_slots_to_keep(app: Policy) -> None:
    """Raise SpecError where the app keeps parts of slots that nobody counts."""
    if app.guarantees and app.slots is None:
        raise SpecError("guarantees", "are parts of the slots of the app; set slots, too")


def shown(value: object) -> str:
    """The value of a setting, for people."""
    if isinstance(value, dict):
        return " ".join(f"{name}={part:g}" for name, part in value.items()) or "none"
    return str(value)


def _require_scope(scope: Scope, policy: Policy) -> None:
    if policy.weight is not None and scope.tenant is None:
        raise SpecError("weight", f"is for tenants, not for {scope}")
    if scope.tenant is None or scope.service is not None:
        for field in OF_TENANTS:
            if getattr(policy, field) is not None:
                raise SpecError(field, f"is for a tenant over all services, not for {scope}")
    if policy.guarantees is not None and scope.tenant is not None:
        raise SpecError("guarantees", f"is for a service with classes of work or for the app, not for {scope}")
    if scope.tenant == EVERY_TENANT and policy.state is not None:
        raise SpecError("state", "is for one tenant or for a service; name it")
