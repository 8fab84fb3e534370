"""Errors in printed chip tables: what stands there, what should, and why.

Five broker reports of 2023 to 2025 print tables of AI chips from which many comparisons start. `ERRATA` holds every
cell of theirs that this catalogue does not reproduce, and what of their arithmetic does not close.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Erratum:
    """One wrong cell: `printed` and `corrected` in `unit`, the reason, and the source of the correction.

    `row` is a chip's name in the catalogue where the table is one of chips.
    """

    table: str
    row: str
    column: str
    printed: float | str
    corrected: float | str
    unit: str
    reason: str
    source: str


ERRATA: tuple[Erratum, ...] = (
    Erratum("SWS 2025-03, chip comparison", "tpu-v6e", "link_bandwidth", 3584.0, 448.0, "GB/s",
            "3584 is in Gbit/s", "docs.cloud.google.com/tpu/docs/v6e"),
)
