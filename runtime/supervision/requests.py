"""Requests to a supervisor's machine, and who waits for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runtime.core.supervision_errors import ChildConflictError, NoSuchChildError, SupervisionError
from runtime.core.supervision_events import Event
from runtime.errors import ConflictError, NotFoundError


class Requests:
    """Gives each request a ticket. What the machine refuses is raised as `NotFoundError` or `ConflictError`."""

    def __init__(self, feed: Callable[[Event], None]) -> None:
        self._feed = feed
        self._waiting: dict[int, asyncio.Future[BaseException | None]] = {}
        self._tickets = 0

    def send(self, request: Callable[[int], Event]) -> asyncio.Future[BaseException | None]:
        """Put a request that is answered later; `request` makes it from its ticket."""
        self._tickets += 1
        ticket = self._tickets
        answer = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            self.tell(request(ticket))
        except BaseException:
            del self._waiting[ticket]
            raise
        return answer

    def tell(self, request: Event) -> None:
        """Put a request that is met at once."""
        try:
            self._feed(request)
        except NoSuchChildError as error:
            raise NotFoundError(str(error)) from None
        except SupervisionError as error:
            raise ConflictError(str(error)) from None

    def answer(self, ticket: int, error: BaseException | None) -> None:
        waiting = self._waiting.pop(ticket)
        if not waiting.done():
            waiting.set_result(error)

    def __len__(self) -> int:
        return len(self._waiting)


async def result(answer: asyncio.Future[BaseException | None]) -> None:
    """Wait for an answer, and raise it if it is an error."""
    if (error := await answer) is not None:
        raise ConflictError(str(error)) if isinstance(error, ChildConflictError) else error
