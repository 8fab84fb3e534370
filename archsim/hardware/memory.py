"""Memories: device memory (HBM), shared caches, and software-managed scratchpads."""

from archsim.hardware.part import figure, option, part, whole


@part
class Memory:
    """Device memory: HBM, GDDR or LPDDR, shared by all cores of the chip.

    Where no measurement of a chip is at hand: long reads reach 0.79 to 0.98 of the peak on ten measured GPUs; writes
    among reads reach 1 / (2 / copy - 1 / read) = 0.71 to 0.86 of it on eight of them (te42kyfo/gpu-benches, RRZE and
    Azure benchmarks: the bus turns around between them); a byte of HBM costs 31 to 56 pJ in the DRAM (Jouppi et al.,
    Ten Lessons, table 2); what it costs on chip belongs to the core's energies.
    """

    capacity: float = figure("B", "device memory", low=1e6, hint="write e.g. 80 * GB")
    bandwidth: float = figure("B/s", "peak bandwidth", low=1e6, hint="write e.g. 3.35 * TB_per_s")
    efficiency: float = figure(
        "", "share of the peak bandwidth that a long sequential read reaches", default=0.92, low=0.01, high=1.0
    )
    write_efficiency: float = figure(
        "", "the same for writes among reads, bus turn-arounds included", default=0.80, low=0.01, high=1.0
    )
    energy: float = figure("J/B", "energy per byte of the device and its PHY", default=40e-12, high=1e-6)
    latency: float = figure("s", "unloaded read latency seen by a core", default=600e-9, high=1e-3)
    type: str = option("generation, e.g. HBM3e", default="")
    stacks: int | None = whole("HBM stacks in use", default=None, high=64)

    @property
    def sustained(self) -> float:
        """Bandwidth that a long sequential stream reaches, in bytes per second."""
        return self.bandwidth * self.efficiency


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
    beyond: "Cache | None" = option("a second level behind it: Cache(capacity=..., bandwidth=...)", default=None)

    @property
    def last(self) -> "Cache":
        """The level next to device memory, whose capacity says what need not be read from there again."""
        return self.beyond.last if self.beyond else self

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
