"""The base class of what users write."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar, Generic

from actors.context import Context, Place
from actors.database import Database
from actors.errors import ActorError
from actors.handler import HOOKS, Handler, Method, find_handlers
from actors.ref import M_contra


class Actor(Generic[M_contra]):
    """A class whose methods handle messages, one at a time.

    A public method, async or plain, whose only parameter is annotated with a `msgspec.Struct` class, a union of them,
    or `dict` is the handler of those messages. Other methods, and those whose name begins with an underscore, are its
    own affair. A plain method is called where nothing has to be awaited; it must not block. The classes are resolved
    when the actor class is defined. `class Orders(Actor[Order | Cancel])` says which messages it takes, so that
    references to it are typed.

    Raises:
        HandlerError: at class definition, when two handlers take one message, when a handler can never be reached,
            or when an annotation cannot be resolved.
    """

    handlers: ClassVar[Mapping[type, Handler]] = {}
    _actor_methods: ClassVar[dict[type, Method]] = {}
    _actor_hooks: ClassVar[frozenset[str]] = frozenset()
    _actor_requests: ClassVar[set[type]] = set()
    _context: Context | None = None
    _actor_place: Place | None = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = find_handlers(cls, sys._getframe(1).f_locals)  # noqa: SLF001 # names of an enclosing function
        cls._actor_methods = {kind: handler.method for kind, handler in cls.handlers.items()}
        cls._actor_requests = set()
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

    async def on_start(self) -> None:
        """Run before the first message, at each start and restart. An exception is a failed start."""

    async def on_stop(self) -> None:
        """Run when the actor stops, also before a restart. Has the shutdown time of its supervision."""

    async def before_restart(self, reason: BaseException) -> None:
        """Run on the instance that `reason` ended, when it is about to be replaced; `on_stop` follows."""

    async def on_restart(self, reason: BaseException) -> None:
        """Run on the fresh instance after a restart, before its next message. `reason` ended the one before."""
