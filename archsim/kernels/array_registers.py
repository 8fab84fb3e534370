"""Register level of a systolic array: every register of every processing element, every cycle, with real numbers.

R x C processing elements (PE). Moving operands enter at the left edge and go one PE to the right per cycle, partial
sums (or the second operand) go one PE down. Whatever the controller does at PE (0, 0) in cycle t, PE (r, c) does in
cycle t + r + c: the *wave*. `stationary_operand` keeps one operand in the PEs and lets partial sums fall through
them; `stationary_output` keeps the sums in the PEs. A *fold* is one stationary tile and all that streams past it.

A controller issues at most one group of moving rows, one step of the load port and one step of the drain port per
cycle. Delay lines at the edges of the array bring what it issued to row r (column c) r (c) cycles later. Nothing here
knows how long a product takes: the controller watches its own ports and what has come out of the array, and cycles are
counted until the array is empty. `array_planes` says how registers are stored and clocked, `array_edges` what happens
at the edges and on the way of a tile to its PEs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from archsim.kernels.array_edges import collect, collect_tile, delay_line, feed, feed_tile, keep, release, take_over
from archsim.kernels.array_planes import (
    FLUSH,
    flush,
    mark_down,
    mark_in_place,
    multiply_down,
    multiply_in_place,
    shift_down,
    unfold,
)

LOAD, STREAM, DRAIN, SKEW = range(4)  # causes of a cycle


class Stretch(NamedTuple):
    """What was measured while folds ``first`` to ``last - 1`` went through the array.

    Cycles are those from the start of the stretch until the fold after it may start, or until the array is empty if
    there is none, so that the cycles of stretches that follow each other add up.
    """

    load: int  # cycles in which the array waited for a stationary tile
    stream: int  # cycles in which moving operands entered
    drain: int  # cycles in which nothing entered because results had to leave through the drain port
    skew: int  # cycles in which only the tail of the wave was under way
    left_words: int  # words read at the left edge
    top_words: int  # words read at the top edge
    results: int  # words that left the array
    port_rows: int  # most rows that the load or drain port moved into or out of one column in one cycle
    tile_reads: int  # registers read to bring tiles (sums) from the port to their PEs (from their PEs to the port)
    tile_writes: int  # registers written for it


@njit(cache=True, nogil=True)
def stationary_operand(  # type: ignore[no-untyped-def]
    moving, stationary, out, activity, lanes, port, shadow, first, last, moving_at, live_at, sums_at, next_at, log,
    stop,
):
    """Run folds `first` to ``last - 1`` of ``out += stationary.T @ moving``, the stationary operand in the PEs.

    Folds go down the tiles of a column of tiles first (k), then to the next column. With `shadow` the next tile fills
    the second set of registers while this one streams, and the first moving row of its fold hands it over, PE by PE.
    Without, load, stream and the tail of the wave follow each other.

    A tile enters at the top, `port` rows per cycle, through `port` lanes that go down one PE per cycle; each PE keeps
    the word that bears its row number. (Second registers that are a shift register themselves need no lanes, but can
    only move once the last row has taken over its word: a tile every 2R - 1 cycles instead of R.)

    Parameters
    ----------
    moving
        K x T: element [k, t] is k of moving row t.
    stationary
        K x S.
    out
        S x T sums, accumulated outside the array.
    activity
        R x C: incremented per cycle in which the PE multiplied data; its shape is the array's.
    lanes
        Moving rows per cycle.
    port
        Rows of the tile per cycle.
    shadow
        Whether there is a second set of registers.
    first, last
        Folds. Before `first` > 0 another stretch runs, whose last fold hid the load of `first`; after `last` - 1,
        where there is a fold `last`, its tile is loaded (its words are counted by the next stretch).
    moving_at, live_at, sums_at, next_at
        Registers after each cycle, each cycles x lanes x R x C (one lane for tiles); of no length: not recorded.
    log
        cycles x 5: first moving row issued, fold whose tile is live, step of the load port, its fold, cause of the
        cycle; -1 for none.
    stop
        One entry; another thread sets it to end the run before it is done.

    Returns
    -------
    Stretch
    """
    rows, cols = activity.shape
    depth, length = moving.shape
    width = stationary.shape[1]
    tiles = (depth + rows - 1) // rows
    folds = tiles * ((width + cols - 1) // cols)
    stride, count = cols + 1, rows * (cols + 1)
    plane = count + stride + 1
    steps = (rows + port - 1) // port

    x = np.zeros((lanes, plane), moving.dtype)  # moving operands
    live = np.zeros(plane, stationary.dtype)
    waiting = np.zeros(plane, stationary.dtype)  # the second set
    loads = np.zeros((2, port, plane), stationary.dtype)  # load lanes
    sums = np.zeros((2, lanes, plane), out.dtype)
    target = waiting if shadow else live
    mark, busy = np.zeros(plane, np.uint8), np.zeros(plane, np.uint8)
    real, real_waiting = np.zeros(plane, np.uint8), np.zeros(plane, np.uint8)
    real_target = real_waiting if shadow else real

    issued = delay_line(rows + cols)  # moving row, first k and first column of its tile
    loading = delay_line(rows + cols)  # step, first k and first column of the tile
    wrap = issued.shape[1] - 1
    handed, begun = np.zeros(last - first, np.int64), np.zeros(last - first, np.int64)  # cycles of hand-over and load
    oldest_handed = oldest_begun = 0

    fold, row, tile, step, full = first - 1, length, first, 0, False
    outstanding = 0  # issued groups times columns they have not left yet
    counting = first == 0 or not shadow
    spent = np.zeros(4, np.int64)  # cycles by cause
    left_words = top_words = results = port_rows = tile_reads = tile_writes = 0
    t = 0
    while True:
        # The controller.
        now = t & wrap
        issued[0, now] = loading[0, now] = -1
        empty = outstanding == 0
        if full and row >= length and (shadow or empty):
            if fold + 1 == last:
                counting = False  # the next stretch counts from here
                fold += 1
            elif fold < last:
                fold += 1
                row = 0
                handed[fold - first] = t
                counting = True
            full = False
        done = row >= length and (fold + 1 >= last if last == folds or not shadow else fold == last)
        if done and empty:
            break
        if tile < min(last + 1, folds) and not full and (shadow or (row >= length and empty)):
            if tile < last:
                if step == 0:
                    begun[tile - first] = t
                loading[0, now] = step
                loading[1, now] = tile % tiles * rows
                loading[2, now] = tile // tiles * cols
            step += 1
            if step == steps:
                step, full = 0, True
                tile += 1
        if row < length and fold < last:
            issued[0, now] = row
            issued[1, now] = fold % tiles * rows
            issued[2, now] = fold // tiles * cols
            row += lanes
            outstanding += cols
            cause = STREAM
        else:
            cause = SKEW if fold + 1 >= folds or not (shadow or empty) else LOAD
        spent[cause] += counting
        before, after = sums[t & 1], sums[1 - (t & 1)]
        loads_before, loads_after = loads[t & 1], loads[1 - (t & 1)]

        loads_under_way = min(last, tile + (step > 0)) - first

        # The edges.
        left_words += feed(x, mark, moving, issued, 1, count - 1, stride, rows, t)
        if oldest_begun < loads_under_way:
            words, moved = feed_tile(loads_before, stationary, loading, rows, cols, t)
            top_words += words
            port_rows = max(port_rows, moved)

        # The first moving row of a fold reaches a diagonal of PEs: they take over their tile.
        if shadow:
            for f in range(oldest_handed, fold - first + 1 if fold < last else last - first):
                taken = take_over(live, waiting, t - handed[f], rows, cols)
                take_over(real, real_waiting, t - handed[f], rows, cols)
                tile_reads += taken
                tile_writes += taken
                if t - handed[f] >= rows + cols - 2:
                    oldest_handed = f + 1

        # Every PE.
        for lane in range(lanes):
            multiply_down(after[lane], before[lane, stride:], live, x[lane], count)
        mark_in_place(busy, mark, real, count)

        # The tile goes down; each PE keeps its own word.
        if oldest_begun < loads_under_way:
            for lane in range(port):
                shift_down(loads_after[lane], loads_before[lane, stride:], count)
            for f in range(oldest_begun, loads_under_way):
                age = t - begun[f]
                k0, n0 = (f + first) % tiles * rows, (f + first) // tiles * cols
                kept, reads = keep(target, real_target, loads_after, age, depth - k0, width - n0, rows, cols)
                tile_reads += reads
                tile_writes += reads + kept
                if age >= (rows - 1) // port + rows + cols - 2:
                    oldest_begun = f + 1

        # Below the last row.
        groups, sums_out = collect(out, after, issued, rows, cols, t)
        outstanding -= groups
        results += sums_out
        if t % FLUSH == FLUSH - 1:
            flush(busy, activity)
            if stop[0]:
                break
        if t < len(log):
            for lane in range(lanes):
                unfold(x[lane], moving_at[t, lane])
                unfold(after[lane], sums_at[t, lane])
            unfold(live, live_at[t, 0])
            unfold(waiting, next_at[t, 0])
            log[t, 0], log[t, 1], log[t, 2] = issued[0, now], fold, loading[0, now]
            log[t, 3], log[t, 4] = tile - (step == 0), cause
        t += 1
    flush(busy, activity)
    return Stretch(spent[LOAD], spent[STREAM], spent[DRAIN], spent[SKEW], left_words, top_words, results, port_rows,
                   tile_reads, tile_writes)


@njit(cache=True, nogil=True)
def stationary_output(  # type: ignore[no-untyped-def]
    left, top, out, activity, lanes, port, shadow, first, last, left_at, top_at, sums_at, held_at, log,
    stop,
):
    """Run folds `first` to ``last - 1`` of ``out = left @ top.T``, the sums in the PEs.

    Folds go down the tiles of a column of tiles first, then to the next column. Finished sums leave through `port`
    lanes that go down one PE per cycle: `port` rows of every column per cycle, the first row first. With `shadow` the
    first operands of the next fold push the sums into a second set of registers, PE by PE, and these drain while the
    fold streams. Without, stream, drain and the tail of the wave follow each other.

    Parameters
    ----------
    left, top
        S x K and T x K; `lanes` values of k enter per cycle.
    out
        S x T.
    activity, lanes, port, shadow
        As in `stationary_operand`; the port drains.
    first, last
        Folds. Before `first` > 0 another stretch runs, whose last results drain while `first` streams; after
        `last` - 1, where there is a fold `last`, the cycles of the last drain are left to the next stretch.
    left_at, top_at, sums_at, held_at
        Registers after each cycle, each cycles x lanes x R x C (one lane for sums); of no length: not recorded.
    log
        cycles x 5: first k issued, fold whose sums are in the PEs, step of the drain port, its fold, cause of the
        cycle; -1 for none.
    stop
        As in `stationary_operand`.

    Returns
    -------
    Stretch
    """
    rows, cols = activity.shape
    height, length = left.shape
    width = top.shape[0]
    tiles = (height + rows - 1) // rows
    folds = tiles * ((width + cols - 1) // cols)
    stride, count = cols + 1, rows * (cols + 1)
    plane = count + stride + 1
    steps = (rows + port - 1) // port

    x = np.zeros((lanes, plane), left.dtype)  # operands that move right
    y = np.zeros((2, lanes, plane), top.dtype)  # operands that move down
    sums, zero = np.zeros(plane, out.dtype), np.zeros(plane, out.dtype)
    held = np.zeros(plane, out.dtype)  # the second set
    drains = np.zeros((2, port, plane), out.dtype)  # drain lanes
    finished = held if shadow else sums
    mark, busy, mark_y = np.zeros(plane, np.uint8), np.zeros(plane, np.uint8), np.zeros((2, plane), np.uint8)

    issued = delay_line(rows + cols)  # first k, first row and first column of the tile
    draining = delay_line(rows + cols)  # step, first row and first column of the tile
    wrap = issued.shape[1] - 1
    begun = np.zeros(last - first, np.int64)  # cycles in which folds began
    ended = np.zeros(last - first, np.int64)  # cycles in which their drain began
    oldest_begun = oldest_ended = drained = 0

    fold, k = first - 1, length
    step = 0 if first > 0 and shadow else steps  # of the drain under way, if less than `steps`
    outstanding = 0  # drain steps times columns they have not left yet
    counting = True
    spent = np.zeros(4, np.int64)  # cycles by cause
    left_words = top_words = results = port_rows = tile_reads = tile_writes = 0
    t = 0
    while True:
        # The controller.
        now = t & wrap
        issued[0, now] = draining[0, now] = -1
        if k >= length and drained < fold - first + 1 and step == steps:  # a fold has finished, the port is free
            ended[drained] = t
            drained += 1
            step = 0
            ready = shadow
            counting = not shadow or last == folds  # else the next stretch counts from here
            if fold + 1 < last:
                counting = True
        else:
            ready = fold < first or (not shadow and step == steps and outstanding == 0)
        if ready and k >= length and fold + 1 < last:
            fold += 1
            k = 0
            begun[fold - first] = t
        if k >= length and drained == last - first and step == steps and outstanding == 0:
            break
        drains_now = step < steps
        if drains_now:
            if drained > 0:
                draining[0, now] = step
                draining[1, now] = (first + drained - 1) % tiles * rows
                draining[2, now] = (first + drained - 1) // tiles * cols
                outstanding += cols
            step += 1
        if k < length:
            issued[0, now] = k
            issued[1, now] = fold % tiles * rows
            issued[2, now] = fold // tiles * cols
            k += lanes
            cause = STREAM
        else:
            cause = DRAIN if drains_now else SKEW
        spent[cause] += counting
        before, after = y[t & 1], y[1 - (t & 1)]
        drains_before, drains_after = drains[t & 1], drains[1 - (t & 1)]
        mark_before, mark_after = mark_y[t & 1], mark_y[1 - (t & 1)]

        # The edges.
        left_words += feed(x, mark, left, issued, 1, count - 1, stride, rows, t)
        top_words += feed(before, mark_before, top, issued, 2, count + cols - 1, 1, cols, t)

        # A fold reaches a diagonal of PEs, or ends there: sums move to the second set, new sums start at zero.
        if shadow:
            for f in range(oldest_ended, drained):
                taken = take_over(held, sums, t - ended[f], rows, cols)
                tile_reads += taken
                tile_writes += taken
        for f in range(oldest_begun, fold - first + 1):
            take_over(sums, zero, t - begun[f], rows, cols)
            if t - begun[f] >= rows + cols - 2:
                oldest_begun = f + 1

        # Every PE.
        for lane in range(lanes):
            multiply_in_place(sums, x[lane], after[lane], before[lane, stride:], count)
        mark_down(busy, mark, mark_after, mark_before[stride:], count)

        # Finished sums enter the lanes and go down.
        if oldest_ended < drained:
            for lane in range(port):
                shift_down(drains_after[lane], drains_before[lane, stride:], count)
            for f in range(oldest_ended, drained):
                age = t - ended[f]
                moved = release(drains_after, finished, age, rows, cols)
                tile_reads += moved
                tile_writes += moved
                if age >= (rows - 1) // port + rows + cols - 2:
                    oldest_ended = f + 1

            # Below the last row.
            left_array, sums_out, moved = collect_tile(out, drains_after, draining, rows, cols, t)
            outstanding -= left_array
            results += sums_out
            port_rows = max(port_rows, moved)
        if t % FLUSH == FLUSH - 1:
            flush(busy, activity)
            if stop[0]:
                break
        if t < len(log):
            for lane in range(lanes):
                unfold(x[lane], left_at[t, lane])
                unfold(after[lane], top_at[t, lane])
            unfold(sums, sums_at[t, 0])
            unfold(held, held_at[t, 0])
            moved_on = shadow and fold - first < drained
            log[t, 0], log[t, 1], log[t, 2] = issued[0, now], -1 if moved_on else fold, draining[0, now]
            log[t, 3], log[t, 4] = first + drained - 1, cause
        t += 1
    flush(busy, activity)
    return Stretch(spent[LOAD], spent[STREAM], spent[DRAIN], spent[SKEW], left_words, top_words, results, port_rows,
                   tile_reads, tile_writes)
