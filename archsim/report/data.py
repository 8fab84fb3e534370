"""Data: chips, models and runs as plain dictionaries for JSON and CSV. SI units in the key names, None for unknown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from archsim.hardware import Chip
from archsim.workload.architecture import Stack

if TYPE_CHECKING:
    from archsim.economics import Cost
    from archsim.explore.select import Difference, Entry
    from archsim.simulation import Run
    from archsim.workload.config import ModelConfig

USD = ("usd_per_chip_hour", "depreciation_usd_per_hour", "energy_usd_per_hour", "usd_per_pflop_peak",
       "usd_per_pflop_achieved", "usd_per_mtoken")
"""Keys that a cost adds to a run."""


def chip_data(chip: Entry, *, figures: bool = False) -> dict[str, Any]:
    """Return a chip's main figures; with `figures` also each figure of its definition with unit and source.

    Of a chip that is listed but cannot be run, what is not known is None and `missing` names it.
    """
    from archsim.explore.select import balance, bandwidth, capacity, peak

    runs = isinstance(chip, Chip)
    dtypes = list(chip.dtypes if isinstance(chip, Chip) else chip.peaks or {})
    main: dict[str, Any] = {
        "name": chip.name,
        "vendor": chip.vendor or None,
        "year": chip.year,
        "kind": chip.kind,
        "fidelity": chip.fidelity,
        "cores": chip.cores if isinstance(chip, Chip) else None,
        "clock_hz": chip.clock if isinstance(chip, Chip) else None,
        "dtypes": dtypes,
        "peak_flops_per_s": {d: peak(chip, d) for d in dtypes},
        "balance_flop_per_byte": {d: balance(chip, d) for d in dtypes},
        "memory_capacity_bytes": capacity(chip),
        "memory_bandwidth_bytes_per_s": bandwidth(chip),
        "link_bandwidth_bytes_per_s": chip.link.bandwidth if chip.link else None,
        "die_area_mm2": chip.die.area if chip.die else None,
        "tdp_w": chip.power.tdp if chip.power else None,
        "price_usd": chip.price if isinstance(chip, Chip) else None,
        "missing": [] if runs else list(getattr(chip, "missing", ())),
        "notes": list(chip.notes),
    }
    if figures:
        main["figures"] = [
            {
                "path": path, "value": value, "unit": unit, "meaning": meaning,
                "source": source.text if source else None,
                "confidence": source.confidence if source else None,
                "note": (source.note or None) if source else None,
                "low": source.low if source else None,
                "high": source.high if source else None,
            }
            for path, value, unit, meaning, source in chip.figures() if path not in ("notes", "missing")
        ]
    return main


def diff_data(chips: Sequence[Entry], rows: Sequence[Difference]) -> dict[str, Any]:
    """Return chips figure by figure, by name, with what each number is of the first chip's."""
    names = [c.name for c in chips]
    return {
        "chips": names,
        "figures": [{"path": r.path, "unit": r.unit, "values": dict(zip(names, r.values, strict=True)),
                     "ratios": dict(zip(names, r.ratios, strict=True))} for r in rows],
    }


def record(item: Any) -> dict[str, Any]:
    """Return a price or an erratum as plain data."""
    return {f.name: getattr(item, f.name) for f in fields(item)}


def model_data(model: ModelConfig, context: int = 4096) -> dict[str, Any]:
    """Return a model's dimensions, parameters, KV bytes and FLOP per token; for a model shipped also the source."""
    from archsim.models import published

    known = published(model)
    return {
        **{f.name: _plain(getattr(model, f.name)) for f in fields(model)},
        "layers": model.layers,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "kv_bytes_per_token": model.kv_bytes_per_token("bf16"),
        "kv_dtype": "bf16",
        "flops_per_token": model.flops_per_token(0),
        "context": context,
        "kv_bytes_at_context": model.kv_bytes(context, "bf16"),
        "flops_per_token_at_context": model.flops_per_token(context),
        "published_parameters": known.parameters if known else None,
        "source": known.source if known else None,
        "differs": (known.differs or None) if known else None,
    }


def _plain(part: Any) -> Any:
    """Return a part of a model as plain values; a stack's layers with their counts."""
    if isinstance(part, Stack):
        layers = [{"count": count, **_plain(layer)} for layer, count in part.groups]
        return {**{f.name: _plain(getattr(part, f.name)) for f in fields(part) if f.name != "groups"}, "layers": layers}
    if is_dataclass(part):
        return {f.name: _plain(getattr(part, f.name)) for f in fields(part)}
    return [_plain(p) for p in part] if isinstance(part, tuple) else part


def run_data(run: Run, cost: Cost | None = None, missing: str | None = None) -> dict[str, Any]:
    """Return a run with the dollars of `cost`; without one they are None and `missing` says why."""
    return {
        **run.to_dict(),
        **{key: getattr(cost, key) if cost is not None else None for key in USD},
        "cost_note": missing,
    }


def gemm_data(run: Run, cost: Cost | None = None, missing: str | None = None) -> dict[str, Any]:
    """Return a run of one matrix product: its sizes, its time, and what bound it."""
    o = run.ops[0]
    op, t = o.op, o.time
    return {
        "chip": run.chip.name,
        "chips": run.chips,
        "fidelity": run.fidelity,
        **{side: getattr(op, side) for side in ("m", "n", "k")},
        "dtype": run.dtype,
        "time_s": run.time_s,
        "cycles": t.cycles,
        "flops": run.flops,
        "compulsory_bytes": op.bytes,
        "hbm_bytes": run.hbm_bytes,
        "on_chip_bytes": run.on_chip_bytes,
        "arithmetic_intensity": run.flops / run.hbm_bytes if run.hbm_bytes else None,
        "balance_flop_per_byte": run.balance,
        "flops_per_s": run.flops / run.time_s,
        "utilization": run.utilization,
        "bound": t.bound,
        "clock_hz": t.clock,
        "joules": run.joules,
        "watts_per_chip": run.watts,
        "energy_j": run.energy,
        "busy_s": t.busy,
        "plan": t.plan,
        **{key: getattr(cost, key) if cost is not None else None for key in USD if key != "usd_per_mtoken"},
        "cost_note": missing,
        "note": run.note,
    }


def to_json(data: Any) -> str:
    """Write data as JSON that every parser reads: NaN and infinities become null, numpy scalars numbers."""
    return json.dumps(_finite(data), indent=2, allow_nan=False, default=float) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(k): _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return data


def to_csv(runs: Sequence[Mapping[str, Any]]) -> str:
    """Write the plain values of runs (see `run_data`) as CSV, one line each; tables and operators are left out."""
    flat = [{k: v for k, v in _finite(r).items() if not isinstance(v, dict | list)} for r in runs]
    names = list(dict.fromkeys(k for r in flat for k in r))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()
