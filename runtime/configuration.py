"""The file that `postroom run --config` reads: policies in TOML.

[limits]                     # of the whole app
slots = 100

[tenants."*"]                # each tenant that has no setting of its own
daily_quota = 250_000

[tenants.acme]
weight = 2

[services.mail]
rate = 100

[services.mail.tenants.acme]
slots = 2
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.errors import SpecError
from runtime.core.policy import EVERYTHING, NOTHING_SET, Policy, Scope, require_policy, require_slots_to_keep
from runtime.core.profile import FAIR, SchedulingProfile, profile_of
from runtime.definition import ServiceDefinition, require_fitting
from runtime.errors import InvalidInputError

TENANTS = "tenants"


class Configuration(msgspec.Struct, frozen=True):
    profile: SchedulingProfile
    policies: dict[Scope, Policy]


NOT_CONFIGURED = Configuration(FAIR, {})


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: str | None = None
    limits: Policy = NOTHING_SET
    tenants: dict[str, Policy] = {}
    services: dict[str, dict[str, Any]] = {}


def with_file(
    profile: SchedulingProfile,
    policies: Mapping[Scope, Policy],
    path: Path | None,
    services: Mapping[str, ServiceDefinition],
) -> Configuration:
    """The app's profile and policies with those of a file laid over them.

    Raises:
        InvalidInputError: the file cannot be read, or names the place in it that is wrong.
        SpecError: the app sets something for a service that it does not have, or that means nothing for it.
    """
    if path is not None:
        own, read = read_file(path)
        profile, policies = own or profile, _laid_over(policies, read)
    for scope in policies:
        if scope.service is not None and scope.service not in services:
            known = ", ".join(sorted(services)) or "none"
            raise SpecError("service", f"a policy is for {scope.service!r}, but this app has: {known}")
        if scope.service is not None:
            require_fitting(services[scope.service], policies[scope])
    require_slots_to_keep(policies.get(EVERYTHING, NOTHING_SET))
    batch_services = (name for name, service in services.items() if service.batch)
    return Configuration(profile, _laid_over(profile.policies_of(batch_services), policies))


def _laid_over(base: Mapping[Scope, Policy], policies: Mapping[Scope, Policy]) -> dict[Scope, Policy]:
    merged = dict(base)
    for scope, policy in policies.items():
        merged[scope] = policy.over(merged.get(scope, NOTHING_SET))
    return merged


def read_file(path: Path) -> tuple[SchedulingProfile | None, dict[Scope, Policy]]:
    """The profile of a file, if it names one, and its policies by their scopes. Raises InvalidInputError."""
    try:
        read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        profile = None if read.profile is None else profile_of(read.profile)
        policies = {scope: policy for scope, policy in _scopes(read) if policy != NOTHING_SET}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, SpecError) as error:
        raise InvalidInputError("config", f"{path}: {error}") from None
    for scope, policy in policies.items():
        try:
            require_policy(scope, policy)
        except SpecError as error:
            raise InvalidInputError("config", f"{path}: {scope}: {error}") from None
    return profile, policies


def _scopes(read: _File) -> Iterator[tuple[Scope, Policy]]:
    yield Scope(), read.limits
    for tenant, policy in read.tenants.items():
        yield Scope(None, tenant), policy
    for service, settings in read.services.items():
        own = {name: value for name, value in settings.items() if name != TENANTS}
        yield Scope(service), msgspec.convert(own, Policy)
        for tenant, policy in msgspec.convert(settings.get(TENANTS, {}), dict[str, Policy]).items():
            yield Scope(service, tenant), policy
