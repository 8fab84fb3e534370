"""SCALE-Sim's memory system: which requests miss, when a half-buffer is swapped, and what the array waits for.

SCALE-Sim walks over every word that the array asks for. Here the same walk is made of whole folds and lines where
nothing can happen, and of words only where it depends on them. Its terms are kept: a *fold* is one pass of the array, a
*line* is what is asked for in one cycle, the *ifmap* is the moving or stationary left matrix, the *filter* the right
one, the *ofmap* their product. One word is one element; cycles count from the first line of a layer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.int32]  # by word of an operand, of which there can be 10^8


class Operand(NamedTuple):
    """One operand as the array asks for it: a matrix of `rows` x `lanes`, cut into folds.

    A streamed operand sends one lane into each row (or column) of the array, each a cycle later than its neighbour; a
    fold takes `width` lanes and all rows. A stationary one is loaded line by line, the last row first; a fold takes
    `width` lanes and `depth` rows. The address of an element is the sum of its row's and its lane's.
    """

    rows: int
    lanes: int
    width: int
    depth: int  # rows of the array: rows of one fold of a stationary operand
    stationary: bool
    by_row: bool  # lanes follow the folds along the rows of the array, not those along its columns
    prefix: int  # lines of a fold before the first word of a streamed operand
    row_at: Ints  # address of each row
    lane_at: Ints
    row_y: Ints  # vertical and horizontal position in the picture: words beyond its edge are not asked for
    row_x: Ints
    lane_y: Ints
    lane_x: Ints
    height: int  # of the picture
    breadth: int
    clipped: bool  # some words lie beyond the edge


@njit(cache=True)
def address(o: Operand, row: int, lane: int) -> int:
    """Return the address of a word, -1 if it lies beyond the picture's edge."""
    if o.clipped and (o.row_y[row] + o.lane_y[lane] >= o.height or o.row_x[row] + o.lane_x[lane] >= o.breadth):
        return -1
    return int(o.row_at[row] + o.lane_at[lane])


@njit(cache=True)
def words_of_line(o: Operand, fr: int, fc: int, line: int) -> tuple[int, int, int, int]:
    """Return what a line of fold (fr, fc) asks for: the words (row - step * c, lane + c) for c in [low, high).

    Returned are row, lane, low and high; step is 0 for a stationary operand, else 1.
    """
    lane = (fr if o.by_row else fc) * o.width
    width = min(o.width, o.lanes - lane)
    if o.stationary:
        row = o.depth - 1 - line
        if row < 0 or row >= min(o.depth, o.rows - fr * o.depth):
            return 0, lane, 0, 0
        return fr * o.depth + row, lane, 0, width
    row = line - o.prefix
    return row, lane, max(0, row - o.rows + 1), max(0, min(width, row + 1))


@njit(cache=True, nogil=True)
def last_line(o: Operand, folds_r: int, folds_c: int, length: int) -> int:
    """Return the last line of a layer that asks for a word of this operand."""
    step = 0 if o.stationary else 1
    for fold in range(folds_r * folds_c - 1, -1, -1):
        fr, fc = fold % folds_r, fold // folds_r
        for line in range(length - 1, -1, -1):
            row, lane, low, high = words_of_line(o, fr, fc, line)
            for c in range(low, high):
                if address(o, row - step * c, lane + c) >= 0:
                    return fold * length + line
    return -1


@njit(cache=True)
def triangle(n: int) -> int:
    """Return 1 + 2 + ... + n, 0 for n below 1."""
    return n * (n + 1) // 2 if n > 0 else 0


@njit(cache=True)
def words_before(rows: int, width: int, line: int) -> int:
    """Return how many words of a skewed rows x width matrix come before a line: row r of lane c comes in line r + c."""
    return triangle(line) - triangle(line - rows) - triangle(line - width) + triangle(line - rows - width)


@njit(cache=True)
def line_of_word(rows: int, width: int, word: int) -> int:
    """Return the line in which word number `word` of a skewed rows x width matrix comes, counted line by line."""
    low, high = 0, rows + width - 2
    while low < high:
        middle = (low + high) // 2
        if words_before(rows, width, middle + 1) > word:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True)
def distinct_misses(blocks: Ints, repeats: int, capacity: int) -> tuple[int, int, int, int, int]:
    """Count the words read for blocks of distinct words, each asked for `repeats` times in the same order.

    The buffer keeps what was read until it holds `capacity` words; then all of it is dropped at once. So a block that
    does not fit misses every time, and one during which the buffer is dropped misses its beginning once more.

    Returns the words read, how often the buffer was dropped, and where for the last time: block, repeat, word.
    """
    reads, drops, held = 0, 0, 0
    block, repeat, word = -1, -1, -1
    for b in range(len(blocks)):
        size = blocks[b]
        if size >= capacity:
            total = held + size * repeats
            reads += size * repeats
            drops += total // capacity
            last = (total // capacity) * capacity - held - 1
            block, repeat, word = b, last // size, last % size
            held = total % capacity
        elif held + size < capacity:
            reads += size
            held += size
        else:
            first = capacity - held
            reads += size
            drops += 1
            block, repeat, word = b, 0, first - 1
            held = size - first
            if repeats > 1:
                reads += first
                held = size
    return reads, drops, block, repeat, word


@njit(cache=True, nogil=True)
def word_misses(
    o: Operand, folds_r: int, folds_c: int, length: int, words: int, capacity: int
) -> tuple[int, int, int, bool]:
    """Count the words read for an operand with any pattern of reuse, word by word; `words` bounds its addresses.

    Returns the words read, how often the buffer was dropped, the line in which it was for the last time, and whether
    it ever was twice in one line.
    """
    epoch = np.full(words, -1, dtype=np.int32)  # how often the buffer had been dropped when the word was read
    reads, drops, held, last, twice = 0, 0, 0, -1, False
    step = 0 if o.stationary else 1
    for fold in range(folds_r * folds_c):
        fr, fc = fold % folds_r, fold // folds_r
        for line in range(length):
            row, lane, low, high = words_of_line(o, fr, fc, line)
            for c in range(low, high):
                at = address(o, row - step * c, lane + c)
                if at < 0 or epoch[at] == drops:
                    continue
                epoch[at] = drops
                reads += 1
                held += 1
                if held == capacity:
                    drops += 1
                    held = 0
                    twice = twice or last == fold * length + line
                    last = fold * length + line
    return reads, drops, last, twice


@njit(cache=True, nogil=True)
def fetch_order(o: Operand, groups: int, words: int) -> Words:
    """Return the addresses of an operand in the order in which it is prefetched, `words` of them.

    Folds are stacked; a streamed operand is rolled out along the diagonals of the stack, as its lines are skewed.
    """
    order = np.empty(words, dtype=np.int32)
    n = 0
    height = groups * o.rows
    if o.stationary:
        for tall in range(height):
            lane = tall // o.rows * o.width
            for c in range(min(o.width, o.lanes - lane)):
                at = address(o, tall % o.rows, lane + c)
                if at >= 0:
                    order[n] = at
                    n += 1
        return order[:n]
    for diagonal in range(height + o.width - 1):
        for c in range(max(0, diagonal - height + 1), min(o.width, diagonal + 1)):
            tall = diagonal - c
            lane = tall // o.rows * o.width + c
            if lane < o.lanes:
                at = address(o, tall % o.rows, lane)
                if at >= 0:
                    order[n] = at
                    n += 1
    return order[:n]


class Sets(NamedTuple):
    """Which sets of the prefetched words hold a word: a word may be in several, for windows overlap."""

    total: int
    first: Words  # where the sets of each word begin in `sets`
    sets: Words  # ascending for each word
    near: Words  # the set of each word that was found last


@njit(cache=True, nogil=True)
def sets_of(order: Words, words: int, per_set: int) -> Sets:
    """Sort the prefetched words into sets of `per_set`; `words` bounds their addresses."""
    first = np.zeros(words + 1, dtype=np.int32)
    for at in order:
        first[at + 1] += 1
    for at in range(words):
        first[at + 1] += first[at]
    place = first[:-1].copy()
    sets = np.empty(len(order), dtype=np.int32)
    for i in range(len(order)):
        sets[place[order[i]]] = i // per_set
        place[order[i]] += 1
    near = np.zeros(words, dtype=np.int32)
    for at in range(words):
        if first[at] < first[at + 1]:
            near[at] = sets[first[at]]
    return Sets(len(order) // per_set + 1, first, sets, near)


@njit(cache=True)
def ahead(s: Sets, at: int, start: int, active: int) -> int:
    """Return how many sets after `start`, round the end, the first one with a word is; any one within `active` does."""
    distance = int(s.near[at]) - start
    if distance < 0:
        distance += s.total
    if distance < active:
        return distance
    low, high = s.first[at], s.first[at + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if s.sets[middle] < start:
            low = middle + 1
        else:
            high = middle
    s.near[at] = s.sets[low] if low < end else s.sets[s.first[at]]
    distance = int(s.near[at]) - start
    return distance + s.total if distance < 0 else distance


@njit(cache=True, nogil=True)
def swaps(
    o: Operand, folds_r: int, folds_c: int, length: int, s: Sets, active: int, distinct: bool
) -> Ints:
    """Return the line of every swap of half-buffers: a word was asked for that the active half does not hold.

    The active half is a window of `active` sets that moves on by the other half, round and round, until the word is in
    it. A line is repeated as often as it swaps. With `distinct` every word is prefetched once: then a line's words
    follow each other, and all are there if the first and the last are.
    """
    lines = np.empty(16, dtype=np.int64)
    n, start = 0, 0
    move = min(s.total - active, active)
    step = 0 if o.stationary else 1
    for fold in range(folds_r * folds_c):
        fr, fc = fold % folds_r, fold // folds_r
        for line in range(length):
            row, lane, low, high = words_of_line(o, fr, fc, line)
            if distinct and low < high:
                begin = ahead(s, address(o, row - step * low, lane + low), start, active)
                end = ahead(s, address(o, row - step * (high - 1), lane + high - 1), start, active)
                if begin <= end < active:
                    continue
            for c in range(low, high):
                at = address(o, row - step * c, lane + c)
                if at < 0:
                    continue
                distance = ahead(s, at, start, active)
                if distance < active:
                    continue
                times = -(-(distance - active + 1) // move)
                start = (start + times * move) % s.total
                while n + times > len(lines):
                    longer = np.empty(2 * len(lines), dtype=np.int64)
                    longer[:n] = lines[:n]
                    lines = longer
                lines[n : n + times] = fold * length + line
                n += times
    return lines[:n]


class Channel(NamedTuple):
    """Swaps of one operand's half-buffers: their lines, and the cycles from one refill to the next."""

    lines: Ints
    period: int


@njit(cache=True)
def lateness(c: Channel, done: int, line: int, cycle: int, twice: bool) -> tuple[int, int]:
    """Return by how many cycles a line's words are late, and how many swaps are done after it.

    The refill of swap k ends k periods after cycle -1. With `twice` every wait is counted a second time, and a refill
    that ended early lets the word be served before it was asked for: SCALE-Sim 3.0.0 as published.
    """
    offset = 1  # the latency of a hit
    while done < len(c.lines) and c.lines[done] == line:
        done += 1
        wait = done * c.period - 1 - (cycle + offset)
        if twice:
            offset += wait
        if wait > 0:
            offset += wait
    return offset - 1, done


class Writer(NamedTuple):
    """The ofmap buffer: words go to lines of `bandwidth` words; once the active half is full, lines are drained."""

    capacity: int  # words
    drain: int  # words of the half that is drained
    bandwidth: int  # words per line, one line per cycle


# What the writer's state holds.
FREE, FILL, LINES, DRAINED, BUSY, WRITTEN, START, STOP, FLUSHED = range(9)


@njit(cache=True)
def store(w: Writer, state: Ints, words: int) -> None:
    """Put words into the buffer."""
    state[FREE] -= words
    fill = state[FILL] + words
    state[LINES] += fill // w.bandwidth
    state[FILL] = fill % w.bandwidth


@njit(cache=True)
def drain(w: Writer, state: Ints, partial: Ints, cycle: int) -> Ints:
    """Write half a buffer of lines to memory from `cycle` on; a line begun is closed first, however short.

    Only the last line drained is counted by its words, the others as full ones: why the writes can exceed the words.
    `partial` lists (line, words) of lines closed early and is returned, longer if need be.
    """
    if state[FILL] > 0:
        n = state[FLUSHED]
        if n == len(partial):
            longer = np.empty((2 * n, 2), dtype=np.int64)
            longer[:n] = partial
            partial = longer
        partial[n, 0], partial[n, 1] = state[LINES], state[FILL]
        state[FLUSHED] += 1
        state[LINES] += 1
        state[FILL] = 0
    end = min(state[DRAINED] + -(-w.drain // w.bandwidth), state[LINES])
    lines = end - state[DRAINED]
    words = lines * w.bandwidth
    i = np.searchsorted(partial[: state[FLUSHED], 0], end - 1)
    if i < state[FLUSHED] and partial[i, 0] == end - 1:
        words -= w.bandwidth - partial[i, 1]
    state[DRAINED] = end
    state[FREE] += words
    state[WRITTEN] += words
    state[BUSY] = cycle + lines - 1
    state[START] = min(state[START], cycle)
    state[STOP] = max(state[STOP], state[BUSY])
    return partial


@njit(cache=True, nogil=True)
def timeline(
    folds_r: int, folds_c: int, length: int, first: Ints, depth: Ints, width: Ints, w: Writer, ifmap: Channel,
    filters: Channel, twice: bool, watch: Ints
) -> tuple[int, int, int, int, int, Ints]:
    """Run a layer's lines in order: each waits for the latest of its two reads and its writes.

    Parameters
    ----------
    folds_r, folds_c, length
        Folds along rows (inner loop) and columns (outer loop), and lines of each.
    first, depth, width
        Results of a fold: the first line of lane 0 and results per lane, by fold along rows; lanes, by fold along
        columns. Lanes follow one another by a line.
    w, ifmap, filters, twice
        The ofmap's buffer; the swaps of the operands (see `lateness`).
    watch
        Lines to tell about, ascending.

    Returns
    -------
    total, stalls, written, write_start, write_stop, seen
        Cycle of the last line's results, cycles waited, words written to memory and when, and for each watched line
        its cycle and by how much its ifmap, filter and ofmap were late.
    """
    state = np.zeros(9, dtype=np.int64)
    state[FREE] = w.capacity
    state[START] = np.iinfo(np.int64).max
    partial = np.empty((16, 2), dtype=np.int64)
    keep = w.capacity - w.drain
    seen = np.zeros((len(watch), 4), dtype=np.int64)
    stalls, total, next_seen, done_i, done_f = 0, 0, 0, 0, 0
    for fold in range(folds_r * folds_c):
        fr, fc = fold % folds_r, fold // folds_r
        begin, line, end = fold * length + first[fr], fold * length, (fold + 1) * length
        while line < end:
            cycle = line + stalls
            stop = end
            if done_i < len(ifmap.lines):
                stop = min(stop, ifmap.lines[done_i])
            if done_f < len(filters.lines):
                stop = min(stop, filters.lines[done_f])
            before = words_before(depth[fr], width[fc], line - begin)
            calm = stop - line  # lines in which nothing can happen: no swap, no drain, no wait for one
            if state[FREE] - words_before(depth[fr], width[fc], stop - begin) + before < keep:
                safe = max((state[FREE] - keep) // width[fc],
                           min(state[BUSY] - cycle, (state[FREE] - 1) // width[fc]))
                calm = min(calm, safe)
            if calm > 0:
                line += calm
                store(w, state, words_before(depth[fr], width[fc], line - begin) - before)
                while next_seen < len(watch) and watch[next_seen] < line:
                    seen[next_seen, 0] = watch[next_seen] + stalls
                    next_seen += 1
                total = line - 1 + stalls
                continue
            late_i, done_i = lateness(ifmap, done_i, line, cycle, twice)
            late_f, done_f = lateness(filters, done_f, line, cycle, twice)
            words = words_before(depth[fr], width[fc], line + 1 - begin) - before
            now = cycle
            while words > 0:
                part = max(state[FREE] if now < state[BUSY] else state[FREE] - keep + 1, 1)
                if part > words:
                    store(w, state, words)
                    break
                store(w, state, part)
                words -= part
                if now < state[BUSY]:
                    now = state[BUSY]
                else:
                    partial = drain(w, state, partial, now)
            if next_seen < len(watch) and watch[next_seen] == line:
                seen[next_seen] = (cycle, late_i, late_f, now - cycle)
                next_seen += 1
            total = now
            stalls += max(late_i, late_f, now - cycle)
            line += 1
    now = total
    while state[DRAINED] < state[LINES] or state[FILL] > 0:
        partial = drain(w, state, partial, now)
        now = state[BUSY] + 1
    return total, stalls, state[WRITTEN], state[START], state[STOP], seen


@njit(cache=True)
def mean_over_folds(rows: Ints, cols: Ints, factor: int, whole: int) -> float:
    """Return the mean over folds of rows * cols * factor / whole, added in SCALE-Sim's order to the last bit."""
    total = 0.0
    for c in cols:
        for r in rows:
            total += r * c * factor / whole
    return total / (len(rows) * len(cols))
