"""What the commands ask a running app about its sagas."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from runtime.cli.client import Client
from runtime.schedule_views import ScheduleJson
from sagas.container import Container, Imported
from sagas.views import DefinitionJson, DefinitionsJson, SagaJson, SagaPage, Started, Told

ANSWER_SECONDS = 60.0


class SagaClient(Client):
    """Raises as `Client` does."""

    def __init__(self, url: str) -> None:
        super().__init__(url, answer_seconds=ANSWER_SECONDS)

    def list(self, **which: object) -> SagaPage:
        return self._ask("GET", f"/v1/sagas{_query(which)}", SagaPage)

    def start(self, body: dict[str, object]) -> Started:
        return self._ask("POST", "/v1/sagas", Started, body)

    def schedule_saga(self, tenant: str, name: str, body: dict[str, object]) -> ScheduleJson:
        """Raises ConflictError, InvalidInputError, NotFoundError."""
        path = f"/v1/saga-schedules/{quote(tenant, safe='')}/{quote(name, safe='')}"
        return self._ask("PUT", path, ScheduleJson, body)

    def show(self, saga: str, **which: object) -> SagaJson:
        return self._ask("GET", f"/v1/sagas/{quote(saga, safe='')}{_query(which)}", SagaJson)

    def ask(self, saga: str, verb: str, body: dict[str, object]) -> Told:
        """Have something happen to a saga: `verb` is the last part of the path."""
        return self._ask("POST", f"/v1/sagas/{quote(saga, safe='')}/{verb}", Told, body)

    def definitions(self) -> DefinitionsJson:
        return self._ask("GET", "/v1/saga-definitions", DefinitionsJson)

    def definition(self, name: str, version: int | None = None) -> DefinitionJson:
        path = f"/v1/saga-definitions/{quote(name, safe='')}{_query({'version': version})}"
        return self._ask("GET", path, DefinitionJson)

    def revert(self, name: str, version: int, *, by: str) -> DefinitionJson:
        path = f"/v1/saga-definitions/{quote(name, safe='')}/revert"
        return self._ask("POST", path, DefinitionJson, {"version": version, "by": by})

    def export(self, name: str) -> Container:
        return self._ask("GET", f"/v1/saga-definitions/{quote(name, safe='')}/container", Container)

    def take_in(self, container: bytes, *, by: str, apply: bool, edited: bool) -> Imported:
        """Take a container in, or be told what that would change."""
        body = {"container": msgspec.Raw(container), "by": by, "apply": apply, "edited": edited}
        return self._ask("POST", "/v1/saga-containers", Imported, body)


def _query(which: dict[str, object]) -> str:
    given = {name: value for name, value in which.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
