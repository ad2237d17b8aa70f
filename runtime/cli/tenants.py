"""`postroom tenants`: who waits and runs, and the shares, caps, limits and states that people set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, get_args

import click
import msgspec

from runtime.cli.output import examples, json_option, moment, print_json, show, table
from runtime.cli.person import by_option
from runtime.cli.target import connect, target_options
from runtime.cli.tenant_history import history, restore, show_change
from runtime.core.policy import FIELDS, Overflow, Policy, State
from runtime.core.work_classes import WorkClass
from runtime.operations import MAX_PAGE
from runtime.tenant_views import PolicyJson, StandingsJson, TenantJson, said, whom
from runtime.tenants import Standing

COLUMNS = ("tenant", "service", "waiting", "slots", "cap", "weight", "lag", "recent", "state", "tier", "back", "noisy")
POLICY_COLUMNS = ("for", "settings", "version", "since", "by", "reason")


@click.group("tenants")
def tenants() -> None:
    """See how tenants stand, and set their shares, caps, limits and states.

    What is set is in force at once, on what waits already, and stays in force; each change is kept with who made it
    and why. A TENANT of * is each that has no setting of its own.
    """


@tenants.command(
    "list", epilog=examples("postroom tenants list", "postroom tenants list --service arrivals --limit 500 --json")
)
@click.option("--service", metavar="NAME", help="In this service only.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True)
@target_options
@json_option
def list_tenants(service: str | None, limit: int, app: str | None, url: str | None, *, as_json: bool) -> None:
    """List tenants that wait or run, or did so lately; those that wait the most first.

    LAG is the slot time, in seconds by weight, that a tenant is owed (above 0) or ahead (below).
    """
    found = connect(app, url).standings(service=service, limit=limit)
    if as_json:
        print_json(found)
    else:
        _show_standings(found)


@tenants.command("show", epilog=examples("postroom tenants show acme", "postroom tenants show acme --json"))
@click.argument("tenant")
@target_options
@json_option
def show_tenant(tenant: str, app: str | None, url: str | None, *, as_json: bool) -> None:
    """Show one tenant: how it stands, what is set for it, its daily quota."""
    found = connect(app, url).tenant(tenant)
    if as_json:
        print_json(found)
        return
    _show_standings(StandingsJson(found.standings))
    _show_policies(found)
    _show_moves(found)


def _show_standings(found: StandingsJson) -> None:
    if not found.standings:
        click.echo("nobody waits or runs")
        return
    show(table(COLUMNS, map(_row, found.standings), whole=("tenant", "service")))


def _row(one: Standing) -> tuple[object, ...]:
    share = one.share
    held = ", ".join(one.holds) or "active"
    lag, recent = f"{share.lag:+.3g} s", f"{one.recent_part:.0%}"
    return (
        share.tenant,
        one.service,
        share.waiting,
        share.slots,
        one.cap if one.deployment_cap is None else f"{one.cap} of {one.deployment_cap}",
        f"{share.weight:g}",
        lag,
        recent,
        held,
        one.tier,
        one.reenqueued,
        one.noisy,
    )


def _show_policies(found: TenantJson) -> None:
    if found.slots is not None:
        click.echo(f"\nover all services: {found.slots}")
    if found.quota is not None:
        click.echo(f"\ndaily quota: {found.quota.used:,} of {found.quota.quota:,} used")
    if found.policies:
        click.echo()
        show(table(POLICY_COLUMNS, map(_policy_row, found.policies), whole=("for",)))


def _show_moves(found: TenantJson) -> None:
    if found.moves:
        columns = ("moved", "service", "from tier", "to", "slots", "others waiting", "for")
        rows = [
            (
                moment(move.at),
                move.service,
                move.from_tier,
                move.to_tier,
                f"{move.slots} of {move.of_slots}",
                move.tenants_waiting,
                f"{move.seconds:.1f} s",
            )
            for move in found.moves
        ]
        click.echo()
        show(table(columns, rows, whole=("moved",)))


def _policy_row(policy: PolicyJson) -> tuple[object, ...]:
    where = whom(policy.service, policy.tenant)
    live = policy.live
    if live is None:
        return where, said(policy.settings), "", "", "the app", ""
    return where, said(policy.settings), live.version, moment(live.at), live.by, live.reason


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every change."""
    options: list[Callable[..., Any]] = [
        click.argument("tenant", required=False),
        click.option("--service", metavar="NAME", help="In this service only; without TENANT, the service itself."),
        click.option("--reason", metavar="TEXT", help="Why; it is kept with the change."),
        by_option,
        target_options,
        json_option,
    ]
    return functools.reduce(lambda made, option: option(made), reversed(options), command)


def _change(change: Policy, reset: tuple[str, ...], options: dict[str, Any]) -> None:
    tenant, service = options["tenant"], options["service"]
    if tenant is None and service is None and not options.get("everything"):
        raise click.UsageError("Name a TENANT, a --service, or both.")
    body: dict[str, object] = {
        "tenant": tenant,
        "service": service,
        "set": msgspec.to_builtins(change),
        "reset": list(reset),
        "by": options["by"],
        "reason": options["reason"],
    }
    show_change(connect(options["app"], options["url"]).change_policy(body), as_json=options["as_json"])


@tenants.command(
    "set",
    epilog=examples(
        "postroom tenants set acme --weight 2 --slots 10",
        "postroom tenants set acme --service mail --slots 2 --reason 'their relay is slow'",
        "postroom tenants set '*' --daily-quota 250000",
        "postroom tenants set --service mail --rate 100 --burst 500",
        "postroom tenants set --service reports --guarantee small=0.25 --guarantee unknown=0.1",
        "postroom tenants set --everything --slots 64",
        "postroom tenants set acme --reset slots",
    ),
)
@change_options
@click.option("--everything", is_flag=True, help="The whole app, instead of a tenant or a service.")
@click.option("--weight", type=float, metavar="W", help="Slot time in proportion to others.")
@click.option("--slots", type=int, metavar="N", help="Fill at most so many slots at once.")
@click.option("--backlog", type=int, metavar="N", help="At most so many events may wait.")
@click.option("--rate", type=float, metavar="R", help="Events accepted a second.")
@click.option("--burst", type=int, metavar="N", help="How many of them may come at once.")
@click.option("--daily-quota", type=int, metavar="N", help="Events accepted within 24 hours.")
@click.option("--licences", type=int, metavar="N", help="Raises the quota to 200 for each, if that is more.")
@click.option("--overflow", type=click.Choice(get_args(Overflow)), help="What happens to events over the quota.")
@click.option(
    "--guarantee", "guarantees", multiple=True, metavar="CLASS=PART", help="Keep a part (0.25) for a class of work."
)
@click.option(
    "--reset", multiple=True, type=click.Choice(FIELDS), help="Go back to what the app says. May be repeated."
)
def set_policy(**options: Any) -> None:
    """Set shares, caps and limits of a tenant or a service, on what waits already and on what comes."""
    if options["everything"] and (options["tenant"] or options["service"]):
        raise click.UsageError("--everything excludes TENANT and --service.")
    options["guarantees"] = parts_of(options["guarantees"]) if options["guarantees"] else None
    change = Policy(**{name: options[name] for name in FIELDS if options.get(name) is not None})
    if change == Policy() and not options["reset"]:
        raise click.UsageError("Nothing to set; see --help.")
    _change(change, options["reset"], options)


def parts_of(given: Sequence[str]) -> dict[WorkClass, float]:
    """The parts of classes of work, each given as CLASS=PART. Raises click.BadParameter."""
    parts: dict[WorkClass, float] = {}
    for each in given:
        name, _, part = each.partition("=")
        try:
            parts[msgspec.convert(name, WorkClass)] = float(part)
        except (ValueError, msgspec.ValidationError):
            raise click.BadParameter(f"{each!r} is not CLASS=PART, as small=0.25", param_hint="--guarantee") from None
    return parts


def _state_command(name: str, state: State, text: str) -> None:
    @tenants.command(
        name,
        help=text,
        epilog=examples(
            f"postroom tenants {name} acme", f"postroom tenants {name} --service mail --reason 'relay down'"
        ),
    )
    @change_options
    def change_state(**options: Any) -> None:
        _change(Policy(state=state), (), options)


_state_command("pause", "paused", "Start nothing of a tenant or a service. Its events are accepted and wait.")
_state_command("resume", "active", "End a pause, a drain or a quarantine.")
_state_command("drain", "draining", "Refuse events of a tenant or a service, and handle those that wait.")
_state_command("quarantine", "quarantined", "Refuse events of a tenant or a service, and start none that wait.")

tenants.add_command(history)
tenants.add_command(restore)
