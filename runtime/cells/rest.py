"""The end of a life that keeps the place: mailbox, reference and watchers are there for the next one."""

from __future__ import annotations

import asyncio
import logging

from actors.errors import ActorStoppedError
from runtime.cells.life import KILL_SECONDS, CellLife, within_seconds
from runtime.cells.place import FAILED, IDLE, NEW, STOPPED
from runtime.cells.state import REST

LOGGER = logging.getLogger("postroom.actors")


class CellRest(CellLife):
    """An actor's place whose lives are begun and ended from outside."""

    __slots__ = ()

    async def rest(self, shutdown_seconds: float) -> None:
        """End this life as `stop` does, and keep what waits for the next one, which `start` begins. Safe twice.

        A handler that ignores its cancellation makes that impossible: then the actor has stopped.
        """
        if self.state in {NEW, FAILED, STOPPED}:
            return
        self.on_started = None
        if self.rest_at_once():
            return
        self.command(REST)
        rested = self._stopped
        if rested is None:
            rested = self._stopped = asyncio.get_running_loop().create_future()
        if await within_seconds(rested, shutdown_seconds):
            return
        LOGGER.warning("%s did not end within %s s and is cancelled", self.path, shutdown_seconds)
        self.cut = ActorStoppedError(f"{self.path}: cut off, as it did not end within {shutdown_seconds:g} s")
        self.cancel()
        if not await within_seconds(rested, KILL_SECONDS):
            LOGGER.error("%s ignores its cancellation and is abandoned", self.path)
            self.stopping = True
            self.become_stopped("it ignored its cancellation")

    def revive(self) -> None:
        """Make the place of an actor that has stopped ready for another life; its references are valid again."""
        assert self.state is STOPPED
        self.state, self.stopping, self.control, self._stopped, self.cut = NEW, False, None, None, None

    def awaken(self) -> None:
        """Begin a life after a rest, which does not count as a restart."""
        self.state = NEW
        self.wake()

    def rest_at_once(self) -> bool:
        """Do so here and now, if nothing has to be waited for."""
        if self.state is not IDLE or self.children or self.ties or self.control or "on_stop" in self.actor._actor_hooks:
            return False
        self.instance = None
        self.come_to_rest()
        return True
