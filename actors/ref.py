"""References: how actors are addressed in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from actors.message import Message, Request

if TYPE_CHECKING:
    import typing_extensions

    M = typing_extensions.TypeVar("M", bound=Message, default=Any)
    M_contra = typing_extensions.TypeVar("M_contra", bound=Message, default=Any, contravariant=True)
else:
    M = TypeVar("M")
    M_contra = TypeVar("M_contra", contravariant=True)

R = TypeVar("R")

DEFAULT_ASK_SECONDS = 5.0


class Ref(Protocol[M_contra]):
    """The address of an actor. It stays valid when the actor is restarted. Delivery is in memory, at most once.

    `Ref[Order | Cancel]` is the address of an actor that takes these two: a type checker finds what else is told or
    sent to it. A bare `Ref` takes any message.
    """

    @property
    def path(self) -> str:
        """Where the actor stands in the supervision tree, such as `flights/services/arrivals`."""
        ...

    def tell(self, message: M_contra) -> None:
        """Put a message into the actor's mailbox and go on.

        Raises:
            UnhandledMessageError: no handler of the actor takes it.
            ActorStoppedError: the actor has stopped.
            MailboxFullError: the mailbox is bounded and full, and its policy is to wait or to refuse.
        """
        ...

    async def send(self, message: M_contra) -> None:
        """As `tell`, but wait for room where the mailbox is bounded and its policy is to wait.

        Who is cancelled while it waits has sent nothing.

        Raises:
            UnhandledMessageError, ActorStoppedError: as for `tell`; also when the actor stops meanwhile.
            MailboxFullError: the policy is to refuse.
        """
        ...

    async def ask(self, request: Request[R], *, timeout_seconds: float = DEFAULT_ASK_SECONDS) -> R:
        """Send a request and return the reply.

        Raises:
            TimeoutError: no reply within `timeout_seconds`; up to 0.1 s late where that is 1 s or more.
            Exception: what the handler raised, with a note that shows where.
            NotARequestError: the message is no `Request`.
            AskCycleError: the actor asked waits for this very reply. Found in development mode only.
            UnhandledMessageError, ActorStoppedError: as for `tell`; also when the actor stops before it replies.
        """
        ...
