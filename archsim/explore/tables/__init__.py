"""Tables of broker reports, reproduced cell by cell and corrected.

``find("chip-cost")`` is a table as printed with its formulas; ``reproduce(table, catalogue)`` works out every cell.
"""

from __future__ import annotations

from archsim.errors import unknown
from archsim.explore.tables import guohai, shenwan_chips, shenwan_megascale, shenwan_training, soochow, tianfeng
from archsim.explore.tables.printed import Span, parse
from archsim.explore.tables.table import Catalogue, Cell, Field, Fix, Item, Reproduction, Table, reproduce

TABLES: tuple[Table, ...] = (
    shenwan_chips.COMPARISON, shenwan_chips.COST, shenwan_training.TRAINING, guohai.GPT4_TRAINING,
    guohai.GPT4_INFERENCE, soochow.BLACKWELL, guohai.COMPUTE, shenwan_megascale.MEGASCALE, tianfeng.COREWEAVE,
    soochow.CHIPS, guohai.CHIPS, guohai.VENDORS, soochow.COOLING,
)
"""Every table, those of chips first."""


def find(name: str) -> Table:
    """Return a table by name; case, ``_`` and spaces do not matter.

    Raises
    ------
    ArchsimError
        If there is no such table; the message gives the nearest name.
    """
    key = str(name).strip().lower().replace("_", "-").replace(" ", "-")
    for table in TABLES:
        if table.name == key:
            return table
    raise unknown("table", name, [t.name for t in TABLES])


__all__ = ["TABLES", "Catalogue", "Cell", "Field", "Fix", "Item", "Reproduction", "Span", "Table", "find", "parse",
           "reproduce"]
