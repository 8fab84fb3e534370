"""Memory devices and what their streams reach: the table is in order, better memory is never slower."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ArchsimError
from archsim.hardware import Memory
from archsim.hardware.dram import DEVICES, DISORDER, Device, device, find_device
from archsim.hardware.dram_stream import LINE, PATTERNS, STEP, achieved, requests, sustained
from archsim.units import GB, GB_per_s, TB_per_s

EACH = pytest.mark.parametrize("kind", DEVICES)


def usual(of: Device) -> float:
    """Return four fifths of the fastest rate of a channel: what most chips run it at."""
    return 0.8 * of.bandwidth / of.channels


@EACH
def test_the_table_is_in_order(kind: str) -> None:
    d = DEVICES[kind]
    t = d.timing
    assert d.name == kind and device(kind) is d and d.source and t.source
    assert d.low < d.high and d.banks % d.groups == 0 and d.bits % d.channels == 0
    assert d.page % LINE == 0 and LINE % d.burst == 0
    assert d.burst * 8 % (d.bits // d.channels) == 0, "a burst is whole transfers of the bus"
    assert t.ras >= t.rcd and t.faw >= 3 * t.rrd and t.rfc_bank <= t.rfc < t.refi / 4


def test_a_type_is_found_as_people_write_it() -> None:
    assert device("HBM3E 8 stacks").name == "HBM3e" and device("lpddr5x").name == "LPDDR5X"
    assert find_device("HBM") is None, "of which generation?"
    with pytest.raises(ArchsimError, match="unknown memory type 'HBM9'.*HBM3e"):
        device("HBM9")


@EACH
def test_random_is_no_faster_than_strided_nor_strided_than_sequential(kind: str) -> None:
    d = DEVICES[kind]
    rate = usual(d)
    read = sustained(d, rate)
    for size in (32, 64, 128):
        strided = sustained(d, rate, "strided", size, 64 * 1024)
        assert sustained(d, rate, "random", size) <= 1.03 * strided
        assert strided <= 1.01 * read
    assert sustained(d, rate, "random", 32) <= sustained(d, rate, "random", 64) <= 1.01 * sustained(
        d, rate, "random", 128)


@EACH
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_fraction_lies_between_nothing_and_the_peak_and_loses_what_it_lacks(kind: str, pattern: str) -> None:
    d = DEVICES[kind]
    found = achieved(d, usual(d), pattern, 64, 4096)
    assert 0 < found.fraction <= 1
    assert min(found.refresh, found.turns, found.rows) >= 0
    assert max(found.refresh, found.turns, found.rows) <= 1 - found.fraction + 0.02
    if pattern in ("read", "write"):
        assert found.turns <= 0.02, "a bus that goes one way never turns"
    if pattern == "copy":
        assert found.turns > 0.01


@EACH
@pytest.mark.parametrize("pattern", ["read", "copy", "write", "random"])
def test_more_bandwidth_is_never_less_throughput(kind: str, pattern: str) -> None:
    d = DEVICES[kind]
    rates = np.linspace(0.3, 1.2, 60) * d.bandwidth / d.channels
    found = [sustained(d, float(rate), pattern, 64) for rate in rates]
    assert all(a <= b * (1 + 1e-9) for a, b in pairwise(found))
    assert all(f <= r for f, r in zip(found, rates, strict=True))


@settings(max_examples=40)
@given(st.sampled_from([k for k, d in DEVICES.items() if d.stacked or d.unit == "device"]), st.floats(0.4, 1.0),
       st.floats(1.0, 1.3))
def test_a_faster_memory_serves_any_mix_sooner(kind: str, share: float, more: float) -> None:
    d = DEVICES[kind]
    slow, fast = (Memory(type=kind, stacks=4, capacity=64 * GB, bandwidth=4 * d.bandwidth * s)
                  for s in (share, share * more))
    for reads, writes in ((1.0, 0.0), (1.0, 1.0), (1.0, 3.0), (0.0, 1.0)):
        before, after = (reads / m.sustained + writes / m.sustained_write for m in (slow, fast))
        assert after <= before * (1 + 1e-9)


def test_longer_refreshes_cost_more() -> None:
    fractions = []
    for rfc in (0.0, 100.0, 350.0, 800.0):
        memory = Memory(type="HBM2e", stacks=4, capacity=64 * GB, bandwidth=1638 * GB_per_s, refresh="all-bank")
        d = memory.device
        assert d is not None
        slow = replace(d, timing=replace(d.timing, rfc=rfc))
        fractions.append(sustained(slow, 25.6e9) / 25.6e9)
    assert fractions == sorted(fractions, reverse=True)
    assert fractions[0] - fractions[-1] == pytest.approx(800 / 3900, abs=0.06)


# --- the stream

def test_a_sequential_stream_visits_every_burst_once_and_fills_rows() -> None:
    d = DEVICES["HBM3"]
    bank, row, write = requests(d, "read", LINE, 0)
    assert not write.any() and set(bank) == set(range(d.banks))
    _, counts = np.unique(np.stack([bank, row]), axis=1, return_counts=True)
    assert counts.max() == d.page // d.burst, "a whole page of every bank"
    assert (counts == counts.max()).mean() > 0.8, "all but the last rows"


def test_a_copy_reads_as_much_as_it_writes_and_in_other_rows() -> None:
    _, row, write = requests(DEVICES["HBM2"], "copy", LINE, 0)
    assert write.mean() == pytest.approx(0.5)
    assert not set(row[write]) & set(row[~write])


def test_requests_come_late_but_not_later_than_told() -> None:
    d = DEVICES["HBM2"]
    _, row, _ = requests(d, "read", LINE, 0)
    first = np.argmax(row == row.max() - 1) * d.burst  # bytes that came before the first of the last whole row
    begin = (row.max() - 1) * d.page * d.banks
    assert begin - DISORDER <= first <= begin + DISORDER


# --- Memory

def test_what_is_stated_wins() -> None:
    memory = Memory(type="HBM3", stacks=5, capacity=80 * GB, bandwidth=3.35 * TB_per_s, efficiency=0.5,
                    write_efficiency=0.4)
    assert memory.sustained == pytest.approx(1.675e12) and memory.sustained_write == pytest.approx(1.34e12)
    reads = Memory(type="HBM3", stacks=5, capacity=80 * GB, bandwidth=3.35 * TB_per_s, efficiency=0.5)
    assert 0 < reads.sustained_write < 0.5 * 3.35e12, "writes stay slower than what was stated of reads"


def test_of_an_unknown_type_medians_are_taken() -> None:
    for kind in ("", "MRAM"):
        memory = Memory(type=kind, capacity=80 * GB, bandwidth=1 * TB_per_s)
        assert memory.channels == 0 and memory.device is None
        assert memory.sustained == pytest.approx(0.92e12)
        copy = 2 / (1 / memory.sustained + 1 / memory.sustained_write)
        assert copy == pytest.approx(0.86e12)
        with pytest.raises(ArchsimError, match="unknown memory type"):
            memory.reaches("read")


def test_copies_are_as_the_device_does_them() -> None:
    memory = Memory(type="HBM3", stacks=5, capacity=80 * GB, bandwidth=3.35 * TB_per_s)
    assert memory.channels == 160
    copy = 2 / (1 / memory.sustained + 1 / memory.sustained_write)
    assert copy / memory.bandwidth == pytest.approx(memory.reaches("copy"), rel=0.02)


def test_a_port_limits_reads_and_leaves_copies() -> None:
    free = Memory(type="HBM2e", stacks=5, capacity=80 * GB, bandwidth=2039 * GB_per_s)
    narrow = Memory(type="HBM2e", stacks=5, capacity=80 * GB, bandwidth=2039 * GB_per_s, port=1805 * GB_per_s)
    assert narrow.sustained == pytest.approx(1805e9)
    assert free.sustained > 1.9e12
    assert 1 / narrow.sustained + 1 / narrow.sustained_write == pytest.approx(
        1 / free.sustained + 1 / free.sustained_write)


def test_writes_pass_a_narrow_port_too() -> None:
    for port in (1e6, 1e11, 1e12, 1.5e12):
        memory = Memory(type="HBM2e", stacks=5, capacity=80 * GB, bandwidth=2039 * GB_per_s, port=port)
        assert memory.sustained == port
        assert memory.sustained_write == pytest.approx(port)


def test_refreshing_bank_by_bank_leaves_the_others_open() -> None:
    each, at_once = (Memory(type="HBM2e", stacks=4, capacity=64 * GB, bandwidth=1.6 * TB_per_s, refresh=mode)
                     for mode in ("per-bank", "all-bank"))
    assert each.reaches("write") > at_once.reaches("write") + 0.05
    with pytest.raises(ArchsimError, match=r"unknown Memory\.refresh 'never'.*per-bank"):
        Memory(type="HBM2e", capacity=64 * GB, bandwidth=1.6 * TB_per_s, refresh="never")


def test_patterns_and_sizes_are_checked() -> None:
    with pytest.raises(ArchsimError, match="unknown access pattern 'reed'.*did you mean 'read'"):
        sustained(DEVICES["HBM3"], 20e9, "reed")
    for size in (0, 64 * 1024 + 1):
        with pytest.raises(ArchsimError, match="size must be from 1 to 65,536"):
            sustained(DEVICES["HBM3"], 20e9, "random", size)
    with pytest.raises(ArchsimError, match="multiple of the 32 bytes of a burst of HBM3, not 1,000: e.g. 992 or 1,024"):
        sustained(DEVICES["HBM3"], 20e9, "strided", 64, 1000)


@EACH
def test_bytes_beside_what_was_asked_for_cross_the_bus_in_vain(kind: str) -> None:
    d = DEVICES[kind]
    rate = usual(d)
    for pattern, stride in (("random", 0), ("strided", 4096)):
        whole = sustained(d, rate, pattern, 2 * d.burst, stride)
        assert sustained(d, rate, pattern, d.burst + 1, stride) == pytest.approx(whole * (d.burst + 1) / (2 * d.burst))
        assert sustained(d, rate, pattern, 1, stride) * d.burst == pytest.approx(
            sustained(d, rate, pattern, d.burst, stride))


@EACH
def test_the_largest_accesses_and_strides_are_answered(kind: str) -> None:
    d = DEVICES[kind]
    assert sustained(d, usual(d), "random", 64 * 1024) >= 0.95 * sustained(d, usual(d))
    assert 0 < sustained(d, usual(d), "strided", 64, 2**30) <= 1.03 * sustained(d, usual(d), "strided", 64, 2**16)


def test_a_controller_is_as_a_chip_states_it() -> None:
    """Fewer writes gathered are more turns of the bus; requests that come later, or fewer to choose from, more rows."""
    plain = Memory(type="HBM3e", stacks=8, capacity=192 * GB, bandwidth=8 * TB_per_s)
    for figure, less in (("write_queue", 16), ("read_queue", 8), ("disorder", 128 * 1024)):
        pattern = "copy" if figure == "write_queue" else "read"
        assert replace(plain, **{figure: less}).reaches(pattern) < plain.reaches(pattern) - 0.03, figure


@pytest.mark.parametrize("kind", ["HBM3", "GDDR6", "DDR4"])
def test_memories_that_nobody_makes_are_answered_too(kind: str) -> None:
    slow, fast = (Memory(type=kind, stacks=1, capacity=1 * GB, bandwidth=rate) for rate in (1e6, 1e16))
    for memory in (slow, fast):
        assert 0 < memory.sustained_write <= memory.sustained <= memory.bandwidth
    assert slow.sustained > 0.9e6 and fast.sustained < 1e15
    d = DEVICES[kind]
    assert 0 < achieved(d, 1.0, "copy").fraction <= 1 and 0 < achieved(d, 1e15, "copy").fraction < 0.01


def test_between_simulated_rates_throughput_is_interpolated() -> None:
    d = DEVICES["HBM3"]
    low = STEP ** math.floor(math.log(20e9, STEP))
    ends = [sustained(d, rate) for rate in (low, low * STEP)]
    assert sustained(d, low * (1 + STEP) / 2) == pytest.approx(sum(ends) / 2, rel=1e-6)
