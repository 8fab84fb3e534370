"""breakeven: how many chips of one's own design must be made before the design has paid for itself against buying.

A design costs masks, engineering and software once (NRE); after that a chip costs its making, and does its work for
less. Chips are compared by work, not by piece: what counts is dollars per million tokens and tokens per chip.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from archsim.economics.chain import Chain
from archsim.economics.range import Range, total
from archsim.economics.site import HOURS_PER_YEAR
from archsim.errors import ArchsimError
from archsim.simulation import Run

IBS = ("design, million USD: IBS, quoted by SemiEngineering (16 nm 106, 7 nm 297, 5 nm 540); Gartner (28 nm 10 to 35, "
       "7 nm 120 to 420)")
MASKS = "masks: SemiAnalysis (28 nm above 1, 7 nm above 10, 3 nm towards 40 million USD)"

_NODES: dict[float, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    28: ((1e6, 1.5e6, 2e6), (10e6, 35e6, 51e6)),
    16: ((3e6, 5e6, 7e6), (50e6, 106e6, 150e6)),
    7: ((10e6, 12e6, 15e6), (120e6, 249e6, 420e6)),
    5: ((15e6, 20e6, 25e6), (150e6, 300e6, 540e6)),
    3: ((30e6, 35e6, 40e6), (200e6, 450e6, 900e6)),
}
"""nm -> masks and design in USD, low, base, high. Ends that the sources do not print are interpolated by judgement."""

SOFTWARE = Range(50e6, 150e6, 500e6, "USD", "compilers, kernels and serving over the life of a chip: 50 to 500 "
                 "engineers at 250,000 USD for 4 years; judgement")


@dataclass(frozen=True)
class Nre:
    """What a chip costs before the first one is made, in USD."""

    masks: Range
    design: Range
    software: Range

    @property
    def total(self) -> Range:
        """All three, ends with ends."""
        return total([self.masks, self.design, self.software], "USD", "masks + design + software")


def nre(node: str | float, *, masks: Range | None = None, design: Range | None = None,
        software: Range | None = None) -> Nre:
    """Return the NRE of a design on a process node, by the nearest of 28, 16, 7, 5 and 3 nm; each part can be given.

    Parameters
    ----------
    node
        Nanometres, or a name of `archsim.economics.process.NODES`, which has them.

    Raises
    ------
    ArchsimError
        If the node has no positive number of nanometres.
    """
    digits = re.search(r"\d+(\.\d+)?", str(node)) if not isinstance(node, bool) else None
    nanometres = float(digits[0]) if digits else 0.0
    if nanometres <= 0 or str(node).lstrip().startswith("-"):
        raise ArchsimError(f"a process node is a number of nanometres, not {node!r}")
    mask, engineers = _NODES[min(_NODES, key=lambda nm: abs(math.log(nm / nanometres)))]
    return Nre(masks or Range(*mask, "USD", MASKS), design or Range(*engineers, "USD", IBS), software or SOFTWARE)


@dataclass(frozen=True)
class Breakeven:
    """Chips of one's own design after which it has paid for itself, and what that follows from.

    `low` is where all goes well for the design (cheap NRE, cheap making, dear rivals), `high` the contrary. Infinite
    where a token on the own chip costs no less than on the bought one: no volume pays then.
    """

    chip: str
    against: str
    low: float
    base: float
    high: float
    nre: Nre
    own_usd_per_mtoken: float
    bought_usd_per_mtoken: float
    mtokens_per_chip: float
    """Million tokens that one own chip makes in its life."""
    replaced: float
    """Bought chips that one own chip stands in for."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {k: (None if isinstance(v, float) and math.isinf(v) else v) for k, v in asdict(self).items()}


def volume(nre_usd: float, own_usd_per_mtoken: float, bought_usd_per_mtoken: float, mtokens_per_chip: float) -> float:
    """Return the chips whose lifetime savings equal the NRE; infinite where there are none.

    ``NRE / [(bought - own) x million tokens in a chip's life]``
    """
    saved = (bought_usd_per_mtoken - own_usd_per_mtoken) * mtokens_per_chip
    return nre_usd / saved if saved > 0 else math.inf


def breakeven(own: Chain, own_run: Run, bought: Chain, bought_run: Run, once: Nre) -> Breakeven:
    """Return the break-even volume of a chip of one's own against buying another, on the same work.

    Site and server are at their bases for both; the ends move the NRE, the making and margin of the own chip, and the
    price of the bought one.

    Raises
    ------
    ArchsimError
        If the two runs are not of the same model and phase.
    """
    kinds = [tuple(r.workload.get(k) for k in ("model", "phase", "seq", "context")) for r in (own_run, bought_run)]
    if kinds[0] != kinds[1]:
        raise ArchsimError(f"break-even compares the same work, not {kinds[0]} with {kinds[1]}")
    site = own.assumptions(own.values)
    hours = site.depreciation_years * HOURS_PER_YEAR * site.busy
    mtokens = own_run.tokens_per_s / own_run.chips * hours * 3600.0 / 1e6
    best, worst = _by_price(own, own_run), _by_price(bought, bought_run)
    cost = once.total
    return Breakeven(
        own.chip.name, bought.chip.name,
        volume(cost.low, best.low, worst.high, mtokens),
        volume(cost.base, best.base, worst.base, mtokens),
        volume(cost.high, best.high, worst.low, mtokens),
        once, best.base, worst.base, mtokens,
        (own_run.tokens_per_s / own_run.chips) / (bought_run.tokens_per_s / bought_run.chips),
    )


def _by_price(made: Chain, run: Run) -> Range:
    """Return $/Mtoken with the site at base and the chip's price at its ends."""
    price = next(s.value for s in made.steps if s.name == "price")
    low, base, high = (made.usd_per_mtoken(run, made.values, usd) for usd in (price.low, price.base, price.high))
    return Range(low, base, high, "USD")
