"""Products of experts as one GPU kernel at block level: tiles of each expert's rows, in order, one block for each.

Times are cycles of the SM clock. A block of threads computes one tile of bm x bn of one expert; its rows are gathered
by index, so that threads copy them with loads of their own instead of a bulk copy engine. A tile of which an expert
fills some rows alone takes the time of a whole one and fetches what there is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from archsim.kernels.gpu import Plan, no_plan
from archsim.kernels.gpu_chip import Gpu, overlapped_cycles
from archsim.kernels.gpu_gemm import row_blocks
from archsim.kernels.gpu_l2 import hit_share
from archsim.kernels.gpu_rows import stream
from archsim.kernels.tensor_instruction import Engine, tile_step


class Lanes(NamedTuple):
    """What threads that copy for themselves need of an SM."""

    threads: float  # that an SM holds
    warp: float  # threads that issue together
    loads: float  # load lanes
    ints: float  # integer lanes
    address_ops: float  # integer instructions per load
    loop: float  # cycles of dependent instructions in one turn of a loop
    barrier: float  # cycles of a barrier and of shared memory's latency
    results: float  # that each thread of four warps computes at most; of larger tiles, eight warps do


class Experts(NamedTuple):
    """``out[e] = a[e] @ b[e]``."""

    n: float
    k: float
    a_size: float  # bytes per element, as they lie in memory
    b_size: float
    out_size: float
    a_bytes: float  # all rows' bytes in memory
    beside: float  # bytes that the epilogue reads
    access: float  # bytes that a thread loads at a time
    warm_a: float  # shares of the operands that L2 holds at the start
    warm_b: float
    warm_out: float


@njit(cache=True)
def grouped(
    gpu: Gpu, e: Engine, lanes: Lanes, groups: NDArray[np.float64], p: Experts, bm: float, bn: float, bk: float,
    lines: float, most: float, walk: float, splits: float,
) -> Plan:
    """Time the products of `groups` (rows, and how many experts have so many) with one tile.

    Parameters
    ----------
    gpu
        The chip's figures for loads.
    lines
        Share of a sequential read's rate that device memory reaches where a row gives bk bytes at a time.
    most
        Stages of the software pipeline, if shared memory has room.
    walk
        Row blocks of one expert that go through its columns together: its weights are read again for the next ones
        unless L2 still holds them after all of them and the rows.
    splits
        Blocks that share the K of a tile. One after the other they add their sums to those before, in L2.
    """
    experts, rows, gm = row_blocks(groups, bm)
    gn = math.ceil(p.n / bn)
    blocks = experts * gm * gn * splits
    depth = bk / p.a_size
    steps = math.ceil(math.ceil(p.k / depth) / splits)

    # as many blocks as threads, accumulators and shared memory have room for
    acc, stage = bm * bn * 4.0, depth * (bm * p.a_size + bn * p.b_size)
    held = math.floor(gpu.shared / stage)
    stages = min(most, held + gpu.register_stages)
    if acc > gpu.accumulators or held < 1.0 or stages < 2.0:
        return no_plan()
    threads = (4.0 if bm * bn <= 4.0 * lanes.warp * lanes.results else 8.0) * lanes.warp
    room = math.floor(gpu.shared / ((stages - gpu.register_stages) * stage))
    resident = max(1.0, min(room, math.floor(gpu.accumulators / acc), math.floor(lanes.threads / threads)))

    # bytes
    span = p.k / splits
    fetched = span / steps * (rows / gm * p.a_size + p.n / gn * p.b_size)
    weights = p.k * p.n * p.b_size
    lost = 1.0 - hit_share(weights + walk * rows / gm * p.k * p.a_size, gpu.l2_capacity, gpu.l2_fade)
    again = 1.0 + (math.ceil(gm / walk) - 1.0) * lost
    a_read, b_read = p.a_bytes * (1.0 - p.warm_a), experts * weights * again * (1.0 - p.warm_b)
    read = a_read + b_read + p.beside
    seen = read / (lines * gpu.tile_stream)  # as many bytes of a long sequential read would take as long
    out = experts * rows * p.n * p.out_size
    written = out * (1.0 - p.warm_out)
    l2_read = blocks * steps * fetched
    l2_bytes = l2_read + out + 2.0 * (splits - 1.0) * experts * rows * p.n * 4.0

    # one step: the matrix engine, and the threads that issue the copies of a later one
    step = tile_step(e, bm, bn, bk, p.a_size, 1.0, 1.0, fetched)
    copies = fetched / p.access * (max(1.0, p.access / 4.0) / lanes.loads + lanes.address_ops / lanes.ints)
    busy = overlapped_cycles(gpu.overlap, step.cycles, copies)
    near = (gpu.l2_latency + (gpu.partitions - 1.0) * gpu.far_latency) / gpu.partitions
    last = max(gpu.l2_latency, gpu.far_latency)  # of a tile's lines, some lie in the far partition
    a_share = a_read / (blocks * span * rows / gm * p.a_size)  # of what blocks load, that comes from device memory
    b_share = b_read / (blocks * span * p.n / gn * p.b_size)
    load = last + min(1.0, max(a_share, b_share)) * max(0.0, gpu.dram_latency - near)
    # a load goes out at the end of a step and is waited for `stages` - 1 steps later, whose own work comes after it
    alone = step.alone + step.tail + lanes.barrier + lanes.loop
    wait = max(alone, (load + alone) / (stages - 1.0))

    # a block looks up its expert and its rows, then their first elements; its results leave through shared memory
    latency = 2.0 * near + load + steps * wait + 2.0 * lanes.loop + acc / gpu.shared_write
    latency += (splits - 1.0) * (2.0 * near + 2.0 * rows / gm * p.n / gn * 4.0 / gpu.port)
    cycles = stream(gpu, blocks, resident, gpu.prologue, latency, steps * busy, seen, written, l2_bytes)
    hbm = seen / gpu.dram_read + written / gpu.dram_write
    on_chip = l2_bytes / min(gpu.l2, gpu.far)
    matrix = blocks / gpu.sms * steps * step.cycles
    fixed = max(0.0, cycles - max(hbm, on_chip, matrix))
    return Plan(cycles, matrix, on_chip, hbm, 0.0, fixed, read + written, l2_bytes, float(math.ceil(blocks / gpu.sms)),
                resident, stages, splits, -1.0)


@njit(cache=True)
def best_grouped(
    gpu: Gpu, e: Engine, lanes: Lanes, tiles: NDArray[np.float64], groups: NDArray[np.float64], p: Experts, most: float,
    walk: float, split: float,
) -> Plan:
    """Return the fastest plan over `tiles`: rows of bm, bn, bk bytes and `lines` (see `grouped`).

    K is split only if `split` is 1, over as many blocks as in `archsim.kernels.gpu_gemm.best_gemm`.
    """
    best = no_plan()
    for i in range(tiles.shape[0]):
        experts, _, gm = row_blocks(groups, tiles[i, 0])
        steps = math.ceil(p.k * p.a_size / tiles[i, 2])
        most_splits = min(64.0, steps / 4.0, 4.0 * gpu.sms / (experts * gm * math.ceil(p.n / tiles[i, 1])))
        splits = 1.0
        while splits == 1.0 or (split > 0.0 and splits <= most_splits):
            t = grouped(gpu, e, lanes, groups, p, tiles[i, 0], tiles[i, 1], tiles[i, 2], tiles[i, 3], most, walk,
                        splits)
            if t.cycles < best.cycles:
                best = Plan(t.cycles, t.matrix, t.on_chip, t.hbm, t.vector, t.fixed, t.hbm_bytes, t.l2_bytes, t.rounds,
                            t.occupancy, t.stages, t.splits, float(i))
            splits *= 2.0
    return best
