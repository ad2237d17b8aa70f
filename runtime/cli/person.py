"""Whom the audit names for what is done on the command line."""

from __future__ import annotations

import getpass
import os

import click


def user_name() -> str:
    """The operating system's name for the user, or the number where there is no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.geteuid()}"


by_option = click.option("--by", default=user_name, metavar="NAME", help="Whom the audit names [default: you].")
