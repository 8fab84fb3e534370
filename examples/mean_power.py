"""What a served model draws: mean watts of requests and of training steps, beside measured ones.

Claim. A chip's design power says little about what it draws. Streaming weights for one sequence takes little more than
half of it; only long products take all, and then the clock falls until they fit. Energies by process, byte and
operation, and the time of each operator, give the mean to some 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx

import archsim as sim

ARGONNE = "argonne-lcf/LLM-Inference-Bench @4211f5d4, Fig 16 a"
ISCA23 = "Jouppi et al., TPU v4, ISCA 2023, table 6 (MLPerf, 64 chips)"


@dataclass(frozen=True)
class Measured:
    """A published mean power of one chip while it works; two servers' figures are both there where both are published.

    `batch` is sequences (or images) of one chip; those that its memory does not hold at once wait their turn.
    """

    chip: str
    model: str
    batch: int
    watts: tuple[float, ...]
    source: str
    prompt: int = 1024
    output: int = 1024


MEASURED = (
    *(Measured("a100-sxm-40gb", model, batch, watts, ARGONNE) for model, batch, watts in (
        ("llama-2-7b", 1, (222.1, 233.5)), ("llama-2-7b", 16, (293.0, 291.0)), ("llama-2-7b", 64, (344.4, 333.8)),
        ("llama-3-8b", 1, (228.8, 232.5)), ("llama-3-8b", 16, (264.3, 252.9)), ("llama-3-8b", 64, (315.8, 296.4)))),
    Measured("a100-sxm-80gb", "bert-large-uncased", 48, (380.0,), ISCA23, prompt=512, output=0),
    Measured("tpu-v4", "bert-large-uncased", 48, (197.0,), ISCA23, prompt=512, output=0),
)


def at_once(m: Measured) -> int:
    """Return how many of the sequences the chip's memory holds at their full length."""
    for batch in range(m.batch, 0, -1):
        graph = sim.transformer(sim.models.get(m.model), phase="decode", batch=batch, context=m.prompt + m.output)
        if sim.simulate(graph, sim.chips.get(m.chip), chips=1).fits:
            return batch
    return 1


def steps(m: Measured) -> list[tuple[nx.DiGraph, int]]:
    """Return the steps of the work and how often each occurs: a training step, or a prefill and its tokens."""
    model = sim.models.get(m.model)
    if not m.output:
        return [(sim.transformer(model, phase="train", batch=m.batch, seq=m.prompt), 1)]
    batch = at_once(m)
    decode = sim.transformer(model, phase="decode", batch=batch, context=m.prompt + m.output // 2)
    return [(sim.transformer(model, phase="prefill", batch=batch, seq=m.prompt), 1), (decode, m.output)]


def mean_watts(m: Measured) -> float:
    """Return the mean power of the work: the joules of its steps over their seconds."""
    chip = sim.chips.get(m.chip)
    runs = [(sim.simulate(graph, chip, chips=1), count) for graph, count in steps(m)]
    return sum((r.joules or 0.0) * n for r, n in runs) / sum(r.time_s * n for r, n in runs)


if __name__ == "__main__":
    print(f"{'chip':<16}{'model':<20}{'batch':>6}{'measured W':>12}{'simulated W':>13}{'off':>7}{'of design W':>13}")
    errors = []
    for m in MEASURED:
        got, known = mean_watts(m), sum(m.watts) / len(m.watts)
        errors.append(abs(got / known - 1))
        power = sim.chips.get(m.chip).power
        assert power is not None
        print(f"{m.chip:<16}{m.model:<20}{m.batch:>6}{known:>12.0f}{got:>13.0f}{got / known - 1:>7.0%}"
              f"{got / power.tdp:>13.0%}")
    print(f"\nmean error {sum(errors) / len(errors):.1%}, largest {max(errors):.1%}")
    print("Takeaway: a decode step draws 50 to 70 % of the design power, because a byte of device memory costs what 50 "
          "multiply-adds do and there are few of them; a bill that counts design power is too high by as much.")
