"""What tests of several report tables share."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal

import archsim.chips as chips
import pytest
from archsim.chips.errata import ERRATA

from archsim.explore import tables
from archsim.explore.tables import Cell, Reproduction

Wrong = Mapping[tuple[str, str], float | str | None]
"""The corrected value of each wrong cell, by item and field; None where the number stands and its unit is wrong."""


def rounds_to(value: float, printed: str) -> bool:
    """Whether a value, rounded half up or down to the decimals of a printed number, is that number."""
    decimals = len(printed.partition(".")[2])
    step = Decimal(1).scaleb(-decimals)
    exact = Decimal(repr(round(value, 9)))
    near = {exact.quantize(step, ROUND_HALF_UP), exact.quantize(step)}
    return Decimal(printed) in near


@pytest.fixture(scope="session")
def work_out() -> Callable[[str], Reproduction]:
    catalogue = tables.Catalogue(chips.find, ERRATA)
    return lambda name: tables.reproduce(tables.find(name), catalogue)


@pytest.fixture(scope="session")
def check_cells() -> Callable[[Reproduction, Wrong], None]:
    """Go through a table cell by cell: what is printed is an input, is recomputed, or is known to be wrong."""

    def check(r: Reproduction, wrong: Wrong) -> None:
        assert {(c.item, c.field) for c in r.errors} == set(wrong)
        for c in r.cells:
            if c.status == "closes" and isinstance(c.recomputed, float) and c.field in PLAIN.get(r.table.name, ()):
                assert rounds_to(c.recomputed, c.printed), c
            if c.error:
                _corrected(c, wrong[c.item, c.field])
                assert c.why or c.source, c

    return check


PLAIN = {
    "chip-comparison": ("compute_intensity",),
    "chip-cost": ("total_cost",),
    "llama3-405b-training": ("sustained", "per_accelerator_day", "cluster_day", "days", "servers", "server_price",
                             "yearly_depreciation", "perf_per_watt", "server_compute_power", "server_power",
                             "cluster_power", "energy", "energy_cost", "depreciation_cost", "total_cost"),
    "liquid-cooling": ("unit_cost", "market_existing", "market_new"),
}
"""Fields whose cells must be the recomputed value to the last printed digit, with no slack for rounded inputs."""


def _corrected(c: Cell, value: float | str | None) -> None:
    if value is None:
        assert c.right_unit != c.unit, c
    elif isinstance(value, str):
        assert str(c.corrected) == value, c
    else:
        assert c.corrected == pytest.approx(value, rel=2e-3), c
        assert c.right_unit != c.unit or c.printed != f"{value:g}", c
