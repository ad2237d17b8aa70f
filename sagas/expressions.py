"""Mappings and conditions: JMESPath (https://jmespath.org), which ends on any input, within limits on size and work.

Work is counted, not timed, so that an expression that was answered once is answered again on every replay.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import jmespath
import jmespath.visitor
from jmespath.exceptions import JMESPathError

from sagas.errors import ExpressionError
from sagas.functions import SagaFunctions
from sagas.quick import quick

if TYPE_CHECKING:
    from jmespath.visitor import _TreeNode

MAX_CHARACTERS = 4_000
MAX_WORK = 200_000
"""How many values one evaluation may look at or make: below 0.3 s on a slow machine."""
MAX_DEPTH = 100
MAX_NUMBER = 2**64
KEPT_EXPRESSIONS = 10_000
CONSTRUCTIONS = frozenset({"multi_select_dict", "multi_select_list", "function_expression"})


class Expression:
    """An expression that has been read. Equal texts give one and the same object."""

    __slots__ = ("_parsed", "_quick", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parsed = _parse(text)
        self._quick = quick(self.tree)

    @property
    def tree(self) -> _TreeNode:
        """The syntax tree, for those who check it."""
        tree: _TreeNode = self._parsed.parsed
        return tree

    def evaluate(self, data: Any) -> Any:
        """The answer for JSON data, as JSON data. A field that is absent is null.

        Raises:
            ExpressionError: a function refused its arguments, or the work or the answer is too large.
        """
        if self._quick is not None:
            return self._quick(data)
        interpreter = _Interpreter(self.text)
        try:
            answer = interpreter.visit(self.tree, data)
            interpreter.weigh(answer)
        except ZeroDivisionError:
            raise ExpressionError(self.text, "division by zero") from None
        except RecursionError:
            raise ExpressionError(self.text, "nested too deeply") from None
        except (JMESPathError, ValueError, TypeError, OverflowError) as error:
            if isinstance(error, ExpressionError):
                raise
            raise ExpressionError(self.text, " ".join(str(error).split())) from None
        return answer

    def decide(self, data: Any) -> bool:
        """The answer of a condition. Raises ExpressionError unless it is true or false."""
        answer = self.evaluate(data)
        if not isinstance(answer, bool):
            raise ExpressionError(self.text, f"the answer is {_kind_of(answer)}, neither true nor false")
        return answer


@functools.lru_cache(KEPT_EXPRESSIONS)
def expression(text: str) -> Expression:
    """Read an expression. Raises ExpressionError for one that is too long or not JMESPath."""
    return Expression(text)


def _parse(text: str) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(text, f"{len(text)} characters, where {MAX_CHARACTERS} are the limit,")
    try:
        return jmespath.compile(text)
    except RecursionError:
        raise ExpressionError(text, "nested too deeply") from None
    except JMESPathError as error:
        problem = str(error).partition("\n")[0].partition(", for expression")[0].removeprefix("Invalid jmespath ")
        raise ExpressionError(text, problem or "nothing to evaluate") from None


class _Interpreter(jmespath.visitor.TreeInterpreter):
    """JMESPath's interpreter with a budget. What is made is weighed in full, or shared parts would grow without it."""

    def __init__(self, text: str) -> None:
        super().__init__(_OPTIONS)
        self._text = text
        self._left = MAX_WORK

    def visit(self, node: _TreeNode, *args: Any, **kwargs: Any) -> Any:
        answer = super().visit(node, *args, **kwargs)
        if node["type"] in CONSTRUCTIONS:
            self.weigh(answer)
        else:
            self._spend(1 + len(answer) if isinstance(answer, list | str) else 1)
        return answer

    def weigh(self, value: Any, depth: int = 0) -> None:
        """Spend one for each value inside `value`. Raises ExpressionError for what is no JSON."""
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise ExpressionError(self._text, f"an answer nested more than {MAX_DEPTH} deep")
            self._spend(1 + len(value))
            for inner in value.values() if isinstance(value, dict) else value:
                self.weigh(inner, depth + 1)
        elif isinstance(value, str):
            self._spend(1 + len(value))
        elif isinstance(value, int | float) and not (math.isfinite(value) and -MAX_NUMBER < value < MAX_NUMBER):
            raise ExpressionError(self._text, "a number out of range")

    def _spend(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise ExpressionError(self._text, f"more than {MAX_WORK:,} values to look at")


_OPTIONS = jmespath.Options(custom_functions=SagaFunctions())
_KINDS = {type(None): "null", str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}


def _kind_of(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
