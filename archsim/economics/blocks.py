"""Blocks: the area constants of what a die is made of: arithmetic, SRAM, control, crossbar, interfaces.

Arithmetic is published in um2 at 45 nm and memory in bit cells; both are scaled to a node by its published density
(`archsim.economics.process`). Transistor counts and interfaces are those that LLMCompass (Zhang et al., ISCA 2024)
read off annotated photographs of two dies of 7 and 6 nm.
"""

from __future__ import annotations

from collections.abc import Mapping

from archsim.economics.range import Range, spread

HOROWITZ = "Horowitz, Computing's Energy Problem, ISSCC 2014, 45 nm"
COMPASS = "PrincetonUniversity/LLMCompass cost_model.py"
TPU1 = "Jouppi et al., ISCA 2017, figure 2"

SIGNIFICAND: Mapping[str, int] = {"fp64": 53, "fp32": 24, "tf32": 11, "fp16": 11, "bf16": 8, "fp8": 4, "fp4": 2,
                                  "int8": 8, "int4": 4}
"""Bits of a significand, the hidden one included (IEEE 754, OCP 8-bit and MX): what a multiplier multiplies."""

WIDTH: Mapping[str, int] = {"fp64": 64, "fp32": 32, "tf32": 19, "fp16": 16, "bf16": 16, "fp8": 8, "fp4": 4, "int8": 8,
                            "int4": 4}
"""Bits of an operand in the data path."""

FLOAT_MULTIPLIER = Range(13.4, 13.5, 13.6, "um2/bit2", f"1,640 um2 for 11 x 11 bits, 7,700 for 24 x 24: {HOROWITZ}",
                         "published-unverified")
INT_MULTIPLIER = Range(3.4, 4.4, 4.4, "um2/bit2", f"282 um2 for 8 x 8 bits, 3,495 for 32 x 32: {HOROWITZ}",
                       "published-unverified")
INT_ADDER = Range(4.3, 4.3, 4.5, "um2/bit", f"36 um2 for 8 bits, 137 for 32: {HOROWITZ}", "published-unverified")
FLOAT_ADDER = Range.exactly(4184.0, "um2", f"fp32: {HOROWITZ}", "published-unverified")
ALIGN = Range(12.0, 17.0, 30.0, "um2/bit", "a shifter of log2(32) = 5 multiplexers and one adder stage per bit of the "
              "product, of 2.5 um2 each and 4.3", "derived")
SUM_BITS = Range(32.0, 64.0, 128.0, "bit", "operand bits of the products that are summed before one fp32 adder: four "
                 "of 16 bits (TPU v4i, Volta: groups of four), more later", "published-unverified")
FLIP_FLOP = Range(4.5, 6.0, 8.0, "um2/bit", "a D flip-flop of a 45 nm cell library (FreePDK45: 4.5 to 5.3) with its "
                  "clock", "published-unverified")

OVERHEAD = Range(2.4, 3.0, 3.6, "", f"pipeline registers, bypasses: 1.4 to 2.3 times (FPUs of Ariane and SPARC T1 in "
                 f"{COMPASS} over the bare arithmetic); utilisation of cell rows 0.7 (65.6 of 96.3 million "
                 f"transistors/mm2 on GA100, 98 of 146 on GH100); TPU v1's array, at most 24 % of 331 mm2, is 4",
                 "derived")

SRAM = Range(1.7, 3.0, 3.75, "", f"area over bit cells of a large memory with its banks, ports and network: 1.43 is a "
             f"dense macro (31.8 Mibit/mm2 of 0.021 um2 cells, WikiChip, IEDM 2022), 3.0 is 128 MB of Infinity Cache "
             f"on 87 mm2 at 7 nm (Navi 21, die photograph), 3.75 is TPU v1's buffer, at most 29 % of 331 mm2: {TPU1}",
             "published-unverified")
BANKED = Range(5.0, 7.0, 9.0, "", f"shared memory of 32 narrow banks: CACTI fills 0.14 of 8 KiB, 0.25 of 16 KiB with "
               f"cells: {COMPASS}", "derived")
REGISTERS = Range(5.0, 6.2, 8.0, "", f"register file: two-port cells of twice the area in banks of 16 to 32 KiB, which "
                  f"CACTI fills to 0.25 to 0.39: {COMPASS}", "derived")
ECC = Range(1.0, 1.125, 1.2, "", "8 check bits per 64, and tags", "derived")

CONTROL = Range(93.0, 95.0, 101.0, "million transistors", f"schedulers, instruction memory, load/store, texture or "
                f"DMA: 725,650 x 128 lanes of an SM and 1,534,500 x 64 of a CU in {COMPASS}; 2 % of 331 mm2 at 28 nm "
                f"in {TPU1}", "derived")
PORT = Range(0.53, 0.69, 0.86, "million transistors/(B/cycle)", f"one side of a crossbar: 33.6 to 55 million per core "
             f"with a port of 64 B/cycle: {COMPASS}", "derived")
CACHE_PORT = PORT.times(2.0)
"""A slice of a hardware cache: its side of the crossbar, and as much again for lookup, atomics and queues (with which
48 MB of L2 come to what LLMCompass has for GA100's)."""

TOP = Range(0.22, 0.27, 0.32, "", f"clocks, power, test, management, channels between blocks: the labelled blocks of "
            f"TPU v1 fill 0.79 of its die: {TPU1}; 1/0.79 - 1", "published-unverified")

FILL = Range(0.36, 0.68, 0.86, "", "transistors of a whole chip over those of as much standard cells: GA100 0.68 (54.2 "
             "billion on 826 mm2), GH100 0.67, GV100 0.77, TU104 0.74, AD102 0.86, Aldebaran 0.35", "derived")

HBM_PHY = Range(9.0, 10.45, 12.0, "mm2", f"HBM2e, 1024 bits; PHYs do not shrink: {COMPASS}", "published")
HBM_CONTROL = Range(450.0, 552.7, 650.0, "million transistors", COMPASS, "published")
DRAM_PHY = Range(1.2, 1.45, 1.8, "mm2", f"DDR5, 32 bits: {COMPASS}", "published")
DRAM_CONTROL = Range(75.0, 90.4, 105.0, "million transistors", COMPASS, "published")

_NVLINK3 = f"NVLink 3 has 1.89 mm2 per 25 GB/s, Infinity Fabric 5.69 per 50: {COMPASS}"
_NVLINK4 = f"NVLink 4 has 0.97 mm2 per 25 GB/s: {COMPASS}"
LINK_PHY: Mapping[str, Range] = {
    "28": Range(0.2, 0.3, 0.4, "mm2/(GB/s)", f"twice 16 nm's, as lanes are half as fast; {_NVLINK3}"),
    "16": Range(0.11, 0.15, 0.2, "mm2/(GB/s)", f"twice 7 nm's, as lanes are half as fast; {_NVLINK3}"),
    "7": Range(0.0755, 0.095, 0.114, "mm2/(GB/s)", _NVLINK3, "derived"),
    "5": Range(0.0386, 0.0386, 0.07, "mm2/(GB/s)", _NVLINK4, "derived"),
    "3": Range(0.0193, 0.03, 0.0386, "mm2/(GB/s)", f"lanes of 224 Gbit/s, half of 5 nm's at best; {_NVLINK4}"),
}
"""Serial links per one-way GB/s, by the node from which on lanes have that speed."""
LINK_CONTROL = Range(3.0, 4.5, 7.0, "million transistors/(GB/s)", f"75 million per 25 GB/s of NVLink 3, 87 of "
                     f"NVLink 4, 348 per 50 of Infinity Fabric: {COMPASS}", "derived")
HOST_LANES = 16
"""Lanes of PCIe: every accelerator in a server has a x16 slot."""
HOST_PHY = Range(0.48, 0.56, 0.64, "mm2/lane", f"PCIe 4 and 5: {COMPASS}", "published")
HOST_CONTROL = Range(4.0, 4.7, 5.4, "million transistors/lane", f"PCIe 4 and 5: {COMPASS}", "published")


def link_phy(name: str) -> Range:
    """Return the area of serial links per one-way GB/s on the node of this name."""
    generation = {"28": "28", "16": "16", "12": "16", "3": "3", "2": "3", "5": "5", "4": "5"}.get(name, "7")
    return LINK_PHY[generation]


def mac(dtype: str) -> Range:
    """Return um2 at 45 nm of one multiply-add of a dot product, arithmetic alone.

    The multiplier grows with the square of the significand. Integer products are added as they are; those of
    floating point are aligned, summed in groups of `SUM_BITS` of operands and normalised by one fp32 adder per group,
    as matrix engines do (Jouppi et al., Ten Lessons, ISCA 2021, on TPU v4i).
    """
    bits, width = SIGNIFICAND[dtype], WIDTH[dtype]
    if dtype.startswith("int"):
        return spread(lambda multiplier, adder: multiplier * bits**2 + adder * 4 * bits,
                      {"multiplier": INT_MULTIPLIER, "adder": INT_ADDER}, "um2", HOROWITZ)
    return spread(
        lambda multiplier, align, adder, group: multiplier * bits**2 + align * 2 * bits + adder * width / group,
        {"multiplier": FLOAT_MULTIPLIER, "align": ALIGN, "adder": FLOAT_ADDER, "group": SUM_BITS}, "um2", HOROWITZ)


def lane() -> Range:
    """Return um2 at 45 nm of one vector lane: an fp32 multiplier and adder, and a 32-bit integer multiplier."""
    floats, ints = FLOAT_MULTIPLIER.base * 24**2 + FLOAT_ADDER.base, INT_MULTIPLIER.low * 32**2 + INT_ADDER.base * 32
    return Range.exactly(floats + ints, "um2", HOROWITZ)


def double() -> Range:
    """Return um2 at 45 nm of one fp64 multiply-add: the multiplier by its bits, the adder as fp32's by its bits."""
    multiplier = FLOAT_MULTIPLIER.base * SIGNIFICAND["fp64"] ** 2
    return Range.exactly(multiplier + FLOAT_ADDER.base * SIGNIFICAND["fp64"] / SIGNIFICAND["fp32"], "um2", HOROWITZ)
