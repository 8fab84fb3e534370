"""SCALE-Sim's three reports, character by character, and what in them is an artefact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archsim.explore.scalesim.files import Config
from archsim.explore.scalesim.model import Result
from archsim.timing.array import ArrayCount, count

OPERANDS = ("sram_ifmap", "sram_filter", "sram_ofmap", "dram_ifmap", "dram_filter", "dram_ofmap")
COMPUTE = ("LayerID, Total Cycles (incl. prefetch), Total Cycles, Stall Cycles, Overall Util %, Mapping Efficiency %, "
           "Compute Util %,")
BANDWIDTH = ("LayerID, Avg IFMAP SRAM BW, Avg FILTER SRAM BW, Avg OFMAP SRAM BW, Avg IFMAP DRAM BW, "
             "Avg FILTER DRAM BW, Avg OFMAP DRAM BW,")
ACCESS = "LayerID, " + ", ".join(
    f"{level} {operand} Start Cycle, {level} {operand} Stop Cycle, {level} {operand} {kind}"
    for level in ("SRAM", "DRAM") for operand, kind in (("IFMAP", "Reads"), ("Filter", "Reads"), ("OFMAP", "Writes"))
) + ","


def reports(results: Sequence[Result]) -> dict[str, str]:
    """Return the text of each report by its file's name, as SCALE-Sim 3.0.0 writes it."""
    compute = [[r.cycles_prefetch, r.cycles, r.stalls, r.utilization, r.mapping, r.compute_utilization]
               for r in results]
    bandwidth = [[r.bandwidth(name) for name in OPERANDS] for r in results]
    access: list[list[float]] = []
    for r in results:
        spans = [getattr(r, name) for name in OPERANDS]
        access.append([x for s in spans for x in (float(s.start), float(s.stop), s.words)])
    return {
        "COMPUTE_REPORT.csv": _table(COMPUTE, compute),
        "BANDWIDTH_REPORT.csv": _table(BANDWIDTH, bandwidth),
        "DETAILED_ACCESS_REPORT.csv": _table(ACCESS, access),
    }


def _table(header: str, rows: Iterable[Sequence[float]]) -> str:
    lines = [f"{i}, {', '.join(str(x) for x in row)},\n" for i, row in enumerate(rows)]
    return f"{header}\n{''.join(lines)}"


def own_counts(config: Config, results: Sequence[Result]) -> list[ArrayCount]:
    """Return archsim's own count of each layer's product on the same array.

    Memory is ideal and a second set of registers takes the next stationary tile while this one streams.
    """
    shape: dict[str, Any] = {"rows": config.rows, "cols": config.cols, "dataflow": config.dataflow}
    return [count(r.layer.m, r.layer.n, r.layer.k, **shape) for r in results]


def to_dict(config: Config, results: Sequence[Result], *, fixed_stalls: bool = False) -> dict[str, Any]:
    """Return the figures as plain data: cycles, words, words per cycle, percent; and archsim's own cycles."""
    layers = []
    for i, (r, own) in enumerate(zip(results, own_counts(config, results), strict=True)):
        accesses = {
            name: {"start_cycle": span.start, "stop_cycle": span.stop, "words": span.words,
                   "words_per_cycle": r.bandwidth(name)}
            for name in OPERANDS for span in (getattr(r, name),)
        }
        layers.append({
            "layer_id": i, "name": r.layer.name, "m": r.layer.m, "n": r.layer.n, "k": r.layer.k,
            "total_cycles": r.cycles, "total_cycles_incl_prefetch": r.cycles_prefetch, "stall_cycles": r.stalls,
            "overall_util_percent": r.utilization, "mapping_efficiency_percent": r.mapping,
            "compute_util_percent": r.compute_utilization, **accesses,
            "archsim_cycles": own.cycles, "archsim_util_percent": 100 * own.utilization,
        })
    return {
        "run_name": config.run_name, "array_rows": config.rows, "array_cols": config.cols,
        "dataflow": config.dataflow, "bandwidth_mode": "USER" if config.bandwidths else "CALC",
        "stalls": "fixed" if fixed_stalls else "scalesim-3.0.0", "layers": layers,
        "total_cycles": sum(r.cycles for r in results), "artefacts": notes(config, results, fixed_stalls=fixed_stalls),
    }


def notes(config: Config, results: Sequence[Result], *, fixed_stalls: bool = False) -> list[str]:
    """Return what in these figures is an artefact of SCALE-Sim, as far as it shows in them; one line each."""
    rows, cols = config.rows, config.cols
    compute, own = sum(r.cycles - r.stalls for r in results), sum(o.cycles for o in own_counts(config, results))
    said = [f"Nothing overlaps between folds: {compute:,} cycles without stalls; archsim counts {own:,}, with a second "
            "set of registers per PE that takes the next tile while this one streams."]
    sides = [{"os": (r.layer.m, r.layer.n), "ws": (r.layer.k, r.layer.n), "is": (r.layer.k, r.layer.m)}[config.dataflow]
             for r in results]
    if any(high % rows or wide % cols for high, wide in sides):
        said.append(f"Folds that fill only a part of the {rows} x {cols} array cost as many cycles as full ones: one "
                    "more row or column of work can cost a whole fold.")
    said.append("Total Cycles is the number of the last cycle, counted from 0: a layer takes one cycle more, "
                "and Overall Util % is too high by as much.")
    if config.dataflow == "os":
        said.append("Results leave the array as if all rows finished together, and at once: the last row is "
                    f"{rows - 1} cycles later, and a sum takes one to leave its PE. archsim counts these {rows} cycles "
                    "where no next fold hides them.")
        folds = sum(-(-high // rows) * -(-wide // cols) for high, wide in sides)
        said.append(f"SRAM OFMAP Writes count {folds * (rows + cols):,} words too many: rows + columns of the array "
                    "once more per fold.")
    else:
        if cols > 1:
            said.append("Compute Util % counts the skew along the columns twice, and is too low.")
        if any(high > rows for high, _ in sides):
            said.append("Partial sums of every fold along K go to the ofmap buffer and to memory, and are never read "
                        "back to be added up.")
    extra = sum(r.dram_ofmap.words - (r.sram_ofmap.words if config.dataflow != "os" else r.layer.m * r.layer.n)
                for r in results)
    if extra > 0:
        said.append(f"DRAM OFMAP Writes count {extra:,} words too many: lines drained before they are full count as "
                    "full ones.")
    if config.bandwidths is None:
        said.append("CALC: reads never stall, whatever the bandwidth; the first fetch takes 10 words per cycle.")
        if any(_again(r) for r in results):
            said.append("An operand that does not fit in half its buffer is read from memory on every use: a full half "
                        "is dropped as a whole, never in part.")
    else:
        read_i, read_f, write = config.bandwidths
        said.append(f"USER: each operand has a memory channel of its own (ifmap {read_i}, filter {read_f}, ofmap "
                    f"{write} words per cycle), and half a buffer arrives as a whole: DRAM reads count whole halves.")
        if not fixed_stalls and any(r.stalls for r in results):
            said.append("Stalls for reads are counted twice, as SCALE-Sim 3.0.0 does; --fixed-stalls counts them once.")
    if any(r.layer.filter_h * r.layer.filter_w > 1 and r.layer.ifmap_w != r.layer.filter_w for r in results):
        said.append("Convolutions have no padding, batch or groups: M = windows, K = window, N = filters.")
    said.append("A word is a byte and there is no clock: every cycle moves any number of words between SRAM and array.")
    return said


def _again(r: Result) -> bool:
    """Whether an operand was read from memory more than once."""
    x = r.layer
    return r.dram_ifmap.words > x.ifmap_h * x.ifmap_w * x.channels or r.dram_filter.words > x.n * x.k
