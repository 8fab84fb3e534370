"""Server: what stands around a chip before it computes, in dollars and watts: host, memory, NICs, switches, chassis.

Every figure has a low, a base and a high in `SERVER`; the base is the default of `Server`. The anchor is the bill of
materials of an eight-GPU server: SemiAnalysis, "AI Server Cost Analysis", 2023-05, DGX H100, as quoted line by line in
github.com/epoch-research/training-cost-trends.
"""

from __future__ import annotations

from archsim.economics.range import Range
from archsim.hardware.part import figure, part, whole

BOM = "SemiAnalysis 2023-05, DGX H100, quoted by epoch-research/training-cost-trends"
FABRIC = "three-tier 400 Gb/s fat tree priced in 2024-08 (switch of 64 ports 36,000 USD; optics and cables)"

SERVER: dict[str, Range] = {
    "host_usd": Range(4_000, 5_200, 20_000, "USD", f"two processors: {BOM}; up to 10,000 USD each at list"),
    "dram_gb": Range(1_024, 2_048, 2_048, "GB", "DGX H100 datasheet: 2 TB; the lean end is a judgement", "published"),
    "dram_usd_per_gb": Range(2.4, 3.0, 5.0, "USD/GB", f"2.4: LLMCompass cost model; 3.8: 7,860 USD for 2 TB, {BOM}"),
    "storage_usd": Range(1_000, 3_456, 8_000, "USD", f"local flash: {BOM}; the ends are a judgement"),
    "nic_usd": Range(1_000, 1_364, 2_000, "USD/chip", f"10,908 USD for 8 ports of 400 Gb/s: {BOM}"),
    "switch_usd": Range(1_882, 4_247, 6_612, "USD/chip", f"{FABRIC}: 512, 1,024 and 32,768 chips", "derived"),
    "chassis_usd": Range(3_000, 4_586, 15_000, "USD", f"board, chassis, cooling, power supply, assembly, test: {BOM}; "
                         "the high end holds a liquid-cooled rack's share"),
    "margin": Range(0.05, 0.10, 0.16, "", "gross margin of the server's maker on what is not the chip; 42,000 of "
                    f"269,010 USD in {BOM}"),
    "host_w": Range(400, 600, 700, "W", "two processors; 600 W in Shenwan Hongyuan 2025-03-28"),
    "nic_w": Range(20, 25, 40, "W/chip", "400 Gb/s adapter with optics; judgement"),
    "board_w": Range(200, 400, 1_000, "W", "memory, flash, chip-to-chip switches, management; judgement"),
    "overhead": Range(0.10, 0.20, 0.30, "", "fans and power conversion over the watts of the parts; judgement: with "
                      "all at the high end eight 700 W chips draw 9.9 kW, where DGX H100 is rated 10.2 kW"),
}
"""What a server adds: name -> range. Dollars are for the whole server unless the unit says ``/chip``."""


@part
class Server:
    """One server: `chips` of them share a host; NICs and switches go by the chip.

    The defaults are the bases of `SERVER`.
    """

    chips: int = whole("chips that share one host", default=8, high=1024)
    host_usd: float = figure("USD", "processors of one server", default=SERVER["host_usd"].base, zero=True)
    dram_gb: float = figure("GB", "host memory of one server", default=SERVER["dram_gb"].base, zero=True)
    dram_usd_per_gb: float = figure("USD/GB", "host memory", default=SERVER["dram_usd_per_gb"].base, zero=True)
    storage_usd: float = figure("USD", "local flash of one server", default=SERVER["storage_usd"].base, zero=True)
    nic_usd: float = figure("USD", "network ports, per chip", default=SERVER["nic_usd"].base, zero=True)
    switch_usd: float = figure("USD", "share of switches, optics and cables, per chip",
                               default=SERVER["switch_usd"].base, zero=True)
    chassis_usd: float = figure("USD", "board, chassis, cooling, power supply, assembly and test of one server",
                                default=SERVER["chassis_usd"].base, zero=True)
    margin: float = figure("", "gross margin of the server's maker on all but the chips", zero=True, high=0.99,
                           default=SERVER["margin"].base)
    host_w: float = figure("W", "processors of one server", default=SERVER["host_w"].base, zero=True)
    nic_w: float = figure("W", "network port, per chip", default=SERVER["nic_w"].base, zero=True)
    board_w: float = figure("W", "memory, flash, chip-to-chip switches and management of one server",
                            default=SERVER["board_w"].base, zero=True)
    overhead: float = figure("", "fans and power conversion over the watts of all parts", zero=True, high=2.0,
                             default=SERVER["overhead"].base)

    def usd_per_chip(self) -> float:
        """Return what the server and its share of the network cost beside the chip, in USD per chip.

        The maker's margin is on the server; switches are bought apart.
        """
        shared = self.host_usd + self.dram_gb * self.dram_usd_per_gb + self.storage_usd + self.chassis_usd
        return (shared / self.chips + self.nic_usd) / (1.0 - self.margin) + self.switch_usd

    def watts(self, chip: float) -> float:
        """Return the watts at the server's plug of one chip that draws `chip` watts, with its share of the rest."""
        return (chip + (self.host_w + self.board_w) / self.chips + self.nic_w) * (1.0 + self.overhead)
