"""What sagas can say beyond JMESPath's own functions. All are pure: the same data gives the same answer on a replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jmespath.functions import Functions, signature

Number = int | float


def _takes(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the types of a function's arguments, in JMESPath's words."""
    types: list[dict[str, Any]] = [{"types": [kind] if kind else []} for kind in kinds]
    return signature(*types)  # type: ignore[arg-type] # the stubs' own dict type is private


class SagaFunctions(Functions):
    """Arithmetic, a choice between two values, and what messages need of strings and times."""

    @_takes("number", "number")
    def _func_add(self, one: Number, other: Number) -> Number:
        return one + other

    @_takes("number", "number")
    def _func_subtract(self, one: Number, other: Number) -> Number:
        return one - other

    @_takes("number", "number")
    def _func_multiply(self, one: Number, other: Number) -> Number:
        return one * other

    @_takes("number", "number")
    def _func_divide(self, one: Number, other: Number) -> float:
        return one / other

    @_takes("boolean", "", "")
    def _func_if(self, condition: bool, then: Any, otherwise: Any) -> Any:  # noqa: FBT001 # JMESPath calls it so
        return then if condition else otherwise

    @_takes("string")
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @_takes("string")
    def _func_upper(self, text: str) -> str:
        return text.upper()

    @_takes("string", "string")
    def _func_split(self, separator: str, text: str) -> list[str]:
        return text.split(separator)

    @_takes("string")
    def _func_epoch(self, text: str) -> float:
        """Seconds since 1970 (UTC) of an ISO 8601 time that names its offset from UTC."""
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"epoch: {text!r} does not say its offset from UTC, such as +00:00")
        return moment.timestamp()


RETURNS: dict[str, object] = {
    "abs": float,
    "add": float,
    "avg": float,
    "ceil": int,
    "contains": bool,
    "divide": float,
    "ends_with": bool,
    "epoch": float,
    "floor": int,
    "join": str,
    "keys": list[str],
    "length": int,
    "lower": str,
    "multiply": float,
    "split": list[str],
    "starts_with": bool,
    "subtract": float,
    "sum": float,
    "to_string": str,
    "type": str,
    "upper": str,
}
"""What functions answer with, where that does not depend on their arguments. `float` stands for any number."""
