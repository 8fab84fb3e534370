"""Shenwan Hongyuan, 2025-03-28, after ByteDance's MegaScale paper: a 175B model on up to 12,288 A100."""

from __future__ import annotations

from archsim.explore.tables.table import Field, Fix, Item, Record, Table

PARAMETERS, LAYERS, HIDDEN, SEQ, VOCAB = 175e9, 96, 12288, 2048, 51200
"""The model: GPT-3 175B (MegaScale, NSDI 2024, section 6); vocabulary padded as Megatron-LM does."""

TOKENS = 300e9
"""Training tokens of the column of days."""

A100_TFLOPS = 312
"""Dense bf16 peak by which both papers divide (NVIDIA A100 datasheet)."""

FULL_ATTENTION = 72 * LAYERS * HIDDEN**2 * (1 + SEQ / (6 * HIDDEN) + VOCAB / (12 * HIDDEN * LAYERS))
"""Training FLOP per token, attention over all keys and the output head counted (Narayanan et al. 2021, equation 3,
without recomputation: 72 instead of 96)."""

HALF_ATTENTION = 6 * PARAMETERS + 6 * LAYERS * HIDDEN * SEQ
"""Training FLOP per token, 6 per parameter and attention over the half of the keys that causality leaves. It closes
MegaScale's rows, which use sliding windows; their paper does not print its formula."""

_RUNS = """
     768 | Megatron-LM | 256   | 40.0  | 39.3   | 88.35 | 53.0 | 43.3   |
     768 | Megatron-LM | 512   | 21.2  | 74.1   | 46.86 | 49.9 | 77.6   |
     768 | Megatron-LM | 768   | 15.2  | 103.8  | 33.45 | 46.7 | 111.9  |
     768 | Megatron-LM | 1024  | 11.9  | 132.7  | 26.17 | 44.7 | 131.9  |
     768 | MegaScale   | 256   | 32.0  | 49.0   | 70.86 | 65.3 | 52.2   | 1.23
     768 | MegaScale   | 512   | 16.5  | 95.1   | 36.51 | 63.5 | 101.4  |
     768 | MegaScale   | 768   | 11.5  | 136.7  | 25.40 | 61.3 | 146.9  |
     768 | MegaScale   | 1024  | 8.9   | 176.9  | 19.62 | 59.0 | 188.5  | 1.32
    6144 | Megatron-LM | 3072  | 29.02 | 433.6  | 8.01  | 48.7 | 466.8  |
    6144 | Megatron-LM | 6144  | 14.78 | 851.6  | 4.08  | 47.8 | 916.3  |
    6144 | Megatron-LM | 8192  | 12.24 | 1027.9 | 3.38  | 43.3 | 1106.7 |
    6144 | Megatron-LM | 12288 | 8.57  | 1466.8 | 2.37  | 41.2 | 1579.5 |
    6144 | MegaScale   | 3072  | 23.66 | 531.9  | 6.53  | 59.1 | 566.5  | 1.21
    6144 | MegaScale   | 6144  | 12.21 | 1030.9 | 3.37  | 57.3 | 1098.4 | 1.19
    6144 | MegaScale   | 8192  | 9.56  | 1315.6 | 2.64  | 54.9 | 1400.6 | 1.26
    6144 | MegaScale   | 12288 | 6.34  | 1984.0 | 1.75  | 55.2 | 2166.3 | 1.34
"""
_ROWS = [[cell.strip() for cell in line.split("|")] for line in _RUNS.strip().splitlines()]
_COLUMNS = [" | ".join(column) for column in zip(*_ROWS, strict=True)]
_ITEMS = tuple(Item(f"{method} {batch}, {gpus} GPUs", "", {"megascale": float(method == "MegaScale")},
                    f"{method} {gpus}")
               for batch, method, gpus, *_ in _ROWS)

_AGGREGATE = "MFU x GPUs x 312 TFLOPS"


def _mfu(c: Record, flop_per_token: float) -> float:
    """Model FLOP/s over peak, %."""
    return 100 * c["throughput"] * 1e3 * flop_per_token / (c["gpus"] * A100_TFLOPS * 1e12)


def _own_mfu(c: Record) -> float:
    """MFU by the FLOP that the rows of a method count."""
    return _mfu(c, HALF_ATTENTION if c.fact("megascale") else FULL_ATTENTION)


def _speed_up(c: Record) -> float:
    baseline = c.item.name.replace("MegaScale", "Megatron-LM")
    return c["mfu"] / c.of(baseline)["mfu"]


MEGASCALE = Table(
    "megascale", "MegaScale against Megatron-LM, 175B on A100, 300e9 tokens",
    "Shenwan Hongyuan, 2025-03-28, after MegaScale (Jiang et al., NSDI 2024), tables 2 and 3", _ITEMS, (
        Field("batch", "", _COLUMNS[0]),
        Field("gpus", "", _COLUMNS[2]),
        Field("iteration", "s", _COLUMNS[3], measured=True),
        Field("throughput", "ktok/s", _COLUMNS[4], measured=True,
              formula=lambda c: c["batch"] * SEQ / c["iteration"] / 1e3, words="batch x 2048 / iteration"),
        Field("training_days", "day", _COLUMNS[5], formula=lambda c: TOKENS / (c["throughput"] * 1e3) / 86_400,
              words="300e9 tokens / throughput"),
        Field("mfu", "%", _COLUMNS[6], measured=True, formula=_own_mfu,
              words=f"throughput x FLOP per token / (GPUs x 312 TFLOPS); {FULL_ATTENTION:.4g} FLOP in Megatron-LM's "
              f"rows (all of the attention), {HALF_ATTENTION:.4g} in MegaScale's (half of it)", fixes=(
                  Fix("above what its throughput gives with the FLOP that closes MegaScale's other rows; the paper "
                      "does not print its count", source="arithmetic",
                      items=tuple(f"MegaScale {run} GPUs" for run in ("768, 512", "768, 768", "6144, 12288"))),
                  Fix("54.8 closes with throughput and with aggregate: the digit is a slip", _own_mfu,
                      source="arithmetic", items=("MegaScale 6144, 8192 GPUs",)))),
        Field("aggregate", "PFLOP/s", _COLUMNS[7], words=_AGGREGATE,
              formula=lambda c: c["mfu"] / 100 * c["gpus"] * A100_TFLOPS / 1e3, fixes=(
                  Fix("closes with 54.8 %, which the throughput gives, and not with the printed 54.9",
                      source="arithmetic", items=("MegaScale 6144, 8192 GPUs",)),)),
        Field("speed_up", "x", _COLUMNS[8], formula=_speed_up,
              words="MFU / MFU of Megatron-LM on as many GPUs (not the ratio of throughputs)"),
        Field("mfu_like_for_like", "%", formula=lambda c: _mfu(c, FULL_ATTENTION),
              words="all rows with the FLOP of Megatron-LM's"),
    ),
    errata="Shenwan Hongyuan 2025-03, MegaScale", by_item=True,
)
