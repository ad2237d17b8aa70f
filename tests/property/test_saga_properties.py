"""Random sagas with random failures, and people's help, against a model of what a saga should do.

`POSTROOM_CASES` sets how many cases are tried; a full run takes 10,000.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.cases import cases
from tests.property.saga_world import World

MAX_STEPS = 500


@settings(max_examples=cases(300), deadline=None)
@given(st.integers(min_value=0, max_value=2**64))
def test_a_saga_does_what_the_model_says_and_comes_to_an_end(seed: int) -> None:
    world = World(Random(seed))
    for _ in range(MAX_STEPS):
        if world.ended:
            break
        world.step()
    for _ in range(MAX_STEPS):
        if world.ended:
            break
        world.finish()
    assert world.ended, "nothing is stuck"
