"""SCALE-Sim 3.0.0's figures for a layer, without its walk over every word.

A layer is a product of M x K and K x N. Its sides map to the array as (rows, columns, time): output-stationary
(M, N, K), weight-stationary (K, N, M), input-stationary (K, M, N); each of the first two is cut into folds. Faults of
SCALE-Sim are kept, for the purpose is to give its numbers; `archsim.explore.scalesim.notes` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Thread
from typing import NamedTuple

import numpy as np

from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.scalesim.files import Config, Layer
from archsim.kernels import scalesim as kernel
from archsim.kernels.scalesim import Ints

CALC_BANDWIDTH = 10  # words per cycle of the first fetch in CALC mode; "arbitrary", says SCALE-Sim
SETS = 100  # a buffer is kept in so many sets, half of them active
MOST_FOLDS = 2**25
MOST_LINES = 2 * 10**10  # half a minute
MOST_WORDS = 2**27  # of an operand that is followed word by word: half a GiB per array of them
MOST_REQUESTS = 2 * 10**10  # for them: a minute or two


class Span(NamedTuple):
    """First and last cycle of an operand's accesses, and how many words they move."""

    start: int
    stop: int
    words: int


@dataclass(frozen=True)
class Result:
    """One layer's figures, named as in SCALE-Sim's reports; cycles and words, utilisations in percent.

    `cycles` are SCALE-Sim's "Total Cycles", stalls included; `cycles_prefetch` those from the first word read from
    memory to the last one written. Bandwidths are words per cycle.
    """

    layer: Layer
    cycles_prefetch: int
    cycles: int
    stalls: int
    utilization: float
    mapping: float
    compute_utilization: float
    sram_ifmap: Span
    sram_filter: Span
    sram_ofmap: Span
    dram_ifmap: Span
    dram_filter: Span
    dram_ofmap: Span

    def bandwidth(self, name: str) -> float:
        """Return the mean words per cycle of ``"sram_ifmap"`` and so on."""
        span: Span = getattr(self, name)
        return span.words / (self.cycles if name.startswith("sram") else span.stop - span.start + 1)


def simulate(config: Config, layers: Iterable[Layer], *, fixed_stalls: bool = False) -> list[Result]:
    """Return what SCALE-Sim 3.0.0 reports for layers on an array.

    Parameters
    ----------
    config, layers
        See `read_config` and `read_topology`, or make them.
    fixed_stalls
        Count each wait for a read once. The release counts it twice, and lets words that came early make up for it.

    Raises
    ------
    UnsupportedError
        If a layer is too large to follow, or SCALE-Sim itself fails on it; the message names the layer.
    """
    known: dict[Layer, Result] = {}  # equal layers are run once
    results = []
    for i, layer in enumerate(layers):
        sizes = replace(layer, name="")
        if sizes not in known:
            try:
                known[sizes] = _apart(_Run(config, layer, fixed_stalls).result)
            except ArchsimError as e:
                raise type(e)(f"layer {i} ({layer.name}): {e}") from None
        results.append(replace(known[sizes], layer=layer))
    return results


def _apart(work: Callable[[], Result]) -> Result:
    """Do what can take a minute in a thread of its own, so that Ctrl-C is heard meanwhile."""
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as e:
            done.set_exception(e)

    Thread(target=run, daemon=True).start()
    return done.result()


class _Reads(NamedTuple):
    """What one operand reads from memory: words, when it starts and stops, what makes the array wait."""

    words: int
    start: int
    stop: int  # CALC: of a buffer that was refilled this follows from `refill`
    refill: int  # CALC: the line of the last refill, -1 if the operand fits
    channel: kernel.Channel


class _Sides(NamedTuple):
    """How the array takes an operand: see `kernel.Operand`."""

    stationary: bool
    by_row: bool
    width: int
    rows: int
    lanes: int


NEVER = kernel.Channel(np.empty(0, dtype=np.int64), 1)


class _Run:
    """One layer on one array."""

    def __init__(self, config: Config, layer: Layer, fixed_stalls: bool) -> None:
        self.config, self.layer, self.twice = config, layer, not fixed_stalls
        m, n, k = layer.m, layer.n, layer.k
        spatial = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}
        self.high, self.wide, self.time = spatial[config.dataflow]
        self.folds_r, self.folds_c = ceil_div(self.high, config.rows), ceil_div(self.wide, config.cols)
        load = 0 if config.dataflow == "os" else config.rows
        self.length = load + config.rows + config.cols + self.time - 2
        folds = self.folds_r * self.folds_c
        if folds * self.length == 1:
            raise UnsupportedError("SCALE-Sim fails here (it divides by zero): one product in one PE takes it 0 cycles")
        if max(m, n, k) > MOST_WORDS:
            raise UnsupportedError(f"{m:,} x {n:,} x {k:,} is more than can be followed "
                                   f"(sides of at most {MOST_WORDS:,})")
        if folds > MOST_FOLDS or folds * self.length > MOST_LINES:
            raise UnsupportedError(f"{folds:,} folds of {self.length:,} cycles are more than can be followed "
                                   f"(at most {MOST_FOLDS:,} folds, {MOST_LINES:,} cycles)")

    def result(self) -> Result:
        """Return the layer's figures."""
        c, layer = self.config, self.layer
        m, n, k = layer.m, layer.n, layer.k
        depth, width = _parts(self.high, c.rows), _parts(self.wide, c.cols)
        reads = [self.reads("ifmap", c.ifmap_kb), self.reads("filter", c.filter_kb)]
        if c.dataflow == "os":  # results leave by the bottom edge, those of the last row first
            first, results = self.time - 1 + c.rows - depth, depth
        else:
            first, results = np.full_like(depth, 2 * c.rows - 1), np.full_like(depth, self.time)
        lines = [(self.first_line(name), self.last_line(name)) for name in ("ifmap", "filter")]
        final = (self.folds_r * self.folds_c - 1) * self.length + int(first[-1] + results[-1] + width[-1]) - 2
        lines.append((int(first[0]), final))
        wanted = [*(line for pair in lines for line in pair), *(max(r.refill, 0) for r in reads)]
        watch = np.array(sorted(set(wanted)), dtype=np.int64)
        size = c.ofmap_kb * 1024
        writer = kernel.Writer(size, size // 2, c.cols if c.bandwidths is None else c.bandwidths[2])
        cycles, stalls, written, start, stop, seen = kernel.timeline(
            self.folds_r, self.folds_c, self.length, first, results, width, writer, reads[0].channel,
            reads[1].channel, self.twice, watch
        )
        at = {int(line): [int(x) for x in row] for line, row in zip(watch, seen, strict=True)}
        dram = []
        for r in reads:
            refilled = r.refill >= 0
            dram.append(Span(r.start, at[r.refill][0] + 1 if refilled else r.stop, r.words))
        out = Span(int(start), int(stop), int(written))

        def sram(operand: int, words: int) -> Span:
            latency = 1 if operand < 2 else 0
            begin, end = (at[line][0] + at[line][1 + operand] + latency for line in lines[operand])
            return Span(begin, end, words)

        requests = {
            "os": (self.folds_c * m * k, self.folds_r * n * k,
                   m * n + self.folds_r * self.folds_c * (c.rows + c.cols)),
            "ws": (self.folds_c * m * k, k * n, self.folds_r * m * n),
            "is": (m * k, self.folds_c * k * n, self.folds_r * m * n),
        }[c.dataflow]
        skewed_twice = self.length + (0 if c.dataflow == "os" else c.cols - 1)
        cells = c.rows * c.cols
        return Result(
            layer, out.stop - min(dram[0].start, dram[1].start), int(cycles), int(stalls),
            m * n * k * 100 / (int(cycles) * cells),
            100 * kernel.mean_over_folds(depth, width, 1, cells),
            100 * kernel.mean_over_folds(depth, width, self.time, cells * skewed_twice),
            sram(0, requests[0]), sram(1, requests[1]), sram(2, requests[2]), dram[0], dram[1], out,
        )

    def sides(self, name: str) -> _Sides:
        """Return how an operand is cut."""
        c = self.config
        if name == {"os": "", "ws": "filter", "is": "ifmap"}[c.dataflow]:
            return _Sides(True, False, c.cols, self.high, self.wide)
        if (c.dataflow, name) == ("os", "filter"):
            return _Sides(False, False, c.cols, self.time, self.wide)
        return _Sides(False, True, c.rows, self.time, self.high)

    @property
    def prefix(self) -> int:
        """Lines of a fold before streamed operands start."""
        return 0 if self.config.dataflow == "os" else self.config.rows

    def operand(self, name: str) -> kernel.Operand:
        """Return an operand with the addresses of its words."""
        s, c = self.sides(name), self.config
        x, zero = self.layer, np.zeros(1, dtype=np.int64)
        if name == "filter":
            steps = (np.arange(x.k, dtype=np.int64), np.arange(x.n, dtype=np.int64) * x.k)  # along K, along N
            row_at, lane_at = steps if c.dataflow != "is" else steps[::-1]
            return kernel.Operand(s.rows, s.lanes, s.width, c.rows, s.stationary, s.by_row, self.prefix, row_at,
                                  lane_at, zero, zero, zero, zero, 1, 1, False)
        windows, taps = np.arange(x.m, dtype=np.int64), np.arange(x.k, dtype=np.int64)
        top, left = windows // x.out_w * x.stride_h, windows % x.out_w * x.stride_w
        down, across = taps // (x.filter_w * x.channels), taps // x.channels % x.filter_w
        along_m = ((top * x.ifmap_w + left) * x.channels, top, left)
        along_k = ((down * x.ifmap_w + across) * x.channels + taps % x.channels, down, across)
        m_is_row = c.dataflow == "ws"
        (row_at, row_y, row_x), (lane_at, lane_y, lane_x) = (along_m, along_k) if m_is_row else (along_k, along_m)
        return kernel.Operand(s.rows, s.lanes, s.width, c.rows, s.stationary, s.by_row, self.prefix, row_at, lane_at,
                              row_y, row_x, lane_y, lane_x, x.ifmap_h, x.ifmap_w, self.clipped)

    @property
    def clipped(self) -> bool:
        """Whether a window reaches beyond the ifmap."""
        x = self.layer
        return ((x.out_h - 1) * x.stride_h + x.filter_h > x.ifmap_h
                or (x.out_w - 1) * x.stride_w + x.filter_w > x.ifmap_w)

    def asked(self, name: str) -> tuple[int, int]:
        """Return how many words an operand has, and how often they are asked for over all windows."""
        x = self.layer
        if name == "filter":
            return x.n * x.k, x.n * x.k
        words, often = x.channels, x.channels
        for out, stride, window, size in ((x.out_h, x.stride_h, x.filter_h, x.ifmap_h),
                                          (x.out_w, x.stride_w, x.filter_w, x.ifmap_w)):
            inside = (size - window) // stride + 1  # windows that lie in the picture; the last may reach beyond
            rest = max(0, size - inside * stride) if out > inside else 0
            often *= inside * window + rest
            words *= (inside - 1) * min(window, stride) + (min(window, stride) + rest if out > inside else window)
        return words, often

    def first_line(self, name: str) -> int:
        """Return the first line that asks for a word."""
        s = self.sides(name)
        return max(0, self.config.rows - s.rows) if s.stationary else self.prefix

    def last_line(self, name: str) -> int:
        """Return the last line that asks for a word."""
        if name == "ifmap" and self.clipped:
            return int(kernel.last_line(self.operand(name), self.folds_r, self.folds_c, self.length))
        s = self.sides(name)
        final = (self.folds_r * self.folds_c - 1) * self.length
        if s.stationary:
            return final + self.config.rows - 1
        return final + self.prefix + s.rows - 1 + (s.lanes - 1) % s.width

    def reads(self, name: str, kb: int) -> _Reads:
        """Return what an operand reads from memory."""
        words, often = self.asked(name)
        size = kb * 1024
        if self.config.bandwidths is None:
            return self.reads_calc(name, words, often, size // SETS)
        return self.reads_user(name, words, often, size)

    def reads_calc(self, name: str, words: int, often: int, per_set: int) -> _Reads:
        """CALC mode: whatever is asked for arrives in time; a word is read again once it was dropped."""
        capacity = SETS // 2 * per_set
        s = self.sides(name)
        fold_by_fold = not s.stationary and not s.by_row  # the os filter: a fold's lanes come for each fold of rows
        if words < capacity and not fold_by_fold:
            drops, reads, line = 0, words, -1
        elif self.distinct(name, words, often) and min(s.width, s.lanes) < capacity:
            blocks = _parts(s.lanes, s.width) * s.rows if fold_by_fold else np.array([words], dtype=np.int64)
            repeats = self.folds_r if fold_by_fold else 1 if s.stationary else self.folds_c
            reads, drops, block, repeat, word = kernel.distinct_misses(blocks, repeats, capacity)
            line = self.line(name, block, repeat, word) if drops else -1
        else:
            top = self.check_words(name, words)
            o = self.operand(name)
            reads, drops, line, twice = kernel.word_misses(
                o, self.folds_r, self.folds_c, self.length, top, capacity
            )
            if twice:
                raise UnsupportedError(f"SCALE-Sim fails here (it divides by zero): half of the {name} buffer, "
                                       f"{capacity:,} words, is refilled twice in one cycle; make it larger")
        if drops == 0:
            fetched = ceil_div(int(reads), per_set) * per_set
            return _Reads(int(reads), -ceil_div(fetched, CALC_BANDWIDTH), -1, -1, NEVER)
        start = self.first_line(name) - ceil_div(capacity, CALC_BANDWIDTH)
        return _Reads(int(reads), start, 0, int(line), NEVER)

    def distinct(self, name: str, words: int, often: int) -> bool:
        """Whether all windows together ask for every word of an operand once."""
        return often == words and not (name == "ifmap" and self.clipped)

    def line(self, name: str, block: int, repeat: int, word: int) -> int:
        """Return the line that asks for a word of distinct ones: see `kernel.distinct_misses`."""
        s = self.sides(name)
        if s.stationary:
            fc, word = divmod(word, s.rows * s.width)
            fr, word = divmod(word, self.config.rows * min(s.width, s.lanes - fc * s.width))
            depth = min(self.config.rows, s.rows - fr * self.config.rows)
            inside = self.config.rows - depth + word // min(s.width, s.lanes - fc * s.width)
        else:
            if s.by_row:
                fc, (fr, word) = repeat, divmod(word, s.rows * s.width)
            else:
                fr, fc = repeat, block
            lanes = min(s.width, s.lanes - (fr if s.by_row else fc) * s.width)
            inside = self.prefix + kernel.line_of_word(s.rows, lanes, word)
        return int((fc * self.folds_r + fr) * self.length + inside)

    def reads_user(self, name: str, words: int, often: int, size: int) -> _Reads:
        """USER mode: half-buffers are refilled one after the other at the given bandwidth."""
        assert self.config.bandwidths is not None
        bandwidth = self.config.bandwidths[0 if name == "ifmap" else 1]
        s = self.sides(name)
        groups = ceil_div(s.lanes, s.width)
        half, per_set = size // 2, ceil_div(size, SETS)
        active = ceil_div(half, per_set)
        refill = ceil_div(half, bandwidth)
        fetched = min(refill, ceil_div(groups * s.rows * s.width, bandwidth))
        lines = NEVER.lines
        if often // per_set + 1 > active:
            top = self.check_words(name, often)
            o = self.operand(name)
            sets = kernel.sets_of(kernel.fetch_order(o, groups, often), top, per_set)
            lines = kernel.swaps(
                o, self.folds_r, self.folds_c, self.length, sets, active, self.distinct(name, words, often)
            )
        total = (fetched + len(lines) * refill) * bandwidth
        return _Reads(total, -fetched, len(lines) * (refill + 1) - 1, -1, kernel.Channel(lines, refill + 1))

    def check_words(self, name: str, words: int) -> int:
        """Return the number of an operand's addresses; refuse one that is too large to be followed word by word."""
        x = self.layer
        addresses = x.ifmap_h * x.ifmap_w * x.channels if name == "ifmap" else x.n * x.k
        asked = {"ifmap": 1 if self.config.dataflow == "is" else self.folds_c,
                 "filter": {"os": self.folds_r, "ws": 1, "is": self.folds_c}[self.config.dataflow]}[name] * x.k
        asked *= x.m if name == "ifmap" else x.n
        if max(words, addresses) > MOST_WORDS or asked > MOST_REQUESTS:
            raise UnsupportedError(
                f"{asked:,} requests for the {max(words, addresses):,} words of the {name} are too many to follow one "
                f"by one (at most {MOST_REQUESTS:,} for {MOST_WORDS:,}); InterfaceBandwidth = CALC with a larger "
                "buffer needs no more than their number"
            )
        return addresses


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


def _parts(size: int, most: int) -> Ints:
    """Return the sizes of the folds of one side."""
    parts = np.full(ceil_div(size, most), most, dtype=np.int64)
    parts[-1] = size - most * (len(parts) - 1)
    return parts
