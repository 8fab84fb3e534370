"""Memories: device memory (HBM), shared caches, and software-managed scratchpads."""

import math
from dataclasses import replace
from functools import lru_cache

from archsim.errors import unknown
from archsim.hardware.dram import DEVICES, Device, find_device
from archsim.hardware.part import figure, option, part, settle, whole

UNKNOWN_READ, UNKNOWN_COPY = 0.92, 0.86
"""Shares of the peak that long reads and copies reach where nothing is known of a memory but its bandwidth: medians of
0.79 to 0.98, and of 0.75 to 0.89, on ten measured GPUs (te42kyfo/gpu-benches, RRZE and Azure benchmarks)."""

REFRESH = ("per-bank", "all-bank")

LATENCY = (365e-9, 254e-9)
"""Unloaded read latency of an HBM GPU, the median of seven (V100 314 ns, H200 348, H100 360, MI210 365, A100 403,
MI300X 420, B200 438), and of one with GDDR6 (L40): te42kyfo/gpu-benches, RRZE, markdewing/AI_kernels."""


@part
class Memory:
    """Device memory: HBM, GDDR or LPDDR, shared by all cores of the chip.

    What share of its peak a stream reaches follows from its `type`: banks, refresh and bus turn-arounds of the device
    are simulated (`archsim.hardware.dram_stream`). `efficiency` and `write_efficiency` state it instead, where it was
    measured or the memory is none of those. A byte of HBM costs 31 to 56 pJ in the DRAM (Jouppi et al., Ten Lessons,
    table 2); what it costs on chip belongs to the core's energies.
    """

    capacity: float = figure("B", "device memory", low=1e6, hint="write e.g. 80 * GB")
    bandwidth: float = figure("B/s", "peak bandwidth", low=1e6, hint="write e.g. 3.35 * TB_per_s")
    efficiency: float | None = figure(
        "", "share of the peak bandwidth that a long sequential read reaches, stated instead of simulated",
        default=None, low=0.01, high=1.0
    )
    write_efficiency: float | None = figure(
        "", "the same for writes among reads, bus turn-arounds included", default=None, low=0.01, high=1.0
    )
    energy: float = figure("J/B", "energy per byte of the device and its PHY", default=40e-12, high=1e-6)
    latency: float = figure("s", "unloaded read latency seen by a core; without one, as measured on machines with "
                            "HBM or GDDR", default=None, high=1e-3, instead=LATENCY)
    type: str = option("generation, e.g. HBM3e", default="")
    stacks: int | None = whole("HBM stacks in use, or devices, packages or channels of another type", default=None,
                               high=64)
    refresh: str = option("per-bank or all-bank; without one, as usual for the type", default="")
    read_queue: int | None = whole("bursts of reads among which the controller of one channel chooses; without one, as "
                                   "usual for the type", default=None, high=4096)
    write_queue: int | None = whole("bursts of writes that the controller of one channel gathers before it turns the "
                                    "bus around; without one, as usual for the type", default=None, high=4096)
    disorder: float | None = figure("B", "of a stream, within which its requests reach a channel in any order; without "
                                    "one, as usual for GPUs", default=None, high=1e6)
    port: float | None = figure("B/s", "what the chip takes from its memory channels at most, where that is less than "
                                "they deliver", default=None, low=1e6)

    def __post_init__(self) -> None:
        if self.refresh and self.refresh not in REFRESH:
            raise unknown("Memory.refresh", self.refresh, REFRESH)
        settle(self, int(self.type.upper().startswith("GDDR")))

    @property
    def device(self) -> Device | None:
        """The memory device, with the controller of this chip; None if the type names none."""
        return _device(self.type, self.refresh, self.read_queue, self.write_queue, self.disorder)

    @property
    def channels(self) -> int:
        """Channels (pseudo-channels, of HBM) with banks of their own; 0 if the type is unknown."""
        device = self.device
        return device.channels * device.units(self.bandwidth, self.stacks) if device else 0

    def reaches(self, pattern: str = "read", size: int = 128, stride: int = 0) -> float:
        """Return the share of the peak that a pattern reaches, simulated for the memory's type.

        Arguments as of `archsim.hardware.dram_stream.sustained`.

        Raises
        ------
        ArchsimError
            If the type is unknown, or there is no such pattern.
        """
        device = self.device
        if device is None:
            raise unknown("memory type", self.type, DEVICES)
        from archsim.hardware.dram_stream import sustained

        share = sustained(device, self.bandwidth / self.channels, pattern, size, stride) * self.channels
        return share / self.bandwidth

    @property
    def sustained(self) -> float:
        """Bytes per second of a long sequential read: as stated, else as its device reaches and the chip takes."""
        if self.efficiency is not None:
            return self.bandwidth * self.efficiency
        share = self.reaches("read") if self.channels else UNKNOWN_READ
        return min(self.bandwidth * share, self.port or math.inf)

    @property
    def sustained_write(self) -> float:
        """Bytes per second of writes among reads, turns of the bus included: as stated, else as its device reaches."""
        if self.write_efficiency is not None:
            return self.bandwidth * self.write_efficiency
        read, write = UNKNOWN_READ, 1.0 / (2.0 / UNKNOWN_COPY - 1.0 / UNKNOWN_READ)
        if self.channels:
            from archsim.hardware.dram_stream import sustained_write

            device, rate = self.device, self.bandwidth / self.channels
            assert device is not None
            read, write = self.reaches("read"), sustained_write(device, rate) / rate
        if self.efficiency is not None:  # what was measured slows all alike
            return self.bandwidth * write * self.efficiency / read
        copy = 1.0 / read + 1.0 / write  # a port slows reads alone: copies, of half as many, are as before
        return 1.0 / max(copy / self.bandwidth - 1.0 / self.sustained, 1.0 / (self.port or math.inf))


@lru_cache(maxsize=256)
def _device(
    kind: str, refresh: str, read_queue: int | None, write_queue: int | None, disorder: float | None
) -> Device | None:
    """Return the device of a type of memory, refreshed and controlled as told."""
    found = find_device(kind)
    if found is None:
        return None
    return replace(found, per_bank=refresh == "per-bank" if refresh else found.per_bank,
                   read_queue=read_queue or found.read_queue, write_queue=write_queue or found.write_queue,
                   disorder=disorder or found.disorder)


@part
class Cache:
    """A memory on the chip that all cores share: a GPU's L2, which hardware manages, or a scratchpad, as TPU v4's.

    A large L2 lies in `partitions`, each beside a share of the cores. What cores of several partitions read is copied
    into each of them, so that data up to capacity / partitions come at the full bandwidth; larger data are kept once
    and cross between partitions, at `far` of the bandwidth (A100 and H100, in two partitions: the knees and steps of
    gpu-l2-cache in te42kyfo/gpu-benches). Where dies have no such crossing, misses go `beyond`: MI300X has eight L2s,
    one for each die, and one cache behind all of them.
    """

    capacity: float = figure("B", "capacity of all partitions together", low=1e3)
    bandwidth: float | None = figure("B/s", "bandwidth to all cores together; without one, a GPU's is its SMs' share, "
                                     "GpuCore.l2_bytes x cores x clock", default=None, low=1e6)
    latency: float = figure("s", "unloaded hit latency seen by a core", default=150e-9, high=1e-3)
    partitions: int = whole("parts beside different cores, each with its own copy of what its cores read", default=1,
                            high=1000)
    far: float = figure("", "share of the bandwidth that is left for data that do not fit one partition", default=1.0,
                        low=0.01, high=1.0)
    far_latency: float | None = figure("s", "the latency of a hit in another partition", default=None, high=1e-3)
    fade: float = figure("", "share of the capacity beyond which data that are read round and round leave nothing: a "
                         "strict least-recently-used cache drops to nothing at its capacity, which hashed sets and "
                         "random replacement smear. 50 MB give the rate of L2 up to 44 to 50 MB, that of device memory "
                         "from 57 to 63 MB (gpu-l2-cache in te42kyfo/gpu-benches)", default=0.25, low=0.001,
                         high=10.0, likely=(0.1, 0.3))
    beyond: "Cache | None" = option("a second level behind it: Cache(capacity=..., bandwidth=...)", default=None)

    @property
    def last(self) -> "Cache":
        """The level next to device memory."""
        return self.beyond.last if self.beyond else self

    @property
    def largest(self) -> "Cache":
        """The level that holds most, whose capacity says what need not be read from device memory again."""
        behind = self.beyond.largest if self.beyond else self
        return behind if behind.capacity > self.capacity else self

    @property
    def total(self) -> float:
        """Bytes of all levels."""
        return self.capacity + (self.beyond.total if self.beyond else 0.0)


@part
class Scratchpad:
    """A software-managed memory of one core: VMEM, SBUF, or an SM's shared memory."""

    capacity: float = figure("B", "capacity", low=1024, hint="write e.g. 64 * MiB")
    read_bytes: float = figure("B/cycle", "bytes read per core clock cycle")
    write_bytes: float = figure("B/cycle", "bytes written per core clock cycle")
