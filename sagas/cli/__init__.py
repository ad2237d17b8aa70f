"""The commands `postroom sagas`, `postroom export` and `postroom import`."""

from sagas.cli.containers import export_saga, import_sagas
from sagas.cli.group import sagas

__all__ = ["export_saga", "import_sagas", "sagas"]
