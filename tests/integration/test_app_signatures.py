"""Signatures as users give them: in Python, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import Actor, Signature, SignatureScope
from runtime import App, Enqueue
from runtime.cli import main
from runtime.errors import InvalidInputError
from runtime.store.postgres.pool import Connection
from tests.apps import run
from tests.postgres import Server


class Report(msgspec.Struct):
    month: str


class Reporter(Actor):
    made: ClassVar[list[str]] = []

    async def make(self, report: Report) -> None:
        self.made.append(report.month)


@pytest.fixture(autouse=True)
def clean(private_rendezvous: None) -> None:
    Reporter.made.clear()


def make_app() -> App:
    app = App("test")
    app.service("reports", Reporter)
    app.service("others", Reporter)
    return app


async def test_of_a_hundred_at_once_with_one_signature_one_is_stored_and_all_get_its_id(
    database: Server, admin: Connection
) -> None:
    app = make_app()
    async with run(app, database) as running:
        ids = await asyncio.gather(
            *(app.enqueue("reports", Report("May"), tenant="t", signature="May") for _ in range(100)),
            *(app.enqueue("reports", Report(f"plain {n}"), tenant="t") for n in range(20)),
        )
        await running.wait_idle("reports")
    assert len(set(ids[:100])) == 1
    assert len(set(ids)) == 21
    assert Reporter.made.count("May") == 1
    assert await admin.fetchval("SELECT count(*) FROM postroom.event_log") == 21


async def test_a_submitted_duplicate_is_the_first_job(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        first = await app.submit("reports", Report("May"), tenant="t", signature="May", delay_seconds=60)
        second = await app.submit("reports", Report("May"), tenant="t", signature="May")
        assert (first.duplicate, second.duplicate, second.id) == (False, True, first.id)
        assert await second.status() == "holding"


@pytest.mark.parametrize(
    ("scope", "stored"), [("tenant", ["a", "b", "other"]), ("service", ["a", "other"]), ("global", ["a"])]
)
async def test_a_signature_holds_within_its_scope(
    database: Server, admin: Connection, scope: SignatureScope, stored: list[str]
) -> None:
    app = make_app()
    async with run(app, database):
        signature = Signature("same", scope)
        await app.enqueue("reports", Report("a"), tenant="a", signature=signature)
        await app.enqueue("reports", Report("a again"), tenant="a", signature=signature)
        await app.enqueue("reports", Report("b"), tenant="b", signature=signature)
        await app.enqueue("others", Report("other"), tenant="a", signature=signature)
    rows = await admin.fetch("SELECT payload FROM postroom.event_log ORDER BY seq")
    assert [json.loads(row[0])["month"] for row in rows] == stored


async def test_of_many_enqueued_together_the_duplicates_get_the_ids_of_the_first(database: Server) -> None:
    app = make_app()
    async with run(app, database):
        many = [Enqueue(message=Report(f"{n}"), tenant="t", signature=f"{n % 3}") for n in range(9)]
        many.append(Enqueue(message=Report("plain"), tenant="t"))
        ids = await app.enqueue_many("reports", many)
    assert ids[:9] == ids[:3] * 3
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("signature", "field"),
    [
        ("", "signature"),
        ("x" * 201, "signature"),
        ("a\nb", "signature"),
        (Signature("x", seconds=0), "signature.seconds"),
        (Signature("x", seconds=float("inf")), "signature.seconds"),
        (Signature("x", scope="town"), "signature.scope"),  # type: ignore[arg-type] # a user's mistake
    ],
)
async def test_a_signature_that_makes_no_sense_is_refused(
    database: Server, admin: Connection, signature: str | Signature, field: str
) -> None:
    app = make_app()
    async with run(app, database):
        with pytest.raises(InvalidInputError) as caught:
            await app.enqueue("reports", Report("May"), tenant="t", signature=signature)
        assert await admin.fetchval("SELECT count(*) FROM postroom.event_log") == 0
    assert caught.value.field == field


async def test_http_tells_a_duplicate(database: Server) -> None:
    app = make_app()
    async with run(app, database, http="127.0.0.1:0") as running, aiohttp.ClientSession() as session:

        async def post(signature: object) -> tuple[int, dict[str, object]]:
            body = {"tenant": "t", "payload": {"month": "May"}, "signature": signature}
            async with session.post(f"{running.url}/v1/services/reports/events", json=body) as answer:
                return answer.status, await answer.json()

        status, first = await post("May")
        assert (status, list(first)) == (202, ["id"])
        assert await post({"text": "May", "seconds": 5}) == (202, {"id": first["id"], "duplicate": True})
        for wrong in ({"text": "May", "scope": "town"}, {"scope": "global"}, 7, ""):
            assert (await post(wrong))[0] == 400


async def test_the_command_tells_a_duplicate(database: Server) -> None:
    async def send() -> Result:
        arguments = ["send", "reports", "--tenant", "t", "--signature", "May", "--signature-scope", "global"]
        return await asyncio.to_thread(CliRunner().invoke, main, [*arguments, '{"month": "May"}'])

    async with run(make_app(), database, http="127.0.0.1:0"):
        first, second = await send(), await send()
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert second.stdout == first.stdout
    assert second.stderr == "nothing was stored: that event holds the signature\n"
