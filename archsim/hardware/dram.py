"""Memory devices by type: what a stack, package or channel delivers and holds, how it is organised, its timings.

One table for all who ask: what fraction of the peak a stream reaches (`archsim.hardware.dram_stream`), how many
interfaces a die needs, and which capacities and bandwidths exist.

JEDEC's documents were not at hand: organisations and timings are those that public DRAM simulators state, in
nanoseconds, since core timings hardly change with the data rate. What they disagree on is said beside them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from archsim.errors import unknown
from archsim.units import GB, GB_per_s

RAMULATOR = "Ramulator 2 (CMU-SAFARI/ramulator2 src/dram/impl)"
DRAMSIM = "DRAMsim3 (umd-memsys/DRAMsim3 configs)"


@dataclass(frozen=True)
class Timing:
    """Core timings in nanoseconds, by their JEDEC names; those of reads where reads and writes differ.

    `ccd_l` is 0 where banks have no groups: column commands then follow each other as bursts cross the bus.
    """

    ccd_l: float
    rcd: float
    rp: float
    ras: float
    rtp: float
    wr: float
    rrd: float
    faw: float
    wtr: float
    cl: float
    cwl: float
    refi: float
    rfc: float
    rfc_bank: float
    source: str


@dataclass(frozen=True)
class Device:
    """One type of device memory.

    Parameters
    ----------
    name
        As its standard calls it.
    unit
        What chips carry several of: ``stack``, ``device``, ``package`` or ``channel``.
    bandwidth
        B/s that one unit delivers at most, of those that have shipped.
    low, high
        Bytes that one unit holds.
    most
        Units that chips have at most.
    bits
        Width of a unit's bus.
    channels
        Channels of a unit that have banks and a data bus of their own (pseudo-channels, of HBM).
    burst
        Bytes that one column command moves.
    page
        Bytes of an open row, of one channel.
    banks, groups
        Banks of a channel, all ranks of a stack together, and the bank groups over which they alternate.
    per_bank
        Whether controllers refresh bank by bank, where they can: the others stay open.
    read_queue, write_queue
        Bursts among which the controller of one channel chooses, and bursts of writes that it gathers before it turns
        the bus around. See `QUEUES`.
    disorder
        Bytes of a stream within which its requests reach a channel in any order. See `DISORDER`.
    timing
        Core timings.
    source
        Of all but the timings.
    """

    name: str
    unit: str
    bandwidth: float
    low: float
    high: float
    most: int
    bits: int
    channels: int
    burst: int
    page: int
    banks: int
    groups: int
    per_bank: bool
    read_queue: int
    write_queue: int
    disorder: float
    timing: Timing
    source: str

    @property
    def stacked(self) -> bool:
        """Whether it stands beside the dies on an interposer."""
        return self.unit == "stack"

    def units(self, bandwidth: float, given: int | None = None) -> int:
        """Return the units of a memory: as many as are `given`, or as its bandwidth takes (printed rounded)."""
        return given or max(1, math.ceil(bandwidth / (self.bandwidth * ROUNDED)))


ROUNDED = 1.02
"""Bandwidths are printed rounded, and parts run up to 2 % above their standard (1555 GB/s from five stacks)."""

_SITES = 8  # stacks of the largest packages of 2023 to 2025 (two reticles of compute silicon)

QUEUES = {"stack": (32, 64), "device": (64, 128), "package": (32, 64), "channel": (32, 64)}
QUEUE_RATE = 25 * GB_per_s
"""Reads among which a channel's controller chooses, and writes that it gathers, by the unit that it serves; of channels
faster than `QUEUE_RATE`, in proportion.

Estimated, not published. A turn of the bus costs about 30 ns, in which an HBM channel of 20 GB/s moves 20 bursts:
copies reach 84 to 89 % of the peak on V100, A100, H100 and H200 (te42kyfo/gpu-benches, Azure's guide), less the faster
the channels, 14 to 25 GB/s, which 64 gathered writes give for all of them. An Ada card copies at 89 % too, though its
GDDR6 channels move 36 GB/s: a controller that serves 2 channels has more room for each than one that serves 8. Half as
many reads suffice for the 91 to 98 % at which the same machines read. That queues grow with channels yet to come is
what their makers would see to; none of these machines says how."""

DISORDER = 16 * 1024.0
"""Bytes, per channel, within which requests of a stream come in any order: what 80 to 150 SMs keep in flight, 16 to 32
KiB each, over 64 to 256 channels. Between 4 and 32 KiB reads move by a point or two."""

_HBM2 = Timing(
    ccd_l=2, rcd=14, rp=14, ras=34, rtp=6, wr=16, rrd=4, faw=15, wtr=8, cl=14, cwl=4, refi=3900, rfc=350, rfc_bank=160,
    source=f"{DRAMSIM} HBM2_8Gb_x128, tCK = 1 ns; FAW, RFC of 8 Gb per channel and of one bank: {RAMULATOR} HBM2.cpp "
    "(DRAMsim3: FAW 30, RFC 260; GPGPU-Sim's V100: RCD and RP 14.1, RAS 33, WR 11.8)")
_HBM2E = Timing(
    ccd_l=2.5, rcd=14, rp=14, ras=34, rtp=6, wr=16, rrd=4, faw=15, wtr=8, cl=14, cwl=4, refi=3900, rfc=350,
    rfc_bank=200, source="as HBM2; CCD_L four clocks at 1.6 GHz; one bank of 16 Gbit dies as of HBM3")
_HBM3 = Timing(
    ccd_l=2.5, rcd=14, rp=14, ras=34, rtp=6, wr=16, rrd=4, faw=15, wtr=8, cl=14, cwl=4, refi=3900, rfc=350,
    rfc_bank=200, source=f"{RAMULATOR} HBM3.cpp after JESD238A, which takes the nanoseconds of HBM2; RFC of 8 Gb per "
    "channel, REFsb 240 clocks at 1.2 GHz")
_HBM3E = Timing(
    ccd_l=2.5, rcd=14, rp=14, ras=34, rtp=6, wr=16, rrd=4, faw=15, wtr=8, cl=14, cwl=4, refi=3900, rfc=410,
    rfc_bank=200, source="as HBM3; RFC of 12 Gb per channel")
_GDDR5 = Timing(
    ccd_l=1.5, rcd=12, rp=12, ras=28, rtp=1, wr=12, rrd=5, faw=20, wtr=5, cl=12, cwl=3.5, refi=1900, rfc=37,
    rfc_bank=15, source=f"{DRAMSIM} GDDR5_8Gb_x32, tCK = 0.5 ns")
_GDDR6 = Timing(
    ccd_l=2.3, rcd=14.8, rp=14.8, ras=30, rtp=2.3, wr=14.8, rrd=4, faw=16, wtr=6.3, cl=13.7, cwl=3.4, refi=1900,
    rfc=120, rfc_bank=60, source=f"{RAMULATOR} GDDR6.cpp, 1.35 V, tCK = 0.57 ns; CCD_L four of those clocks")
_LPDDR5 = Timing(
    ccd_l=5, rcd=18.8, rp=18.8, ras=42.5, rtp=5, wr=35, rrd=5, faw=20, wtr=12.5, cl=25, cwl=13.8, refi=3906, rfc=280,
    rfc_bank=140, source=f"{RAMULATOR} LPDDR5.cpp, 6400 Mb/s, 16 Gb, tCK = 1.25 ns")
_DDR3 = Timing(
    ccd_l=0, rcd=13.9, rp=13.9, ras=34, rtp=7.5, wr=16, rrd=6.4, faw=35, wtr=7.5, cl=13.9, cwl=9.6, refi=7800,
    rfc=260, rfc_bank=260, source=f"{DRAMSIM} DDR3_4Gb_x16_1866, tCK = 1.07 ns; no bank groups")
_DDR4 = Timing(
    ccd_l=5, rcd=13.9, rp=13.9, ras=33, rtp=7.6, wr=15, rrd=2.5, faw=21, wtr=7.6, cl=13.9, cwl=10, refi=7800, rfc=350,
    rfc_bank=350, source=f"{DRAMSIM} DDR4_8Gb_x8_3200, tCK = 0.63 ns")
_DDR5 = Timing(
    ccd_l=5, rcd=15, rp=15, ras=32.5, rtp=7.5, wr=30, rrd=5, faw=20, wtr=10, cl=15, cwl=13.8, refi=3900, rfc=295,
    rfc_bank=130, source=f"{RAMULATOR} DDR5.cpp, DDR5_3200AN; refresh of 16 Gb from memory of JESD79-5")

_HBM = {"unit": "stack", "bits": 1024, "burst": 32, "page": 1024, "groups": 4, "per_bank": True}
_GDDR = {"unit": "device", "bits": 32, "burst": 32, "page": 2048, "banks": 16, "groups": 4, "per_bank": True}
_LP = {"unit": "package", "bits": 64, "channels": 4, "burst": 32, "page": 2048, "banks": 16, "groups": 4,
       "per_bank": True, "timing": _LPDDR5, "most": 16}
_DDR = {"unit": "channel", "bits": 64, "burst": 64, "page": 8192, "per_bank": False, "most": 12}


def _device(name: str, gb_per_s: float, low: float, high: float, source: str, **rest: object) -> Device:
    """Return a device whose bandwidth and capacities are in GB/s and GB."""
    reads, writes = QUEUES[str(rest["unit"])]
    return Device(name, bandwidth=gb_per_s * GB_per_s, low=low * GB, high=high * GB, source=source,
                  read_queue=reads, write_queue=writes, disorder=DISORDER, **rest)  # type: ignore[arg-type]  # the shared parts above


DEVICES: Mapping[str, Device] = {d.name: d for d in (
    _device("HBM2", 307.2, 2, 8, "JESD235B: 1024 bit at 2.4 Gb/s; shipped to 8 GB", **_HBM, most=_SITES, channels=16,
            banks=16, timing=_HBM2),
    _device("HBM2e", 460.8, 4, 24, "1024 bit at 3.6 Gb/s, the fastest shipped (JESD235D: 3.2); to 12-high of 16 Gbit; "
            "two ranks of 16 banks in 8-high stacks", **_HBM, most=_SITES, channels=16, banks=32, timing=_HBM2E),
    _device("HBM3", 819.2, 8, 24, "JESD238: 1024 bit at 6.4 Gb/s; shipped as 8- and 12-high of 16 Gbit; 32 "
            "pseudo-channels of 32 bit, two ranks of 16 banks in 8-high stacks", **_HBM, most=_SITES, channels=32,
            banks=32, timing=_HBM3),
    _device("HBM3e", 1228.8, 16, 48, "1024 bit at 9.6 Gb/s; 8- to 16-high of 24 Gbit", **_HBM, most=_SITES,
            channels=32, banks=32, timing=_HBM3E),
    _device("HBM4", 2560, 24, 64, "2048 bit at 10 Gb/s, as announced (JESD270-4: 8); to 64 GB",
            **(_HBM | {"bits": 2048}), most=16, channels=64, banks=32, timing=_HBM3E),
    _device("GDDR5", 36, 0.25, 1, "JESD212: 32 bit at 9 Gb/s; to 8 Gbit", **_GDDR, most=24, channels=1, timing=_GDDR5),
    _device("GDDR6", 80, 1, 4, "32 bit at 20 Gb/s, the fastest shipped on a card (JESD250: 16); 8 or 16 Gbit, or two "
            "of them in clamshell; two channels of 16 bit", **_GDDR, most=24, channels=2, timing=_GDDR6),
    _device("GDDR6X", 96, 1, 4, "32 bit at 24 Gb/s; as GDDR6", **_GDDR, most=24, channels=2, timing=_GDDR6),
    _device("GDDR7", 128, 2, 6, "JESD239: 32 bit at 32 Gb/s; 16 or 24 Gbit, or two in clamshell; four channels of 8 "
            "bit; timings of GDDR6", **_GDDR, most=24, channels=4, timing=_GDDR6),
    _device("LPDDR4", 34.1, 1, 16, "JESD209-4: 64 bit at 4.267 Gb/s; timings of LPDDR5", **_LP),
    _device("LPDDR4X", 34.1, 1, 16, "as LPDDR4", **_LP),
    _device("LPDDR5", 51.2, 2, 32, "JESD209-5: 64 bit at 6.4 Gb/s", **_LP),
    _device("LPDDR5X", 68.3, 2, 32, "JESD209-5B: 64 bit at 8.533 Gb/s", **_LP),
    _device("DDR3", 17.1, 1, 64, "JESD79-3: 64 bit at 2.133 Gb/s", **_DDR, channels=1, banks=8, groups=1,
            timing=_DDR3),
    _device("DDR4", 25.6, 4, 256, "JESD79-4: 64 bit at 3.2 Gb/s", **_DDR, channels=1, banks=16, groups=4,
            timing=_DDR4),
    _device("DDR5", 67.2, 8, 512, "JESD79-5: 64 bit at 8.4 Gb/s, two channels of 32 bit", **_DDR, channels=2, banks=32,
            groups=8, timing=_DDR5),
)}
"""Standards by their number and what vendors ship above them."""


def find_device(kind: str) -> Device | None:
    """Return the device that a memory's type names (``HBM3e``, ``HBM2E 4 stacks``, ``LPDDR5X``), None if none."""
    text = re.sub(r"[^a-z0-9]", "", kind.lower())
    fits = [d for d in DEVICES.values() if text.startswith(d.name.lower())]
    return max(fits, key=lambda d: len(d.name), default=None)


def device(kind: str) -> Device:
    """Return the device of that type.

    Raises
    ------
    ArchsimError
        If there is none; the message lists them.
    """
    found = find_device(kind)
    if found is None:
        raise unknown("memory type", kind, DEVICES)
    return found
