"""Kernels of rows and flat streams: against a naive walk over generations, and what must always hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import gpu_chip as kc
from archsim.kernels import gpu_rows as kr
from archsim.kernels.gpu_l2 import made_share
from tests.kernels.test_gpu import PLAIN


def naive(
    g: kc.Gpu, blocks: int, resident: int, start: float, latency: float, issue: float, read: float, write: float,
    l2_bytes: float,
) -> float:
    """Deal blocks to SMs, `resident` each, generation after generation; the launch starts the first of them."""
    left, waited, busiest = blocks, 0.0, 0.0
    while left > 0:
        sms = [0] * int(g.sms)
        now = min(left, int(g.sms) * resident)
        for i in range(now):
            sms[i % len(sms)] += 1
        waited += start + latency if left < blocks else max(0.0, latency - g.l2_latency)
        busiest += max(sms) * issue
        left -= now
    memory = math.hypot(waited, read / g.dram_read + write / g.dram_write)
    needs = [memory, busiest, l2_bytes / min(g.l2, g.far), blocks / g.dispatch]
    return g.launch + sum(t**4 for t in needs) ** 0.25


figures = st.tuples(
    st.integers(1, 300), st.integers(1, 32), st.floats(0, 400), st.floats(1, 1e5), st.floats(1, 1e4), st.floats(0, 1e7),
    st.floats(0, 1e7), st.floats(0, 2e7),
)


@given(figures)
def test_stream_equals_generations_of_blocks(f: tuple[float, ...]) -> None:
    assert kr.stream(PLAIN, *map(float, f)) == pytest.approx(naive(PLAIN, *f), rel=1e-9)  # type: ignore[arg-type]


@given(figures, st.floats(1.1, 4.0))
def test_stream_is_no_faster_than_any_resource_and_follows_it(f: tuple[float, ...], factor: float) -> None:
    blocks, resident, start, latency, issue, read, write, l2_bytes = map(float, f)
    t = kr.stream(PLAIN, blocks, resident, start, latency, issue, read, write, l2_bytes)
    assert t >= PLAIN.launch + read / PLAIN.dram_read + write / PLAIN.dram_write
    assert t >= PLAIN.launch + blocks / PLAIN.sms * issue * 0.999
    for more in ({"dram_read": PLAIN.dram_read * factor}, {"l2": PLAIN.l2 * factor, "far": PLAIN.far * factor},
                 {"dispatch": PLAIN.dispatch * factor}):
        faster = kr.stream(PLAIN._replace(**more), blocks, resident, start, latency, issue, read, write, l2_bytes)
        assert faster <= t * (1 + 1e-12)


@given(figures, st.floats(1.0, 3.0))
def test_more_sms_are_never_slower(f: tuple[float, ...], factor: float) -> None:
    blocks, resident, start, latency, issue, read, write, l2_bytes = map(float, f)
    more = PLAIN._replace(sms=float(math.ceil(PLAIN.sms * factor)))
    few, many = (kr.stream(g, blocks, resident, start, latency, issue, read, write, l2_bytes) for g in (PLAIN, more))
    assert many <= few * (1 + 1e-12)


def naive_share(made: int, touched: int, capacity: int) -> float:
    """Walk the lines: a stack of lines by recency; the reader touches other lines in step with those it reads."""
    recent: list[tuple[str, int]] = [("made", i) for i in range(made)]
    others, hits, fresh = 0, 0, 0
    for i in range(made):
        depth = len(recent) - recent.index(("made", i))
        hits += depth <= capacity
        recent.remove(("made", i))
        recent.append(("made", i))
        others += touched - made
        while others >= made:
            recent.append(("other", fresh))
            fresh, others = fresh + 1, others - made
    return hits / made


@given(st.integers(4, 60), st.integers(0, 120), st.integers(1, 200))
def test_what_the_next_kernel_finds_is_least_recently_used(made: int, more: int, capacity: int) -> None:
    low, high = (made_share(float(made), float(more), capacity + lines) for lines in (-2.0, 2.0))
    assert low - 1.0 / made <= naive_share(made, made + more, capacity) <= high + 1.0 / made, "to a line or two"


@given(st.lists(st.floats(0.01, 1e6), min_size=5, max_size=5), st.integers(1, 32))
def test_elements_of_a_thread_overlap_in_the_pipes(busy: list[float], elements: int) -> None:
    *pipes, slots = busy
    got = kr.issue(*pipes, slots, float(elements))
    assert got >= max(busy) * (1 - 1e-9)
    assert got <= max(sum(pipes), slots) * (1 + 1e-9)
    assert kr.issue(*pipes, 0.0, 1.0) == pytest.approx(sum(pipes)), "one element needs one pipe after the other"
    jobs = (sum(pipes) + (elements - 1) * max(busy)) / elements  # Zahorjan et al.: n jobs leave in D + (n - 1) Dmax
    assert got == pytest.approx(max(jobs, max(busy)))
    assert kr.issue(*pipes, slots, elements + 1.0) <= got * (1 + 1e-9)
