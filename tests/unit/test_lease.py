from __future__ import annotations

import subprocess
import sys
from collections import Counter
from uuid import UUID

import msgspec
import pytest

from runtime.core.lease import DEFAULT_SHARDS, Lease, has_key, in_shard, shard_of
from runtime.durable.ids import IdSource

AN_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_a_lease_cannot_be_changed() -> None:
    lease = Lease(AN_ID, 1, (0, 1))
    with pytest.raises(AttributeError):
        lease.epoch = 2  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(lease), type=Lease) == lease


def test_a_key_keeps_its_shard_whatever_the_event_and_the_version() -> None:
    """The numbers are part of the stored format: a change of them would lose the order of keys on an upgrade."""
    other = IdSource().new_id()
    for tenant, key, shard in (("acme", "order-1", 12), ("acme", "", 41), ("", "order-1", 63), ("zoë", "größe", 39)):
        assert shard_of(tenant, key, DEFAULT_SHARDS, AN_ID) == shard_of(tenant, key, DEFAULT_SHARDS, other) == shard


def test_every_process_agrees_on_the_shard() -> None:
    program = (
        "from uuid import UUID; from runtime.core.lease import shard_of;"
        f"print([shard_of('acme', f'k{{n}}', 64, UUID('{AN_ID}')) for n in range(50)])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {f"{[shard_of('acme', f'k{n}', 64, AN_ID) for n in range(50)]}\n"}


@pytest.mark.parametrize("shards", [1, 7, 64])
def test_similar_keys_spread_over_all_shards(shards: int) -> None:
    counts = Counter(shard_of(f"tenant-{n % 10}", f"order-{n}", shards, AN_ID) for n in range(shards * 500))
    assert set(counts) == set(range(shards))
    assert max(counts.values()) < 700


def test_events_without_a_key_spread_over_all_shards_by_their_id() -> None:
    source = IdSource(clock=lambda: 1_700_000_000.0)
    counts = Counter(shard_of("acme", None, DEFAULT_SHARDS, source.new_id()) for _ in range(DEFAULT_SHARDS * 500))
    assert set(counts) == set(range(DEFAULT_SHARDS))
    assert max(counts.values()) < 700


def test_tenant_and_key_are_told_apart() -> None:
    assert shard_of("ab", "c", 2**32, AN_ID) != shard_of("a", "bc", 2**32, AN_ID)


@pytest.mark.parametrize("shards", [1, 7, 64, 100])
def test_an_id_can_be_put_into_any_shard_and_is_otherwise_what_it_was(shards: int) -> None:
    source = IdSource()
    for made in [*source.new_ids(50), UUID(int=(source.new_id().int >> 32 << 32) + 0xFFFF_FFFF)]:
        for shard in range(shards):
            put = in_shard(made, shard, shards)
            assert shard_of("acme", None, shards, put) == shard
            assert put.int >> 32 == made.int >> 32
            assert abs(put.int - made.int) < 2 * shards


def test_a_key_is_had_where_its_shard_is_own_and_not_left_out() -> None:
    shard = shard_of("acme", "k", DEFAULT_SHARDS, AN_ID)
    every = frozenset(range(DEFAULT_SHARDS))
    assert has_key(every, DEFAULT_SHARDS, "acme", "k", but=frozenset())
    assert has_key(every, DEFAULT_SHARDS, "acme", "k", but=every - {shard})
    assert not has_key(every, DEFAULT_SHARDS, "acme", "k", but={shard})
    assert has_key({shard}, DEFAULT_SHARDS, "acme", "k", but=frozenset())
    assert not has_key(every - {shard}, DEFAULT_SHARDS, "acme", "k", but=frozenset())
