"""Sagas travel: exported from one app, imported into another, refused with the place where they are nonsense."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from runtime import App
from runtime.cli import main
from runtime.cli.root import PLUGINS
from runtime.core.policy import Policy, Scope
from runtime.durable.outbox import posted_of
from runtime.store.audit import AuditFilter
from runtime.store.policies import Bundle, PolicyChange
from runtime.store.postgres import PostgresStore
from runtime.store.postgres.pool import Connection
from sagas import Flow, Sagas
from sagas.container import checksum_of
from sagas.examples import order, order_code
from tests.apps import run
from tests.postgres import Server
from tests.records import make_event, new_id

ORDER = order.Order("A", "s", 500, "here")


@pytest.fixture(autouse=True)
def surroundings(private_rendezvous: None, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"sagas": "sagas", "export": "export_saga", "import": "import_sagas"}
    plugins = [EntryPoint(name, f"sagas.cli:{value}", PLUGINS) for name, value in values.items()]
    monkeypatch.setattr("runtime.cli.root.entry_points", lambda group: plugins if group == PLUGINS else [])


async def postroom(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def exported(database: Server) -> Any:
    async with run(order.app, database, http="127.0.0.1:0"):
        result = await postroom("export", "order")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def imported(path: Path, document: Any, *options: str) -> Result:
    await asyncio.to_thread(path.write_text, json.dumps(document))
    return await postroom("import", str(path), *options)


def empty_shop() -> tuple[App, Sagas]:
    app = App("shop")
    order.add_services(app)
    return app, Sagas(app)


async def test_an_exported_saga_runs_in_an_app_that_never_knew_it(
    database: Server, admin: Connection, tmp_path: Path
) -> None:
    document = await exported(database)
    assert document["services"]["bank"]["messages"] == ["Charge", "Refund"]
    await admin.execute("DROP SCHEMA postroom CASCADE")
    app, sagas = empty_shop()
    async with run(app, database, http="127.0.0.1:0"):
        looked = await imported(tmp_path / "order.json", document)
        assert "order  new" in looked.stdout
        assert "nothing was changed" in looked.stderr
        assert sagas.catalog.names() == []
        assert (await imported(tmp_path / "order.json", document, "--yes", "--by", "ann")).exit_code == 0
        assert (await sagas.wait(await sagas.start("order", ORDER, tenant="t"))).status == "completed"
        again = await imported(tmp_path / "order.json", document, "--yes", "--json")
        assert json.loads(again.stdout)["changes"] == [{"saga": "order", "change": "none", "version": 1, "diff": []}]
        assert (await sagas.catalog.version("order", 1)).by == "ann"
    app, sagas = empty_shop()
    async with run(app, database):
        assert sagas.catalog.names() == ["order"]


async def test_sagas_inside_others_travel_with_them_in_order(database: Server) -> None:
    app, sagas = empty_shop()
    sagas.register(Flow("a").definition())
    sagas.register(Flow("b").saga("in", "a").definition())
    sagas.register(Flow("c").saga("x", "a").saga("y", "b").definition())
    async with run(app, database):
        container = await sagas.transfer.export("c")
    assert [definition.name for definition in container.sagas] == ["a", "b", "c"]


PLANNED: dict[str, Any] = {
    "tenant": "acme",
    "name": "nightly",
    "cron": "0 3 * * *",
    "timezone": "UTC",
    "service": "sagas",
    "type": "Begin",
    "payload": {"saga": "order", "input": {"id": "A", "sku": "s", "cents": 5, "address": "x"}, "by": "s"},
    "key": "{id}",
}
WHOLE: dict[str, Any] = {
    "another format": {"format_version": 1},
    "a limit out of range": {"limits": [{"service": "bank", "settings": {"slots": 0}}]},
    "a limit of another service": {"limits": [{"service": "mail", "settings": {"slots": 1}}]},
    "a limit that is none": {"limits": [{"service": "bank", "settings": {"speed": 1}}]},
    "a schedule of nonsense": {"schedules": [{**PLANNED, "cron": "61 * * * *"}]},
    "a schedule of another saga": {"schedules": [{**PLANNED, "payload": {"saga": "b", "input": {}, "by": "s"}}]},
    "a schedule with a wrong input": {"schedules": [{**PLANNED, "payload": {"saga": "order", "input": 7, "by": "s"}}]},
    "a schedule of another service": {"schedules": [{**PLANNED, "service": "definitions"}]},
    "a schedule of a message that is none": {"schedules": [{**PLANNED, "service": "bank", "type": "Pay"}]},
    "two schedules of one name": {"schedules": [PLANNED, PLANNED]},
    "schedules in an old format": {"schedules": [PLANNED], "format_version": 2},
    "a state": {"limits": [{"service": "bank", "settings": {"state": "paused"}}]},
}


async def test_sagas_that_would_run_inside_one_another_are_refused(database: Server, tmp_path: Path) -> None:
    app, sagas = empty_shop()
    sagas.register(Flow("inner").definition())
    sagas.register(Flow("middle").saga("in", "inner").definition())
    sagas.register(Flow("outer").saga("mid", "middle").definition())
    async with run(app, database, http="127.0.0.1:0"):
        document = json.loads(msgspec.json.encode(await sagas.transfer.export("inner")))
        document["sagas"][0]["root"]["nodes"] = [{"kind": "saga", "name": "round", "saga": "outer"}]
        result = await imported(tmp_path / "inner.json", document, "--yes", "--edited")
        assert "round.saga: inner would run inside itself: inner -> outer -> middle -> inner" in result.stderr
        assert len((await sagas.catalog.shelf("inner")).versions) == 1


def edit(document: Any, what: str) -> None:
    document.update(WHOLE.get(what, {}))
    nodes = document["sagas"][0]["root"]["nodes"]
    match what:
        case "a field that is none":
            nodes[0]["colour"] = "red"
        case "a wrong type":
            nodes[0]["service"] = 5
        case "an unknown service":
            nodes[0]["service"] = "shop"
        case "a wrong mapping":
            nodes[0]["input"] = "{id: input.id}"
        case "a broken expression":
            nodes[1]["cases"][0]["when"] = "saved."
        case "a result of nothing":
            document["sagas"][0]["result"] = "{got: nothing}"
        case "a service that is not there":
            document["services"]["shop"] = {"messages": []}
        case "a message that is not taken":
            document["services"]["bank"]["messages"] = ["Pay"]
        case "a harmless word":
            document["sagas"][0]["label"] = "Another"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("a field that is none", "container.sagas[0].root.nodes[0].colour: is unknown"),
        ("a wrong type", "container.sagas[0].root.nodes[0].service: Expected `str`, got `int`"),
        ("an unknown service", "container.order/save.service: no service is named 'shop'"),
        ("a wrong mapping", "container.order/save.input.sku: is required by Save"),
        ("a broken expression", "container.order/large.cases[0].when: Expecting"),
        ("a result of nothing", "container.order.result: an object has no field 'nothing'"),
        ("a service that is not there", "container.services.shop: is a service that this app does not have"),
        ("a message that is not taken", "container.services.bank: does not take Pay in this app"),
        ("a limit out of range", "container.limits[0].settings.slots: must be between 1 and"),
        ("a limit of another service", "container.limits[0].service: 'mail' is no service that the sagas need"),
        ("a limit that is none", "container.limits[0].settings.speed: is unknown"),
        ("a schedule of nonsense", "container.schedules[0].cron: '61 * * * *': bad minute"),
        ("a schedule of another saga", "container.schedules[0].payload.saga: 'b' is no saga of the container"),
        ("a schedule with a wrong input", "container.schedules[0].payload.input: Expected `object`, got `int`"),
        ("a schedule of another service", "container.schedules[0].service: no service is named 'definitions'"),
        ("a schedule of a message that is none", "container.schedules[0].type: bank does not take 'Pay'"),
        ("two schedules of one name", "container.schedules[1].name: acme has another schedule 'nightly'"),
        ("schedules in an old format", "container.schedules: are unknown in version 2 of the format"),
        ("a state", "container.limits[0].settings.state: is for operators, and does not travel"),
        ("another format", "container.format_version: Invalid enum value 1"),
        ("a harmless word", "container.checksum: is "),
    ],
)
async def test_a_container_edited_into_nonsense_is_refused_with_the_place(
    database: Server, tmp_path: Path, what: str, told: str
) -> None:
    document = await exported(database)
    edit(document, what)
    async with run(order.app, database, http="127.0.0.1:0"):
        result = await imported(tmp_path / "order.json", document, "--yes")
        assert result.exit_code == 1
        assert told in result.stderr
        assert len((await order.sagas.catalog.shelf("order")).versions) == 1


async def test_a_container_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"format": ')
    result = await postroom("import", str(tmp_path / "cut.json"))
    assert result.stderr == "postroom: error: container: is not JSON: Input data was truncated\n"


async def test_an_edited_container_becomes_a_new_version_where_that_is_meant(database: Server, tmp_path: Path) -> None:
    document = await exported(database)
    edit(document, "a harmless word")
    async with run(order.app, database, http="127.0.0.1:0"):
        result = await imported(tmp_path / "order.json", document, "--yes", "--edited", "--json")
        [change] = json.loads(result.stdout)["changes"]
        assert (change["saga"], change["change"], change["version"]) == ("order", "changed", 2)
        assert await order.sagas.catalog.current("order") == 2


def limited_shop(**limits: Any) -> tuple[App, Sagas]:
    app, sagas = empty_shop()
    app.limits("bank", **limits)
    sagas.register(order.FLOW.definition(result="{parcel: parcel}"), input=order.Order)
    return app, sagas


async def test_limits_travel_with_the_services_of_a_saga_and_what_is_paused_does_not(
    database: Server, tmp_path: Path
) -> None:
    app, sagas = limited_shop(slots=3, rate=50)
    app.tenant("acme", slots=1, service="bank")
    app.tenant("acme", weight=2)
    async with run(app, database) as running:
        await running.policies.change(Scope("bank"), Policy(state="paused", backlog=100), by="ann")
        container = await sagas.transfer.export("order")
    assert [(each.scope, each.settings) for each in container.limits] == [
        (Scope("bank"), Policy(slots=3, rate=50.0, backlog=100)),
        (Scope("bank", "acme"), Policy(slots=1)),
    ]
    path = tmp_path / "order.json"
    document = json.loads(msgspec.json.encode(container))
    app, _ = limited_shop(slots=9, rate=50)
    async with run(app, database, schema="elsewhere", http="127.0.0.1:0") as running:
        await running.policies.change(Scope("bank", "acme"), Policy(burst=7, state="draining"), by="bob")
        looked = await imported(path, document)
        shown = [line.split() for line in looked.stdout.splitlines()]
        assert ["bank", "slots", "9", "3"] in shown
        assert ["bank", "acme", "burst", "7"] in shown
        assert running.book.at(Scope("bank")).slots == 9
        assert (await imported(path, document, "--yes", "--by", "ann")).exit_code == 0
        assert running.book.at(Scope("bank")) == Policy(slots=3, rate=50.0, backlog=100)
        assert running.book.at(Scope("bank", "acme")) == Policy(slots=1, state="draining")
        lines = await running.operations.audit.lines(AuditFilter(action="import"))
        assert {(line.by, line.target) for line in lines} == {
            ("ann", "limits of service bank"),
            ("ann", "limits of tenant acme in bank"),
        }
        again = json.loads((await imported(path, document, "--yes", "--json")).stdout)
        assert (again["limits"], again["changes"][0]["change"]) == ([], "none")


def scheduled_shop(*, cron: str) -> tuple[App, Sagas]:
    app, sagas = empty_shop()
    sagas.register(order.FLOW.definition(result="{parcel: parcel}"), input=order.Order)
    sagas.schedule("nightly", "order", ORDER, cron=cron, tenant="acme")
    return app, sagas


async def test_schedules_travel_with_the_sagas_they_start_and_the_services_they_need(
    database: Server, tmp_path: Path
) -> None:
    app, sagas = scheduled_shop(cron="0 3 * * *")
    app.schedule("release", cron="@daily", to="warehouse", message=order.Release("A"), tenant="bee")
    app.service("mail", order.Carrier)
    app.schedule("other", cron="@daily", to="mail", message=order.Ship("A", "here"), tenant="bee")
    async with run(app, database) as running:
        await running.operations.schedules.pause("bee", "release", by="ann")
        container = await sagas.transfer.export("order")
    assert [(each.tenant, each.name, each.paused) for each in container.schedules] == [
        ("acme", "nightly", False),
        ("bee", "release", True),
    ]
    document, path = json.loads(msgspec.json.encode(container)), tmp_path / "order.json"
    app, sagas = empty_shop()
    async with run(app, database, schema="elsewhere", http="127.0.0.1:0") as running:
        looked = await imported(path, document)
        shown = [line.split() for line in looked.stdout.splitlines()]
        assert ["acme", "nightly", "new"] in shown
        assert ["bee", "release", "new,", "paused"] in shown
        told = json.loads((await imported(path, document, "--json")).stdout)["schedules"]
        assert [(each["name"], each["paused"]) for each in told] == [("nightly", False), ("release", True)]
        assert ["cron", '"0', "3", "*", "*", '*"'] in shown
        assert (await imported(path, document, "--yes", "--by", "ann")).exit_code == 0
        assert (await sagas.transfer.export("order")).schedules == container.schedules
        lines = await running.operations.audit.lines(AuditFilter(action="import"))
        assert {line.target for line in lines} == {"saga order", "schedule acme/nightly", "schedule bee/release"}
        document["schedules"][0]["cron"] = "0 4 * * *"
        changed = json.loads((await imported(path, document, "--yes", "--edited", "--json")).stdout)
        assert changed["schedules"] == [
            {
                "tenant": "acme",
                "name": "nightly",
                "change": "changed",
                "settings": [{"setting": "cron", "before": "0 3 * * *", "after": "0 4 * * *"}],
                "paused": False,
            },
            {"tenant": "bee", "name": "release", "change": "none", "settings": [], "paused": False},
        ]
        assert (await running.operations.schedules.schedule("acme", "nightly")).schedule.cron == "0 4 * * *"


async def test_schedules_that_the_code_declares_otherwise_are_left_to_it(database: Server, tmp_path: Path) -> None:
    app, sagas = scheduled_shop(cron="0 3 * * *")
    async with run(app, database):
        document = json.loads(msgspec.json.encode(await sagas.transfer.export("order")))
    app, sagas = scheduled_shop(cron="0 5 * * *")
    async with run(app, database, schema="elsewhere", http="127.0.0.1:0") as running:
        looked = await imported(tmp_path / "order.json", document, "--yes")
        assert "kept as the code has it" in looked.stdout
        assert (await running.operations.schedules.schedule("acme", "nightly")).schedule.cron == "0 5 * * *"


async def test_an_import_that_gives_a_tenant_too_many_schedules_changes_nothing(
    database: Server, tmp_path: Path
) -> None:
    app, sagas = scheduled_shop(cron="0 3 * * *")
    async with run(app, database):
        document = json.loads(msgspec.json.encode(await sagas.transfer.export("order")))
    document["schedules"].append({**document["schedules"][0], "name": "weekly"})
    app, sagas = empty_shop()
    async with run(app, database, schema="elsewhere", http="127.0.0.1:0", max_schedules=1):
        result = await imported(tmp_path / "order.json", document, "--yes", "--edited")
        assert "acme may have 1 schedules, and would have 2" in result.stderr
        assert sagas.catalog.names() == []


async def test_a_container_of_the_format_without_schedules_is_still_read(database: Server, tmp_path: Path) -> None:
    app, sagas = scheduled_shop(cron="0 3 * * *")
    async with run(app, database, http="127.0.0.1:0"):
        container = await sagas.transfer.export("order")
        old = msgspec.structs.replace(container, format_version=2, schedules=[])
        old = msgspec.structs.replace(old, checksum=checksum_of(old))
        document = json.loads(msgspec.json.encode(old))
        del document["schedules"]
        result = await imported(tmp_path / "order.json", document, "--yes", "--json")
        assert json.loads(result.stdout)["schedules"] == []


async def test_an_import_shows_the_lines_that_change_and_services_that_are_declared_otherwise(
    database: Server, tmp_path: Path
) -> None:
    document = await exported(database)
    edit(document, "a harmless word")
    document["services"]["bank"]["settings"]["slots"] = 99
    async with run(order.app, database, http="127.0.0.1:0"):
        looked = await imported(tmp_path / "order.json", document, "--edited")
    assert '+  "label": "Another",' in looked.stdout
    assert "the service bank has slots 16 here and 99 where this comes from" in looked.stderr


async def test_a_bundle_that_the_database_refuses_changes_nothing(store: PostgresStore) -> None:
    posted = posted_of(make_event(), 0.0)
    bundle = Bundle(
        changes=[PolicyChange(Scope("bank"), Policy(slots=3))],
        posted=[posted, msgspec.structs.replace(posted, id=new_id(), delay_seconds=-1.0)],
        audits=[],
        by="ann",
        at=0.0,
    )
    with pytest.raises(Exception, match="constraint"):
        await store.policies.take_in(bundle)
    assert await store.policies.current() == []
    assert await store.outbox.waiting(10) == []


def test_the_schema_of_containers_is_published() -> None:
    result = CliRunner().invoke(main, ["export", "--schema"])
    schema = json.loads(result.stdout)
    assert set(schema["$defs"]["Container"]["required"]) == {"sagas", "services", "checksum"}
    assert CliRunner().invoke(main, ["export"]).exit_code == 2


async def test_what_is_written_as_code_does_not_travel(database: Server) -> None:
    async with run(order_code.app, database, http="127.0.0.1:0"):
        result = await postroom("export", "place-order")
    assert result.exit_code == 1
    assert "the saga place-order is written as code" in result.stderr


@pytest.mark.parametrize("command", ["export", "import"])
def test_help_teaches_by_example(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert f"Examples:\n    postroom {command}" in result.stdout
