"""However members join, leave and die: a shard has one owner at most, and soon all have equal parts, within one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from runtime.core.sharing import Seat, Share, Sign, Watch, choose, share, targets

counts = st.sampled_from([1, 2, 7, 64])


def name(number: int) -> UUID:
    return UUID(int=number)


class World:
    """The store's table of shards, and members that look at it one after the other."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.owners: dict[int, UUID] = {}
        self.members: list[UUID] = []
        self.leaving: set[UUID] = set()
        self.given = 0

    def seats(self) -> list[Seat]:
        return [Seat(each, self.owned(each)) for each in self.members if each not in self.leaving]

    def owned(self, member: UUID) -> frozenset[int]:
        return frozenset(shard for shard, owner in self.owners.items() if owner == member)

    def join(self, number: int) -> None:
        if name(number) not in self.members:
            self.members.append(name(number))

    def leave(self, place: int) -> None:
        if self.members:
            self.leaving.add(self.members[place % len(self.members)])

    def die(self, place: int) -> None:
        if self.members:
            dead = self.members.pop(place % len(self.members))
            self.owners = {shard: owner for shard, owner in self.owners.items() if owner != dead}

    def look(self, place: int) -> None:
        """Have a member do what it should, by what it sees at this moment."""
        if not self.members:
            return
        member = self.members[place % len(self.members)]
        plan = share(member, self.seats(), self.count, self.owners.keys())
        assert not plan.take & self.owners.keys()
        self.owners.update(dict.fromkeys(plan.take, member))
        surplus = len(self.owned(member)) if member in self.leaving else plan.surplus
        for shard in choose(self.owned(member), {}, surplus):
            del self.owners[shard]
        self.given += surplus


steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 20)),
        st.tuples(st.sampled_from(["leave", "die", "look", "look"]), st.integers(0, 20)),
    ),
    max_size=60,
)


@example(64, [("join", 1), ("join", 2), ("join", 3), ("look", 1), ("look", 8), ("join", 0)])
@given(counts, steps)
def test_shares_become_even_within_two_rounds_of_looks(count: int, script: list[tuple[str, Any]]) -> None:
    world = World(count)
    for step, argument in script:
        getattr(world, step)(argument)
    world.join(99)
    for _ in range(2):
        for place in range(len(world.members)):
            world.look(place)
    own = [len(world.owned(member)) for member in world.members if member not in world.leaving]
    assert sum(own) == count
    assert max(own) - min(own) <= 1
    given = world.given
    for place in range(len(world.members)):
        world.look(place)
    assert world.given == given, "shards move although all is even"


@given(counts, st.lists(st.integers(0, 64), min_size=1, max_size=8))
def test_members_of_one_view_want_no_shard_twice_and_move_no_more_than_they_must(count: int, sizes: list[int]) -> None:
    left = list(range(count))
    seats = []
    for number, size in enumerate(sizes):
        seats.append(Seat(name(number), frozenset(left[:size])))
        left = left[size:]
    plans = [share(seat.name, seats, count) for seat in seats]
    wanted = [shard for plan in plans for shard in plan.take]
    assert len(wanted) == len(set(wanted))
    assert set(wanted) <= set(left)
    assert all(not (plan.take and plan.surplus) for plan in plans)
    least, more = divmod(count, len(seats))
    fewest = sum(max(0, len(seat.shards) - least) for seat in seats) - min(
        more, sum(len(seat.shards) > least for seat in seats)
    )
    assert sum(plan.surplus for plan in plans) == fewest
    assert sum(targets(seats, count).values()) == count


def test_who_takes_no_shards_is_told_to_do_nothing() -> None:
    assert share(name(1), [], 64) == Share()
    assert share(name(1), [Seat(name(2), frozenset())], 64) == Share()


def test_shards_in_which_least_runs_are_given_up() -> None:
    assert choose([1, 2, 3, 4], {4: 2, 3: 1}, 3) == {1, 2, 3}


def watch() -> Watch:
    return Watch(grace_seconds=0.5, lease_seconds=10.0)


def test_a_member_is_dead_when_its_session_has_been_gone_for_the_grace() -> None:
    some = watch()
    assert some.observe([Sign(name(1), 1.0, ended=True)], 100.0) == []
    assert some.observe([Sign(name(1), 1.0, ended=True)], 100.4) == []
    assert some.observe([Sign(name(1), 1.0, ended=True)], 100.5) == [name(1)]


def test_a_member_whose_session_came_back_lives() -> None:
    some = watch()
    for at in range(10):
        assert some.observe([Sign(name(1), 1.0, ended=at % 2 == 0)], 100.0 + at * 0.4) == []


def test_a_member_whose_process_is_known_to_be_gone_is_dead_at_once() -> None:
    assert watch().observe([Sign(name(1), 1.0, ended=True, gone=True), Sign(name(2), 1.0, ended=False)], 1.0) == [
        name(1)
    ]


def test_a_member_that_shows_no_sign_of_life_for_the_lease_is_dead() -> None:
    some = watch()
    dead = [some.observe([Sign(name(1), min(at, 3.0), ended=False)], float(at)) for at in range(1, 14)]
    assert dead == [[]] * 12 + [[name(1)]]


def test_who_stood_still_itself_takes_nobody_for_dead() -> None:
    some = watch()
    assert some.observe([Sign(name(1), 1.0, ended=False)], 1.0) == []
    assert some.observe([Sign(name(1), 1.0, ended=True)], 60.0) == []
    assert some.observe([Sign(name(1), 1.0, ended=True)], 60.5) == [name(1)]
