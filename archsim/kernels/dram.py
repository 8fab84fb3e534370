"""One DRAM channel under a stream of requests: banks, open rows, refresh, bus turn-around, and a controller's queues.

Times are nanoseconds. A request is one burst, the bytes that one column command moves. All channels of a device get
the same share of interleaved traffic, so that one of them tells what fraction of the peak all reach.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FAR = -1.0e9
"""A time before all others: what has not happened yet constrains nothing."""


class Dram(NamedTuple):
    """One channel of a device and its controller; times in ns, as their JEDEC names."""

    banks: float  # of the channel
    groups: float  # bank groups, over which neighbouring banks alternate
    burst: float  # time in which one burst crosses the bus
    ccd_l: float  # column command to column command, same bank group
    rcd: float  # activate to column command
    rp: float  # precharge to activate
    ras: float  # activate to precharge
    rtp: float  # read to precharge
    wr: float  # end of written data to precharge
    rrd: float  # activate to activate
    faw: float  # window of four activates
    wtr: float  # end of written data to read command
    cl: float  # read command to its data
    cwl: float  # write command to its data
    refi: float  # mean interval in which every bank is refreshed once
    rfc: float  # time that one refresh takes
    per_bank: float  # 1 if banks are refreshed one by one, 0 if all at once
    read_queue: float  # reads among which the controller chooses
    write_queue: float  # writes that it gathers before it turns the bus around, and then drains


class Busy(NamedTuple):
    """What a stream of requests cost."""

    elapsed: float  # ns
    moving: float  # ns in which data crossed the bus
    refreshes: float  # refresh commands
    activates: float  # rows opened
    turns: float  # times that the bus changed direction


@njit(cache=True)
def serve(
    dram: Dram, bank: NDArray[np.int32], row: NDArray[np.int32], write: NDArray[np.bool_], warm: int
) -> Busy:
    """Serve bursts that all wait from the start, in the order in which a controller of finite queues takes them.

    The controller admits requests in order while the queue of their kind has room. It serves reads, and writes once
    their queue is full, until that is empty. Of a queue it takes the request whose data can cross the bus first, the
    oldest of equals: hits in open rows come first, and what waits for a refresh is passed by. If even the first must
    wait longer than a turn of the bus takes, and half a queue waits in the other direction, the bus turns early. Rows
    are opened while earlier data are still on the bus. What happens before burst number `warm` has crossed is not
    counted.
    """
    n = bank.size
    banks, groups = int(dram.banks), int(dram.groups)
    open_row = np.full(banks, -1, np.int32)
    act_ok = np.zeros(banks)  # earliest activate, of a bank that is closed
    pre_ok = np.zeros(banks)  # earliest precharge, of a bank that is open
    col_ok = np.zeros(banks)  # earliest column command
    group = np.arange(banks) % groups
    group_ok = np.full(groups, FAR)
    recent = np.full(4, FAR)  # the last four activates, oldest at `oldest`
    oldest, last_act = 0, FAR
    depth = int(dram.read_queue) + int(dram.write_queue)
    reads, writes = np.empty(depth, np.int64), np.empty(depth, np.int64)
    arrived = np.zeros(n)
    n_reads, n_writes, head, served = 0, 0, 0, 0
    writing, turned = False, False
    column = 0.0  # earliest next column command, as far as the bus is concerned
    data_end, write_end, read_command = 0.0, FAR, FAR
    due, turn = dram.refi, 0
    if dram.per_bank > 0.0:
        due = dram.refi / banks
    refreshes, activates, turns = 0.0, 0.0, 0.0
    start, moved = 0.0, 0.0
    while served < n:
        while head < n:
            if write[head]:
                if n_writes >= int(dram.write_queue):
                    break
                writes[n_writes] = head
                n_writes += 1
            else:
                if n_reads >= int(dram.read_queue):
                    break
                reads[n_reads] = head
                n_reads += 1
            arrived[head] = column
            head += 1
        full = n_writes == int(dram.write_queue)
        if (n_writes if writing else n_reads) == 0 or (full and not writing and not turned):
            writing, turned = not writing, True
            turns += 1.0
        # refreshes that are due before the next column command
        while due <= column:
            if dram.per_bank > 0.0:
                begin = due
                if open_row[turn] >= 0:
                    begin = max(due, pre_ok[turn]) + dram.rp
                    open_row[turn] = -1
                act_ok[turn] = max(begin, act_ok[turn]) + dram.rfc
                turn = (turn + 1) % banks
                due += dram.refi / banks
            else:
                begin = due
                for b in range(banks):
                    ready = act_ok[b]
                    if open_row[b] >= 0:
                        ready = max(due, pre_ok[b]) + dram.rp
                        open_row[b] = -1
                    begin = max(begin, ready)
                for b in range(banks):
                    act_ok[b] = begin + dram.rfc
                due += dram.refi
            refreshes += 1.0
        # the request of this direction whose column command can go first
        queue = writes if writing else reads
        waiting = n_writes if writing else n_reads
        turn_around = max(0.0, dram.cl + dram.burst - dram.cwl) if not writing else dram.cwl + dram.wtr
        floor = max(column, read_command + dram.cl + dram.burst - dram.cwl) if writing else max(
            column, write_end + dram.wtr)
        best, chosen, best_act = np.inf, 0, -1.0
        for i in range(waiting):
            r = queue[i]
            b = bank[r]
            at = max(floor, group_ok[group[b]])
            if at >= best:
                continue
            act = -1.0
            if open_row[b] == row[r]:
                at = max(at, col_ok[b])
            else:
                act = act_ok[b]
                if open_row[b] >= 0:
                    act = max(pre_ok[b], arrived[r]) + dram.rp
                act = max(max(act, arrived[r]), max(last_act + dram.rrd, recent[oldest] + dram.faw))
                at = max(at, act + dram.rcd)
            if at < best:
                best, chosen, best_act = at, i, act
                if best <= floor:
                    break
        # what is left of a direction is put off if it must wait longer than the bus needs to turn around
        crowd = 2.0 * n_reads >= dram.read_queue if writing else 2.0 * n_writes >= dram.write_queue
        if crowd and not turned and best > floor + turn_around:
            writing, turned = not writing, True
            turns += 1.0
            continue
        turned = False
        r = queue[chosen]
        b = bank[r]
        if best_act >= 0.0:
            open_row[b] = row[r]
            activates += 1.0
            last_act = best_act
            recent[oldest] = best_act
            oldest = (oldest + 1) % 4
            pre_ok[b] = best_act + dram.ras
            col_ok[b] = best_act + dram.rcd
        column = best + dram.burst
        group_ok[group[b]] = best + dram.ccd_l
        if writing:
            data_end = best + dram.cwl + dram.burst
            write_end = data_end
            pre_ok[b] = max(pre_ok[b], data_end + dram.wr)
            n_writes -= 1
        else:
            data_end = best + dram.cl + dram.burst
            read_command = best
            pre_ok[b] = max(pre_ok[b], best + dram.rtp)
            n_reads -= 1
        for i in range(chosen, waiting - 1):
            queue[i] = queue[i + 1]
        served += 1
        if served == warm:
            start, refreshes, activates, turns = data_end, 0.0, 0.0, 0.0
        elif served > warm:
            moved += dram.burst
    return Busy(data_end - start, moved, refreshes, activates, turns)
