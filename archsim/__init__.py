"""archsim: what a token costs on a chip, and why.

>>> import archsim as sim
>>> graph = sim.transformer(sim.models.get("llama-3.1-8b"), phase="decode", batch=8, context=4096)
>>> run = sim.simulate(graph, sim.chips.get("tpu-v5p"))
>>> print(run)                                                                            # doctest: +SKIP

Everything below is loaded when it is first used, so that ``import archsim`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archsim import chips as chips
    from archsim import models as models
    from archsim import units as units
    from archsim.chips.check import check as check
    from archsim.economics import Assumptions as Assumptions
    from archsim.economics import cost as cost
    from archsim.economics.area import area as area
    from archsim.economics.chip_cost import Manufacturing as Manufacturing
    from archsim.economics.chip_cost import chip_cost as chip_cost
    from archsim.economics.range import Range as Range
    from archsim.errors import ArchsimError as ArchsimError
    from archsim.explore.validate import validate as validate
    from archsim.hardware import Cache as Cache
    from archsim.hardware import Chip as Chip
    from archsim.hardware import Die as Die
    from archsim.hardware import Energy as Energy
    from archsim.hardware import GpuCore as GpuCore
    from archsim.hardware import Link as Link
    from archsim.hardware import MatrixArray as MatrixArray
    from archsim.hardware import Memory as Memory
    from archsim.hardware import Power as Power
    from archsim.hardware import RooflineCore as RooflineCore
    from archsim.hardware import Scratchpad as Scratchpad
    from archsim.hardware import Source as Source
    from archsim.hardware import SystolicCore as SystolicCore
    from archsim.hardware import TensorCore as TensorCore
    from archsim.hardware import VectorUnit as VectorUnit
    from archsim.report import plot as plot
    from archsim.report.block_diagram import block_diagram as block_diagram
    from archsim.report.catalogue_plot import scatter as scatter
    from archsim.report.table import comparison as comparison
    from archsim.report.table import table as table
    from archsim.simulation import Run as Run
    from archsim.simulation import simulate as simulate
    from archsim.workload import Routing as Routing
    from archsim.workload import graph as graph
    from archsim.workload import ops as ops
    from archsim.workload import transformer as transformer

_HOME = {
    "chips": "archsim.chips",
    "models": "archsim.models",
    "units": "archsim.units",
    "plot": "archsim.report.plot",
    "graph": "archsim.workload.graph",
    "ops": "archsim.workload.ops",
    "Assumptions": "archsim.economics:Assumptions",
    "cost": "archsim.economics:cost",
    "area": "archsim.economics.area:area",
    "chip_cost": "archsim.economics.chip_cost:chip_cost",
    "Manufacturing": "archsim.economics.chip_cost:Manufacturing",
    "Range": "archsim.economics.range:Range",
    "check": "archsim.chips.check:check",
    "ArchsimError": "archsim.errors:ArchsimError",
    "validate": "archsim.explore.validate:validate",
    "Routing": "archsim.workload:Routing",
    "Run": "archsim.simulation:Run",
    "simulate": "archsim.simulation:simulate",
    "transformer": "archsim.workload:transformer",
    "block_diagram": "archsim.report.block_diagram:block_diagram",
    "scatter": "archsim.report.catalogue_plot:scatter",
    "comparison": "archsim.report.table:comparison",
    "table": "archsim.report.table:table",
    **{name: f"archsim.hardware:{name}" for name in (
        "Cache", "Chip", "Die", "Energy", "GpuCore", "Link", "MatrixArray", "Memory", "Power", "RooflineCore",
        "Scratchpad", "Source", "SystolicCore", "TensorCore", "VectorUnit")},
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'archsim' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
