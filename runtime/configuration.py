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
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.errors import SpecError
from runtime.core.policy import NOTHING_SET, Policy, Scope, require_policy
from runtime.errors import InvalidInputError

TENANTS = "tenants"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limits: Policy = NOTHING_SET
    tenants: dict[str, Policy] = {}
    services: dict[str, dict[str, Any]] = {}


def with_file(policies: Mapping[Scope, Policy], path: Path | None, services: Collection[str]) -> dict[Scope, Policy]:
    """The app's policies with those of a file laid over them.

    Raises:
        InvalidInputError: the file cannot be read, or names the place in it that is wrong.
        SpecError: the app sets something for a service that it does not have.
    """
    merged = dict(policies)
    for scope, policy in read_policies(path).items() if path is not None else ():
        merged[scope] = policy.over(merged.get(scope, NOTHING_SET))
    for scope in merged:
        if scope.service is not None and scope.service not in services:
            known = ", ".join(sorted(services)) or "none"
            raise SpecError("service", f"a policy is for {scope.service!r}, but this app has: {known}")
    return merged


def read_policies(path: Path) -> dict[Scope, Policy]:
    """The policies of a file by their scopes. Raises InvalidInputError."""
    try:
        read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        policies = dict(_scopes(read))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidInputError("config", f"{path}: {error}") from None
    for scope, policy in policies.items():
        try:
            require_policy(scope, policy)
        except SpecError as error:
            raise InvalidInputError("config", f"{path}: {scope}: {error}") from None
    return policies


def _scopes(read: _File) -> Iterator[tuple[Scope, Policy]]:
    yield Scope(), read.limits
    for tenant, policy in read.tenants.items():
        yield Scope(None, tenant), policy
    for service, settings in read.services.items():
        own = {name: value for name, value in settings.items() if name != TENANTS}
        yield Scope(service), msgspec.convert(own, Policy)
        for tenant, policy in msgspec.convert(settings.get(TENANTS, {}), dict[str, Policy]).items():
            yield Scope(service, tenant), policy
