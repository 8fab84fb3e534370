"""The register level against a machine of packets: every PE an entry of a list, every word with its own label."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.kernels import array_registers as kernel


@st.composite
def cases(draw):
    rows, cols = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = st.integers(1, 3 * max(rows, cols))
    m, n, k = draw(size), draw(size), draw(size)
    dice = np.random.default_rng(draw(st.integers(0, 99)))
    a, b = (dice.integers(-9, 10, shape).astype(np.int32) for shape in ((m, k), (k, n)))
    return a, b, rows, cols, draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, rows)), draw(st.booleans())


def simulate(stays, a, b, rows, cols, lanes, port, shadow, cuts=()):
    """Run the kernel, in stretches that end at the folds `cuts`; return product, activity and what was measured."""
    nothing = np.zeros((0, lanes, rows, cols), np.int32), np.zeros((0, 1, rows, cols), np.int32)
    sums = np.zeros((0, lanes, rows, cols), np.int64), np.zeros((0, 1, rows, cols), np.int64)
    log = np.zeros((0, 5), np.int64)
    (m, _), n = a.shape, b.shape[1]
    high, wide = (m, n) if stays == "output" else b.shape
    folds = -(-high // rows) * -(-wide // cols)
    bounds = [0, *(cut for cut in cuts if 0 < cut < folds), folds]
    activity = np.zeros((rows, cols), np.int64)
    measured = []
    out = np.zeros((m, n) if stays == "output" else (n, m), np.int64)
    for first, last in itertools.pairwise(bounds):
        if stays == "output":
            measured.append(kernel.stationary_output(
                a, np.ascontiguousarray(b.T), out, activity, lanes, port, shadow, first, last,
                nothing[0], nothing[0], sums[1], sums[1], log, np.zeros(1, np.bool_)))
        else:
            measured.append(kernel.stationary_operand(
                np.ascontiguousarray(a.T), b, out, activity, lanes, port, shadow, first, last,
                nothing[0], nothing[1], sums[0], nothing[1], log, np.zeros(1, np.bool_)))
    total = kernel.Stretch(*np.sum(measured, axis=0).tolist())
    total = total._replace(port_rows=max(one.port_rows for one in measured))
    return (out if stays == "output" else out.T), activity, total


class Grid:
    """Registers of all PEs: what each neighbour wrote in the cycle before."""

    def __init__(self, rows, cols, empty):
        self.rows, self.cols, self.empty = rows, cols, empty
        self.now = [[empty] * cols for _ in range(rows)]

    def from_left(self, r, c, edge):
        return edge if c == 0 else self.now[r][c - 1]

    def from_above(self, r, c, edge):
        return edge if r == 0 else self.now[r - 1][c]


def late(history, cycles):
    """What was issued so many cycles before the last entry."""
    return history[-1 - cycles] if cycles < len(history) else None


def naive_operand(a, b, rows, cols, lanes, port, shadow):
    """Weights stay. A moving packet is (rows of a, its fold, first of the fold?); a load packet is (row, weight)s."""
    (m, k), n = a.shape, b.shape[1]
    tiles = [(k0, n0) for n0 in range(0, n, cols) for k0 in range(0, k, rows)]
    packets, sums, lanes_down = Grid(rows, cols, None), Grid(rows, cols, [0] * lanes), Grid(rows, cols, ())
    live, second = ([[0] * cols for _ in range(rows)] for _ in range(2))
    real = [[False] * cols for _ in range(rows)], [[False] * cols for _ in range(rows)]
    product, activity = np.zeros((m, n), np.int64), np.zeros((rows, cols), np.int64)
    issued, loads = [], []
    waiting = list(range(len(tiles)))  # tiles to load
    queue, load, in_set = [], [], None  # packets to issue, load steps to issue, tile complete in its registers
    left = 0  # packets in the array, times the columns they have not left
    cycle = 0
    while True:
        if in_set is not None and not queue and (shadow or left == 0):
            queue = [([r for r in range(top, top + lanes) if r < m], in_set, top == 0) for top in range(0, m, lanes)]
            in_set = None
        if not queue and not waiting and not load and in_set is None and left == 0:
            return product, activity, cycle
        if not load and in_set is None and waiting and (shadow or (not queue and left == 0)):
            fold = waiting.pop(0)
            load = [(fold, [r for r in range(top, top + port) if r < rows]) for top in range(0, rows, port)]
        loads.append(load.pop(0) if load else None)
        if loads[-1] and not load:
            in_set = loads[-1][0]
        issued.append(queue.pop(0) if queue else None)
        left += cols * (issued[-1] is not None)

        new = [[None] * cols for _ in range(rows)], [[None] * cols for _ in range(rows)], [[()] * cols for _ in live]
        for r in range(rows):
            for c in range(cols):
                packet = packets.from_left(r, c, late(issued, r))
                top = late(loads, c)
                words = () if top is None else [(row, tiles[top[0]], c) for row in top[1]]
                words = lanes_down.from_above(r, c, words)
                above = sums.from_above(r, c, [0] * lanes)
                if packet and packet[2] and shadow:
                    live[r][c], real[0][r][c] = second[r][c], real[1][r][c]
                for row, (k0, n0), column in words:
                    if row == r:
                        inside = k0 + row < k and n0 + column < n
                        value = int(b[k0 + row, n0 + column]) if inside else 0
                        (second if shadow else live)[r][c] = value
                        real[int(shadow)][r][c] = inside
                k_here = tiles[packet[1]][0] + r if packet else k
                values = [int(a[row, k_here]) for row in packet[0]] if packet and k_here < k else []
                values += [0] * (lanes - len(values))
                new[0][r][c] = packet
                new[1][r][c] = [s + v * live[r][c] for s, v in zip(above, values, strict=True)]
                new[2][r][c] = words
                activity[r, c] += k_here < k and real[0][r][c]
        packets.now, sums.now, lanes_down.now = new
        for c in range(cols):
            packet = packets.now[rows - 1][c]
            if packet:
                left -= 1
                column = tiles[packet[1]][1] + c
                for row, value in zip(packet[0], sums.now[rows - 1][c], strict=False):
                    if column < n:
                        product[row, column] += value
        cycle += 1


def naive_output(a, b, rows, cols, lanes, port, shadow):
    """Sums stay. A packet is (values of k, its fold, first of the fold?); a drain packet names rows that leave."""
    (m, k), n = a.shape, b.shape[1]
    tiles = [(m0, n0) for n0 in range(0, n, cols) for m0 in range(0, m, rows)]
    packets, lanes_down, orders = Grid(rows, cols, None), Grid(rows, cols, ()), Grid(rows, cols, None)
    sums, second = ([[0] * cols for _ in range(rows)] for _ in range(2))
    product, activity = np.zeros((m, n), np.int64), np.zeros((rows, cols), np.int64)
    issued, drains = [], []
    waiting, queue, drain, finished = list(range(len(tiles))), [], [], None
    left = cycle = 0
    while True:
        if finished is not None and not queue and not drain:
            drain = [(finished, [r for r in range(top, top + port) if r < rows], top == 0)
                     for top in range(0, rows, port)]
            finished, may_start = None, shadow
        else:
            may_start = cycle == 0 or (not shadow and not queue and not drain and left == 0)
        if may_start and not queue and waiting:
            fold = waiting.pop(0)
            queue = [([i for i in range(k0, k0 + lanes) if i < k], fold, k0 == 0) for k0 in range(0, k, lanes)]
        if not queue and not drain and not waiting and finished is None and left == 0:
            return product, activity, cycle
        drains.append(drain.pop(0) if drain else None)
        left += cols * (drains[-1] is not None)
        issued.append(queue.pop(0) if queue else None)
        if issued[-1] and not queue:
            finished = issued[-1][1]

        new = [[None] * cols for _ in range(rows)], [[()] * cols for _ in sums], [[None] * cols for _ in range(rows)]
        for r in range(rows):
            for c in range(cols):
                packet = packets.from_left(r, c, late(issued, r))
                order = orders.from_left(r, c, late(drains, r))
                words = list(lanes_down.from_above(r, c, ()))
                if order and order[2] and shadow:
                    second[r][c] = sums[r][c]
                if packet and packet[2]:
                    sums[r][c] = 0
                if packet:
                    m0, n0 = tiles[packet[1]]
                    inside = m0 + r < m and n0 + c < n
                    activity[r, c] += inside
                    for i in packet[0] if inside else ():
                        sums[r][c] += int(a[m0 + r, i]) * int(b[i, n0 + c])
                if order and r in order[1]:
                    words.append((order[0], r, (second if shadow else sums)[r][c]))
                new[0][r][c], new[1][r][c], new[2][r][c] = packet, words, order
        packets.now, lanes_down.now, orders.now = new
        for c in range(cols):
            last = orders.now[rows - 1][c]
            left -= last is not None
            assert (0 if last is None else len(last[1])) == len(lanes_down.now[rows - 1][c]) <= port
            for fold, row, value in lanes_down.now[rows - 1][c]:
                m0, n0 = tiles[fold]
                if m0 + row < m and n0 + c < n:
                    product[m0 + row, n0 + c] = value
        cycle += 1


@pytest.mark.parametrize(("stays", "naive"), [("operand", naive_operand), ("output", naive_output)])
def test_registers_are_the_machine_of_packets(stays, naive):
    @given(cases())
    def check(case):
        product, activity, measured = simulate(stays, *case)
        expected, busy, cycles = naive(*case)
        assert (expected == case[0].astype(np.int64) @ case[1]).all()  # the packets are right themselves
        assert (product == expected).all()
        assert (activity == busy).all()
        assert sum(measured[:4]) == cycles

    check()


@pytest.mark.parametrize("stays", ["operand", "output"])
def test_stretches_of_folds_add_up_to_the_whole(stays):
    @given(cases(), st.lists(st.integers(1, 30), unique=True, max_size=3))
    def check(case, cuts):
        whole, parts = simulate(stays, *case), simulate(stays, *case, cuts=sorted(cuts))
        assert (whole[0] == parts[0]).all()
        assert (whole[1] == parts[1]).all()
        assert whole[2] == parts[2]

    check()


def test_a_stretch_waits_for_the_drain_of_the_one_before():
    a, b = np.ones((12, 1), np.int32), np.ones((1, 8), np.int32)  # six folds stream one cycle and drain four
    whole, parts = (simulate("output", a, b, 4, 4, 1, 1, True, cuts)[2] for cuts in ((), (1, 2, 5)))
    assert whole == parts
    assert (whole.stream, whole.drain, whole.skew) == (6, 4 * 3 + 3 + 4, 6)


def test_the_port_is_never_wider_than_asked():
    a, b = np.ones((9, 20), np.int32), np.ones((20, 9), np.int32)
    for stays in ("operand", "output"):
        for port in (1, 2, 3, 7):
            assert simulate(stays, a, b, 7, 4, 1, port, True)[2].port_rows == port


def test_registers_of_one_fold_by_hand():
    # 2 x 2 PEs, one moving row. Each of four words: one lane (row 0) or two (row 1), its set, and the hand-over.
    one = simulate("operand", np.ones((1, 2), np.int32), np.ones((2, 2), np.int32), 2, 2, 1, 1, True)[2]
    assert (one.left_words, one.top_words, one.results) == (2, 4, 2)
    assert one.tile_writes == 2 * (1 + 2) + 4 + 4
    assert one.tile_reads == 2 * (1 + 2) + 4  # the hand-over reads the second set; products read the live one
    # Sums go to the second set, then row 0 passes two lanes and row 1 one.
    one = simulate("output", np.ones((2, 1), np.int32), np.ones((1, 2), np.int32), 2, 2, 1, 1, True)[2]
    assert (one.left_words, one.top_words, one.results) == (2, 2, 4)
    assert one.tile_writes == one.tile_reads == 4 + 2 * (2 + 1)
