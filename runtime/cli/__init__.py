"""The `postroom` command."""

from runtime.cli.root import main

__all__ = ["main"]
