"""Business flows made of services: definitions, the machine that runs them, their journal."""

from sagas.builder import Flow, undo
from sagas.code import Call, Revoke, Saga, StepFailedError
from sagas.definition import Compensation, Definition, Retry
from sagas.errors import DefinitionError, ExpressionError, RefusedError, SagaError
from sagas.filters import SagaFilter
from sagas.sagas import Sagas

__all__ = [
    "Call",
    "Compensation",
    "Definition",
    "DefinitionError",
    "ExpressionError",
    "Flow",
    "RefusedError",
    "Retry",
    "Revoke",
    "Saga",
    "SagaError",
    "SagaFilter",
    "Sagas",
    "StepFailedError",
    "undo",
]
