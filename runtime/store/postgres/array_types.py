"""The array types of the store's statements, which a new connection need not ask its server for.

asyncpg knows the base types, but asks in each connection what an array type's elements are, once for every statement
with types it has not met there: a query over the catalogs, which costs the server a third of what an app's start does.
The ids of built-in types never change: they are fixed in PostgreSQL's `src/include/catalog/pg_type.dat`.
"""

from __future__ import annotations

import contextlib
from typing import Any

ARRAYS = {
    "_bool": (1000, 16),
    "_bytea": (1001, 17),
    "_int2": (1005, 21),
    "_int4": (1007, 23),
    "_int8": (1016, 20),
    "_float8": (1022, 701),
    "_uuid": (2951, 2950),
}
"""The ids of each type and of its elements'."""
TYPES = [
    {
        "oid": array,
        "ns": "pg_catalog",
        "name": name,
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": ",",
        "range_subtype": None,
        "attrtypoids": None,
        "attrnames": None,
    }
    for name, (array, element) in ARRAYS.items()
]
"""As rows of asyncpg's own query."""


def know_arrays(connection: Any) -> None:
    """Spare the connection the queries for array types; where this version of asyncpg has no way to, it asks."""
    with contextlib.suppress(AttributeError):
        connection._protocol.get_settings().register_data_types(TYPES)  # noqa: SLF001 # there is no public way
