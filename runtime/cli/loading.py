"""Finds the app that `MODULE:APP` names."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType, TracebackType

import click

from runtime.app import App
from runtime.errors import RuntimeFaultError


class AppNotFoundError(RuntimeFaultError):
    """MODULE:APP names no app."""


def load_app(reference: str) -> App:
    """Import the module, from the current directory too, and return the app in it.

    Raises:
        AppNotFoundError: there is no such module or no such app in it, or the module raised (its own traceback lines
            have been printed then).
    """
    module_name, colon, attribute = reference.partition(":")
    if not module_name or not all(part.isidentifier() for part in module_name.split(".")):
        raise click.BadParameter(f"{reference!r} is not MODULE:APP, such as flights:app", param_hint="MODULE:APP")
    module = _imported(module_name)
    found = getattr(module, attribute, None) if attribute else None
    if isinstance(found, App):
        return found
    raise AppNotFoundError(_advice(module, attribute, colon, exists=hasattr(module, attribute)))


def _imported(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:  # noqa: PTH109 # entries of sys.path are strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise AppNotFoundError(
                f"there is no module {error.name!r} here or among the installed packages;"
                " run this in the directory that holds it, and leave off .py"
            ) from None
        raise _told(name, error) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 # whatever the user's module raises is shown to them
        raise _told(name, error) from None


def _told(name: str, error: BaseException) -> AppNotFoundError:
    """Print the user's own part of the traceback, and sum it up."""
    lines = traceback.format_exception(type(error), error, _users_part(error.__traceback__))
    click.echo("".join(lines), nl=False, err=True)
    return AppNotFoundError(f"the module {name!r} raised {type(error).__name__} while it was imported, see above")


def _users_part(stack: TracebackType | None) -> TracebackType | None:
    while stack is not None and _is_machinery(stack.tb_frame.f_code.co_filename):
        stack = stack.tb_next
    return stack


def _is_machinery(filename: str) -> bool:
    return filename in {__file__, importlib.__file__} or filename.startswith("<frozen importlib")


def _advice(module: ModuleType, attribute: str, colon: str, *, exists: bool) -> str:
    name = module.__name__
    apps = [each for each, value in vars(module).items() if isinstance(value, App)]
    if not (colon and attribute):
        problem = f"which app of {name!r}"
    elif exists:
        problem = f"{name}:{attribute} is a {type(getattr(module, attribute)).__name__}, not an App"
    else:
        problem = f"{name!r} has no {attribute!r}"
    if apps:
        return f"{problem}; its apps are: {', '.join(f'{name}:{each}' for each in apps)}"
    return f"{problem}; it holds no app: make one there with app = App({name!r})"
