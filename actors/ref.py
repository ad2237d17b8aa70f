"""References: how actors are addressed in memory."""

from __future__ import annotations

from typing import Protocol, TypeVar

from actors.message import Message, Request

R = TypeVar("R")

DEFAULT_ASK_SECONDS = 5.0


class Ref(Protocol):
    """The address of an actor. It stays valid when the actor is restarted. Delivery is in memory, at most once."""

    @property
    def path(self) -> str:
        """Where the actor stands in the supervision tree, such as `flights/services/arrivals`."""
        ...

    def tell(self, message: Message) -> None:
        """Put a message into the actor's mailbox and go on.

        Raises:
            UnhandledMessageError: no handler of the actor takes it.
            ActorStoppedError: the actor has stopped.
        """
        ...

    async def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> R:
        """Send a request and return the reply.

        Raises:
            TimeoutError: no reply within `timeout_seconds`.
            Exception: what the handler raised.
            UnhandledMessageError, ActorStoppedError: as for `tell`; also when the actor stops before it replies.
        """
        ...
