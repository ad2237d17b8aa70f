"""The command `postroom sagas`."""

from sagas.cli.group import sagas

__all__ = ["sagas"]
