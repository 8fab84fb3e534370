"""The wavefront: every word is where the registers have it, every result leaves once, and the text shows it."""

import numpy as np
import pytest

from archsim.errors import ArchsimError
from archsim.report.array_trace import wavefront
from archsim.report.array_wave import label, trace_wave
from archsim.timing.array import count

CASES = [(dataflow, shadow, lanes, port) for dataflow in ("ws", "os", "is") for shadow in (True, False)
         for lanes, port in ((1, 1), (2, 2), (1, 3))]


def wave_of(dataflow="ws", shadow=True, lanes=1, port=1, sizes=(6, 5, 4), rows=3, cols=3):
    m, n, k = sizes
    return trace_wave(count(m, n, k, rows=rows, cols=cols, dataflow=dataflow, shadow=shadow, rows_per_cycle=lanes,
                            load_rows=port), 500)


def tags(array):
    """All tags but empty ones, as a sorted list."""
    flat = array.reshape(-1, 2)
    return sorted(map(tuple, flat[flat[:, 0] >= 0].tolist()))


@pytest.mark.parametrize("case", CASES)
def test_what_enters_and_leaves_is_what_was_counted(case):
    wave = wave_of(*case)
    c = wave.count
    assert len(tags(wave.leaving)) == c.written
    entering = {"ws": c.read_b, "os": c.read_b, "is": c.read_a}[c.dataflow]
    assert len(tags(wave.entering)) == entering
    assert set(tags(wave.leaving)) == {(m, n) for m in range(c.m) for n in range(c.n)}
    left = {"ws": c.read_a, "os": c.read_a, "is": c.read_b}[c.dataflow]
    assert len(tags(wave.right[:, :, :, 0])) == left


@pytest.mark.parametrize("case", [c for c in CASES if c[0] != "os"])
def test_a_tile_arrives_when_the_registers_have_it(case):
    """The lanes are drawn from the cycle in which the port began; the registers say when each PE holds its word."""
    wave = wave_of(*case)
    kept = wave.second if wave.count.shadow else wave.stays
    lanes = min(wave.count.load_rows, wave.count.rows)
    for r, c in np.ndindex(wave.count.rows, wave.count.cols):
        held = kept[:, 0, r, c]
        new = [t for t in range(wave.cycles) if held[t, 0] >= 0 and (t == 0 or (held[t] != held[t - 1]).any())]
        assert new
        for t in new:
            before = wave.entering[t, :, c] if r == 0 else wave.passing[t - 1, :, r - 1, c]
            assert tuple(before[r % lanes]) == tuple(held[t])


@pytest.mark.parametrize("shadow", [True, False])
def test_sums_drain_after_their_last_product(shadow):
    wave = wave_of("os", shadow)
    for m, n in np.ndindex(6, 5):
        r, c = m % 3, n % 3
        products = [t for t in range(wave.cycles) if wave.busy[t, r, c] and tuple(wave.stays[t, 0, r, c]) == (m, n)]
        leaves = [t for t in range(wave.cycles) for tag in wave.leaving[t, :, c] if tuple(tag) == (m, n)]
        assert len(products) == 4
        assert len(leaves) == 1
        assert leaves[0] > products[-1]


@pytest.mark.parametrize("case", CASES)
def test_busy_cells_are_the_products(case):
    wave = wave_of(*case)
    lanes = wave.count.rows_per_cycle
    assert wave.busy.sum() * lanes >= wave.count.macs > (wave.busy.sum() - wave.count.folds * 9) * lanes


def test_labels():
    assert label("a", np.array([[3, 1]])) == "a31"
    assert label("b", np.array([[3, 12]])) == "b3,12"
    assert label("a", np.array([[4, 0], [5, 0]])) == "a4-5,0"
    assert label("a", np.array([[4, 0], [-1, -1]])) == "a40"
    assert label("c", np.array([[-1, -1]])) == ""


def test_the_text_of_a_small_product_by_eye():
    """C = A B of 2 x 2 on 2 x 2: two cycles of load, then the wave."""
    wave = wave_of(sizes=(2, 2, 2), rows=2, cols=2)
    lines = [line.plain for line in wavefront(wave, range(wave.cycles), 200)]
    heads = [line for line in lines if line.startswith("cycle")]
    assert len(heads) == wave.cycles == 6
    assert heads[0] == "cycle 1 of 6: waiting for the first tile; 0 of 4 PEs multiply (0 %)"
    at = lines.index(heads[3])
    fourth = lines[at : lines.index(heads[4])]
    assert "2 of 4" not in fourth[0]
    assert "3 of 4 PEs multiply (75 %)" in fourth[0]
    body = [line for line in fourth if "│" in line]
    assert "│ a10 a00 │" in body[0]
    assert "│ a01   · │" in body[1]
    assert "│ b00 b01 │" in body[0]
    assert "│ c10 c01 │" in body[0]
    assert fourth[-2].split() == ["c00"], "the first finished sum leaves"


@pytest.mark.parametrize("case", CASES)
def test_lines_keep_to_the_width(case):
    wave = wave_of(*case)
    wide, narrow = ([line for line in wavefront(wave, range(wave.cycles), width) if not line.plain.startswith("cycle")]
                    for width in (250, 60))
    assert max(line.cell_len for line in narrow) <= 60 < max(line.cell_len for line in wide)
    assert len(narrow) > len(wide)


def test_too_narrow_and_too_long_are_errors():
    with pytest.raises(ArchsimError, match="needs .* characters a line, not 20"):
        wavefront(wave_of(), range(3), 20)
    with pytest.raises(ArchsimError, match="cycles are too many to look at"):
        wave_of(sizes=(600, 1, 1))
