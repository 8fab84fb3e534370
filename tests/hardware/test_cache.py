"""Caches: bandwidth that follows the cores, levels behind one another, and what a definition lacks."""

import pytest

from archsim.errors import ArchsimError
from archsim.hardware import Cache, Chip, GpuCore, MatrixArray, Memory, Scratchpad, SystolicCore, TensorCore, VectorUnit
from archsim.units import GB, GHz, KiB, MiB, TB_per_s

SM = GpuCore(tensor=TensorCore(macs={"bf16": 1024}), l2_bytes=30,
             shared=Scratchpad(capacity=100 * KiB, read_bytes=128, write_bytes=128))
ARRAY = SystolicCore(array=MatrixArray(rows=128, cols=128), vector=VectorUnit(lanes=128),
                     scratchpad=Scratchpad(capacity=8 * MiB, read_bytes=1024, write_bytes=1024))


def chip(core: GpuCore | SystolicCore, cache: Cache | None) -> Chip:
    return Chip(name="c", clock=1 * GHz, cores=100, core=core, cache=cache,
                memory=Memory(capacity=16 * GB, bandwidth=1 * TB_per_s))


def test_bandwidth_of_a_gpu_follows_its_sms_and_clock() -> None:
    one = chip(SM, Cache(capacity=32 * MiB))
    assert one.cache_bandwidth == 30 * 100 * 1e9
    assert one.replace(cores=50).cache_bandwidth == one.cache_bandwidth / 2
    assert one.replace(clock=2 * GHz).cache_bandwidth == one.cache_bandwidth * 2
    stated = one.replace("cache", bandwidth=5 * TB_per_s)
    assert stated.cache_bandwidth == stated.replace(cores=50).cache_bandwidth == 5e12
    assert chip(ARRAY, None).cache_bandwidth == 0


def test_levels() -> None:
    behind = Cache(capacity=256 * MiB, bandwidth=8 * TB_per_s)
    near = Cache(capacity=32 * MiB, partitions=8, beyond=behind)
    assert near.last is behind
    assert behind.last is behind
    assert near.total == 288 * MiB
    made = chip(SM, near).replace("cache.beyond", capacity=128 * MiB)
    assert made.cache is not None
    assert made.cache.last.capacity == 128 * MiB


@pytest.mark.parametrize(("core", "cache", "message"), [
    (SM, None, "Chip lacks 'cache': the L2 shared by the SMs"),
    (SM, Cache(capacity=32 * MiB, beyond=Cache(capacity=256 * MiB)), r"cache\.beyond lacks 'bandwidth' \(B/s\)"),
    (ARRAY, Cache(capacity=32 * MiB), r"cache lacks 'bandwidth' \(B/s\)"),
])
def test_what_a_definition_lacks(core: GpuCore | SystolicCore, cache: Cache | None, message: str) -> None:
    with pytest.raises(ArchsimError, match=message):
        chip(core, cache)


@pytest.mark.parametrize("wrong", [{"far": 1.5}, {"far": 0}, {"partitions": 0}, {"partitions": 1.5}, {"beyond": 3}])
def test_wrong_figures_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ArchsimError, match=f"Cache.{next(iter(wrong))}"):
        Cache(capacity=32 * MiB, **wrong)  # type: ignore[arg-type]
