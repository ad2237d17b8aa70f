"""Which running app a command speaks to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from runtime.cells.rendezvous import Announcement, running_apps
from runtime.cli.client import Client
from runtime.errors import RuntimeFaultError


class NoRunningAppError(RuntimeFaultError):
    """No app that the command could speak to is running."""


class SeveralAppsError(RuntimeFaultError):
    """More than one app is running and none was chosen."""


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which people choose a running app."""
    options = [
        click.option("--app", metavar="NAME", help="The running app of that name, where there are several."),
        click.option("--url", metavar="URL", envvar="POSTROOM_URL", help="The app's URL [env: POSTROOM_URL]."),
    ]
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def connect(app: str | None, url: str | None) -> Client:
    """A client of the app at `url`, else of the only app that runs, or of the only one that runs as `app`.

    Raises:
        NoRunningAppError, SeveralAppsError: there is no such app, or more than one.
    """
    return Client(url_of(app, url))


def url_of(app: str | None, url: str | None) -> str:
    """Where the app of `connect` is. Raises as that does."""
    return url or _only(running_apps(), app).url


def _only(running: list[Announcement], name: str | None) -> Announcement:
    found = [each for each in running if name in {None, each.app}]
    if len(found) == 1:
        return found[0]
    if found:
        raise SeveralAppsError(f"several apps are running: {_listed(found)}; choose one with --app NAME or --url URL")
    if running:
        raise NoRunningAppError(f"no app {name!r} is running; running are: {_listed(running)}")
    raise NoRunningAppError("no app is running; start one with: postroom run MODULE:APP, or name its --url")


def _listed(running: list[Announcement]) -> str:
    return ", ".join(f"{each.app} ({each.url}, pid {each.pid})" for each in running)
