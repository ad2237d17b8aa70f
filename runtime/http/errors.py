"""Which error becomes which status, and how it is told: `{"error": {"type", "field", "message"}}`."""

from __future__ import annotations

import logging
import math

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from actors.errors import PostroomError
from runtime.errors import (
    ConflictError,
    InvalidInputError,
    LeaseLostError,
    LimitError,
    NotFoundError,
    PayloadTooLargeError,
    RuntimeFaultError,
    StoreUnavailableError,
    UnknownServiceError,
)
from runtime.views import ErrorDetail, ErrorJson, LimitJson

log = logging.getLogger("postroom.http")


class BadRequestError(InvalidInputError):
    """The request itself is malformed: its body is not the JSON object expected, or its query is unknown."""


class ForbiddenHostError(RuntimeFaultError):
    """The Host header names another machine."""


class UnsupportedMediaTypeError(RuntimeFaultError):
    """The body is not declared to be JSON."""


STATUS: dict[type, int] = {
    InvalidInputError: 400,
    ForbiddenHostError: 403,
    NotFoundError: 404,
    UnknownServiceError: 404,
    ConflictError: 409,
    PayloadTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    LimitError: 429,
    StoreUnavailableError: 503,
    LeaseLostError: 503,
}
HTTP_TYPE = {404: "NotFoundError", 405: "MethodNotAllowedError", 413: "PayloadTooLargeError"}
BAD_INPUT = 400
UNDECODABLE_PAYLOAD = 422


def status_of(error: Exception) -> int:
    """The HTTP status that tells an error."""
    for kind in type(error).__mro__:
        status = STATUS.get(kind)
        if status is None:
            continue
        return UNDECODABLE_PAYLOAD if status == BAD_INPUT and _concerns_payload(error) else status
    return 500


def _concerns_payload(error: Exception) -> bool:
    if not isinstance(error, InvalidInputError) or isinstance(error, BadRequestError):
        return False
    return error.field == "payload" or error.field.startswith(("payload.", "payload["))


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as JSON. What nobody foresaw is logged with its stack and told without it."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _http_error(request, error)
    except PostroomError as error:
        return _postroom_error(error)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _response(500, ErrorDetail("InternalError", None, "the app's log has the stack of this error"))


def _postroom_error(error: PostroomError) -> web.Response:
    if isinstance(error, InvalidInputError | ConflictError):
        return _response(status_of(error), ErrorDetail(type(error).__name__, error.field, error.problem))
    if isinstance(error, LimitError):
        return _limit_error(error)
    return _response(status_of(error), ErrorDetail(type(error).__name__, None, str(error)))


def _limit_error(error: LimitError) -> web.Response:
    retry = error.retry_after_seconds
    facts = LimitJson(error.limit, error.scope, error.allowed, error.used, retry)
    response = _response(status_of(error), ErrorDetail(type(error).__name__, None, str(error), facts))
    if retry is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(retry)))
    return response


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    kind = HTTP_TYPE.get(error.status, "HttpError")
    message = {
        404: f"there is no {request.path!r}; /v1/openapi.json lists what there is",
        405: f"{request.method} is not allowed on {request.path!r}",
        413: "the request is larger than the limit",
    }.get(error.status, error.reason)
    response = _response(error.status, ErrorDetail(kind, None, message))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _response(status: int, detail: ErrorDetail) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(ErrorJson(detail)), status=status, content_type="application/json", charset="utf-8"
    )
