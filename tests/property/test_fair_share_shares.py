"""Every tenant gets its weighted max-min share of slot time, whatever its jobs, its keys and its comings and goings.

`World` asserts, at every instant of these runs, that no slot is empty while an entry could start. `POSTROOM_CASES` sets
how many cases are tried; a full run takes 1,000.
"""

from __future__ import annotations

import pytest

from tests.property.cases import cases
from tests.property.fair_share_world import HORIZON_SECONDS, SLOTS, World, fluid_shares, scenario

CASES = cases(10)
TOLERANCE = 0.02
"""Of the tenant's own share, be it that of one which came with a second's work."""


@pytest.mark.timeout(0)
def test_each_tenants_part_of_slot_time_is_its_weighted_max_min_share() -> None:
    for seed in range(CASES):
        case = scenario(seed)
        fair = fluid_shares(case)
        used = World(case).run()
        assert sum(used.values()) == pytest.approx(SLOTS * HORIZON_SECONDS), "slots were idle"
        for tenant in case.weights:
            assert used[tenant] == pytest.approx(fair[tenant], rel=TOLERANCE), f"seed {seed}, {tenant}"
