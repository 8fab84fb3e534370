"""SCALE-Sim's figures of some layers as a table, with archsim's own cycles beside them."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.explore.scalesim import Config, Result, own_counts
from archsim.report.sheet import Column, Sheet


def scalesim_sheet(config: Config, results: Sequence[Result]) -> Sheet:
    """Return cycles, utilisation and words moved of each layer."""
    own = own_counts(config, results)
    mode = "CALC"
    if config.bandwidths is not None:
        mode = "USER, " + " / ".join(str(b) for b in config.bandwidths) + " words per cycle"
    size = " / ".join(f"{kb:,}" for kb in (config.ifmap_kb, config.filter_kb, config.ofmap_kb))

    def whole(heading: str, values: Sequence[int], rank: int = 0) -> Column:
        return Column(heading, [f"{v:,}" for v in values], rank)

    return Sheet(
        f"{config.run_name}: {config.rows} × {config.cols} array, {config.dataflow}, buffers {size} kB, {mode}",
        [
            Column("layer", [r.layer.name or str(i) for i, r in enumerate(results)], text=True),
            whole("M", [r.layer.m for r in results], 3), whole("N", [r.layer.n for r in results], 3),
            whole("K", [r.layer.k for r in results], 3),
            whole("total\ncycles", [r.cycles for r in results]), whole("stall\ncycles", [r.stalls for r in results]),
            Column("overall\nutil %", [f"{r.utilization:.2f}" for r in results]),
            Column("mapping\neff %", [f"{r.mapping:.2f}" for r in results], 2),
            Column("compute\nutil %", [f"{r.compute_utilization:.2f}" for r in results], 2),
            whole("SRAM\nwords", [r.sram_ifmap.words + r.sram_filter.words + r.sram_ofmap.words for r in results], 4),
            whole("DRAM\nreads", [r.dram_ifmap.words + r.dram_filter.words for r in results], 1),
            whole("DRAM\nwrites", [r.dram_ofmap.words for r in results], 1),
            whole("archsim\ncycles", [o.cycles for o in own]),
            Column("archsim\nutil %", [f"{100 * o.utilization:.2f}" for o in own], 1),
        ],
        notes=[
            f"all layers: {sum(r.cycles for r in results):,} cycles, {sum(r.stalls for r in results):,} of them "
            f"stalls; archsim {sum(o.cycles for o in own):,}",
            "archsim: the array alone, memory ideal, the next tile loaded while one streams",
        ],
    )
