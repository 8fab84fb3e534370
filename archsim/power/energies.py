"""What a chip's operations and bytes cost: the energies of `Power`, scaled by the process of the die."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from archsim.dtypes import BYTES, arithmetic
from archsim.errors import ArchsimError
from archsim.hardware import Chip, GpuCore, SystolicCore
from archsim.power.process import relative_energy

SUM = 4.0
"""Bytes of a partial sum: all engines add in float32 or int32."""


class Joules(NamedTuple):
    """Energy of some work at the nominal supply, by what it is spent on; all but `memory` and `link` scale with it."""

    matrix: float = 0.0  # the matrix engine, its registers and its operands from shared memory
    vector: float = 0.0  # vector and special-function units
    on_chip: float = 0.0  # L2 or scratchpad, and the way from the memory interface to it
    memory: float = 0.0  # device memory and its interface
    link: float = 0.0  # links to other chips: zero in runs, which count no communication yet

    @property
    def core(self) -> float:
        """What the cores' supply feeds."""
        return self.matrix + self.vector + self.on_chip

    @property
    def fixed(self) -> float:
        """What it does not feed."""
        return self.memory + self.link


def known(chip: Chip) -> bool:
    """Whether the energies of a chip are known: its power is given, and the processes of its dies name nodes."""
    return node_energy(chip) is not None and base_energy(chip) is not None


@lru_cache(maxsize=1024)
def node_energy(chip: Chip) -> float | None:
    """Return the switching energy of the compute dies relative to 7 nm, or None if nothing is known of them."""
    return None if chip.power is None or chip.die is None else _named(chip.die.process)


@lru_cache(maxsize=1024)
def base_energy(chip: Chip) -> float | None:
    """Return the same of the dies below, or of the compute dies where there are no others."""
    die = chip.die
    return node_energy(chip) if die is None or die.base is None else _named(die.base.process)


def _named(process: str) -> float | None:
    """Return the switching energy on a process relative to 7 nm, or None if it names no node."""
    try:
        return relative_energy(process)
    except ArchsimError:
        return None


@lru_cache(maxsize=4096)
def mac_energy(chip: Chip, dtype: str) -> float:
    """Return the joules of a multiply-add of random numbers at the nominal supply, with registers and shared memory.

    In a systolic array operands and sums move through the registers of every processing element. In an SM's matrix
    engine, sums go to accumulators and back once per instruction; operands come from shared memory, once per fetch,
    and, for warp-level instructions, through registers: an element of A serves the columns of an instruction, one of B
    its rows.
    """
    assert chip.power is not None
    e, name = chip.power.energy, arithmetic(dtype)
    size = BYTES[name]
    add = e.add_int if name.startswith("int") else e.add * min(1.0, size / 2.0)
    joules = e.multiply.get(name, e.multiply.get("fp32", 0.0)) + add
    core = chip.core
    if isinstance(core, GpuCore):
        t = core.tensor
        joules += 2 * SUM * size / t.k_bytes * e.register
        joules += size * (1.0 / t.fetch_cols + 1.0 / (t.fetch_rows * t.pair)) * e.shared
        if not t.asynchronous:
            joules += size * (1.0 / t.rows + 1.0 / t.cols) * e.register
    return joules * (node_energy(chip) or 0.0)


def _toggled(chip: Chip) -> float:
    """Return the share of random data's switching that the chip's data cause."""
    assert chip.power is not None
    control = chip.power.energy.control
    return control + (1.0 - control) * chip.power.toggle


def spend(chip: Chip, dtype: str, *, flops: float = 0.0, padding: float = 0.0, vector_ops: float = 0.0,
          on_chip_bytes: float = 0.0, hbm_bytes: float = 0.0, link_bytes: float = 0.0) -> Joules:
    """Return the energy of some work at the nominal supply.

    Parameters
    ----------
    chip
        One whose energies are `known`.
    dtype
        What the matrix engine multiplies.
    flops
        Matrix FLOP executed, two per multiply-add.
    padding
        The same of zeros beyond the ends of operands, which cost what does not depend on the data.
    vector_ops
        Operations of vector and special-function units.
    on_chip_bytes
        Bytes between L2 and SMs, or to and from scratchpads.
    hbm_bytes, link_bytes
        Bytes of device memory, and over links.
    """
    assert chip.power is not None
    e, scale, toggled = chip.power.energy, node_energy(chip) or 0.0, _toggled(chip)
    fill_scale = base_energy(chip) or 0.0
    near = e.scratchpad if isinstance(chip.core, SystolicCore) else e.l2
    return Joules(
        matrix=0.5 * (flops * toggled + padding * e.control) * mac_energy(chip, dtype) if flops else 0.0,
        vector=vector_ops * e.vector * scale,
        on_chip=(on_chip_bytes * near * scale + hbm_bytes * e.fill * fill_scale) * toggled,
        memory=hbm_bytes * chip.memory.energy * toggled,
        link=link_bytes * e.link,
    )
