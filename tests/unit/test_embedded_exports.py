"""What `runtime.embedded` offers."""

from __future__ import annotations

import runtime.embedded as package
from actors.errors import PostroomError


def test_every_exported_name_is_there_and_sorted() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    assert sorted(package.__all__) == package.__all__


def test_every_error_is_one_of_ours() -> None:
    errors = [getattr(package, name) for name in package.__all__ if name.endswith("Error")]
    assert errors
    assert all(issubclass(error, PostroomError) for error in errors)
