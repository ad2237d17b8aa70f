"""The HTTP API as a Python object, for the commands. Errors come back as the classes that the app raised."""

from __future__ import annotations

import http.client
import urllib.parse
from typing import TypeVar
from uuid import UUID

import msgspec

from actors.errors import PostroomError
from runtime.audit_views import AuditPageJson
from runtime.core.explanation import Explanation
from runtime.errors import (
    ClosedError,
    ConflictError,
    FilterTooWideError,
    InvalidInputError,
    LimitError,
    NotFoundError,
    PayloadTooLargeError,
    RuntimeFaultError,
    StoreUnavailableError,
    UnknownServiceError,
)
from runtime.job_views import JobJson, JobPageJson, JobResultJson
from runtime.member_views import MembersJson
from runtime.replay_views import MatchedJson, ReplayJson
from runtime.schedule_views import MomentsJson, ScheduleJson, SchedulesJson
from runtime.service_views import BreakersJson, ResumedJson, StateJson
from runtime.store.records import DeadLetterFilter
from runtime.tenant_views import HistoryJson, PolicyJson, StandingsJson, TenantJson
from runtime.trees.views import ChildDoneJson, SupervisorJson
from runtime.views import (
    Accepted,
    DeadLetterJson,
    DeadLetterPage,
    DeadMessagesJson,
    Discarded,
    ErrorDetail,
    ErrorJson,
    ServicesJson,
    TreeJson,
)

T = TypeVar("T")

ANSWER_SECONDS = 30.0
PLAIN_ERRORS: dict[str, type[PostroomError]] = {
    kind.__name__: kind for kind in (ClosedError, NotFoundError, StoreUnavailableError, UnknownServiceError)
}


FIELD_ERRORS: dict[str, type[InvalidInputError]] = {
    kind.__name__: kind for kind in (FilterTooWideError, PayloadTooLargeError)
}


class ClientError(RuntimeFaultError):
    """The app could not be asked, or its answer means nothing."""


class Client:
    """Asks a running app at `url`. Every call raises ClientError when there is no usable answer."""

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.netloc or parts.path.strip("/"):
            raise ClientError(f"{url!r} is not the URL of an app, which looks like http://127.0.0.1:8321")
        self._netloc = parts.netloc
        self._answer_seconds = answer_seconds

    def tree(self) -> TreeJson:
        return self._ask("GET", "/v1/tree", TreeJson)

    def services(self) -> ServicesJson:
        return self._ask("GET", "/v1/services", ServicesJson)

    def members(self) -> MembersJson:
        return self._ask("GET", "/v1/members", MembersJson)

    def supervisor(self, path: str, limit: int) -> SupervisorJson:
        query = urllib.parse.urlencode({"path": path, "limit": limit})
        return self._ask("GET", f"/v1/supervisor?{query}", SupervisorJson)

    def change_child(self, verb: str, path: str, by: str) -> ChildDoneJson:
        return self._ask("POST", f"/v1/supervisor/{verb}-child", ChildDoneJson, {"path": path, "by": by})

    def dead_messages(self, limit: int) -> DeadMessagesJson:
        return self._ask("GET", f"/v1/dead-messages?limit={limit}", DeadMessagesJson)

    def jobs(self, **which: object) -> JobPageJson:
        """Raises as the app does; a filter that is None is left out."""
        return self._ask("GET", f"/v1/jobs?{_query(which)}", JobPageJson)

    def count_replay(self, which: dict[str, object]) -> MatchedJson:
        return self._ask("POST", "/v1/replays", MatchedJson, {**which, "dry_run": True})

    def start_replay(self, body: dict[str, object]) -> ReplayJson:
        return self._ask("POST", "/v1/replays", ReplayJson, body)

    def replay_view(self, request_id: UUID) -> ReplayJson:
        return self._ask("GET", f"/v1/replays/{request_id}", ReplayJson)

    def audit(self, **which: object) -> AuditPageJson:
        """As `jobs`."""
        return self._ask("GET", f"/v1/audit?{_query(which)}", AuditPageJson)

    def job(self, job_id: UUID) -> JobJson:
        return self._ask("GET", f"/v1/jobs/{job_id}", JobJson)

    def abort_job(self, job_id: UUID, *, by: str, reason: str | None) -> JobJson:
        return self._ask("POST", f"/v1/jobs/{job_id}/abort", JobJson, {"by": by, "reason": reason})

    def job_result(self, job_id: UUID, wait_seconds: float) -> JobResultJson:
        return self._ask("GET", f"/v1/jobs/{job_id}/result?wait_seconds={wait_seconds:.3f}", JobResultJson)

    def standings(self, **which: object) -> StandingsJson:
        """As `jobs`."""
        return self._ask("GET", f"/v1/tenants?{_query(which)}", StandingsJson)

    def tenant(self, tenant: str) -> TenantJson:
        return self._ask("GET", f"/v1/tenants/{urllib.parse.quote(tenant, safe='')}", TenantJson)

    def change_policy(self, body: dict[str, object]) -> PolicyJson:
        return self._ask("POST", "/v1/policies", PolicyJson, body)

    def policy_history(self, **which: object) -> HistoryJson:
        """As `jobs`."""
        return self._ask("GET", f"/v1/policies/history?{_query(which)}", HistoryJson)

    def restore_policy(self, version: int, *, by: str, reason: str | None) -> PolicyJson:
        """Raises NotFoundError."""
        body = {"version": version, "by": by, "reason": reason}
        return self._ask("POST", "/v1/policies/restore", PolicyJson, body)

    def schedules(self, **which: object) -> SchedulesJson:
        """As `jobs`."""
        return self._ask("GET", f"/v1/schedules?{_query(which)}", SchedulesJson)

    def schedule(self, tenant: str, name: str) -> ScheduleJson:
        """Raises NotFoundError."""
        return self._ask("GET", _schedule(tenant, name), ScheduleJson)

    def put_schedule(self, tenant: str, name: str, body: dict[str, object]) -> ScheduleJson:
        """Raises ConflictError, InvalidInputError."""
        return self._ask("PUT", _schedule(tenant, name), ScheduleJson, body)

    def delete_schedule(self, tenant: str, name: str, **why: object) -> ScheduleJson:
        """Raises ConflictError, NotFoundError."""
        return self._ask("DELETE", f"{_schedule(tenant, name)}?{_query(why)}", ScheduleJson)

    def change_schedule(self, verb: str, tenant: str, name: str, body: dict[str, object]) -> ScheduleJson:
        """Pause or resume it. Raises NotFoundError."""
        return self._ask("POST", f"{_schedule(tenant, name)}/{verb}", ScheduleJson, body)

    def moments(self, tenant: str, name: str, limit: int) -> MomentsJson:
        return self._ask("GET", f"{_schedule(tenant, name)}/moments?limit={limit}", MomentsJson)

    def explain(self, event_id: UUID) -> Explanation:
        return self._ask("GET", f"/v1/events/{event_id}/explain", Explanation)

    def state(self, service: str, tenant: str, key: str) -> StateJson:
        """Raises NotFoundError, UnknownServiceError."""
        query = urllib.parse.urlencode({"tenant": tenant, "key": key})
        return self._ask("GET", f"/v1/services/{urllib.parse.quote(service, safe='')}/state?{query}", StateJson)

    def breakers(self, service: str | None) -> BreakersJson:
        query = "" if service is None else f"?{urllib.parse.urlencode({'service': service})}"
        return self._ask("GET", f"/v1/breakers{query}", BreakersJson)

    def resume(self, service: str, tenant: str, *, by: str) -> ResumedJson:
        """Raises ConflictError, UnknownServiceError."""
        path = f"/v1/services/{urllib.parse.quote(service, safe='')}/breakers/resume"
        return self._ask("POST", path, ResumedJson, {"tenant": tenant, "by": by})

    def enqueue(self, service: str, body: dict[str, object]) -> Accepted:
        path = f"/v1/services/{urllib.parse.quote(service, safe='')}/events"
        return self._ask("POST", path, Accepted, body)

    def dead_letters(self, which: DeadLetterFilter) -> DeadLetterPage:
        query: dict[str, object] = {"state": which.state or "all", "limit": which.limit}
        for name in ("service", "tenant", "before"):
            if getattr(which, name) is not None:
                query[name] = getattr(which, name)
        return self._ask("GET", f"/v1/dead-letters?{urllib.parse.urlencode(query)}", DeadLetterPage)

    def dead_letter(self, event_id: UUID) -> DeadLetterJson:
        return self._ask("GET", f"/v1/dead-letters/{event_id}", DeadLetterJson)

    def replay(self, event_id: UUID, *, by: str, payload: bytes | None = None) -> UUID:
        body: dict[str, object] = {"by": by}
        if payload is not None:
            body["payload"] = msgspec.Raw(payload)
        return self._ask("POST", f"/v1/dead-letters/{event_id}/replay", Accepted, body).id

    def discard(self, event_id: UUID, *, by: str, reason: str | None = None) -> None:
        self._ask("POST", f"/v1/dead-letters/{event_id}/discard", Discarded, {"by": by, "reason": reason})

    def _ask(self, method: str, path: str, kind: type[T], body: dict[str, object] | None = None) -> T:
        status, text = self._exchange(method, path, None if body is None else msgspec.json.encode(body))
        try:
            if status >= http.client.BAD_REQUEST:
                raise _error(msgspec.json.decode(text, type=ErrorJson).error)
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            raise ClientError(
                f"http://{self._netloc} answers {status}, but not as this version of postroom does"
            ) from error

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection = http.client.HTTPConnection(self._netloc, timeout=self._answer_seconds)
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()
        except TimeoutError as error:
            raise ClientError(
                f"no answer from http://{self._netloc} within {self._answer_seconds:g} s;"
                " what was asked may still be done: look before you repeat it"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ClientError(f"cannot reach http://{self._netloc}: {_reason(error)}") from error


def _schedule(tenant: str, name: str) -> str:
    return f"/v1/schedules/{urllib.parse.quote(tenant, safe='')}/{urllib.parse.quote(name, safe='')}"


def _query(which: dict[str, object]) -> str:
    return urllib.parse.urlencode({name: value for name, value in which.items() if value is not None})


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _error(detail: ErrorDetail) -> PostroomError:
    if detail.limit is not None:
        facts = detail.limit
        return LimitError(
            facts.limit,
            facts.scope,
            allowed=facts.allowed,
            used=facts.used,
            retry_after_seconds=facts.retry_after_seconds,
        )
    if detail.type == ConflictError.__name__:
        return ConflictError(detail.message, detail.field)
    if detail.field is not None:
        kind = FIELD_ERRORS.get(detail.type, InvalidInputError)
        return kind(detail.field, detail.message)
    return PLAIN_ERRORS.get(detail.type, ClientError)(detail.message)
