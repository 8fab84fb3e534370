"""Tables of models and runs, for a terminal, a notebook or plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from archsim.errors import expect
from archsim.report.quantity import NONE, percent, quantity, scale, sig
from archsim.report.sheet import Column, Sheet
from archsim.report.theme import BOUND, BOUND_NAME, BOUND_SHORT

if TYPE_CHECKING:
    from archsim.economics import Cost
    from archsim.simulation import Run
    from archsim.workload.architecture import ModelConfig
    from archsim.workload.sublayers import Layer


__all__ = ["comparison", "cost_line", "energy_line", "gemm_sheet", "model_sheet", "models_sheet", "power_line",
           "summary", "table", "workload"]

LEVEL_NAME = {"matrix": "matrix engine", "vector": "vector units", "on_chip": "on-chip memory",
              "memory": "device memory", "link": "links", "clock": "clock", "idle": "idle"}
"""What a run's energy is spent on (`archsim.simulation.run.LEVELS`), in words."""


def __dir__() -> list[str]:
    return __all__


def _numbers(
    heading: str, values: Sequence[float | None], *, rank: int = 0, factor: float = 1.0, styles: Sequence[str] = ()
) -> Column:
    """Build a column of plain numbers, three significant digits each."""
    return Column(heading, [sig(None if v is None else v / factor) for v in values], rank, styles=styles)


def _scaled(heading: str, values: Sequence[float | None], unit: str, *, rank: int = 0) -> Column:
    """Build a column whose unit takes the SI prefix that suits its largest value."""
    factor, name = scale(values, unit)
    return _numbers(f"{heading}\n{name}", values, rank=rank, factor=factor)


def _percents(heading: str, shares: Sequence[float | None], *, rank: int = 0) -> Column:
    return Column(f"{heading}\n%", [percent(s) for s in shares], rank)


def _bounds(bounds: Sequence[str], rank: int = 0) -> Column:
    return Column("bound", [BOUND_SHORT.get(b, b) for b in bounds], rank, text=True,
                  styles=[BOUND.get(b, "") for b in bounds])


def table(run: Run) -> Sheet:
    """Return the operators of a run: where time and bytes go, and what bounds each.

    Times, FLOP and bytes are totals over equal layers. Time is that of one chip's share; FLOP and bytes are of all
    chips together.

    Raises
    ------
    ArchsimError
        If `run` is no Run.
    """
    from archsim.simulation import Run

    ops = expect("table()", run, Run, "archsim.simulate(graph, chip)").ops
    share = [o.time_s / run.time_s for o in ops]
    bars = ["█" * round(8 * s / max(share)) for s in share]
    return Sheet(
        "",
        [
            Column("operator", [o.name for o in ops], text=True),
            Column("layers", [f"{o.layer} ×{o.repeat}" if o.repeat > 1 else o.layer for o in ops], 3, text=True),
            _scaled("time", [o.time_s for o in ops], "s"),
            _percents("share", share),
            Column("", bars, 4, text=True, styles=[BOUND.get(o.time.bound, "") for o in ops]),
            _scaled("matrix", [o.op.flops * o.repeat for o in ops], "FLOP", rank=2),
            _scaled("HBM", [o.time.hbm_bytes * o.repeat * run.chips for o in ops], "B", rank=1),
            _percents("util", [o.time.utilization for o in ops]),
            _bounds([o.time.bound for o in ops]),
            Column("mapping", [o.time.plan for o in ops], 5, text=True),
        ],
        notes=["util: of peak matrix FLOP/s, or of peak HBM bandwidth where there is no matrix work"],
    )


def workload(run: Run) -> str:
    """Return what was run, in words: ``llama-3.1-70b decode, batch 64, context 4,096, bf16``.

    The context of a prefill is what its cache holds already: ``seq 512, cached 4,096``.
    """
    w = run.workload
    head = " ".join(str(w[k]) for k in ("model", "phase") if w.get(k)) or "graph"
    hidden = {"seq"} if w.get("phase") == "decode" and w.get("seq") == 1 else set()
    word = {"context": "cached"} if w.get("phase") == "prefill" else {}
    sizes = [f"{word.get(k, k)} {w[k]:,}" for k in ("batch", "seq", "context") if w.get(k) and k not in hidden]
    return ", ".join([head, *sizes, run.dtype])


def power_line(run: Run) -> str:
    """Return what one chip draws and at which clock, in words, or why that is not known."""
    power = run.chip.power
    if run.watts is None or power is None:
        die = run.chip.die
        lacking = ("its power is not given" if power is None else "its die is not given" if die is None
                   else f"its process, {(die if not die.node else die.base or die).process!r}, names no node that is "
                   "known")
        return f"not known, and limits nothing: {lacking}"
    slower = f", {sig(run.clock / 1e9)} of {sig(run.chip.clock / 1e9)} GHz" if run.clock < run.chip.clock else ""
    held = f" of {quantity(power.tdp, 'W')}" if power.capped else (
        f"; its design power, {quantity(power.tdp, 'W')}, is an estimate or what was measured at most, and limits "
        "nothing")
    return f"{quantity(run.watts, 'W')} per chip{held}{slower}"


def energy_line(run: Run, per: str = "token") -> str:
    """Return the energy of a token (or of what one token of the graph is) and what it is spent on, largest first.

    It is empty where it is not known.
    """
    if run.energy is None or run.joules_per_token is None or run.joules is None:
        return ""
    parts = sorted(run.energy.items(), key=lambda item: -item[1])
    spent = ", ".join(f"{LEVEL_NAME[name]} {percent(j / run.joules)} %" for name, j in parts if j > 0.005 * run.joules)
    return f"{quantity(run.joules_per_token, 'J')} per {per}: {spent}"


def summary(run: Run, cost: Cost | None = None) -> Sheet:
    """Return the figures of a whole run as a two-column sheet, with its cost if there is one."""
    each = run.tokens_per_s / run.chips
    resident = run.weight_bytes + run.kv_bytes + run.activation_bytes
    by_bound = sorted(run.time_by_bound.items(), key=lambda kv: -kv[1])
    rows = [
        ("time", f"{quantity(run.time_s, 's')} per step of {run.tokens:,} token{'s' * (run.tokens != 1)}"),
        ("throughput", f"{sig(run.tokens_per_s, 4)} tokens/s" + (f", {sig(each)} per chip" if run.chips > 1 else "")),
        ("matrix work", f"{quantity(run.flops, 'FLOP')}, {percent(run.utilization)} % of peak (MFU)"),
        ("HBM traffic", f"{_bytes(run.hbm_bytes, 4)}, {sig(run.arithmetic_intensity)} FLOP/B; "
                        f"the chip balances at {sig(run.balance)}"),
        ("bound", ", ".join(f"{BOUND_SHORT[b]} {percent(s / run.time_s)} %" for b, s in by_bound
                            if s > 0.0005 * run.time_s)),
        ("memory", f"{_bytes(resident)}: weights {_bytes(run.weight_bytes)}, KV cache {_bytes(run.kv_bytes)}, "
                   f"activations {_bytes(run.activation_bytes)}; a chip holds {_bytes(run.chip.memory.capacity)}"),
    ]
    rows += [("power", power_line(run)), *([("energy", energy)] if (energy := energy_line(run)) else [])]
    if cost is not None:
        rows.append(("cost", cost_line(cost)))
    title = f"{workload(run)} on {_count(run)}{run.chip.name} [{run.fidelity}]"
    return Sheet(title, [Column("", [k for k, _ in rows], text=True),
                         Column("", [v for _, v in rows], text=True, wrap=True)],
                 notes=[f"note: {run.note}"] if run.note else [])


def _bytes(value: float, digits: int = 3) -> str:
    """Write bytes with a decimal prefix, so that they can be added up by eye; only capacities of parts are binary."""
    factor, unit = scale([value], "B")
    return f"{sig(value / factor, digits)} {unit}"


def _count(run: Run) -> str:
    return f"{run.chips:,} × " if run.chips > 1 else ""


def cost_line(cost: Cost) -> str:
    """Return what a run costs, in one line."""
    token = f"${sig(cost.usd_per_mtoken)} per million tokens"
    flop = f", ${sig(cost.usd_per_pflop_achieved)} per achieved PFLOP" if isfinite(cost.usd_per_pflop_achieved) else ""
    return (f"{token}{flop}; ${sig(cost.usd_per_chip_hour)} per chip-hour "
            f"({sig(cost.depreciation_usd_per_hour)} depreciation + {sig(cost.energy_usd_per_hour)} energy)")


def comparison(runs: Sequence[Run], costs: Sequence[Cost | None] | None = None, *,
               missing: Mapping[str, str] | None = None, infeasible: Mapping[str, str] | None = None) -> Sheet:
    """Return one line per run: time, throughput, utilisation, intensity, traffic, bound and cost.

    Dollars per PFLOP are always in thousandths, so that tables of one comparison can be read side by side.

    Parameters
    ----------
    runs
        Runs of the same workload on different chips.
    costs
        The cost of each run, None where it is not known.
    missing
        Why a chip has no cost, by its name; said in a footnote.
    infeasible
        Why a chip cannot run the workload, by its name: a row of dashes and a footnote.

    Raises
    ------
    ArchsimError
        If one of `runs` is no Run.
    """
    from archsim.simulation import Run

    for run in runs if isinstance(runs, Sequence) else [runs]:
        expect("comparison()", run, Run, "archsim.simulate(graph, chip)")
    money = list(costs) if costs is not None else [None] * len(runs)

    def usd(field: str) -> list[float | None]:
        return [None if c is None else getattr(c, field) for c in money]

    mine = {r.chip.name for r in runs}
    whys = [why.split(":")[0] for chip, why in (missing or {}).items() if chip in mine]
    notes = [f"{NONE} no cost: {'; '.join(whys)}"] if whys else []
    if any(r.chips > 1 for r in runs):
        notes.append("chips: the fewest whose memory holds the model, spread evenly; communication is NOT counted")
    free = [r.chip.name for r in runs if r.bound == "matrix" and not r.chip.power_limited]
    if free:
        notes.append(f"upper bound, since no power limit is known: {', '.join(free)}")
    notes += [f"{NONE} {why if why.startswith(f'{chip} ') else f'{chip} cannot run this: {_unnamed(why, chip)}'}"
              for chip, why in (infeasible or {}).items()]
    columns = [
        Column("chip", [r.chip.name for r in runs], text=True),
        Column("chips", [f"{r.chips:,}" for r in runs], 1),
        Column("fidelity", [r.fidelity for r in runs], 9, text=True),
        _scaled("time", [r.time_s for r in runs], "s"),
        _numbers("tokens/s\nper chip", [r.tokens_per_s / r.chips for r in runs]),
        _numbers("tokens/s\ntotal", [r.tokens_per_s for r in runs], rank=8),
        _percents("MFU", [r.utilization for r in runs], rank=2),
        _numbers("intensity\nFLOP/B", [r.arithmetic_intensity for r in runs], rank=5),
        _numbers("balance\nFLOP/B", [r.balance for r in runs], rank=6),
        _scaled("HBM", [r.hbm_bytes for r in runs], "B", rank=7),
        _bounds([r.bound for r in runs], 3),
        _numbers("at peak\nm$/PFLOP", usd("usd_per_pflop_peak"), factor=1e-3, rank=10),
        _numbers("achieved\nm$/PFLOP", usd("usd_per_pflop_achieved"), factor=1e-3, rank=4),
        _numbers("cost\n$/Mtoken", usd("usd_per_mtoken")),
    ]
    title = workload(runs[0]) if runs else ""
    return Sheet(title, [_extended(c, list(infeasible or ())) for c in columns], notes=notes)


def _unnamed(why: str, chip: str) -> str:
    """Return a reason without the name of the chip, which has been said already."""
    return why.replace(f"{chip}: ", "", 1)


def _extended(column: Column, chips: Sequence[str]) -> Column:
    """Add a cell for each chip that has no results: its name in the first column, a dash elsewhere."""
    cells = chips if column.heading == "chip" else [NONE] * len(chips)
    styles = [*column.styles, *("" for _ in chips)] if column.styles else ()
    return replace(column, cells=[*column.cells, *cells], styles=styles)


def models_sheet(models: Sequence[ModelConfig], context: int = 4096) -> Sheet:
    """Return the models side by side: parameters, KV cache and work per token, and where the count is published."""
    from archsim.models import published

    known = [published(m) for m in models]
    return Sheet(
        "",
        [
            Column("model", [m.name for m in models], text=True),
            Column("family", [m.family for m in models], 3, text=True),
            Column("parameters\nbillion", [sig(m.parameters / 1e9, 4) for m in models]),
            Column("active\nbillion", [sig(m.active_parameters / 1e9, 4) for m in models], 1),
            Column("KV cache\nkB/token", [sig(m.kv_bytes_per_token("bf16") / 1e3, 4) for m in models]),
            Column("work\nGFLOP/token", [sig(m.flops_per_token(0) / 1e9, 4) for m in models]),
            Column(f"at {context:,} keys\nGFLOP/token", [sig(m.flops_per_token(context) / 1e9, 4) for m in models], 2),
            Column("source of the count", [p.source if p else NONE for p in known], 4, text=True, wrap=True),
        ],
        notes=["KV cache in bf16, before any window is full (encoders keep none); work: forward matrix FLOP of one "
               "token (of a decoder behind an encoder: the decoder's), 2 per multiply-accumulate, output head "
               "included, attention to the cache apart",
               *(f"{m.name}: published as {quantity(p.parameters)}: {p.differs}"
                 for m, p in zip(models, known, strict=True) if p and p.differs)],
    )


def model_sheet(model: ModelConfig, context: int = 4096) -> Sheet:
    """Return one model's counts, where its parameter count is published, and its layers."""
    from archsim.models import published

    known = published(model)
    rows = [
        ("family", model.family),
        ("parameters", f"{model.parameters:,}"),
        ("active parameters", f"{model.active_parameters:,}"),
        ("weights in bf16", _bytes(2.0 * model.parameters, 4)),
        ("KV cache per token in bf16", _bytes(model.kv_bytes_per_token("bf16"), 4)),
        (f"KV cache at {context:,} tokens", _bytes(model.kv_bytes(context, "bf16"), 4)),
        ("FLOP per token", quantity(model.flops_per_token(0), "FLOP")),
        (f"FLOP per token at {context:,} keys", quantity(model.flops_per_token(context), "FLOP")),
        ("hidden", f"{model.hidden:,}"),
        ("vocabulary", f"{model.vocab:,}{', shared with the output head' if model.lm_head and model.tied else ''}"),
        ("longest sequence", f"{model.max_positions:,}"),
    ]
    if known:
        rows.insert(2, ("published", f"{known.parameters:,.0f}: {known.source}"
                                     f"{f' ({known.differs})' if known.differs else ''}"))
    for stack in model.stacks:
        for layer, count in stack:
            rows.append((f"{count:,} {stack.name} layers", _layer(layer)))
    notes = [f"note: {w}" for w in model.notes]
    if model.mtp:
        notes.append(f"note: {model.mtp} more layers in the checkpoint predict further tokens; they are not counted")
    return Sheet(model.name, [Column("", [k for k, _ in rows], text=True),
                              Column("", [v for _, v in rows], text=True, wrap=True)], notes=notes)


def _layer(layer: Layer) -> str:
    """Describe a layer in words."""
    a, f = layer.attention, layer.ffn
    if a.kind == "mla":
        query = f", queries through {a.q_lora}" if a.q_lora else ""
        heads = f"latent attention, {a.heads} heads of {a.head_dim}, {a.kv_lora} + {a.rope_dim} cached{query}"
    else:
        heads = f"{a.heads} heads of {a.head_dim}, {a.kv_heads} KV"
    heads += f", {a.positions} positions" if a.positions != "none" else ", no positions"
    heads += f", window {a.window:,}" if a.window else ""
    heads += ", cross-attention" if layer.cross else ""
    act = f"{'gated ' if f.gated else ''}{f.activation}"
    if f.experts:
        ffn = f"{f.top_k} of {f.experts} experts of {f.expert_ffn:,}, {act}"
        ffn += f", shared expert of {f.shared_ffn:,}" if f.shared_ffn else ""
    else:
        ffn = f"FFN {f.ffn:,}, {act}"
    return f"{heads}; {ffn}; {layer.norms} × {layer.norm}{', parallel' if layer.parallel else ''}"


def gemm_sheet(run: Run, cost: Cost | None = None) -> Sheet:
    """Return a run of one matrix product: its time, what each resource needed, and how it was mapped."""
    op = run.ops[0]
    t = op.time
    m, n, k = (getattr(op.op, side) for side in "mnk")
    achieved, compulsory = t.flops / t.seconds, op.op.shard(run.chips).bytes
    busy = sorted(((b, s) for b, s in t.busy.items() if s), key=lambda bs: -bs[1])
    held = "; the cache still holds the rest" if t.hbm_bytes < 0.999 * compulsory else ""
    rows = [
        ("time", f"{quantity(t.seconds, 's')}  ({t.cycles:,.0f} cycles)"),
        ("achieved", f"{quantity(achieved, 'FLOP/s')} of {quantity(run.chip.peak(run.dtype), 'FLOP/s')} "
                     f"({percent(t.utilization)} %)"),
        ("bound", BOUND_NAME[t.bound]),
        ("needs", ", ".join(f"{BOUND_SHORT[b]} {quantity(s, 's', 3)}" for b, s in busy)),
        ("HBM traffic", f"{_bytes(t.hbm_bytes, 4)} ({sig(t.hbm_bytes / compulsory)} × compulsory{held}), "
                        f"{sig(t.flops / t.hbm_bytes) if t.hbm_bytes else NONE} FLOP/B; the chip balances at "
                        f"{sig(run.balance)}"),
        ("mapping", t.plan or NONE),
    ]
    rows += [(name, text) for name, text in (("power", power_line(run)), ("energy", energy_line(run, "product")))
             if text]
    if cost is not None:
        rows.append(("cost", f"${sig(cost.usd_per_pflop_achieved)} per achieved PFLOP, "
                             f"${sig(cost.usd_per_pflop_peak)} at peak"))
    return Sheet(f"{m:,} × {n:,} × {k:,} (M N K) {run.dtype} on {_count(run)}{run.chip.name} [{run.fidelity}]",
                 [Column("", [a for a, _ in rows], text=True), Column("", [b for _, b in rows], text=True, wrap=True)],
                 notes=[f"note: {run.note}"] if run.note else [])
