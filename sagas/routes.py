"""The HTTP routes of sagas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import InvalidInputError
from runtime.http.route import Call, Route
from runtime.schedule_views import ScheduleJson, schedule_json
from sagas.container import Container, Imported
from sagas.errors import DefinitionError
from sagas.filters import SagaFilter
from sagas.requests import (
    AskBody,
    CancelBody,
    ImportBody,
    OneQuery,
    RepairBody,
    ResumeBody,
    RetryBody,
    RevertBody,
    SagaQuery,
    SignalBody,
    SkipBody,
    StartBody,
    SuspendBody,
    VersionQuery,
)
from sagas.scheduling import SagaScheduleBody
from sagas.views import (
    DefinitionJson,
    DefinitionsJson,
    SagaJson,
    SagaPage,
    Started,
    Told,
    definition_json,
    page_of,
    saga_json,
)

if TYPE_CHECKING:
    from sagas.sagas import Sagas

ONE = "/v1/sagas/{saga}"
DEFINITION = "/v1/saga-definitions/{name}"

ASKS: dict[str, tuple[str, type[AskBody]]] = {
    "signal": ("Send a saga a signal", SignalBody),
    "cancel": ("Have a saga undone", CancelBody),
    "suspend": ("Have a saga start nothing more", SuspendBody),
    "resume": ("Have a suspended saga go on", ResumeBody),
    "retry": ("Send what is parked again", RetryBody),
    "skip": ("Take a parked step for done", SkipBody),
    "repair": ("Put other values into a saga's data", RepairBody),
}
"""What can be asked of a saga: by the last part of the path, the summary and the body."""


class SagaRoutes:
    """Each handler parses, calls the app's sagas, and gives back what is to be encoded."""

    def __init__(self, sagas: Sagas) -> None:
        self._sagas = sagas

    def all(self) -> tuple[Route, ...]:
        """The route table."""
        return (*self._reading(), *self._asking(), *self._definitions())

    async def list_sagas(self, call: Call) -> tuple[int, SagaPage]:
        query: SagaQuery = call.query
        which = SagaFilter(
            saga=query.saga, tenant=query.tenant, status=query.status, limit=query.limit, before=query.before
        )
        return 200, page_of(await self._sagas.list(which), query.limit)

    async def start_saga(self, call: Call) -> tuple[int, Started]:
        body: StartBody = call.body
        instance = await self._sagas.start(
            body.saga, body.input, tenant=body.tenant, id=body.id, version=body.version, by=body.by
        )
        return 202, Started(instance)

    async def schedule_saga(self, call: Call) -> tuple[int, ScheduleJson]:
        body: SagaScheduleBody = call.body
        return 200, schedule_json(await self._sagas.put_schedule(call.path["tenant"], call.path["name"], body))

    async def show_saga(self, call: Call) -> tuple[int, SagaJson]:
        query: OneQuery = call.query
        name = call.path["saga"]
        if query.wait_seconds:
            instance = await self._sagas.wait(name, tenant=query.tenant, timeout_seconds=query.wait_seconds)
        else:
            instance = await self._sagas.show(name, tenant=query.tenant)
        return 200, saga_json(instance, await self._sagas.catalog.plan(instance.saga, instance.version))

    async def list_definitions(self, _call: Call) -> tuple[int, DefinitionsJson]:
        return 200, DefinitionsJson(self._sagas.catalog.names())

    async def show_definition(self, call: Call) -> tuple[int, DefinitionJson]:
        query: VersionQuery = call.query
        name, catalog = call.path["name"], self._sagas.catalog
        version = await catalog.version(name, query.version)
        return 200, definition_json(name, version, await catalog.shelf(name))

    async def revert_definition(self, call: Call) -> tuple[int, DefinitionJson]:
        body: RevertBody = call.body
        name, catalog = call.path["name"], self._sagas.catalog
        await self._sagas.revert(name, body.version, by=body.by)
        return 200, definition_json(name, await catalog.version(name, None), await catalog.shelf(name))

    async def export_saga(self, call: Call) -> tuple[int, Container]:
        return 200, await self._sagas.transfer.export(call.path["name"])

    async def import_sagas(self, call: Call) -> tuple[int, Imported]:
        body: ImportBody = call.body
        try:
            imported = await self._sagas.transfer.take_in(
                body.container, by=body.by, apply=body.apply, edited=body.edited
            )
        except DefinitionError as error:
            place = f"container.{error.step}.{error.field}" if error.step else f"container.{error.field}"
            raise InvalidInputError(place, error.problem) from None
        return 200, imported

    def _reading(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/v1/sagas",
                summary="A page of sagas, those with the highest ids first",
                handle=self.list_sagas,
                answers={200: SagaPage},
                query=SagaQuery,
                errors=(503,),
            ),
            Route(
                method="POST",
                path="/v1/sagas",
                summary="Start a saga; when this answers, it is on disk",
                handle=self.start_saga,
                answers={202: Started},
                body=StartBody,
                errors=(404, 409, 413, 503),
            ),
            Route(
                method="PUT",
                path="/v1/saga-schedules/{tenant}/{name}",
                summary="Add a schedule that starts a saga, or set one anew; /v1/schedules has it with the others",
                handle=self.schedule_saga,
                answers={200: ScheduleJson},
                body=SagaScheduleBody,
                errors=(404, 409, 413, 422, 503),
            ),
            Route(
                method="GET",
                path=ONE,
                summary="One saga with its data, where it is at work, and its history",
                handle=self.show_saga,
                answers={200: SagaJson},
                query=OneQuery,
                errors=(404, 409, 503),
            ),
        )

    def _asking(self) -> tuple[Route, ...]:
        return tuple(self._ask(verb, summary, body) for verb, (summary, body) in ASKS.items())

    def _ask(self, verb: str, summary: str, kind: type[AskBody]) -> Route:
        async def handle(call: Call) -> tuple[int, Told]:
            body: AskBody = call.body
            instance = await self._sagas.ask(call.path["saga"], body.event(), tenant=body.tenant, by=body.by)
            return 202, Told(instance.id, instance.status)

        handle.__name__ = f"{verb}_saga"
        return Route(
            method="POST",
            path=f"{ONE}/{verb}",
            summary=summary,
            handle=handle,
            answers={202: Told},
            body=kind,
            errors=(404, 409, 503),
        )

    def _definitions(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path="/v1/saga-definitions",
                summary="The names of all sagas",
                handle=self.list_definitions,
                answers={200: DefinitionsJson},
            ),
            Route(
                method="GET",
                path=DEFINITION,
                summary="A saga's definition, the current one or another version, with the list of versions",
                handle=self.show_definition,
                answers={200: DefinitionJson},
                query=VersionQuery,
                errors=(404, 503),
            ),
            Route(
                method="GET",
                path=f"{DEFINITION}/container",
                summary="A saga's current version with the sagas inside it, as one document for another app",
                handle=self.export_saga,
                answers={200: Container},
                errors=(404, 503),
            ),
            Route(
                method="POST",
                path="/v1/saga-containers",
                summary="Take sagas in from another app, or tell what that would change",
                handle=self.import_sagas,
                answers={200: Imported},
                body=ImportBody,
                errors=(413, 503),
            ),
            Route(
                method="POST",
                path=f"{DEFINITION}/revert",
                summary="Have new sagas start with another version",
                handle=self.revert_definition,
                answers={200: DefinitionJson},
                body=RevertBody,
                errors=(404, 503),
            ),
        )
