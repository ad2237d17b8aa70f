"""The base class of what users write."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Generic

import msgspec

from actors.context import Context, Place
from actors.database import Database
from actors.errors import ActorError, UnreadableStateError
from actors.handler import HOOKS, Handler, Method, find_handlers
from actors.ref import M_contra
from actors.state import StateSpec, find_state, guarded


class Actor(Generic[M_contra]):
    """A class whose methods handle messages, one at a time.

    A public method, async or plain, whose only parameter is annotated with a `msgspec.Struct` class, a union of them,
    or `dict` is the handler of those messages. Other methods, and those whose name begins with an underscore, are its
    own affair. A plain method is called where nothing has to be awaited; it must not block. The classes are resolved
    when the actor class is defined. `class Orders(Actor[Order | Cancel])` says which messages it takes, so that
    references to it are typed.

    `state: Basket` in a class, where `Basket` is a `msgspec.Struct` with a default for each field, declares a durable
    state. The actors of a keyed service then have it in `self.state` in every hook and handler; it is saved with the
    completion of each event that changed it, and is what it was before when the handler fails. A message in memory may
    look at it; one that changes it fails with `StateError`.

    Raises:
        SpecError: at class definition, when the durable state or its version is not usable.
        HandlerError: at class definition, when two handlers take one message, when a handler can never be reached,
            or when an annotation cannot be resolved.
    """

    handlers: ClassVar[Mapping[type, Handler]] = {}
    _actor_methods: ClassVar[dict[type, Method]] = {}
    _actor_hooks: ClassVar[frozenset[str]] = frozenset()
    _actor_requests: ClassVar[dict[type, Method]] = {}
    _actor_state: ClassVar[StateSpec | None] = None
    state_version: ClassVar[int] = 1
    """Stored with each state. Raise it when a stored state no longer decodes, or no longer means the same."""
    _actor_fault: UnreadableStateError | None = None
    """Why no handler can run."""
    _context: Context | None = None
    _actor_place: Place | None = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        enclosing = sys._getframe(1).f_locals  # noqa: SLF001 # names of an enclosing function
        cls.handlers = find_handlers(cls, enclosing)
        cls._actor_state = spec = find_state(cls, enclosing)
        cls._actor_methods = {
            kind: handler.method if spec is None else guarded(handler.method, spec)
            for kind, handler in cls.handlers.items()
        }
        cls._actor_requests = {}
        cls._actor_hooks = frozenset(name for name in HOOKS if getattr(cls, name) is not getattr(Actor, name))

    @property
    def ctx(self) -> Context:
        """The context of the message being handled."""
        if self._context is None:
            if self._actor_place is None:
                raise ActorError(f"{type(self).__name__}.ctx is available in hooks and handlers only, not in __init__")
            self._context = self._actor_place.new_context()
        return self._context

    @property
    def db(self) -> Database:
        """Short for `self.ctx.db`."""
        return self.ctx.db

    @classmethod
    def upgrade_state(cls, version: int, raw: Any) -> msgspec.Struct:
        """Make a state of this `state_version` of one that an earlier `version` stored; `raw` is its JSON decoded.

        As it stands it takes what fits and gives new fields their defaults. An exception makes the state unreadable:
        the events of its actor become dead letters until it can be read, and it is not overwritten.
        """
        assert cls._actor_state is not None, version
        return msgspec.convert(raw, cls._actor_state.kind)

    def state_label(self) -> str | None:
        """A word for the durable state, asked when it is saved, by which the states of a service can be listed."""
        return None

    def state_ended(self) -> bool:
        """Whether the durable state has come to its end, asked when it is saved.

        It is dropped when it has not been saved for `Settings.retention_days`; all others stay for ever.
        """
        return False

    async def on_start(self) -> None:
        """Run before the first message, at each start and restart. An exception is a failed start."""

    async def on_stop(self) -> None:
        """Run when the actor stops, also before a restart. Has the shutdown time of its supervision."""

    async def before_restart(self, reason: BaseException) -> None:
        """Run on the instance that `reason` ended, when it is about to be replaced; `on_stop` follows."""

    async def on_restart(self, reason: BaseException) -> None:
        """Run on the fresh instance after a restart, before its next message. `reason` ended the one before."""
