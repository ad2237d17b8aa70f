"""Where events come in from outside: through the gate, into the journal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from actors.job import Signature
from actors.message import Message
from runtime.durable.commit_group import Record
from runtime.durable.first_events import begin
from runtime.errors import StoreError
from runtime.machinery import Machinery
from runtime.operations import Receipt
from runtime.store.records import Delayed, Event


class Intake:
    """Every method raises as `append`."""

    def __init__(self, machinery: Machinery) -> None:
        self._gate = machinery.gate
        self._journal = machinery.journal
        self._admission = machinery.admission
        self._services = machinery.services

    async def append(self, records: Sequence[Record], wait_seconds: float = 0.0) -> None:
        """Store events and delayed events, within their limits, and hand them to their services.

        Raises:
            LimitError, ClosedError: a limit is reached, after waiting so long for room.
            StoreError: the database refused them.
        """
        async with self._gate.passing(records, wait_seconds):
            await self._journal.append(records)

    async def append_one(self, record: Record, wait_seconds: float = 0.0) -> None:
        """As `append`."""
        gate = self._gate
        limited = gate.active
        if limited and not (isinstance(record, Event) and gate.pass_one(record)):
            await self.append((record,), wait_seconds)
            return
        try:
            await self._journal.append_one(record)
        except StoreError:
            if limited:
                assert isinstance(record, Event)
                gate.leave_one(record)
            raise

    async def append_first(self, event: Event, message: Message) -> None:
        """As `append`, of the first event of an actor whose key was made up for it and is not known to anybody else.

        Where the actor could handle it this instant it does, and only what comes of it is stored. See
        `runtime.durable.first_events`.
        """
        gate, service = self._gate, self._services[event.service]
        limited = gate.active
        if limited and not gate.pass_one(event):
            await self.append_one(event)
            return
        try:
            begun = await self._journal.append_made(partial(begin, service, event, message))
            if not begun:
                await self._journal.append_one(event)
        except StoreError:
            service.reload(event.tenant, event.key or "")
            if limited:
                gate.leave_one(event)
            raise
        if limited and begun:
            gate.ended(event.service, event.tenant, 1)

    async def accept(
        self, record: Event | Delayed, signature: str | Signature | None, wait_seconds: float = 0.0
    ) -> Receipt:
        """Store an event, unless its signature is held. Raises InvalidInputError too."""
        event = record.event if isinstance(record, Delayed) else record
        if signature is None:
            await self.append_one(record, wait_seconds)
            return Receipt(event.id)
        claiming = self._admission.claiming(record, signature)
        await self.append_one(claiming, wait_seconds)
        claim = claiming.claim
        return Receipt(claim.holder or claim.id, claim.duplicate)
