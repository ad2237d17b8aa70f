"""However limits are divided: all of them is given out, nobody starves, and it is no more than there is at any time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.division import TURN_SECONDS, Seat, by_shards, divide, fill
from runtime.core.portions import Demand, Limit, Plan, Statement, plan
from tests.property.cases import cases

TOTAL = 64
LIMITS = [Limit("slots"), Limit("slots", "mail"), Limit("slots", "mail", "acme"), Limit("rate", None, "acme")]


def name(number: int) -> UUID:
    return UUID(int=number)


counts = st.integers(0, 12)
seats = st.dictionaries(
    st.integers(0, 9).map(name), st.builds(Seat, counts, counts, counts, st.floats(0.0, 100.0)), min_size=1
)


@given(st.integers(0, 1000), st.dictionaries(st.integers(0, 9).map(name), counts))
def test_parts_by_shards_are_all_there_is_and_right_to_within_one(units: int, shards: dict[UUID, int]) -> None:
    parts = by_shards(units, shards)
    total = sum(shards.values())
    assert sum(parts.values()) == (units if total else 0)
    assert all(abs(part - units * shards[name] / total) < 1 for name, part in parts.items() if total)


@given(st.integers(0, 100), st.dictionaries(st.integers(0, 9).map(name), counts))
def test_room_is_filled_evenly(room: int, needs: dict[UUID, int]) -> None:
    given_out = fill(room, needs)
    assert sum(given_out.values()) == min(room, sum(needs.values()))
    assert all(0 <= given_out[name] <= need for name, need in needs.items())
    unfilled = [given_out[name] for name, need in needs.items() if given_out[name] < need]
    assert not unfilled or max(given_out.values()) <= min(unfilled) + 1


@given(st.integers(1, 40), seats, st.floats(0.0, 200.0))
def test_all_of_a_limit_is_given_and_none_is_idle_while_anybody_wants_it(
    units: int, table: dict[UUID, Seat], now: float
) -> None:
    parts = divide(units, table, now)
    there = [name for name, seat in table.items() if seat.shards or seat.wanted]
    assert parts == divide(units, dict(reversed(table.items())), now)
    assert parts.keys() == table.keys()
    assert sum(parts.values()) <= units
    wanting = [name for name in table if table[name].wanted]
    if any(table[name].shards for name in there) or sum(table[name].wanted for name in wanting) >= units:
        assert sum(parts.values()) == units or len(there) == len(wanting) < units or units > sum(parts.values()) > 0
    hungry = any(parts[name] < table[name].wanted for name in wanting)
    assert not hungry or sum(parts.values()) == units
    assert not hungry or all(parts[name] <= table[name].wanted for name in table)
    if len(wanting) <= units:
        assert all(parts[name] for name in wanting)


class World:
    """Members that read and state in any order, and use slots by what they agreed."""

    def __init__(self, caps: list[int], members: int) -> None:
        self.units = dict(zip(LIMITS, caps, strict=True))
        self.stated: dict[UUID, Statement] = {}
        self.version = 0
        self.now = 1.0
        self.owned = {name(number): 0 for number in range(members)}
        self.owned[name(0)] = TOTAL
        self.demand = {each: dict.fromkeys(LIMITS, 0) for each in self.owned}
        self.filled = {each: dict.fromkeys(LIMITS, 0) for each in self.owned}
        self.parts: dict[UUID, tuple[int, dict[Limit, int]]] = {each: (0, {}) for each in self.owned}
        self.under_way: dict[UUID, tuple[int, Plan]] = {}
        self.resting: set[tuple[UUID, Limit]] = set()
        """Members that give way to others in a limit."""

    def part(self, member: UUID, limit: Limit) -> int:
        shards, parts = self.parts[member]
        return parts.get(limit, self.units[limit] * shards // TOTAL)

    def begin(self, member: UUID) -> None:
        """Read, and use less at once."""
        listed = {limit for each in self.stated.values() for limit in each.claims}
        filled, demand = self.filled[member], self.demand[member]
        shards, parts = self.parts[member]
        self.parts[member] = (min(shards, self.owned[member]), parts)
        wanting = {limit for limit in LIMITS if max(demand[limit], filled[limit]) > self.part(member, limit)}
        demands = {
            limit: Demand(
                *(self.units[limit], filled[limit], max(filled[limit], demand[limit])),
                gives_way=(member, limit) in self.resting,
            )
            for limit in listed | wanting | self.parts[member][1].keys()
        }
        made = plan(member, self.stated, demands, owned=self.owned[member], total=TOTAL, now=self.now)
        self.under_way[member] = (self.version, made)
        shards, _ = self.parts[member]
        after = {limit: made.parts.get(limit, self.units[limit] * made.statement.shards // TOTAL) for limit in LIMITS}
        lower = {limit: min(self.part(member, limit), after[limit]) for limit in LIMITS}
        self.parts[member] = (min(shards, made.statement.shards), lower)

    def finish(self, member: UUID, *, learns: bool = True) -> None:
        """State, if nobody has since the reading, and use what was stated, unless the answer is lost."""
        if member in self.under_way:
            version, made = self.under_way.pop(member)
            if version == self.version and member in self.owned:
                self.version += 1
                self.stated[member] = made.statement
                if learns:
                    self.parts[member] = (made.statement.shards, dict(made.parts))

    def exchange(self) -> None:
        self.now += 0.25
        for member in self.owned:
            self.begin(member)
            self.finish(member)

    def fill(self) -> None:
        for member, filled in self.filled.items():
            for limit in LIMITS:
                most = min(self.part(member, limit), self.demand[member][limit])
                filled[limit] = max(filled[limit], most)

    def move(self, source: UUID, target: UUID, count: int) -> None:
        count = min(count, self.owned[source])
        self.owned[source] -= count
        self.owned[target] += count

    def die(self, member: UUID, heir: UUID) -> None:
        if member != heir:
            self.move(member, heir, TOTAL)
            for each in (self.owned, self.demand, self.filled, self.parts):
                del each[member]
            self.stated.pop(member, None)
            self.under_way.pop(member, None)

    def check(self) -> None:
        self.fill()
        for limit, units in self.units.items():
            assert sum(filled[limit] for filled in self.filled.values()) <= units
            assert sum(each.held(limit, units, TOTAL) for each in self.stated.values()) <= units
        assert sum(each.shards for each in self.stated.values()) <= TOTAL

    def settle(self, rounds: int = 8) -> None:
        """Nothing changes but that what runs ends where it is too much."""
        for _ in range(rounds):
            self.exchange()
            for member, filled in self.filled.items():
                for limit in LIMITS:
                    filled[limit] = min(self.part(member, limit), filled[limit], self.demand[member][limit])
            self.check()


places = st.integers(0, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["begin", "finish", "lose", "exchange", "end"]), places, places, counts),
        st.tuples(st.sampled_from(["want", "rest"]), places, st.integers(0, 3), st.integers(0, 30)),
        st.tuples(st.sampled_from(["move", "die"]), places, places, st.integers(0, 64)),
    ),
    max_size=40,
)


def run(world: World, script: list[tuple[Any, ...]]) -> None:
    for step, first, second, number in script:
        members = list(world.owned)
        member, other = members[first % len(members)], members[second % len(members)]
        if step == "want":
            world.demand[member][LIMITS[second % len(LIMITS)]] = number
        elif step == "end":
            limit = LIMITS[second % len(LIMITS)]
            world.filled[member][limit] = max(0, world.filled[member][limit] - number)
        elif step == "rest":
            world.resting ^= {(member, LIMITS[second % len(LIMITS)])}
        elif step == "exchange":
            world.exchange()
        elif step == "lose":
            world.finish(member, learns=False)
        elif step in {"begin", "finish"}:
            getattr(world, step)(member)
        elif step == "move":
            world.move(member, other, number)
        else:
            world.die(member, other)
        world.check()


caps = st.lists(st.integers(1, 30), min_size=len(LIMITS), max_size=len(LIMITS))


@settings(max_examples=cases(150))
@given(caps, st.integers(1, 5), steps)
def test_all_members_together_use_no_more_than_the_limit_at_any_moment(
    limits: list[int], members: int, script: list[tuple[Any, ...]]
) -> None:
    run(World(limits, members), script)


@settings(max_examples=cases(100))
@given(caps, st.integers(1, 5), steps)
def test_when_nothing_changes_all_that_is_wanted_is_used_and_no_part_changes(
    limits: list[int], members: int, script: list[tuple[Any, ...]]
) -> None:
    world = World(limits, members)
    run(world, script)
    world.resting.clear()
    world.settle()
    before = {member: {limit: world.part(member, limit) for limit in LIMITS} for member in world.owned}
    world.settle(2)
    for limit, units in world.units.items():
        wanted = {member: min(units, demand[limit]) for member, demand in world.demand.items()}
        used = sum(filled[limit] for filled in world.filled.values())
        wanting = [member for member, count in wanted.items() if count]
        if len(wanting) <= units:  # else they take turns
            assert used == min(units, sum(wanted.values())), (limit, world.stated)
            assert all(world.part(member, limit) for member in wanting)
            assert all(world.part(member, limit) == before[member][limit] for member in world.owned)


def test_who_has_a_unit_too_long_keeps_it_while_others_can_have_one_that_is_free() -> None:
    holding, waiting = Seat(16, 1, 1, 0.0), Seat(16, 0, 1, 0.0)
    parts = divide(3, {name(0): holding, name(1): waiting, name(2): waiting, name(3): holding}, TURN_SECONDS)
    assert parts == {name(0): 0, name(1): 1, name(2): 1, name(3): 1}


def all_have_had_a_turn(world: World, limit: Limit) -> bool:
    had: set[UUID] = set()
    for _ in range(int(len(world.owned) * (TURN_SECONDS + 1.0) / 0.25) + 8):
        world.settle(1)
        had |= {member for member in world.owned if world.part(member, limit)}
    return had == world.owned.keys()


@given(st.integers(1, 4), st.integers(2, 5))
def test_more_members_than_units_take_turns(units: int, members: int) -> None:
    world = World([units] * len(LIMITS), members)
    limit = LIMITS[0]
    for member in world.owned:
        world.demand[member][limit] = 5
    assert all_have_had_a_turn(world, limit)


@given(st.integers(1, 4), st.integers(2, 5), st.sampled_from([-1e6, -3.0, 3.0, 1e6]))
def test_turns_go_on_when_the_clock_of_the_store_is_set(units: int, members: int, step: float) -> None:
    world = World([units] * len(LIMITS), members)
    world.now = 2e6
    limit = LIMITS[0]
    for member in world.owned:
        world.demand[member][limit] = 5
    world.settle()
    world.now += step
    assert all_have_had_a_turn(world, limit)


def test_a_member_alone_states_that_it_has_all_and_nothing_else() -> None:
    made = plan(name(1), {}, {}, owned=TOTAL, total=TOTAL, now=1.0)
    assert made == Plan(Statement(TOTAL), {})


def test_limits_that_nobody_wants_more_of_are_not_stated() -> None:
    world = World([10] * len(LIMITS), 2)
    world.move(name(0), name(1), 32)
    world.demand[name(0)][LIMITS[0]] = 5
    world.settle(3)
    assert world.stated == {name(0): Statement(32), name(1): Statement(32)}


def test_a_member_that_gives_way_keeps_its_part_by_shards_and_no_more() -> None:
    world = World([10] * len(LIMITS), 2)
    world.move(name(0), name(1), 32)
    world.demand[name(0)][LIMITS[0]] = 50
    world.settle(3)
    world.resting = {(name(0), LIMITS[0])}
    world.settle(3)
    assert [world.part(member, LIMITS[0]) for member in world.owned] == [5, 5]


def test_what_one_member_does_not_want_another_one_uses_and_gives_back() -> None:
    world = World([10] * len(LIMITS), 2)
    world.move(name(0), name(1), 32)
    world.settle(3)
    world.demand[name(0)][LIMITS[0]] = 50
    world.settle(3)
    assert [world.part(member, LIMITS[0]) for member in world.owned] == [10, 0]
    world.demand[name(1)][LIMITS[0]] = 50
    world.settle(3)
    assert [world.part(member, LIMITS[0]) for member in world.owned] == [5, 5]
