"""The HTTP API over a real socket. Every way to ask wrongly has its answer."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from runtime.clock import SystemClock
from runtime.http import HttpServer
from runtime.operations import Readiness
from tests.desk import BORN, Desk

INCARNATION = UUID(int=77)
FLIGHT = {"carrier": "UA", "arr_delay": 11.0}


class Api:
    """A client that gives back status and decoded body."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return await self.send("POST", path, data=data, headers=headers, **options)

    async def send(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()


pytestmark = pytest.mark.usefixtures("private_rendezvous")


@pytest.fixture
def desk() -> Desk:
    return Desk(dead_letters=3)


@pytest.fixture
async def api(desk: Desk) -> AsyncIterator[Api]:
    server = HttpServer(desk, "127.0.0.1:0", clock=SystemClock(), incarnation=INCARNATION, max_payload_bytes=1000)
    await server.start()
    assert server.url is not None
    async with aiohttp.ClientSession() as session:
        yield Api(session, server.url)
    await server.stop(1.0)


def failure(answer: tuple[int, Any]) -> tuple[int, str, str | None]:
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "field", "message"}
    assert body["error"]["message"]
    return status, body["error"]["type"], body["error"]["field"]


async def test_healthz_names_the_process(api: Api) -> None:
    status, body = await api.get("/healthz")
    assert status == 200
    assert body["app"] == "flights"
    assert body["incarnation"] == str(INCARNATION)


async def test_readyz_tells_why_an_app_is_not_ready(api: Api, desk: Desk) -> None:
    assert await api.get("/readyz") == (200, {"ready": True, "reasons": []})
    desk.ready = Readiness(False, ["the database is away"])
    assert await api.get("/readyz") == (503, {"ready": False, "reasons": ["the database is away"]})


async def test_the_tree_has_times_that_people_read(api: Api) -> None:
    status, body = await api.get("/v1/tree")
    assert status == 200
    assert body["since"] == "2023-11-14T22:13:20.250000Z"
    assert body["children"][0]["last_restart_at"] == "2023-11-14T22:13:21.250000Z"
    assert body["children"][0]["last_reason"].startswith("ValueError")
    assert body["children_total"] == 3


async def test_services_are_listed_with_their_settings(api: Api) -> None:
    _, body = await api.get("/v1/services")
    assert [service["name"] for service in body["services"]] == ["arrivals"]
    assert body["services"][0]["metadata"]["owner"] == "ops"


async def test_an_accepted_event_keeps_its_payload_byte_for_byte(api: Api, desk: Desk) -> None:
    text = b'{"tenant":"UA","key":"N1","payload":{ "carrier":"UA","arr_delay":1.50,"big":123456789012345678901234 }}'
    status, body = await api.post("/v1/services/arrivals/events", text)
    assert status == 202
    (event,) = desk.enqueued
    assert body == {"id": str(event.id)}
    assert event.payload == b'{ "carrier":"UA","arr_delay":1.50,"big":123456789012345678901234 }'
    assert (event.tenant, event.key, event.enqueued_by) == ("UA", "N1", "http")


async def test_the_sender_may_choose_the_id(api: Api) -> None:
    chosen = "01934b2e-7b5c-7000-8000-000000000001"
    body = {"tenant": "UA", "payload": FLIGHT, "id": chosen, "delay_seconds": 5, "by": "rule 7"}
    assert await api.post("/v1/services/arrivals/events", body) == (202, {"id": chosen})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"payload": FLIGHT}, "tenant"),
        ({"tenant": "UA"}, "payload"),
        ({"tenant": 7, "payload": FLIGHT}, "tenant"),
        ({"tenant": "", "payload": FLIGHT}, "tenant"),
        ({"tenant": "UA", "payload": FLIGHT, "colour": "red"}, "colour"),
        ({"tenant": "UA", "payload": FLIGHT, "id": "seven"}, "id"),
        ({"tenant": "UA", "payload": FLIGHT, "delay_seconds": "soon"}, "delay_seconds"),
        ({"tenant": "UA", "payload": FLIGHT, "delay_seconds": 601}, "delay_seconds"),
        ({"tenant": "UA", "payload": FLIGHT, "by": ""}, "by"),
        ([1, 2], "body"),
        (b"", "tenant"),
        (b"{", "body"),
        (b'{"tenant": "UA", "payload": {"a": 1,}}', "body"),
        (b'{"tenant": "UA", "payload": "\xff"}', "body"),
        (b'{"tenant": "UA", "payload": ' + b"[" * 10_000 + b"}", "body"),
    ],
)
async def test_a_body_that_is_wrong_is_refused_and_its_field_named(
    api: Api, desk: Desk, body: object, field: str
) -> None:
    status, _, named = failure(await api.post("/v1/services/arrivals/events", body))
    assert (status, named) == (400, field)
    assert not desk.enqueued


@pytest.mark.parametrize(
    ("payload", "field"), [({"carrier": "UA", "arr_delay": "NA"}, "payload.arr_delay"), ([], "payload")]
)
async def test_a_payload_that_does_not_decode_is_unprocessable(api: Api, payload: object, field: str) -> None:
    answer = await api.post("/v1/services/arrivals/events", {"tenant": "UA", "payload": payload})
    assert failure(answer) == (422, "InvalidInputError", field)


@pytest.mark.parametrize("size", [2_000, 200_000])
async def test_what_is_too_large_is_refused_whether_the_payload_or_the_request_is(api: Api, size: int) -> None:
    body = {"tenant": "UA", "payload": {**FLIGHT, "note": "x" * size}}
    status, kind, _ = failure(await api.post("/v1/services/arrivals/events", body))
    assert (status, kind) == (413, "PayloadTooLargeError")


async def test_an_unknown_service_is_not_found(api: Api) -> None:
    answer = await api.post("/v1/services/departures/events", {"tenant": "UA", "payload": FLIGHT})
    assert failure(answer) == (404, "UnknownServiceError", None)


async def test_a_store_that_is_away_is_told_as_unavailable(api: Api, desk: Desk) -> None:
    desk.unavailable = True
    assert failure(await api.get("/v1/dead-letters")) == (503, "StoreUnavailableError", None)


async def test_dead_letters_come_in_pages_newest_first(api: Api) -> None:
    _, first = await api.get("/v1/dead-letters?limit=2")
    assert [UUID(letter["id"]).int for letter in first["dead_letters"]] == [3, 2]
    _, last = await api.get(f"/v1/dead-letters?limit=2&before={first['next']}")
    assert [UUID(letter["id"]).int for letter in last["dead_letters"]] == [1]
    assert last["next"] is None


async def test_dead_letters_are_filtered(api: Api) -> None:
    _, body = await api.get("/v1/dead-letters?tenant=DL&service=arrivals&state=all")
    assert [UUID(letter["id"]).int for letter in body["dead_letters"]] == [2]
    _, body = await api.get("/v1/dead-letters?state=replayed")
    assert body == {"dead_letters": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("state=lost", "state"),
        ("before=yesterday", "before"),
        ("service=", "service"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_query_that_is_wrong_is_refused_and_its_parameter_named(api: Api, query: str, field: str) -> None:
    status, _, named = failure(await api.get(f"/v1/dead-letters?{query}"))
    assert (status, named) == (400, field)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/tree", "/v1/services", "/v1/openapi.json"])
async def test_routes_without_a_query_refuse_one(api: Api, path: str) -> None:
    assert failure(await api.get(f"{path}?verbose=1")) == (400, "BadRequestError", "verbose")


async def test_a_dead_letter_shows_cause_attempts_and_payload(api: Api) -> None:
    status, body = await api.get(f"/v1/dead-letters/{UUID(int=1)}")
    assert status == 200
    assert body["cause"]["type"] == "MissingArrivalError"
    assert body["payload"]["seen"] == 12345678901234567890123
    assert body["attempts"][0]["finished_at"] == "2023-11-14T22:13:20.750000Z"
    assert body["died_at"] == "2023-11-14T22:13:22.250000Z"
    assert BORN == 1_700_000_000.25


async def test_a_replay_may_bring_another_payload_and_is_done_once(api: Api, desk: Desk) -> None:
    path = f"/v1/dead-letters/{UUID(int=1)}/replay"
    status, body = await api.post(path, {"by": "ann", "payload": FLIGHT})
    assert status == 202
    assert desk.enqueued[0].id == UUID(body["id"])
    assert json.loads(desk.enqueued[0].payload) == FLIGHT
    assert desk.enqueued[0].enqueued_by == "ann"
    assert failure(await api.post(path, {})) == (409, "ConflictError", None)


async def test_a_replay_needs_no_body(api: Api, desk: Desk) -> None:
    status, _ = await api.post(f"/v1/dead-letters/{UUID(int=1)}/replay", b"")
    assert status == 202
    assert desk.enqueued[0].enqueued_by == "http"


async def test_a_replay_with_a_payload_that_does_not_decode_leaves_the_letter_open(api: Api, desk: Desk) -> None:
    path = f"/v1/dead-letters/{UUID(int=1)}/replay"
    assert failure(await api.post(path, {"payload": None})) == (422, "InvalidInputError", "payload")
    assert failure(await api.post(path, {"reason": "x"})) == (400, "BadRequestError", "reason")
    assert desk.letters[UUID(int=1)].state == "open"


async def test_a_discard_keeps_who_and_why(api: Api, desk: Desk) -> None:
    path = f"/v1/dead-letters/{UUID(int=2)}/discard"
    answer = await api.post(path, {"by": "ann", "reason": "test data"})
    assert answer == (200, {"id": str(UUID(int=2)), "state": "discarded"})
    assert desk.letters[UUID(int=2)].audit[0].detail == "test data"
    assert failure(await api.post(path, {})) == (409, "ConflictError", None)


@pytest.mark.parametrize("action", ["replay", "discard"])
async def test_what_does_not_exist_cannot_be_acted_on(api: Api, action: str) -> None:
    assert failure(await api.post(f"/v1/dead-letters/{UUID(int=9)}/{action}", {})) == (404, "NotFoundError", None)
    assert failure(await api.post(f"/v1/dead-letters/nine/{action}", {})) == (400, "BadRequestError", "id")


async def test_a_dead_letter_that_does_not_exist_cannot_be_shown(api: Api) -> None:
    assert failure(await api.get(f"/v1/dead-letters/{UUID(int=9)}")) == (404, "NotFoundError", None)
    assert failure(await api.get("/v1/dead-letters/nine")) == (400, "BadRequestError", "id")


async def test_unknown_paths_and_methods_are_told_as_json(api: Api) -> None:
    assert failure(await api.get("/v1/branch")) == (404, "NotFoundError", None)
    assert failure(await api.post("/v1/tree", {})) == (405, "MethodNotAllowedError", None)
    async with api.session.put(api.url + "/v1/tree") as response:
        assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "10.0.0.1", "", "["])
async def test_a_name_of_somebody_else_is_refused(api: Api, host: str) -> None:
    assert failure(await api.get("/v1/tree", headers={"Host": host})) == (403, "ForbiddenHostError", None)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:9", "[::1]:9", "127.9.9.9"])
async def test_the_names_of_loopback_are_welcome(api: Api, host: str) -> None:
    status, _ = await api.get("/healthz", headers={"Host": host})
    assert status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_that_a_foreign_page_posts_is_refused(api: Api, desk: Desk, kind: str) -> None:
    answer = await api.post(f"/v1/dead-letters/{UUID(int=1)}/discard", {}, headers={"Content-Type": kind})
    assert failure(answer) == (415, "UnsupportedMediaTypeError", None)
    assert desk.letters[UUID(int=1)].state == "open"


async def test_a_browser_is_not_allowed_to_post_across_origins(api: Api) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with api.session.options(api.url + "/v1/services/arrivals/events", headers=headers) as response:
        assert response.status == 405
        assert not [name for name in response.headers if name.startswith("Access-Control")]


async def test_an_error_that_nobody_foresaw_tells_nothing_of_the_inside(
    api: Api, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(desk, "services", lambda: 1 / 0)
    status, body = await api.get("/v1/services")
    assert status == 500
    assert "division" not in json.dumps(body)
    assert "ZeroDivisionError" in caplog.text


async def test_openapi_describes_every_route(api: Api) -> None:
    _, document = await api.get("/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    replay = document["paths"]["/v1/dead-letters/{id}/replay"]["post"]
    assert {"202", "404", "409", "415", "422"} <= set(replay["responses"])
    event = document["components"]["schemas"]["EventBody"]
    assert event["required"] == ["tenant", "payload"]
    assert event["additionalProperties"] is False
    listing = document["paths"]["/v1/dead-letters"]["get"]["parameters"]
    assert [parameter["name"] for parameter in listing] == ["service", "tenant", "state", "limit", "before"]
    died_at = document["components"]["schemas"]["DeadLetterJson"]["properties"]["died_at"]
    assert died_at == {"type": "string", "format": "date-time"}
    text = json.dumps(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]
