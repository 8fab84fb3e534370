"""The software pipeline of an SM: a naive clock, the recurrence and the closed form agree; invariants; whole tiles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.kernels import sm_pipeline as k
from archsim.kernels.tensor_instruction import TileStep

SM = k.Sm(barrier=30.0, shared_latency=29.0, commit=12.0, coupled=0.0, copy=0.0, prologue=400.0, epilogue=400.0,
          shared_read=128.0, shared_write=128.0, accumulator_read=0.0)
STEP = TileStep(cycles=256.0, alone=256.0, tail=148.0, slice=64.0, reads=32768.0, instructions=4.0, rows=128.0,
                cols=128.0)
BLOCK = k.Block(stages=4.0, resident=1.0, groups=1.0, fetched=32768.0, accumulators=65536.0, result=32768.0, cols=128.0)
SUPPLY = k.Supply(latency=800.0, port=128.0, flight=math.inf, store=64.0)


@st.composite
def pipelines(draw: st.DrawFn) -> k.Pipeline:
    """Return any pipeline whose times are whole cycles."""
    def cycles(least: int, most: int) -> float:
        return float(draw(st.integers(least, most)))

    coupled = draw(st.booleans())
    stages, engine = cycles(2 if coupled else 1, 5), cycles(1, 40)
    latency, fetch, barrier, tail = cycles(0, 120), cycles(1, 40), cycles(0, 9), cycles(0, 30)
    alone = engine + cycles(0, 20)
    turn = latency + fetch + barrier if coupled else 2 * barrier + latency + fetch + alone + tail
    own, uses, resident = alone + cycles(0, 10), stages - coupled, cycles(1, 3)
    return k.Pipeline(
        prologue=100.0 + latency + fetch + barrier, step=max(resident * engine, resident * fetch, own, turn / uses),
        epilogue=50.0, engine=engine, fetch=fetch, own=own, turn=turn, uses=uses, alone=alone, tail=tail,
        latency=latency, barrier=barrier, resident=resident, coupled=float(coupled),
    )


def naive(p: k.Pipeline, steps: int, filled: bool = False) -> np.ndarray:
    """Run the pipeline one clock cycle at a time: who can start something, does."""
    order = [(i, r) for i in range(steps) for r in range(int(p.resident))]
    there = {x for x in order if filled and x[0] < p.uses}
    issued = dict.fromkeys(there, 0.0)
    arrived = dict.fromkeys(there, -p.barrier)
    started: dict[tuple[int, int], float] = {}
    copies, products = [x for x in order if x not in there], list(order)
    port = engine = now = 0.0  # when each is free
    while products:
        busy = True
        while busy:
            busy = False
            for i, r in order:
                if (i, r) in issued:
                    continue
                before = started.get((int(i - p.uses), r))  # the step that had this stage
                told = before is not None and before + (0.0 if p.coupled else p.alone + p.tail + p.barrier) <= now
                if i < p.uses or told:
                    issued[i, r], busy = now, True
            if copies and copies[0] in issued and issued[copies[0]] + p.latency <= now and port <= now:
                arrived[copies.pop(0)] = port = now + p.fetch
                busy = True
            if products and engine <= now and arrived.get(products[0], math.inf) + p.barrier <= now:
                i, r = products[0]
                if i == 0 or started[i - 1, r] + p.own <= now:
                    started[products.pop(0)], engine, busy = now, now + p.engine, True
        now += 1.0
    return np.array([[[issued[i, r], arrived[i, r], started[i, r], started[i, r] + p.alone,
                       started[i, r] + p.alone + p.tail] for r in range(int(p.resident))] for i in range(steps)])


@given(pipelines(), st.integers(1, 14), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_recurrence_is_what_a_clock_shows(p: k.Pipeline, steps: int, filled: bool) -> None:
    assert np.array_equal(k.timeline(p, steps, float(filled)), naive(p, steps, filled))


@given(pipelines(), st.integers(1, 60), st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_closed_form_is_the_recurrence(p: k.Pipeline, steps: int, filled: bool) -> None:
    assert k.mainloop(p, float(steps), float(filled)) == k.timeline(p, steps, float(filled))[:, :, k.END].max()


@given(pipelines())
@settings(deadline=None)
def test_step_is_the_pace_in_the_long_run(p: k.Pipeline) -> None:
    ends = k.timeline(p, 420, 0.0)[:, -1, k.END]
    assert (ends[-1] - ends[-121]) / 120 == pytest.approx(p.step)  # 120 steps are whole turns of 1 to 5 stages


def test_by_hand() -> None:
    """Four stages of 32 KB: turn-around 30 + 800 + 256 + 30 + 256 + 148 = 1520, a quarter of it per step."""
    p = k.pipeline(SM, STEP, BLOCK, SUPPLY)
    assert (p.turn, p.uses, p.fetch, p.own) == (1520, 4, 256, 268)
    assert p.step == 380
    assert p.prologue == 400 + 800 + 256 + 30
    assert p.epilogue == 148 + 400 + 32768 / 64 + 32768 / 128 / 4  # stores, and the first chunk's staging
    deep = k.pipeline(SM, STEP, BLOCK._replace(stages=6.0), SUPPLY)
    assert deep.step == 268, "the engine and its commit, once the stages cover the turn-around"
    two = k.pipeline(SM, STEP, BLOCK._replace(stages=3.0, resident=2.0), SUPPLY)
    assert two.step == 2 * 256, "another block fills the commit"
    pair = k.pipeline(SM, STEP, BLOCK._replace(stages=6.0, groups=2.0), SUPPLY)
    assert pair.step == 256, "so does another group of warps"


def test_warps_that_copy_and_multiply_wait_for_their_barriers() -> None:
    coupled = SM._replace(coupled=1.0)
    p = k.pipeline(coupled, STEP, BLOCK, SUPPLY)
    assert (p.turn, p.uses, p.own) == (800 + 256 + 30, 3, 256 + 30)
    assert p.step == (800 + 256 + 30) / 3
    issued = k.pipeline(coupled._replace(copy=1 / 1024), STEP, BLOCK, SUPPLY)
    assert (issued.turn, issued.own) == (p.turn + 32, p.own + 32), "copies are instructions of the same warps"
    one_slice = STEP._replace(slice=10.0)  # too short to hide the loads of the next step
    assert k.pipeline(coupled, one_slice, BLOCK, SUPPLY).own == 256 + 30 + 19
    chained = STEP._replace(alone=300.0)  # dependent instructions: another block fills their waits
    assert k.pipeline(coupled, chained, BLOCK._replace(stages=5.0), SUPPLY).own == 330
    assert k.pipeline(coupled, chained, BLOCK._replace(stages=5.0, resident=2.0), SUPPLY).step == 512


def test_a_limit_of_bytes_in_flight_is_a_limit_of_the_rate() -> None:
    p = k.pipeline(SM, STEP, BLOCK._replace(stages=7.0), SUPPLY._replace(flight=32768.0))
    assert p.fetch == 800, "32 KB in flight and 800 cycles of latency: 32 KB per 800 cycles"
    assert p.step == 800


def test_epilogues() -> None:
    tensor_memory = SM._replace(accumulator_read=64.0)  # slower than the stores: 1024 cycles, and the last chunk leaves
    assert k.pipeline(tensor_memory, STEP, BLOCK, SUPPLY).epilogue == 148 + 400 + 1024 + 512 / 4
    coupled = k.pipeline(SM._replace(coupled=1.0), STEP, BLOCK, SUPPLY)
    assert coupled.epilogue == 148 + 400 + 65536 / 128 * 2 + 32768 / 64


def test_tiles_of_a_persistent_kernel() -> None:
    p = k.pipeline(SM, STEP, BLOCK, SUPPLY)
    apart = k.tile_cycles(p, 64.0, 0.0, 0.0)
    assert apart == 400 + k.mainloop(p, 64.0, 0.0) + p.epilogue
    ahead = k.tile_cycles(p, 64.0, 1.0, 0.0)
    assert ahead == k.mainloop(p, 64.0, 1.0) + p.epilogue < apart, "copies ran ahead while results left"
    assert k.tile_cycles(p, 64.0, 1.0, 1.0) == 64 * p.step < ahead, "a second set of accumulators hides the epilogue"
    assert k.tile_cycles(p, 1.0, 1.0, 1.0) == p.epilogue - 148, "unless there is too little to hide it behind"
    slow = p._replace(alone=p.epilogue - 100.0)  # either set of accumulators is filled and emptied once in two rounds
    assert k.tile_cycles(slow, 1.0, 1.0, 1.0) == p.epilogue - 50
    few = k.pipeline(SM, STEP, BLOCK._replace(stages=1.0), SUPPLY)
    assert k.tile_cycles(few, 1.0, 1.0, 0.0) == few.turn, "a stage is filled anew for every tile"


@given(pipelines(), st.integers(1, 100))
@settings(deadline=None)
def test_what_hides_more_is_no_slower(p: k.Pipeline, steps: int) -> None:
    apart, ahead, double = (k.tile_cycles(p, float(steps), *way) for way in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    assert double <= ahead * (1 + 1e-9)
    assert ahead <= apart * (1 + 1e-9)
    assert min(apart, ahead, double) >= p.resident * steps * p.engine * (1 - 1e-9)


def test_blocks_that_share_an_sm_hide_each_others_ends() -> None:
    p = k.pipeline(SM, STEP, BLOCK._replace(stages=3.0, resident=2.0), SUPPLY)
    lone = k.pipeline(SM, STEP, BLOCK._replace(stages=3.0), SUPPLY)
    assert k.tile_cycles(p, 64.0, 0.0, 0.0) == max(2 * 64 * 256, k.tile_cycles(lone, 64.0, 0.0, 0.0))
    assert k.tile_cycles(p, 2.0, 0.0, 0.0) == k.tile_cycles(lone, 2.0, 0.0, 0.0), "too short to wait for the engine"


@given(pipelines(), st.integers(1, 100))
@settings(deadline=None)
def test_filled_stages_only_help(p: k.Pipeline, steps: int) -> None:
    cold, warm = k.mainloop(p, float(steps), 0.0), k.mainloop(p, float(steps), 1.0)
    assert p.alone + (steps - 1) * max(p.own, p.resident * p.engine) <= warm <= cold


@given(st.integers(2, 8), st.integers(1, 4), st.floats(0, 3000), st.floats(1, 256), st.booleans())
@settings(deadline=None)
def test_more_of_anything_is_no_slower(stages: int, resident: int, latency: float, port: float, coupled: bool) -> None:
    sm, block = SM._replace(coupled=float(coupled)), BLOCK._replace(stages=float(stages), resident=float(resident))
    supply = SUPPLY._replace(latency=latency, port=port)

    def time(**change: float) -> float:
        b = block._replace(**{n: v for n, v in change.items() if n in block._fields})
        s = supply._replace(**{n: v for n, v in change.items() if n in supply._fields})
        p = k.pipeline(sm, STEP, b, s)
        assert p.step >= resident * STEP.cycles - 1e-6, "no faster than the engine"
        assert p.step >= resident * block.fetched / s.port - 1e-6, "nor than the port"
        return k.mainloop(p, 50.0, 0.0)

    base = time()
    assert time(stages=stages + 1.0) <= base + 1e-6
    assert time(port=2 * port) <= base + 1e-6
    assert time(latency=latency / 2) <= base + 1e-6
    assert time(groups=2.0) <= base + 1e-6
