"""Chain: from die area to dollars per million tokens, every input a named range that can be moved.

dies, memory, package -> chip cost -> margin -> price -> server -> site -> $ per chip-hour of work -> $ per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from archsim.economics.chip_cost import ChipCost, Manufacturing, chip_cost
from archsim.economics.cost import inherited
from archsim.economics.range import Range, Step, spread
from archsim.economics.server import SERVER, Server
from archsim.economics.site import SITE, Assumptions, Hour, chip_hour, design_watts, wall_watts
from archsim.errors import ArchsimError, unknown
from archsim.hardware import Chip, Source
from archsim.simulation import Run

MARGIN = Range(0.47, 0.65, 0.88, "", "gross margin of chips: 47-53 % Alchip and Marvell, 65-70 % Broadcom (Shenwan "
               "Hongyuan 2025-03), 65 % AMD MI300X, 80-88 % NVIDIA (SemiAnalysis, Epoch AI)")
"""For a chip of which no price is known."""

MAKING = tuple(f.name for f in fields(Manufacturing) if f.name != "yield_model")
"""Inputs of `chip_cost`."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Chain:
    """The chain of one chip; see `chain`.

    `inputs` holds every uncertain input by name: those of `Manufacturing`, ``margin`` (or ``price``, where that is
    given), those of `Server` as ``server.NAME``, those of `Assumptions`.
    """

    chip: Chip
    making: ChipCost | None
    """None where the chain starts at a given or published price."""
    inputs: Mapping[str, Range]
    steps: tuple[Step, ...]
    note: str
    server: Server
    _made: dict[tuple[float, ...], float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def values(self) -> dict[str, float]:
        """Every input at its base."""
        return {name: r.base for name, r in self.inputs.items()}

    def at(self, **changes: float) -> dict[str, float]:
        """Return the inputs at their bases but for `changes`, whose names may hold dots (``**{"server.nic_usd": 0}``).

        Raises
        ------
        ArchsimError
            If there is no such input; the message gives the nearest.
        """
        for name in changes:
            if name not in self.inputs:
                raise unknown(f"input of the cost of {self.chip.name}", name, self.inputs)
        return {**self.values, **changes}

    def price(self, values: Values) -> float:
        """Return the price of the chip in USD: as given, or cost / (1 - margin)."""
        if self.making is None:
            return values["price"]
        key = tuple(values[name] for name in MAKING if name in values)
        if key not in self._made:
            self._made[key] = _making(self.chip, {n: values[n] for n in MAKING if n in values}).total.base
        return self._made[key] / (1.0 - values["margin"])

    def assumptions(self, values: Values) -> Assumptions:
        """Return the site that the inputs describe."""
        return _site(values, self.server)

    def hour(self, values: Values, price: float | None = None) -> Hour:
        """Return dollars per hour of work of one chip, by what they pay for; at another price, if one is given."""
        return chip_hour(self.chip, self.assumptions(values), self.price(values) if price is None else price)

    def usd_per_mtoken(self, run: Run, values: Values, price: float | None = None) -> float:
        """Return dollars per million tokens of a run on this chip."""
        return self.hour(values, price).total * _hours_per_mtoken(run)

    def of_run(self, run: Run) -> tuple[Step, ...]:
        """Return the end of the chain for one run: throughput, $ per achieved PFLOP/s-hour, J and $ per token."""
        hour = self._step("chip-hour")
        peak = self.chip.peak(run.dtype) / 1e15
        exactly = Range.exactly
        each = exactly(run.tokens_per_s / run.chips, "token/s", "simulated")
        steps = [Step("throughput of a chip", each, "tokens / time / chips", {
            "tokens": exactly(run.tokens), "time": exactly(run.time_s, "s", f"simulated, {run.fidelity}"),
            "chips": exactly(run.chips)})]
        steps.append(Step("peak PFLOP/s-hour", _times(hour, 1.0 / peak), "chip-hour / peak rate",
                          {"chip-hour": hour, "peak rate": exactly(peak, "PFLOP/s")}))
        if run.flops:
            rate = run.flops / run.time_s / run.chips / 1e15
            steps.append(Step("achieved PFLOP/s-hour", _times(hour, 1.0 / rate), "chip-hour / achieved rate",
                              {"chip-hour": hour, "achieved rate": exactly(rate, "PFLOP/s"),
                               "MFU": exactly(run.utilization)}))
        moved = {name: r for name, r in self.inputs.items() if name in SITE or name.startswith("server.")}
        joules = spread(lambda **v: self._joules(run, v), moved, "J")
        steps.append(Step("energy per token", joules, "power at the meter / throughput of a chip", {
            "power at the meter": self._step("power at the meter"), "throughput of a chip": each}))
        steps.append(Step("million tokens", _times(hour, _hours_per_mtoken(run)),
                          "chip-hour / (throughput of a chip x 3600) x 1e6; its ends do not move the throughput", {
                              "chip-hour": hour, "throughput of a chip": each}))
        return tuple(steps)

    def _joules(self, run: Run, values: Values) -> float:
        return wall_watts(self.chip, self.assumptions(values)) * run.chips * run.time_s / run.tokens

    def _step(self, name: str) -> Range:
        return next(s.value for s in self.steps if s.name == name)


def _hours_per_mtoken(run: Run) -> float:
    return run.chips * run.time_s / 3600.0 / run.tokens * 1e6


def _site(values: Values, server: Server) -> Assumptions:
    return Assumptions(**{name: values[name] for name in SITE if name in values}, server=_server(values, server))


def _server(values: Values, server: Server) -> Server:
    parts = {name.removeprefix("server."): v for name, v in values.items() if name.startswith("server.")}
    return replace(server, **parts)  # type: ignore[arg-type]


def chain(chip: Chip, *, price: Range | float | None = None, list_price: Range | None = None,
          server: Server | None = None, inputs: Mapping[str, Range | float] | None = None) -> Chain:
    """Return the chain of a chip from its area to dollars per hour of work; `Chain.of_run` goes on to tokens.

    Parameters
    ----------
    chip
        What to price: of the catalogue, a user's own, or a variant. The published area and the margin of the chip that
        a variant was made of carry over, so that the two compare.
    price
        USD for one chip, given: the chain then starts there.
    list_price
        What is on file for the chip (for a variant: for the chip that it was made of), with its spread; the chip's own
        `price` if not given. The margin of the chain is what this price implies at the base cost.
    server
        Chips per host and what surrounds them; its figures take the place of the bases of `SERVER`.
    inputs
        Ranges or exact values by name that replace those of the tables.

    Raises
    ------
    ArchsimError
        If an input is unknown, or nothing says what the chip costs: it has neither a die with a process, nor a price,
        nor is one given; or it has no power.
    """
    given = {name: r if isinstance(r, Range) else _exactly(r) for name, r in (inputs or {}).items()}
    origin = chip.base if chip.base is not None and chip.price == chip.base.price else chip
    known = list_price or _own_price(origin)
    making, note = None, ""
    if price is None:
        own = {name: r for name, r in given.items() if name in MAKING}
        try:
            making = _making(chip, own)
        except ArchsimError as e:
            if known is None or origin is not chip or own:
                raise ArchsimError(f"{e}; or give a price") from None
            note, price = f"from the published price: {e}", known
    ranges: dict[str, Range] = {}
    steps: list[Step] = []
    if making is None:
        assert price is not None  # given, or known
        ranges["price"] = price if isinstance(price, Range) else _exactly(price, "USD")
    else:
        ranges |= making.inputs
        ranges["margin"] = _margin(origin, known)
        steps += making.steps
        if not any(s.name == "chip cost" for s in steps):
            steps.append(Step("chip cost", making.total, " + ".join(p.name for p in making.parts),
                              {p.name: p.value for p in making.parts}))
    around = server or Server()
    plain = Server()
    ranges |= {f"server.{name}": r if getattr(around, name) == getattr(plain, name)
               else _exactly(getattr(around, name), r.unit) for name, r in SERVER.items()}
    ranges |= SITE
    if chip.power is not None and chip.power.idle is not None:
        del ranges["idle_power"]  # the chip's own counts
    for name, r in given.items():
        if name not in ranges:
            raise unknown(f"input of the cost of {chip.name}", name, ranges)
        ranges[name] = Range(r.low, r.base, r.high, ranges[name].unit, r.source, r.confidence)
    if making is not None and ranges["margin"].high >= 1:
        raise ArchsimError(f"margin is a share of the price, below 1, not {ranges['margin'].high:g}")
    note = "; ".join(filter(None, (note, inherited(chip, 0.0))))
    bare = Chain(chip, making, ranges, (), note, around)
    return replace(bare, steps=(*steps, *_steps(bare)))


def _exactly(value: float, unit: str = "") -> Range:
    return Range.exactly(value, unit, "given", "hypothetical")


def _times(r: Range, factor: float, unit: str = "USD") -> Range:
    return Range(r.low * factor, r.base * factor, r.high * factor, unit, "", "derived")


def _own_price(chip: Chip) -> Range | None:
    """Return the price that stands in a chip, with the range that its source gives."""
    if chip.price is None:
        return None
    source = chip.sources.get("price") or Source("of the chip", "hypothetical")
    ends = [chip.price, *(x for x in (source.low, source.high) if x is not None)]
    return Range(min(ends), chip.price, max(ends), "USD", source.text, source.confidence)


def _making(chip: Chip, inputs: Mapping[str, Range | float]) -> ChipCost:
    return chip_cost(chip, Manufacturing(**dict(inputs)))  # type: ignore[arg-type]


def _margin(chip: Chip, known: Range | None) -> Range:
    """Return the gross margin that a chip's price implies at its base cost; `MARGIN` where no price is known."""
    if known is None:
        return MARGIN
    cost = chip_cost(chip).total.base
    low, base, high = (1.0 - cost / max(usd, 1e-3 * cost) for usd in (known.low, known.base, known.high))
    return Range(low, base, high, "", f"implied by {known.base:,.0f} USD ({known.low:,.0f} to {known.high:,.0f}) at a "
                 f"cost of {cost:,.0f}; {known.source}", "derived")


def _steps(made: Chain) -> list[Step]:
    """Return the steps from the cost of a chip to dollars per hour of work, whose parts add up at every end."""
    inputs = made.inputs
    steps = []
    if made.making is not None:
        cost, margin = made.making.total, inputs["margin"]
        price = spread(lambda cost, margin: cost / (1.0 - margin), {"cost": cost, "margin": margin}, "USD")
        steps.append(Step("price", price, "chip cost / (1 - margin)", {"chip cost": cost, "margin": margin}))
    else:
        price = inputs["price"]
        steps.append(Step("price", price, price.source))
    around = {name: r for name, r in inputs.items() if name.startswith("server.")}
    site = {name: r for name, r in inputs.items() if name in SITE}
    server = spread(lambda **v: _server(v, made.server).usd_per_chip(), around, "USD")
    steps.append(Step("server, per chip", server,
                      "[(host + memory + flash + chassis) / chips + NIC] / (1 - margin) + switches",
                      {"chips": Range.exactly(made.server.chips), **_usd(around)}))
    life = ("depreciation_years", "availability", "utilization")
    watts = spread(lambda **v: wall_watts(made.chip, _site(v, made.server)), {**around, **site}, "W")
    steps.append(Step("power at the meter", watts,
                      "[(load + idle (1 - busy) / busy) (1 + fans) + host, NIC / busy] x PUE, per working chip",
                      {"design power": Range.exactly(design_watts(made.chip), "W"),
                       **{n: r for n, r in site.items() if n in ("load_power", "idle_power", "pue", *life[1:])},
                       **{n: r for n, r in around.items() if r.unit.startswith("W") or n.endswith("overhead")}}))
    hours = "x 8760 x availability x utilization"
    how = {
        "depreciation": (f"price / (depreciation_years {hours})", life),
        "server": (f"server, per chip / (depreciation_years {hours})", life),
        "facility": (f"design watts at the plug x facility_usd_per_w / (facility_years {hours})",
                     ("facility_usd_per_w", "facility_years", "availability", "utilization")),
        "energy": ("power at the meter x usd_per_kwh", ("usd_per_kwh",)),
    }
    moved = {"price": price, **around, **site}

    def part(name: str, values: Values) -> float:
        hour = chip_hour(made.chip, _site(values, made.server), values["price"])
        return hour.total if name == "total" else float(getattr(hour, name))

    for name, (formula, used) in how.items():
        steps.append(Step(f"hour: {name}", spread(lambda _n=name, **v: part(_n, v), moved, "USD"), formula,
                          {n: site[n] for n in used}))
    whole = spread(lambda **v: part("total", v), moved, "USD")
    steps.append(Step("chip-hour", whole, "an hour of work: depreciation + server + facility + energy",
                      {s.name: s.value for s in steps if s.name.startswith("hour: ")}))
    alone = chip_hour(made.chip, Assumptions(), price.base)
    steps.append(Step("accelerator alone, always at work", Range.exactly(alone.total, "USD"),
                      "price / 4 years + design power x PUE 1.4 x 0.10 USD/kWh: as archsim run and compare reckon"))
    return steps


def _usd(ranges: Mapping[str, Range]) -> dict[str, Range]:
    return {n: r for n, r in ranges.items() if not r.unit.startswith("W") and not n.endswith("overhead")}
