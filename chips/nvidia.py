"""NVIDIA data-center GPUs, by generation.

Tensor rates are dense; `clock` is the one that closes the published tensor peak. What no datasheet prints (latencies,
L2 and achieved DRAM bandwidth, launch cost) is measured by others with microbenchmarks, each named; a chip that nobody
has measured takes the figures of its silicon or generation, and says of which. All chips of a generation share one core
and one L2 per SM and cycle: they differ by what datasheets print (SMs, clock, memory, capacities, links, design power).
"""

from archsim.chips import nvidia_ampere, nvidia_blackwell, nvidia_hopper, nvidia_volta

from archsim.hardware import Chip

CHIPS: tuple[Chip, ...] = (*nvidia_volta.CHIPS, *nvidia_ampere.CHIPS, *nvidia_hopper.CHIPS, *nvidia_blackwell.CHIPS)
"""Every chip of this vendor."""
