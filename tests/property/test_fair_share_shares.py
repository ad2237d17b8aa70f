"""Every tenant gets its weighted max-min share of slot time, whatever its jobs, its keys and its comings and goings.

`POSTROOM_CASES` sets how many cases are tried; a full run takes 1,000.
"""

from __future__ import annotations

import pytest

from tests.property.cases import cases
from tests.property.fair_share_world import HORIZON_SECONDS, RUN_SECONDS, SLOTS, World, fluid_shares, scenario

CASES = cases(10)
TOLERANCE = 0.02
INDIVISIBLE_SECONDS = 2 * max(RUN_SECONDS)
"""Jobs cannot be cut: two of the longest may be in time or not, which is more than the tolerance of a small share."""


@pytest.mark.timeout(0)
def test_each_tenants_part_of_slot_time_is_its_weighted_max_min_share() -> None:
    for seed in range(CASES):
        case = scenario(seed)
        fair = fluid_shares(case)
        used = World(case).run()
        assert sum(used.values()) == pytest.approx(SLOTS * HORIZON_SECONDS), "slots were idle"
        for tenant in case.weights:
            near = pytest.approx(fair[tenant], rel=TOLERANCE, abs=INDIVISIBLE_SECONDS)
            assert used[tenant] == near, f"seed {seed}, {tenant}"
