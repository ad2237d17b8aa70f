"""Who runs the server. PostgreSQL refuses root, so a runtime started by root lends it an unprivileged account.

As an ordinary user the server is that user's. As root the owner of an existing cluster runs it, so that the choice made
once stays; a new cluster goes to `postgres` where that account exists, else to `nobody`. An account of our own would be
better kept apart, but `initdb` needs one that the user database knows, and adding users is not ours to do.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import msgspec

from runtime.embedded.errors import AccountError, NotOwnedError, OwnedByRootError

ROOT = 0
CANDIDATES = ("postgres", "nobody")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The operating system's account that owns the cluster and runs the server. It gets no supplementary groups."""

    uid: int
    gid: int

    @property
    def borrowed(self) -> bool:
        """Whether it is another one than ours."""
        return self.uid != os.geteuid()

    @property
    def name(self) -> str:
        return user_name(self.uid)


def user_name(uid: int) -> str:
    """The name of `uid`, or `uid N` if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def server_account(cluster: Path) -> Account:
    """The account for the cluster at `cluster`, which need not exist yet.

    Raises `NotOwnedError` or `OwnedByRootError` if the existing one belongs to an account that cannot be used, and
    `AccountError` if root finds nobody to run a new one.
    """
    try:
        owner = cluster.stat()
    except FileNotFoundError:
        return _account_for_new_cluster()
    if os.geteuid() == ROOT and owner.st_uid == ROOT:
        raise OwnedByRootError(cluster, user_name(_account_for_new_cluster().uid))
    if os.geteuid() not in {ROOT, owner.st_uid}:
        raise NotOwnedError(cluster, user_name(owner.st_uid))
    return Account(uid=owner.st_uid, gid=owner.st_gid)


def _account_for_new_cluster() -> Account:
    if os.geteuid() != ROOT:
        return Account(uid=os.geteuid(), gid=os.getegid())
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise AccountError(f"PostgreSQL does not run as root, and there is no user named {' or '.join(CANDIDATES)}")
