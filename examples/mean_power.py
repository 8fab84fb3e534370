"""What a served model draws: mean watts of requests and of training steps, beside measured ones.

Claim. A chip's design power says little about what it draws. Streaming weights for one sequence takes little more than
half of it; only long products take all, and then the clock falls until they fit. Energies by process, byte and
operation, and the time of each operator, give the mean to some 10 %; a server's fans, processors and ports add 30 to
50 % to what its chips draw.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import networkx as nx

import archsim as sim
from archsim.economics import Server
from archsim.units import W

ARGONNE = "argonne-lcf/LLM-Inference-Bench @4211f5d4, Fig 16 a"
ISCA23 = "Jouppi et al., TPU v4, ISCA 2023, table 6 (MLPerf, 64 chips)"
MLPERF = ("mlcommons/inference_results_v4.1 closed/NVIDIA, H200 MaxQ: power/spl.txt; batch and power_limit: configs/, "
          "class H200_SXM_141GBx8_MaxQ")
LATIF = "Latif et al., arXiv 2412.08602: most that a node drew in training"
NEWKIRK = "Newkirk et al., arXiv 2506.14551: 76 % of 10.2 kW in computationally intensive training"


@dataclass(frozen=True)
class Measured:
    """A published mean power while a chip works, or a server of eight; two figures where two are published.

    `batch` is sequences of one chip; those that its memory does not hold at once wait their turn. `limit` is the power
    limit that it was given, if not its design power. Without `output` it trains.
    """

    chip: str
    model: str
    batch: int
    watts: tuple[float, ...]
    source: str
    prompt: int = 1024
    output: int = 1024
    dtype: str = "bf16"
    limit: float | None = None
    server: bool = False


MEASURED = (
    *(Measured("a100-sxm-40gb", model, batch, watts, ARGONNE) for model, batch, watts in (
        ("llama-2-7b", 1, (222.1, 233.5)), ("llama-2-7b", 16, (293.0, 291.0)), ("llama-2-7b", 64, (344.4, 333.8)),
        ("llama-3-8b", 1, (228.8, 232.5)), ("llama-3-8b", 16, (264.3, 252.9)), ("llama-3-8b", 64, (315.8, 296.4)))),
    Measured("a100-sxm-80gb", "bert-large-uncased", 48, (380.0,), ISCA23, prompt=512, output=0),
    Measured("tpu-v4", "bert-large-uncased", 48, (197.0,), ISCA23, prompt=512, output=0),
    *(Measured("h200", model, batch, watts, MLPERF, prompt, output, "fp8", limit, server=True)
      for model, batch, watts, prompt, output, limit in (  # mean lengths of the benchmark's data sets
          ("gpt-j-6b", 396, (4777.0,), 870, 70, 350 * W), ("llama-2-70b", 806, (6154.0, 6283.0), 294, 294, 500 * W),
          ("mixtral-8x7b", 3072, (6214.0,), 290, 145, 500 * W))),
    Measured("h100-sxm", "llama-2-13b", 4, (8400.0, 7752.0), f"{LATIF}; {NEWKIRK}", 4096, 0, server=True),
)

NOT_PREDICTED = {
    "TPU v4, TPU v3 in production, 170 and 220 W": "the mean of a mix of work that is not published",
    "ResNet-50 training, TPU v4 206 W, A100 273 W": "no graph has the gradients of convolutions",
    "Llama-2-70B adapters on 64 H100, 7,177 W a server": "eight sequences on 64 chips: communication, which a run does "
    "not count, sets the pace; chips at their limit would make 8.2 kW",
    "the same, highest sample, 9,944 W": "a moment, shorter than a controller averages; a run knows its mean",
    "the same, idle, 2,894 W": "parts of a server are known at work alone: with chips at idle power they make 2.1 kW",
    "GPT 1.8T on 8,000 H100, 15 MW": "what a plan provides for a building, not what was measured",
}
"""What else is published of mean powers, and why no run tells it."""


def chip_of(m: Measured) -> sim.Chip:
    """Return the chip under the limit that it had."""
    chip = sim.chips.get(m.chip)
    return chip if m.limit is None else chip.replace("power", tdp=m.limit)


def at_once(m: Measured) -> int:
    """Return how many of the sequences the chip's memory holds at their full length."""
    def too_many(batch: int) -> bool:
        graph = sim.transformer(sim.models.get(m.model), phase="decode", batch=batch, context=m.prompt + m.output,
                                dtype=m.dtype, kv_dtype=m.dtype)
        return not sim.simulate(graph, chip_of(m), chips=1).fits

    return max(1, bisect_left(range(1, m.batch + 1), True, key=too_many))


def steps(m: Measured) -> list[tuple[nx.DiGraph, int]]:
    """Return the steps of the work and how often each occurs: a training step, or a prefill and its tokens."""
    model = sim.models.get(m.model)
    if not m.output:
        return [(sim.transformer(model, phase="train", batch=m.batch, seq=m.prompt), 1)]
    batch = at_once(m)
    prefill = sim.transformer(model, phase="prefill", batch=batch, seq=m.prompt, dtype=m.dtype, kv_dtype=m.dtype)
    decode = sim.transformer(model, phase="decode", batch=batch, context=m.prompt + m.output // 2, dtype=m.dtype,
                             kv_dtype=m.dtype)
    return [(prefill, 1), (decode, m.output)]


def mean_watts(m: Measured) -> float:
    """Return the mean power of the work, the joules of its steps over their seconds; of a server, at its plug."""
    runs = [(sim.simulate(graph, chip_of(m), chips=1), count) for graph, count in steps(m)]
    watts = sum((r.joules or 0.0) * n for r, n in runs) / sum(r.time_s * n for r, n in runs)
    return Server().watts(watts) * Server().chips if m.server else watts


if __name__ == "__main__":
    print(f"{'of':<19}{'model':<20}{'batch':>6}{'limit W':>9}{'measured W':>12}{'simulated W':>13}{'off':>7}")
    errors = []
    for m in MEASURED:
        got, power = mean_watts(m), chip_of(m).power
        assert power is not None
        name = f"8 x {m.chip}, plug" if m.server else m.chip
        for known in m.watts:
            errors.append(abs(got / known - 1))
            print(f"{name:<19}{m.model:<20}{m.batch:>6}{power.tdp:>9.0f}{known:>12.0f}{got:>13.0f}"
                  f"{got / known - 1:>7.0%}")
    print(f"\nmean error of {len(errors)} figures {sum(errors) / len(errors):.1%}, largest {max(errors):.1%}\n")
    print("Not predicted:")
    for what, why in NOT_PREDICTED.items():
        print(f"- {what}: {why}")
    print("\nTakeaway: a decode step of few sequences draws 50 to 70 % of the design power, because a byte of device "
          "memory costs what 50 multiply-adds do and there are few of them. Large batches take all that the limit "
          "allows, and then the limit is the answer.")
