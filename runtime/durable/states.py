"""The durable states of one service's actors: loaded with a life, saved with the completion of each event.

    a life begins -> known? else read, many actors in one statement -> decoded into the instance, or its fault
    an event is done -> encoded -> changed? then part of its commit
    a commit is refused or lost -> what is known of its actors is forgotten, and they begin a new life

What is known is the state as the last event left it, which may not be on disk yet: outcomes that wait for the journal
come before any read, and what a transaction has not committed is kept although its actor is passivated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, Protocol

from actors.actor import Actor
from actors.errors import StateError, UnreadableStateError
from actors.state import read_state, state_of
from runtime.definition import ServiceDefinition
from runtime.durable.journal import RETRY_SECONDS
from runtime.errors import StoreUnavailableError
from runtime.store.port import Store
from runtime.store.records import Batch, StoredState

MAX_LOADED = 1000
"""How many states one statement reads at most."""

Identity = tuple[str, str]
"""Tenant and key."""
Saved = tuple[int, bytes]
"""Version and JSON."""


class UnsavableStateError(StateError):
    """An event left a state that cannot be stored. The event has failed for good, and the state is what it was."""


class Writing(Protocol):
    """The journal, as far as states need it."""

    @property
    def unrecorded(self) -> int: ...
    async def flush(self) -> None: ...


class States:
    """What a service knows of its actors' states in one life."""

    def __init__(
        self,
        definition: ServiceDefinition,
        store: Store,
        journal: Writing,
        now: Callable[[], float],
        background: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        spec = state_of(definition.actor)
        assert spec is not None, f"{definition.name} has no durable state"
        self._spec = spec
        self._service = definition.name
        self._actor = definition.actor
        self._max_bytes = definition.max_state_bytes
        self._store = store
        self._journal = journal
        self._now = now
        self._background = background
        self._known: dict[Identity, Saved] = {}
        self._living: set[Identity] = set()
        self._uncommitted: set[Identity] = set()
        self._wanted: dict[Identity, asyncio.Future[Saved]] = {}
        self._loading = False

    async def restore(self, identity: Identity, instance: Any) -> None:
        """Give an instance its state, or the fault that keeps it from running."""
        saved = self._known.get(identity) or await self._load(identity)
        try:
            instance.state = read_state(self._actor, *saved)
        except UnreadableStateError as error:
            instance._actor_fault = error  # noqa: SLF001 # the runtime's side of it
            return
        self._known[identity] = saved
        self._living.add(identity)

    def begin(self, identity: Identity, instance: Any) -> None:
        """Give an instance of which nothing is stored its state."""
        saved = self._spec.version, self._spec.initial
        instance.state = read_state(self._actor, *saved)
        self._known[identity] = saved
        self._living.add(identity)

    def encode(self, instance: Any) -> bytes:
        """What an event leaves in an instance, as it is stored.

        Raises:
            UnsavableStateError: it cannot be encoded, or is too large.
        """
        state = instance.state
        if not isinstance(state, self._spec.kind):
            raise UnsavableStateError("state", f"must be a {self._spec.kind.__name__}, not {type(state).__name__}")
        try:
            payload = self._spec.encode(state)
        except Exception as error:
            raise UnsavableStateError("state", f"cannot be encoded as JSON: {error}") from error
        if len(payload) > self._max_bytes:
            raise UnsavableStateError(
                "state",
                f"is {len(payload):,} bytes of JSON; max_state_bytes of {self._service} is {self._max_bytes:,}",
            )
        return payload

    def save(
        self, identity: Identity, payload: bytes, actor: Actor, batch: Batch, *, joins: bool = False
    ) -> StoredState | None:
        """Put the state that an event leaves into its batch; None if it is what it was.

        `committed` or `refused` has to follow, unless it `joins` a batch that is written before anything later.
        """
        saved = (self._spec.version, payload)
        if self._known.get(identity) == saved:
            return None
        self._known[identity] = saved
        if not joins:
            self._uncommitted.add(identity)
        state = StoredState(self._service, *identity, *saved, self._now(), actor.state_label(), actor.state_ended())
        batch.extra().states.append(state)
        return state

    def committed(self, identities: Iterable[Identity]) -> None:
        """What was saved is on disk, or certain to come there before anything that is read from now on."""
        for identity in identities:
            self._uncommitted.discard(identity)
            if identity not in self._living:
                self._known.pop(identity, None)

    def take_back(self, identity: Identity, instance: Any) -> None:
        """Give an instance the state again that it had before it was changed."""
        instance.state = read_state(self._actor, *self._known[identity])

    def refused(self, identities: Iterable[Identity]) -> None:
        """What was saved is not on disk: what is there has to be read again."""
        for identity in identities:
            self._uncommitted.discard(identity)
            self._known.pop(identity, None)

    def forget(self, identity: Identity) -> None:
        """An actor is passivated or has stopped."""
        self._living.discard(identity)
        if identity not in self._uncommitted:
            self._known.pop(identity, None)

    async def _load(self, identity: Identity) -> Saved:
        waiting = self._wanted.get(identity)
        if waiting is None:
            waiting = self._wanted[identity] = asyncio.get_running_loop().create_future()
            if not self._loading:
                self._loading = True
                self._background(self._load_wanted())
        return await asyncio.shield(waiting)

    async def _load_wanted(self) -> None:
        """Read what is wanted, and what comes to be wanted meanwhile."""
        try:
            while self._wanted:
                await asyncio.sleep(0)  # others of this turn join
                wanted = dict(islice(self._wanted.items(), MAX_LOADED))
                found = await self._read(list(wanted))
                for identity, waiting in wanted.items():
                    del self._wanted[identity]
                    waiting.set_result(found.get(identity, (self._spec.version, self._spec.initial)))
        finally:
            self._loading = False

    async def _read(self, identities: list[Identity]) -> dict[Identity, Saved]:
        while True:
            try:
                if self._journal.unrecorded:
                    await self._journal.flush()
                found = await self._store.states(self._service, identities)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return {(state.tenant, state.key): (state.version, state.payload) for state in found}
