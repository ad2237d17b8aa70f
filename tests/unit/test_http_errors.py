"""Which error becomes which status."""

from __future__ import annotations

import pytest

from actors.errors import PostroomError
from runtime.errors import (
    CommitUnknownError,
    ConflictError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
    PayloadTooLargeError,
    SchemaTooNewError,
    StoreUnavailableError,
    UnknownServiceError,
)
from runtime.http.errors import BadRequestError, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInputError("tenant", "is empty"), 400),
        (InvalidInputError("payload", "is not an object"), 422),
        (InvalidInputError("payload.arr_delay", "is text"), 422),
        (InvalidInputError("payload[0]", "is text"), 422),
        (InvalidInputError("payloads", "is unknown"), 400),
        (BadRequestError("payload", "is required"), 400),
        (PayloadTooLargeError("payload", "is too large"), 413),
        (NotFoundError("none"), 404),
        (UnknownServiceError("none"), 404),
        (ConflictError("replayed"), 409),
        (StoreUnavailableError("away"), 503),
        (CommitUnknownError("lost"), 503),
        (LeaseLostError("taken over"), 503),
        (SchemaTooNewError("newer"), 500),
        (PostroomError("other"), 500),
    ],
)
def test_every_error_has_its_status(error: Exception, status: int) -> None:
    assert status_of(error) == status
