"""The processes that share a database, as JSON shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from runtime.store.membership import Member
from runtime.views import utc


class MemberJson(msgspec.Struct, frozen=True):
    """A process. `answers` marks the one that was asked; `alive` is false when its database session has ended."""

    incarnation: UUID
    process: str
    """Host and process id."""
    answers: bool
    alive: bool
    joined_at: datetime
    seen_at: datetime
    shards: list[int]
    utilization: float
    """How busy its event loop was during the last second, from 0 to 1."""


class MembersJson(msgspec.Struct, frozen=True):
    """Every process that serves an app."""

    members: list[MemberJson]


def members_json(members: Sequence[Member], own: UUID) -> MembersJson:
    return MembersJson([_member(member, own) for member in members])


def _member(member: Member, own: UUID) -> MemberJson:
    return MemberJson(
        incarnation=member.incarnation,
        process=member.label.partition(" ")[2],
        answers=member.incarnation == own,
        alive=not member.ended,
        joined_at=utc(member.joined_at),
        seen_at=utc(member.seen_at),
        shards=list(member.shards),
        utilization=round(member.utilization, 3),
    )
