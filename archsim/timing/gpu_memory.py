"""Device memory as the SMs of a GPU see it: throughput by bytes in flight."""

from __future__ import annotations

from archsim.errors import ArchsimError
from archsim.hardware import Chip, GpuCore
from archsim.kernels.gpu_chip import memory_cycles
from archsim.timing.gpu_figures import figures


def read_rate(chip: Chip, flight: float, sms: int | None = None) -> float:
    """Return the bytes per second that SMs read by the copies of its matrix kernels.

    Parameters
    ----------
    chip
        A GPU.
    flight
        Bytes that each SM keeps in flight.
    sms
        SMs that read; all if None.

    Raises
    ------
    ArchsimError
        If the chip is no GPU, or nothing is in flight.
    """
    if not isinstance(chip.core, GpuCore):
        raise ArchsimError(f"{chip.name} has no SMs: bytes in flight are a GPU's")
    many = chip.cores if sms is None else sms
    if not flight > 0 or not 0 < many <= chip.cores:
        raise ArchsimError(f"read_rate takes bytes above 0, of 1 to {chip.cores} SMs, not {flight!r} of {many!r}")
    gpu = figures(chip)
    return chip.clock / memory_cycles(gpu, float(many), float(flight), 1.0, 0.0)
