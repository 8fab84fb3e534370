"""Launch: what it costs that the host starts every kernel, instead of the GPU replaying a graph of them.

Timing counts the device's side of a kernel that a replayed graph starts. A kernel from a queue costs the device more,
and the host issues no more than one per `GpuCore.host_launch`: where kernels are shorter than that, the host sets the
pace ("launch-bound").
"""

from __future__ import annotations

from dataclasses import replace

from archsim.errors import unknown
from archsim.hardware import Chip, GpuCore
from archsim.timing import OpTime

LAUNCHES = ("graph", "eager")
"""``graph``: captured once, replayed by the device. ``eager``: the host starts kernel after kernel."""


def check(launch: str) -> str:
    """Return `launch` if it is one of `LAUNCHES`.

    Raises
    ------
    ArchsimError
        If it is not.
    """
    if launch not in LAUNCHES:
        raise unknown("launch", launch, LAUNCHES)
    return launch


def launched(time: OpTime, chip: Chip, launch: str) -> OpTime:
    """Return a kernel's time with its launch; only GPUs launch kernels, others run a compiled program."""
    core = chip.core
    if launch == "graph" or not isinstance(core, GpuCore):
        return time
    seconds = max(time.seconds + max(0.0, core.stream_launch - core.launch), core.host_launch)
    busy = {**time.busy, "launch": time.busy["launch"] + seconds - time.seconds}
    return replace(time, seconds=seconds, cycles=seconds * chip.clock, busy=busy,
                   bound=max(busy, key=lambda x: busy[x]), utilization=time.utilization * time.seconds / seconds)
