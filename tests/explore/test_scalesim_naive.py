"""SCALE-Sim's machine written down word by word, in plain Python, against the fast one."""

import math

from hypothesis import given
from hypothesis import strategies as st

from archsim.explore.scalesim import Config, Layer, simulate


def demands(config, x):
    """Return, line by line, the words that the array asks for or gives: ifmap, filter, ofmap (None: an idle lane)."""
    def pixel(m, k):
        top, left = m // x.out_w * x.stride_h, m % x.out_w * x.stride_w
        down, across, channel = k // (x.filter_w * x.channels), k // x.channels % x.filter_w, k % x.channels
        if top + down >= x.ifmap_h or left + across >= x.ifmap_w:
            return None
        return ((top + down) * x.ifmap_w + left + across) * x.channels + channel

    def skewed(before, rows, length):
        lines = [[] for _ in range(length)]
        for r, row in enumerate(rows):
            for lane, word in enumerate(row):
                lines[before + r + lane].append((lane, word))
        return [[word for _, word in sorted(line, key=lambda lw: lw[0])] for line in lines]

    def loaded(rows, length):
        padded = [*rows, *[[]] * (config.rows - len(rows))][::-1]
        return [*padded, *[[]] * (length - len(padded))]

    ms, ns, ks = range(x.m), range(x.n), range(x.k)
    high, wide = {"os": (ms, ns), "ws": (ks, ns), "is": (ks, ms)}[config.dataflow]
    time = {"os": ks, "ws": ms, "is": ns}[config.dataflow]
    load = 0 if config.dataflow == "os" else config.rows
    length = load + config.rows + config.cols + len(time) - 2
    ifmap, filters, ofmap = [], [], []
    for c in range(0, len(wide), config.cols):
        for r in range(0, len(high), config.rows):
            rows, cols = high[r : r + config.rows], wide[c : c + config.cols]
            if config.dataflow == "os":
                ifmap += skewed(0, [[pixel(m, k) for m in rows] for k in time], length)
                filters += skewed(0, [[(k, n) for n in cols] for k in time], length)
                ofmap += skewed(len(time) - 1 + config.rows - len(rows), [["out"] * len(cols) for _ in rows], length)
                continue
            if config.dataflow == "ws":
                ifmap += skewed(load, [[pixel(m, k) for k in rows] for m in time], length)
                filters += loaded([[(k, n) for n in cols] for k in rows], length)
            else:
                ifmap += loaded([[pixel(m, k) for m in cols] for k in rows], length)
                filters += skewed(load, [[(k, n) for k in rows] for n in time], length)
            ofmap += skewed(2 * config.rows - 1, [["out"] * len(cols) for _ in time], length)
    return ifmap, filters, ofmap


def fetch_order(config, x, name):
    """Return an operand's words in the order of prefetching, idle lanes as None: folds stacked, along diagonals."""
    one_fold = Config(config.rows, config.cols, config.dataflow, 1, 1, 1)
    streamed = {"os": ("ifmap", "filter"), "ws": ("ifmap",), "is": ("filter",)}[config.dataflow]
    which = ("ifmap", "filter").index(name)
    words = demands(one_fold, x)[which]
    rows_first = (config.dataflow, name) in {("os", "ifmap"), ("ws", "ifmap"), ("is", "filter")}
    high, wide, time = {"os": (x.m, x.n, x.k), "ws": (x.k, x.n, x.m), "is": (x.k, x.m, x.n)}[config.dataflow]
    fr, fc = math.ceil(high / config.rows), math.ceil(wide / config.cols)
    length = len(words) // (fr * fc)
    load = 0 if config.dataflow == "os" else config.rows
    if name not in streamed:  # row by row for each fold along the columns; a fold's lines come last row first
        order = []
        for c in range(fc):
            lanes = min(config.cols, wide - c * config.cols)
            for r in range(fr):
                first = (c * fr + r) * length
                lines = words[first : first + config.rows][::-1]
                for line in lines[: min(config.rows, high - r * config.rows)]:
                    order += [*line, *[None] * (config.cols - lanes)]
        return order
    width, lanes = (config.rows, high) if rows_first else (config.cols, wide)
    folds = range(fr) if rows_first else [c * fr for c in range(fc)]
    tall = {}
    for i, fold in enumerate(folds):
        here = min(width, lanes - i * width)
        for line in range(time + here - 1):
            row = words[fold * length + load + line]
            for j, lane in enumerate(range(max(0, line - time + 1), min(here, line + 1))):
                tall[i * time + line - lane, lane] = row[j]
    height = len(folds) * time
    places = sorted(((r, lane) for r in range(height) for lane in range(width)), key=lambda p: (sum(p), p[1]))
    return [tall.get(place) for place in places]


class CalcReader:
    """Whatever is asked for is there; what was read is kept until half the buffer is full, then dropped."""

    def __init__(self, kb):
        self.half, self.kept, self.words = kb * 1024 // 100 * 50, set(), 0

    def late(self, line, cycle):
        for word in line:
            if word is not None and word not in self.kept:
                self.kept.add(word)
                self.words += 1
                if len(self.kept) == self.half:
                    self.kept = set()
        return 0


class UserReader:
    """Sets of prefetched words pass through the active half; each step waits for half a buffer of memory lines."""

    def __init__(self, kb, bandwidth, order, fixed):
        size = kb * 1024
        per_set = math.ceil(size / 100)
        valid = [word for word in order if word is not None]
        self.sets = [set(valid[i : i + per_set]) for i in range(0, len(valid), per_set)]
        if len(valid) % per_set == 0:
            self.sets.append(set())
        self.active = min(math.ceil(size / 2 / per_set), len(self.sets))
        self.move = min(math.ceil(size / 2 / per_set), len(self.sets) - self.active)
        self.lines = math.ceil(size / 2 / bandwidth)
        self.bandwidth, self.fixed, self.start, self.ready = bandwidth, fixed, 0, -1
        self.held = self.window()
        self.words = min(self.lines, math.ceil(len(order) / bandwidth)) * bandwidth

    def window(self):
        return set().union(*(self.sets[(self.start + i) % len(self.sets)] for i in range(self.active)))

    def late(self, line, cycle):
        offset = 1
        for word in line:
            while word is not None and word not in self.held:
                self.start = (self.start + self.move) % len(self.sets)
                self.held = self.window()
                self.ready += self.lines + 1
                self.words += self.lines * self.bandwidth
                wait = self.ready - (cycle + offset)
                if not self.fixed:
                    offset += wait
                if wait > 0:
                    offset += wait
        return offset - 1


class Writer:
    """Words fill lines; when the free space is under half the buffer, half of it is drained, a line per cycle."""

    def __init__(self, kb, bandwidth):
        self.size = self.free = kb * 1024
        self.bandwidth, self.lines, self.line = bandwidth, [], 0
        self.busy, self.words, self.begun, self.ended = 0, 0, None, 0

    def drain(self, cycle):
        if self.line:
            self.lines.append(self.line)
            self.line = 0
        out = self.lines[: math.ceil(self.size // 2 / self.bandwidth)]
        self.lines = self.lines[len(out) :]
        words = (len(out) - 1) * self.bandwidth + out[-1]
        self.free += words
        self.words += words
        self.busy = cycle + len(out) - 1
        self.begun = cycle if self.begun is None else self.begun
        self.ended = max(self.ended, self.busy)

    def late(self, line, cycle):
        now = cycle
        for _ in line:
            self.free -= 1
            self.line += 1
            if self.line == self.bandwidth:
                self.lines.append(self.line)
                self.line = 0
            if now < self.busy:
                if self.free <= 0:
                    now = self.busy
            elif self.free < self.size // 2:
                self.drain(now)
        return now - cycle

    def finish(self, cycle):
        while self.lines or self.line:
            self.drain(cycle)
            cycle = self.busy + 1


def naive(config, x, fixed):
    """Return cycles, stalls, words read and written, and when writing began and ended."""
    ifmap, filters, ofmap = demands(config, x)
    if config.bandwidths is None:
        readers = [CalcReader(config.ifmap_kb), CalcReader(config.filter_kb)]
        writer = Writer(config.ofmap_kb, config.cols)
    else:
        readers = [UserReader(kb, bandwidth, fetch_order(config, x, name), fixed)
                   for name, kb, bandwidth in zip(("ifmap", "filter"), (config.ifmap_kb, config.filter_kb),
                                                  config.bandwidths, strict=False)]
        writer = Writer(config.ofmap_kb, config.bandwidths[2])
    stalls = 0
    for i, (a, b, out) in enumerate(zip(ifmap, filters, ofmap, strict=True)):
        cycle = i + stalls
        late = writer.late(out, cycle)
        stalls += max(readers[0].late(a, cycle), readers[1].late(b, cycle), late)
        end = cycle + late
    writer.finish(end)
    return end, stalls, readers[0].words, readers[1].words, writer.words, writer.begun, writer.ended


def fast(config, x, fixed):
    (r,) = simulate(config, [x], fixed_stalls=fixed)
    out = r.dram_ofmap
    return r.cycles, r.stalls, r.dram_ifmap.words, r.dram_filter.words, out.words, out.start, out.stop


side = st.integers(1, 12)
words = st.sampled_from([1, 3, 10, 64])
configs = st.builds(
    Config, rows=side, cols=side, dataflow=st.sampled_from(["os", "ws", "is"]), ifmap_kb=st.integers(1, 2),
    filter_kb=st.integers(1, 2), ofmap_kb=st.integers(1, 2), bandwidths=st.none() | st.tuples(words, words, words),
)
products = st.builds(Layer.gemm, st.just("product"), st.integers(1, 50), st.integers(2, 30), st.integers(1, 50))


@st.composite
def pictures(draw):
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = [w + draw(st.integers(0, 7)) for w in window]
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    return Layer("picture", *size, *window, draw(st.integers(1, 16)), draw(st.integers(2, 12)), *stride)


@given(configs, products | pictures(), st.booleans())
def test_the_fast_model_is_the_naive_one(config, layer, fixed):
    assert fast(config, layer, fixed) == naive(config, layer, fixed)


@given(configs, products)
def test_no_figure_is_below_what_the_product_needs(config, layer):
    (r,) = simulate(config, [layer])
    full = 100 * (1 + 1e-12)  # they are sums of rounded shares
    assert 0 < r.utilization * r.cycles / (r.cycles + 1) <= full  # the last cycle's number is one less than the cycles
    assert 0 < r.compute_utilization <= r.mapping * (1 + 1e-12) <= full * (1 + 1e-12)
    if config.bandwidths is None:
        assert r.dram_ifmap.words >= layer.m * layer.k
        assert r.dram_filter.words >= layer.k * layer.n
    assert r.dram_ofmap.words >= layer.m * layer.n
    assert r.cycles_prefetch >= r.cycles - r.dram_ofmap.start
