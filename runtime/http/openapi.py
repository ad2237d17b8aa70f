"""The OpenAPI 3.1 document, made from the route table and the classes that requests and answers are decoded by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.views import ErrorJson

if TYPE_CHECKING:
    from runtime.http.route import Route

JSON = "application/json"
COMMON_ERRORS = (400, 403)
"""Any request can have an unknown parameter or a foreign Host header."""
POST_ERRORS = (415,)


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    routes = list(routes)
    kinds = {kind for route in routes for kind in (*route.answers.values(), route.body) if kind}
    ordered = sorted(kinds | {ErrorJson}, key=lambda kind: kind.__name__)
    references, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(ordered, references, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "postroom", "version": version("postroom"), "description": "Times are ISO 8601 in UTC."},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(route: Route, schemas: dict[type, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handle.__name__,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": {str(status): _response(status, schemas[kind]) for status, kind in route.answers.items()},
    }
    failures = {*COMMON_ERRORS, *route.errors, *(POST_ERRORS if route.body else ())} - route.answers.keys()
    for status in sorted(failures):
        operation["responses"][str(status)] = _response(status, schemas[ErrorJson])
    if route.body:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": schemas[route.body]}}}
    return operation


def _response(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {JSON: {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if name == "id" else {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([query], ref_template="{name}")
    properties = components[query.__name__]["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]
