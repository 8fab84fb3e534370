"""Power: the limit and the supply of a chip, and what its operations and bytes cost in joules."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.errors import ArchsimError
from archsim.hardware.part import Table, figure, option, part, table
from archsim.units import pJ

MULTIPLY = Table({"fp32": 1.31 * pJ, "tf32": 0.34 * pJ, "fp16": 0.34 * pJ, "bf16": 0.21 * pJ, "fp8": 0.05 * pJ,
                  "int8": 0.07 * pJ, "int4": 0.018 * pJ, "fp4": 0.013 * pJ})


@part
class Energy:
    """Joules of the operations and bytes of a chip, all stated for 7 nm and 0.8 V.

    One set serves all chips: the process of the die (`archsim.power.process`) and the square of the supply voltage
    scale it. Where the defaults come from:

    - Arithmetic and small memories: Jouppi et al., Ten Lessons From Three Generations Shaped Google's TPUv4i (ISCA
      2021), table 2, the column of 7 nm: fp32, fp16, bf16 and int8 multiplications; fp32 and int32 additions; 64 bits
      from an SRAM of 8 KiB (7.5 pJ, a bank of a register file), 32 KiB (8.5, of a shared memory) and 1 MiB (14, of a
      scratchpad). A multiplier grows with the square of its significand: tf32 has that of fp16 (11 bits), fp8 half of
      bf16's 8, int4 half of int8's, fp4 a quarter of bf16's.
    - `vector`: fits of measured power against fp32 FLOP/s of FMA kernels (te42kyfo/gpu-benches): 5.1 pJ/FLOP on A100
      and 5.8 on H200, which is 4.75 here for both if their supplies are 0.83 and 1.05 V and 5 nm takes 0.70 of 7 nm.
      Registers, issue and the idle half of a SIMD lane's width are in it; arithmetic alone is 0.85.
    - `fill` and `l2`: the same fits give 117 and 122 pJ for a byte from device memory to the SM, 36 and 32 of it in
      the device: 75 here on chip, again the same for both. How it divides between the way into L2 and the way from
      there is not measured apart; 31 and 44 let A100 and H100 run large products at the clocks at which they are seen.
    - `cycle`: those fits' constant power less the idle power, 11 W on A100 and 25 W on H200, by SM and cycle.
    - `link`: 5 pJ/bit of a 112 Gbit/s SerDes at each end. A run that is spread over chips counts no communication, and
      so none of this: it waits for collectives.
    - `control`: H800 multiplies zeros at 200 W and 729 TFLOP/s, random numbers at 350 W and 660 TFLOP/s (arXiv
      2402.13499): about a third of what matrix work takes does not depend on the data.
    """

    multiply: Mapping[str, float] = table("J", "a multiplication in the matrix engine, by dtype", default=MULTIPLY)
    add: float = figure("J", "a floating-point accumulation of a 16-bit product; narrower ones share it",
                        default=0.38 * pJ, high=1e-9)
    add_int: float = figure("J", "an integer accumulation", default=0.03 * pJ, high=1e-9)
    register: float = figure("J/B", "to or from a register file or the accumulators", default=0.94 * pJ, high=1e-9)
    shared: float = figure("J/B", "from an SM's shared memory", default=1.06 * pJ, high=1e-9)
    scratchpad: float = figure("J/B", "to or from a large scratchpad", default=1.75 * pJ, high=1e-9)
    l2: float = figure("J/B", "between a GPU's L2 and an SM", default=44 * pJ, high=1e-9)
    fill: float = figure("J/B", "between device memory's interface and the chip's last shared memory",
                         default=31 * pJ, high=1e-9)
    vector: float = figure("J", "an fp32 operation of a vector unit, with its registers and issue", default=4.75 * pJ,
                           high=1e-9)
    cycle: float = figure("J", "a cycle of one SM beside its work: clock tree, schedulers", default=80 * pJ, high=1e-6)
    link: float = figure("J/B", "over a chip-to-chip link, both ends", default=80 * pJ, high=1e-6)
    control: float = figure("", "share of the energies above that does not depend on the data", default=1 / 3,
                            high=1.0)


@part
class Power:
    """Electrical power of one chip with its memory: its limit, its supply, and what work costs.

    A supply follows the clock (dynamic voltage and frequency scaling): see `archsim.power.limit`. Defaults: 1.0 V at
    the highest clock of a GPU, which boosts into the upper end of its supply, 0.8 V at the only clock of an ASIC. The
    floor is what H800 idles at (0.675 V by nvidia-smi; A40 0.706 V). The window is that of the power sensors of
    GPUs, 25 ms on A100 and 10 to 100 ms on others (Yang et al., Part-time Power Measurements, arXiv 2312.02741):
    shorter bursts run unlimited. Products measured on A100 and H100 in bursts of 5 ms to 10 s agree with it.
    """

    tdp: float = figure("W", "thermal design power, the limit that the clock obeys", low=0.1, high=1e5)
    idle: float | None = figure("W", "power when nothing runs; a fifth of tdp is taken where an energy is computed and "
                                "none is given (the median of eight published chips: 0.10 to 0.47)", default=None,
                                high=1e5)
    capped: bool = option("the clock falls to hold tdp; not where tdp is only what was measured at most, or a guess",
                          default=True)
    window: float = figure("s", "time constant with which the controller averages power", default=0.025,
                           high=100.0, likely=(0.01, 0.1))
    voltage: float | None = figure("V", "supply of the cores at `voltage_clock`", default=None, low=0.2, high=3.0)
    voltage_clock: float | None = figure("Hz", "clock at which `voltage` holds; the highest if not given",
                                         default=None, low=1e6, high=1e11)
    floor: float = figure("V", "lowest supply: slower clocks do not lower it further", default=0.675, low=0.2, high=3.0)
    threshold: float = figure("V", "threshold of the transistors; 0.25 to 0.35 for those of large FinFET dies",
                              default=0.30, low=0.05, high=0.7)
    toggle: float = figure("", "how often the bits of the data change, relative to random numbers; 0 for zeros",
                           default=1.0, zero=True, high=2.0)
    energy: Energy = option("what operations and bytes cost: Energy(...)", default=Energy())

    def __post_init__(self) -> None:
        if self.standby >= self.tdp:
            raise ArchsimError(f"Power.idle = {self.idle:g} W must be less than tdp = {self.tdp:g} W, or nothing could "
                               "run")
        for name, volts in (("floor", self.floor), ("voltage", self.voltage)):
            if volts is not None and volts <= self.threshold:
                raise ArchsimError(f"Power.{name} = {volts:g} V must be more than threshold = {self.threshold:g} V: no "
                                   "transistor would switch")

    @property
    def standby(self) -> float:
        """Idle power in watts, estimated as a fifth of the design power where it is not known."""
        return 0.2 * self.tdp if self.idle is None else self.idle
