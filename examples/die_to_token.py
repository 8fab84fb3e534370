"""From die to dollar: H100, TPU v5p, Trainium2 and your chip, and what the answer hangs on.

Claim. A wafer, a yield and a few gigabytes of memory make a chip of one to four thousand dollars; margin, server, idle
hours and the years over which all is written off make the price of its hour; the model makes tokens of it. The
comparison depends on a handful of assumptions more than on any figure of the silicon: the program finds which.
"""

from pathlib import Path

from archsim.chips.prices import usd_range

import archsim as sim
from archsim.economics import Range, Server, chain, sensitivity
from archsim.economics.sensitivity import together, work_inputs

MODEL = sim.models.get("llama-3.1-70b")
WORK = {"prefill": {"batch": 1, "seq": 8192}, "decode": {"batch": 64, "context": 4096}}

CHIPS = {  # and how many share one host
    "h100-sxm": 8, "tpu-v5p": 4, "trainium2": 16, "my_chip.py": 8,
}


def find(name: str) -> sim.chips.Chip:
    """Return a chip of the catalogue, or the one in a file beside this one."""
    if name.endswith(".py"):
        return sim.chips.load(Path(__file__).with_name(name))
    return sim.chips.get(name)


def listed(chip: sim.chips.Chip) -> Range | None:
    """Return the prices on file for a chip, from the lowest to the highest; its margin follows from them."""
    ends = usd_range(chip.name)
    return Range(ends[0], chip.price, ends[1], "USD", ends[2]) if ends and chip.price else None


if __name__ == "__main__":
    columns, moved = {}, {phase: [] for phase in WORK}
    for name, per_host in CHIPS.items():
        chip = find(name)
        made = chain(chip, list_price=listed(chip), server=Server(chips=per_host))
        steps = {step.name: step.value for step in made.steps}
        if made.making is not None:
            steps["die area"] = made.making.area.used
        for phase, sizes in WORK.items():
            run = sim.simulate(sim.transformer(MODEL, phase=phase, **sizes), chip)
            steps[f"{phase}: chips, MFU"] = f"{run.chips} x, {run.utilization:.0%}"
            steps[f"{phase}: $ per million tokens"] = made.of_run(run)[-1].value
            moved[phase].append(sensitivity(made, run, work_inputs(MODEL, run)))
        columns[chip.name] = steps

    def cell(value: object) -> str:
        """Write a range, or a text."""
        if not isinstance(value, Range):
            return str(value or "-")
        digits = ".0f" if value.base >= 100 else ".3f"
        return f"{value.base:{digits}} ({value.low:{digits}} to {value.high:{digits}})"

    rows = ["die area", "chip cost", "price", "server, per chip", "power at the meter", "chip-hour"]
    rows += [f"{phase}: {what}" for phase in WORK for what in ("chips, MFU", "$ per million tokens")]
    units = {"die area": "mm2", "power at the meter": "W"}
    print(f"{MODEL.name}: base (low to high), USD unless it says otherwise")
    print(f"{'':<34}" + "".join(f"{name:>27}" for name in columns))
    for row in rows:
        print(f"{f'{row} {units.get(row, str())}':<34}" + "".join(f"{cell(c.get(row)):>27}" for c in columns.values()))

    print("\nThe assumptions that move a token's price most, low to high, mean over the four chips:")
    for phase in WORK:
        for input_name, share in together(moved[phase])[:3]:
            own = [s.input for swings in moved[phase] for s in swings if s.name == input_name]
            span = f"{min(r.low for r in own):g} to {max(r.high for r in own):g} {own[0].unit}"
            print(f"  {phase:<9}{input_name:<20}{span:<20}{share:5.0%} of the price")
    key = "decode: $ per million tokens"
    order = sorted(columns, key=lambda n: columns[n][key].base)
    apart = columns[order[-1]][key].base / columns[order[0]][key].base
    ranking = together(moved["decode"])[:3]
    factors = [max(max(s.at_low, s.at_high) / min(s.at_low, s.at_high)
                   for swings in moved["decode"] for s in swings if s.name == n) for n, _ in ranking]
    moves = ", ".join(f"{n} up to {f:.1f}" for (n, _), f in zip(ranking, factors, strict=True))
    print(f"\nTakeaway: at base a decoded token costs {apart:.1f} times as much on {order[-1]} as on {order[0]}; "
          f"single assumptions move it by as large a factor ({moves}). Compare chips under one set of assumptions, "
          "and say which.")
