"""Run: what simulating a layer graph on a chip gives. It knows nothing of dollars, tables or pictures."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archsim.errors import ArchsimError, path_of
from archsim.hardware import Chip
from archsim.timing import BOUNDS, OpTime
from archsim.workload.ops import Op, describe

LEVELS = ("matrix", "vector", "on_chip", "memory", "link", "clock", "idle")
"""What energy is spent on: the matrix engine with its registers and operands; vector units; L2 or scratchpad and the
way to it; device memory; links; clock trees; and what is drawn when nothing runs."""


@dataclass(frozen=True)
class OpRun:
    """One node of the graph: its operator (whole, before sharding) and the time of one chip's share of it.

    `repeat` is how many equal layers have this node; `time` is for one of them, their mean where the first one differs.
    `prefetched` is how many bytes of one chip's weights came before the operator started (see
    `archsim.simulation.ahead`). What is `recomputed`, rather than kept for the backward pass, is no work of the model.
    `joules` is the energy of one chip's share by `LEVELS`, None where the chip's energies are not known.
    """

    name: str
    layer: str
    repeat: int
    op: Op
    time: OpTime
    prefetched: float = 0.0
    recomputed: bool = False
    joules: Mapping[str, float] | None = None

    @property
    def flops(self) -> float:
        """Matrix FLOP of the model over all repeats."""
        return 0.0 if self.recomputed else self.op.flops * self.repeat

    @property
    def time_s(self) -> float:
        """Seconds over all repeats."""
        return self.time.seconds * self.repeat

    def to_dict(self) -> dict[str, Any]:
        """Return the node as plain data, totals over all repeats, SI units in the names."""
        return {
            "name": self.name,
            "layer": self.layer,
            "repeat": self.repeat,
            **describe(self.op),
            "time_s": self.time_s,
            "cycles": self.time.cycles * self.repeat,
            "flops": self.flops,
            "hbm_bytes": self.time.hbm_bytes * self.repeat,
            "on_chip_bytes": self.time.on_chip_bytes * self.repeat,
            "utilization": self.time.utilization,
            "bound": self.time.bound,
            "clock_hz": self.time.clock,
            "joules": None if self.joules is None else sum(self.joules.values()) * self.repeat,
            "busy_s": {k: v * self.repeat for k, v in self.time.busy.items()},
            "stalls_s": {k: v * self.repeat for k, v in self.time.stalls.items()},
            "prefetched_bytes": self.prefetched * self.repeat,
            "plan": self.time.plan,
            "fidelity": self.time.fidelity,
        }


@dataclass(frozen=True)
class Run:
    """A simulated step (one prefill or one decode step) of a graph on `chips` equal chips.

    `hbm_bytes`, `flops` and `on_chip_bytes` are totals over all chips; `time_s` is the step's duration; ``chips > 1``
    means that the model was spread evenly without any communication (`note` says so, and whether it had to be).
    """

    chip: Chip
    chips: int
    ops: tuple[OpRun, ...]
    dtype: str
    tokens: int
    weight_bytes: float
    kv_bytes: float
    activation_bytes: float
    parameters: int
    workload: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @cached_property
    def time_s(self) -> float:
        """Duration of the step in seconds: operators run one after another."""
        return sum(o.time_s for o in self.ops)

    @cached_property
    def cycles(self) -> float:
        """Duration in cycles of the chip's clock."""
        return self.time_s * self.chip.clock

    @cached_property
    def flops(self) -> float:
        """Matrix FLOP of the step, 2 per multiply-accumulate."""
        return sum(o.flops for o in self.ops)

    @cached_property
    def hbm_bytes(self) -> float:
        """Traffic to device memory, in bytes, over all chips."""
        return sum(o.time.hbm_bytes * o.repeat for o in self.ops) * self.chips

    @cached_property
    def on_chip_bytes(self) -> float:
        """Traffic of scratchpads or of L2, in bytes, over all chips."""
        return sum(o.time.on_chip_bytes * o.repeat for o in self.ops) * self.chips

    @property
    def tokens_per_s(self) -> float:
        """Tokens processed (prefill) or generated (decode) per second, by all chips together."""
        return self.tokens / self.time_s

    @property
    def utilization(self) -> float:
        """Model FLOP utilisation: matrix FLOP over time x chips x peak."""
        return self.flops / (self.time_s * self.chips * self.chip.peak(self.dtype))

    @property
    def arithmetic_intensity(self) -> float:
        """Matrix FLOP per byte of device-memory traffic."""
        return self.flops / self.hbm_bytes

    @property
    def balance(self) -> float:
        """The chip's balance point in FLOP/byte: below it a workload is bound by device memory."""
        return self.chip.balance(self.dtype)

    @property
    def fidelity(self) -> str:
        """``cycle`` or ``roofline``."""
        return self.chip.fidelity

    @cached_property
    def time_by_bound(self) -> dict[str, float]:
        """Seconds by what bound them; sums to `time_s`."""
        total = dict.fromkeys(BOUNDS, 0.0)
        for o in self.ops:
            total[o.time.bound] += o.time_s
        return total

    @property
    def bound(self) -> str:
        """What bound the largest part of the time."""
        return max(self.time_by_bound, key=lambda b: self.time_by_bound[b])

    @cached_property
    def energy(self) -> dict[str, float] | None:
        """Joules of the step by `LEVELS`, over all chips; None where the chip's energies are not known."""
        if any(o.joules is None for o in self.ops):
            return None
        return {level: sum(o.joules[level] * o.repeat for o in self.ops if o.joules) * self.chips for level in LEVELS}

    @property
    def joules(self) -> float | None:
        """Joules of the step, over all chips; None where they are not known."""
        return None if self.energy is None else sum(self.energy.values())

    @property
    def watts(self) -> float | None:
        """Mean power of one chip in watts; None where it is not known."""
        return None if self.joules is None else self.joules / self.time_s / self.chips

    @property
    def joules_per_token(self) -> float | None:
        """Joules of all chips for one token; None where they are not known."""
        return None if self.joules is None else self.joules / self.tokens

    @property
    def clock(self) -> float:
        """Clock of the cores in Hz, lower than the chip's where the power limit slows the step."""
        return min((o.time.clock for o in self.ops), default=self.chip.clock)

    @property
    def fits(self) -> bool:
        """Whether one chip's memory holds weights, KV cache and activations."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes <= self.chip.memory.capacity

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain data, SI units in the key names."""
        return {
            **self.workload,
            "chip": self.chip.name,
            "chips": self.chips,
            "fits_one_chip": self.fits,
            "fidelity": self.fidelity,
            "dtype": self.dtype,
            "tokens": self.tokens,
            "time_s": self.time_s,
            "cycles": self.cycles,
            "tokens_per_s": self.tokens_per_s,
            "tokens_per_s_per_chip": self.tokens_per_s / self.chips,
            "flops": self.flops,
            "hbm_bytes": self.hbm_bytes,
            "on_chip_bytes": self.on_chip_bytes,
            "arithmetic_intensity": self.arithmetic_intensity,
            "balance_flop_per_byte": self.balance,
            "utilization": self.utilization,
            "bound": self.bound,
            "time_by_bound_s": self.time_by_bound,
            "clock_hz": self.clock,
            "joules": self.joules,
            "joules_per_token": self.joules_per_token,
            "watts_per_chip": self.watts,
            "energy_j": self.energy,
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "kv_bytes": self.kv_bytes,
            "activation_bytes": self.activation_bytes,
            "memory_capacity_bytes": self.chip.memory.capacity,
            "note": self.note,
            "ops": [o.to_dict() for o in self.ops],
        }

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict` to a file, whole or not at all.

        Raises
        ------
        ArchsimError
            If the file cannot be written.
        """
        write_whole(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def __str__(self) -> str:
        w = self.workload
        head = " ".join(str(w[k]) for k in ("model", "phase") if k in w) or "graph"
        sizes = ", ".join(f"{k} {w[k]:,}" for k in ("batch", "seq", "context") if w.get(k))
        lines = [
            f"{head} ({sizes}, {self.dtype}) on {self.chips} x {self.chip.name} [{self.fidelity}]",
            f"  time          {self.time_s * 1e3:,.3f} ms   {self.tokens_per_s:,.1f} tokens/s   bound by {self.bound}",
            f"  matrix work   {self.flops / 1e12:,.2f} TFLOP   {100 * self.utilization:.1f} % of peak (MFU)",
            f"  HBM traffic   {self.hbm_bytes / 1e9:,.2f} GB   {self.arithmetic_intensity:,.1f} FLOP/byte"
            f" (balance {self.balance:,.0f})",
            f"  memory        {self.weight_bytes / 1e9:,.1f} GB weights, {self.kv_bytes / 1e9:,.2f} GB KV cache,"
            f" {self.activation_bytes / 1e9:,.2f} GB activations",
        ]
        if self.watts is not None and self.joules_per_token is not None:
            lines.append(f"  power         {self.watts:,.0f} W per chip at {self.clock / 1e9:.2f} GHz   "
                         f"{self.joules_per_token:,.3g} J/token")
        if self.note:
            lines.append(f"  note          {self.note}")
        return "\n".join(lines)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file through a temporary neighbour, so that a failure leaves nothing behind.

    Raises
    ------
    ArchsimError
        If the folder is missing or not writable.
    """
    target = path_of(path)
    part = target.with_name(target.name + ".part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(target)
    except OSError as e:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ArchsimError(f"cannot write {target}: {e.strerror or e}") from None
