"""Signatures: which events of a batch are duplicates of others. Pure, for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from runtime.store.records import Batch, Claim

Name = tuple[str, str]
"""Scope and signature."""


def first_claims(claims: Iterable[Claim]) -> dict[Name, Claim]:
    """The first claim of each signature: within a batch, it wins. In one order for all writers."""
    first: dict[Name, Claim] = {}
    for claim in claims:
        first.setdefault((claim.scope, claim.signature), claim)
    return dict(sorted(first.items()))


def claimed_at(claims: Iterable[Claim]) -> float:
    """When the claims of a batch are made: signatures that others hold until then have expired."""
    return max(claim.at for claim in claims)


def settle(claims: Iterable[Claim], holders: Mapping[Name, UUID]) -> None:
    """Tell each claim who holds its signature."""
    for claim in claims:
        claim.holder = holders[claim.scope, claim.signature]


def without_duplicates(batch: Batch) -> Batch:
    """What of a batch is to be written, once its claims are settled."""
    lost = {claim.id for claim in batch.extra().claims if claim.duplicate}
    return msgspec.structs.replace(
        batch,
        events=[event for event in batch.events if event.id not in lost],
        delayed=[each for each in batch.delayed if each.event.id not in lost],
    )
