"""Policies: what may be set where, which of several settings holds, and the file they are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import Actor
from actors.errors import SpecError
from runtime.configuration import read_file, with_file
from runtime.core.policy import Policy, Scope, require_policy
from runtime.core.policy_book import PolicyBook, Share
from runtime.core.profile import FAIR, SALESFORCE, SchedulingProfile
from runtime.definition import ServiceDefinition
from runtime.errors import InvalidInputError

ACME = Scope(None, "acme")
EVERY = Scope(None, "*")


class Mailer(Actor):
    """Takes any message."""

    def send(self, _: dict[str, object]) -> None:
        """Nothing is sent."""


@pytest.mark.parametrize(
    ("scope", "policy", "field"),
    [
        (ACME, Policy(weight=0.0), "weight"),
        (ACME, Policy(weight=float("nan")), "weight"),
        (ACME, Policy(weight=1e9), "weight"),
        (ACME, Policy(slots=0), "slots"),
        (ACME, Policy(slots=1_000_001), "slots"),
        (ACME, Policy(backlog=-1), "backlog"),
        (ACME, Policy(rate=-1.0), "rate"),
        (ACME, Policy(burst=0), "burst"),
        (ACME, Policy(state="asleep"), "state"),  # type: ignore[arg-type] # what a caller may get wrong
        (Scope("mail"), Policy(weight=2.0), "weight"),
        (Scope("mail"), Policy(daily_quota=1), "daily_quota"),
        (Scope("mail", "acme"), Policy(licences=1), "licences"),
        (Scope(), Policy(overflow="throttle"), "overflow"),
        (EVERY, Policy(state="paused"), "state"),
        (Scope("mail"), Policy(guarantees={"small": 1.5}), "guarantees.small"),
        (Scope("mail", "acme"), Policy(guarantees={"small": 0.5}), "guarantees"),
        (Scope(), Policy(guarantees={"small": 0.5, "large": 0.6}), "guarantees"),
    ],
)
def test_what_is_out_of_range_or_means_nothing_there_is_refused(scope: Scope, policy: Policy, field: str) -> None:
    with pytest.raises(SpecError) as caught:
        require_policy(scope, policy)
    assert caught.value.field == field


def test_the_daily_quota_is_the_greater_of_what_is_set_and_what_the_licences_give() -> None:
    assert Policy(daily_quota=250_000, licences=10).quota == 250_000
    assert Policy(daily_quota=250_000, licences=5_000).quota == 1_000_000
    assert Policy(licences=3).quota == 600
    assert Policy().quota is None


class TestBook:
    def test_the_most_specific_weight_holds(self) -> None:
        book = PolicyBook(
            {EVERY: Policy(weight=1.5), ACME: Policy(weight=2.0), Scope("mail", "acme"): Policy(weight=3)}
        )
        assert book.share("mail", "acme").weight == 3
        assert book.share("sms", "acme").weight == 2
        assert book.share("sms", "other").weight == 1.5

    def test_what_people_set_is_laid_over_what_the_app_says(self) -> None:
        book = PolicyBook({ACME: Policy(weight=2.0, backlog=5)})
        book.set_live({ACME: Policy(weight=4.0)})
        assert book.at(ACME) == Policy(weight=4.0, backlog=5)
        book.set_live({})
        assert book.at(ACME) == Policy(weight=2.0, backlog=5)

    def test_a_tenant_is_held_by_its_own_state_or_the_one_it_has_in_the_service(self) -> None:
        book = PolicyBook({ACME: Policy(state="quarantined"), Scope("mail", "bee"): Policy(state="paused")})
        assert book.share("mail", "acme").hold == "quarantined"
        assert book.share("mail", "bee").hold == "paused"
        assert book.share("sms", "bee").hold is None

    def test_a_drained_tenant_is_served_and_refused(self) -> None:
        book = PolicyBook({ACME: Policy(state="draining")})
        assert book.share("mail", "acme").hold is None
        assert book.refusal("mail", "acme") == (ACME, "draining")
        assert book.refusal("mail", "other") is None

    def test_a_service_is_held_by_its_own_state_or_that_of_everything(self) -> None:
        assert PolicyBook({Scope("mail"): Policy(state="paused")}).service_hold("mail") == "paused"
        assert PolicyBook({Scope(): Policy(state="paused")}).service_hold("mail") == "paused"
        assert PolicyBook({}).service_hold("mail") is None

    def test_slots_of_a_tenant_over_all_services_are_no_cap_within_one(self) -> None:
        book = PolicyBook({ACME: Policy(slots=5), EVERY: Policy(slots=2)})
        assert book.share("mail", "acme") == Share(slots=2)

    def test_a_throttled_tenant_has_one_slot(self) -> None:
        book = PolicyBook({})
        book.throttled = frozenset({"acme"})
        assert book.share("mail", "acme").slots == 1
        assert book.tenants() == {"acme"}


FILE = """
[limits]
slots = 100

[tenants."*"]
daily_quota = 250_000

[tenants.acme]
weight = 2

[services.mail]
rate = 10.5

[services.mail.tenants.acme]
slots = 2
state = "paused"
"""


class TestFile:
    def read(self, folder: Path, text: str) -> dict[Scope, Policy]:
        path = folder / "postroom.toml"
        path.write_text(text, encoding="utf-8")
        return read_file(path)[1]

    def test_each_table_is_a_scope(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, FILE) == {
            Scope(): Policy(slots=100),
            EVERY: Policy(daily_quota=250_000),
            ACME: Policy(weight=2.0),
            Scope("mail"): Policy(rate=10.5),
            Scope("mail", "acme"): Policy(slots=2, state="paused"),
        }

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[limits", "Expected"),
            ("[limit]\nslots = 1", "unknown field `limit`"),
            ("[tenants.acme]\nslots = 'two'", r"\$.tenants\[...\].slots"),
            ("[tenants.acme]\nweight = 0", "tenant acme: weight"),
            ("[services.mail]\nweight = 1", "service mail: weight"),
            ("[services.mail]\nspeed = 1", "unknown field `speed`"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, tmp_path: Path, text: str, said: str) -> None:
        with pytest.raises(InvalidInputError, match=said) as caught:
            self.read(tmp_path, text)
        assert "postroom.toml" in str(caught.value)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"config: .*nothing\.toml"):
            read_file(tmp_path / "nothing.toml")

    def test_it_is_laid_over_what_the_app_says(self, tmp_path: Path) -> None:
        path = tmp_path / "postroom.toml"
        path.write_text("[tenants.acme]\nweight = 2", encoding="utf-8")
        assert with_file(FAIR, {ACME: Policy(weight=1.0, slots=3)}, path, {}).policies == {
            ACME: Policy(weight=2.0, slots=3)
        }

    def test_a_service_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(SpecError, match="'mial'"):
            with_file(FAIR, {Scope("mial"): Policy(rate=1.0)}, None, {})

    def test_a_profile_named_in_it_brings_its_policies_below_those_of_the_app(self, tmp_path: Path) -> None:
        path = tmp_path / "postroom.toml"
        path.write_text('profile = "salesforce"', encoding="utf-8")
        made = with_file(FAIR, {EVERY: Policy(slots=3)}, path, {})
        assert made.profile == SALESFORCE
        assert made.policies == {EVERY: Policy(slots=3, daily_quota=250_000)}

    def test_a_profile_has_rules_for_batch_jobs_where_the_app_says_which_they_are(self) -> None:
        services = {
            name: ServiceDefinition(name=name, actor=Mailer, batch=name == "rolls") for name in ("mail", "rolls")
        }
        found = with_file(SALESFORCE, {}, None, services).policies
        assert found == {EVERY: Policy(daily_quota=250_000), Scope("rolls", "*"): Policy(slots=5, backlog=105)}
        assert not with_file(FAIR, {}, None, services).policies
        own = {Scope("rolls", "*"): Policy(slots=2)}
        assert with_file(SALESFORCE, own, None, services).policies[Scope("rolls", "*")] == Policy(slots=2, backlog=105)

    @pytest.mark.parametrize("policy", [Policy(slots=0), Policy(daily_quota=5), Policy(state="paused")])
    def test_rules_for_batch_jobs_are_those_of_a_tenant_in_a_service(self, policy: Policy) -> None:
        with pytest.raises(SpecError) as caught:
            SchedulingProfile(batch_jobs=policy)
        assert caught.value.field == "batch_jobs"

    def test_a_profile_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="there are fair, salesforce"):
            self.read(tmp_path, 'profile = "unfair"')
