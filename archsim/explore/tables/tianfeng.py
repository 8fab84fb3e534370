"""Tianfeng Securities, 2023-06-20: CoreWeave's list of GPUs, and what one rents for with its processors and memory."""

from __future__ import annotations

from archsim.explore.tables import figures
from archsim.explore.tables.table import Field, Item, Table

USD_PER_VCPU, USD_PER_GB = 0.01, 0.005
"""Per hour, on top of the GPU (the same list)."""

# as printed, catalogue | GB | vCPU | GB of host memory | USD per hour
_PRINTED = """
NVIDIA HGX H100   | h100-sxm        | 80 | 48 | 256 | 4.76
NVIDIA H100 PCIe  | h100-pcie       | 80 | 48 | 256 | 4.25
A100 80GB NVLINK  | a100-sxm-80gb   | 80 | 48 | 256 | 2.21
A100 80GB PCIe    | a100-pcie-80gb  | 80 | 48 | 256 | 2.21
A100 40GB NVLINK  | a100-sxm-40gb   | 40 | 48 | 256 | 2.06
A100 40GB PCIe    | a100-pcie-40gb  | 40 | 48 | 256 | 2.06
A40               | a40             | 48 | 48 | 256 | 1.28
RTX A6000         | rtx-a6000       | 48 | 48 | 256 | 1.28
RTX A5000         | rtx-a5000       | 24 | 36 | 128 | 0.77
RTX A4000         | rtx-a4000       | 16 | 36 | 128 | 0.61
Quadro RTX 5000   | quadro-rtx-5000 | 16 | 36 | 128 | 0.57
Quadro RTX 4000   | quadro-rtx-4000 | 8  | 36 | 128 | 0.24
Tesla V100 NVLINK | v100-sxm2       | 16 | 36 | 128 | 0.80
"""
_ROWS = [[cell.strip() for cell in line.split("|")] for line in _PRINTED.strip().splitlines()]
_COLUMNS = [" | ".join(column) for column in zip(*_ROWS, strict=True)]

COREWEAVE = Table(
    "coreweave", "CoreWeave's GPUs by the hour, all-in",
    "Tianfeng Securities, 2023-06-20, CoreWeave price list of mid-2023",
    tuple(Item(name, chip) for name, chip, *_ in _ROWS), (
        Field("vram", "GB", _COLUMNS[2], figure=figures.memory_gb),
        Field("max_vcpu", "", _COLUMNS[3]),
        Field("max_ram", "GB", _COLUMNS[4]),
        Field("usd_per_hour", "USD", _COLUMNS[5]),
        Field("all_in", "USD/h", words="GPU + vCPU x 0.01 + GB x 0.005, with the most that a GPU may have",
              formula=lambda c: c["usd_per_hour"] + c["max_vcpu"] * USD_PER_VCPU + c["max_ram"] * USD_PER_GB),
    ),
    by_item=True,
    notes=("the list prices GPU, processors and memory apart; whether 4.76 is the component or all-in could not be "
           "checked against the original page (its column says component)",),
)
