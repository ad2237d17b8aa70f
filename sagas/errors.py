"""Errors of sagas that callers can meet."""

from __future__ import annotations

from actors.errors import PostroomError


class SagaError(PostroomError):
    """Base of the errors that sagas raise."""


class DefinitionError(SagaError, ValueError):
    """A saga cannot run as it is defined; nothing was registered. `step` and `field` name the place."""

    def __init__(self, step: str, field: str, problem: str) -> None:
        super().__init__(f"{step}.{field}: {problem}" if step else f"{field}: {problem}")
        self.step = step
        self.field = field
        self.problem = problem


class ExpressionError(SagaError, ValueError):
    """An expression cannot be read, or has no answer for the data it was given."""

    def __init__(self, expression: str, problem: str) -> None:
        super().__init__(f"{problem} in the expression {_shortened(expression)}")
        self.expression = expression
        self.problem = problem


class RefusedError(SagaError):
    """What is asked of a running saga is impossible in its state; nothing was changed."""


SHOWN_CHARACTERS = 120


def _shortened(expression: str) -> str:
    if len(expression) <= SHOWN_CHARACTERS:
        return repr(expression)
    return f"{expression[:SHOWN_CHARACTERS]!r}..."
