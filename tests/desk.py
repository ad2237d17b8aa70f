"""A small app without a database, for tests of what people see: HTTP and the command line."""

from __future__ import annotations

from uuid import UUID

import msgspec

from actors.actor import Actor
from actors.children import Exit
from actors.job import Finalizer, Signature
from actors.spec import Metadata
from actors.supervisor_ref import SupervisorRef
from runtime.audit_office import AuditOffice
from runtime.cells.dead_messages import DeadMessages, DeadMessagesFound
from runtime.clock import SystemClock
from runtime.definition import ServiceDefinition
from runtime.durable.admission import Admission, limits_of
from runtime.durable.ids import IdSource
from runtime.durable.schedule_desk import ScheduleDesk
from runtime.durable.service_desk import ServiceDesk
from runtime.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    StoreUnavailableError,
    UnknownServiceError,
)
from runtime.operations import Readiness, Receipt, ServiceInfo
from runtime.settings import Settings
from runtime.store.job_records import JobFilter, JobPage, JobView
from runtime.store.membership import Member
from runtime.store.memory import MemoryStore
from runtime.store.memory_audit import MemoryAudit
from runtime.store.records import (
    Attempt,
    AuditRecord,
    Cause,
    DeadLetterFilter,
    DeadLetterView,
    Event,
)
from runtime.store.replays import ReplayFilter, ReplayRequest
from runtime.tree import TreeNode
from runtime.trees.operations import TreeOperations
from tests.tenant_shelf import TenantShelf

BORN = 1_700_000_000.25
MAX_PAYLOAD_BYTES = 1000


class Flight(msgspec.Struct):
    carrier: str
    arr_delay: float


class JobShelf:
    """Jobs by their ids, of which none changes."""

    def __init__(self) -> None:
        self.known: dict[UUID, JobView] = {}
        self.results: dict[UUID, bytes] = {}
        self.asked: list[JobFilter] = []
        self.aborted: list[tuple[UUID, str, str | None]] = []

    async def job(self, job_id: UUID) -> JobView:
        if job_id not in self.known:
            raise NotFoundError(f"no job has the id {job_id}")
        return self.known[job_id]

    async def jobs(self, which: JobFilter) -> JobPage:
        self.asked.append(which)
        return JobPage(list(self.known.values())[: which.limit], None)

    async def wait(self, job_id: UUID, timeout_seconds: float = 0.0) -> JobView:  # nothing changes
        return await self.job(job_id)

    async def abort(self, job_id: UUID, *, by: str, reason: str | None = None) -> JobView:
        view = await self.job(job_id)
        self.aborted.append((job_id, by, reason))
        return msgspec.structs.replace(view, status="aborted")

    async def result(self, job_id: UUID) -> bytes | None:
        return self.results.get(job_id)


class NoReplays:
    """Nothing is stored that could be run again."""

    async def count(self, which: ReplayFilter) -> int:  # the protocol's
        return 0

    async def start(
        self,
        which: ReplayFilter,
        *,
        by: str,
        to: str | None = None,
        confirm: bool = False,
        request_id: UUID | None = None,
    ) -> ReplayRequest:
        raise NotFoundError("nothing is stored")

    async def view(self, request_id: UUID) -> ReplayRequest:
        raise NotFoundError(f"no replay has the id {request_id}")

    async def wait(self, request_id: UUID) -> ReplayRequest:
        return await self.view(request_id)


class Desk:
    """Implements `Operations` in memory. `unavailable` makes every call fail as a stopping app does."""

    def __init__(self, name: str = "flights", dead_letters: int = 0) -> None:
        self.app_name = name
        self.ready = Readiness(True, [])
        self.unavailable = False
        self.enqueued: list[Event] = []
        self.options: list[tuple[Finalizer | None, str | Signature | None]] = []
        self.jobs = JobShelf()
        self.audit = AuditOffice(MemoryAudit())
        self.trees = TreeOperations(no_supervisor, MemoryAudit(), SystemClock())
        self.replays = NoReplays()
        self.tenants = TenantShelf()
        self.desk = ServiceDesk({}, MemoryStore(), SystemClock())
        self.schedules = ScheduleDesk(MemoryStore().schedules, admission(), SystemClock(), most=100)
        self.dead = DeadMessages()
        self.letters = {letter.event.id: letter for letter in map(make_letter, range(1, dead_letters + 1))}

    def tree(self) -> TreeNode:
        leaf = TreeNode(
            name="arrivals",
            kind="service",
            state="running",
            since=BORN,
            restarts=2,
            last_reason="ValueError: [red]no delay[/red]\x1b[31m",
            last_restart_at=BORN + 1,
            exits=(
                Exit(BORN, "OSError: gone\x1b[31m"),
                Exit(BORN + 1, "ValueError: [red]no delay[/red]", explained=True),
            ),
            mailbox_depth=7,
            oldest_message_seconds=0.25,
            handled=26398,
        )
        return TreeNode(
            name=self.app_name,
            kind="supervisor",
            state="running",
            since=BORN,
            strategy="one_for_one",
            children=(leaf,),
            children_total=3,
        )

    def readiness(self) -> Readiness:
        return self.ready

    def services(self) -> list[ServiceInfo]:
        return [ServiceInfo("arrivals", True, 8, 50, ["Flight"], Metadata(label="Arrivals", owner="ops"))]

    async def members(self) -> list[Member]:
        shards = (tuple(range(40)), tuple(range(40, 64)))
        return [
            Member(UUID(int=number), 7, f"flights host:{number}", None, False, BORN, own, BORN, 9, 0.5, number > 0)
            for number, own in enumerate(shards)
        ]

    def dead_messages(self, limit: int) -> DeadMessagesFound:
        return self.dead.found(limit)

    async def enqueue_json(
        self,
        service: str,
        payload: bytes,
        *,
        tenant: str,
        key: str | None,
        type_name: str | None,
        event_id: UUID | None,
        delay_seconds: float,
        by: str,
        finalizer: Finalizer | None = None,
        signature: str | Signature | None = None,
    ) -> Receipt:
        self._require_store()
        if service != "arrivals":
            raise UnknownServiceError(f"there is no service {service!r}; there are: arrivals")
        if not tenant:
            raise InvalidInputError("tenant", "must not be empty")
        if delay_seconds > 600:
            raise InvalidInputError("delay_seconds", "must be at most 600")
        require_flight(payload)
        event = Event(
            event_id or UUID(int=len(self.enqueued) + 1),
            service,
            tenant,
            key,
            type_name or "Flight",
            payload,
            BORN,
            by,
        )
        self.enqueued.append(event)
        self.options.append((finalizer, signature))
        return Receipt(event.id, duplicate=signature == "held")

    async def dead_letters(self, which: DeadLetterFilter) -> list[DeadLetterView]:
        self._require_store()
        found = [letter for letter in self.letters.values() if which.state in {None, letter.state}]
        found = [letter for letter in found if which.service in {None, letter.event.service}]
        found = [letter for letter in found if which.tenant in {None, letter.event.tenant}]
        found = [letter for letter in found if which.before is None or letter.event.id.int < which.before.int]
        brief = [msgspec.structs.replace(letter, attempts=[], audit=[]) for letter in found]
        return sorted(brief, key=lambda letter: letter.event.id.int, reverse=True)[: which.limit]

    async def dead_letter(self, event_id: UUID) -> DeadLetterView:
        self._require_store()
        letter = self.letters.get(event_id)
        if letter is None:
            raise NotFoundError(f"there is no dead letter {event_id}")
        return letter

    async def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        letter = await self._open(event_id)
        chosen = payload or letter.event.payload
        require_flight(chosen)
        new_id = UUID(int=event_id.int + 1000)
        self.enqueued.append(msgspec.structs.replace(letter.event, id=new_id, payload=chosen, enqueued_by=by))
        self._close(letter, "replayed", by, None, new_id)
        return new_id

    async def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        self._close(await self._open(event_id), "discarded", by, reason, None)

    async def _open(self, event_id: UUID) -> DeadLetterView:
        letter = await self.dead_letter(event_id)
        if letter.state != "open":
            raise ConflictError(f"the dead letter {event_id} is {letter.state} already")
        return letter

    def _close(self, letter: DeadLetterView, state: str, by: str, detail: str | None, new_id: UUID | None) -> None:
        self.letters[letter.event.id] = msgspec.structs.replace(
            letter, state=state, replayed_as=new_id, audit=[AuditRecord(state, by, BORN + 5, detail)]
        )

    def _require_store(self) -> None:
        if self.unavailable:
            raise StoreUnavailableError("the app is stopping")


class Arrivals(Actor):
    def arrived(self, flight: Flight) -> None: ...


def admission() -> Admission:
    services = {"arrivals": ServiceDefinition(name="arrivals", actor=Arrivals)}
    clock = SystemClock()
    return Admission(services, limits_of(Settings()), ids=IdSource(clock.now), clock=clock)


def no_supervisor(path: str) -> SupervisorRef:
    raise NotFoundError(f"there is no supervisor {path!r} in the trees of flights")


def require_flight(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError("payload", f"is {len(payload)} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    try:
        msgspec.json.decode(payload, type=Flight)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise InvalidInputError("payload" + path.rstrip("`"), problem) from None


def make_letter(number: int) -> DeadLetterView:
    event = Event(
        UUID(int=number),
        "arrivals",
        "UA" if number % 2 else "DL",
        "N14228",
        "Flight",
        b'{"carrier":"UA","arr_delay":%d,"seen":12345678901234567890123}' % number,
        BORN + number,
        "loader",
        3,
    )
    return DeadLetterView(
        event,
        Cause("MissingArrivalError", "flight 1545 has no arrival delay", 'Traceback:\n  File "flights.py", line 7'),
        BORN + number + 1,
        "open",
        attempts=[Attempt(1, BORN, "retry", BORN, BORN + 0.5, "MissingArrivalError: flight 1545")],
    )
