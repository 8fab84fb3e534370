"""Yields: how many dies a wafer holds, and what share of them can be sold, spare cores counted.

All yield models are one: defects fall as a Poisson process whose density differs from die to die. Poisson's model
says that it does not differ, Murphy's that it is triangular from 0 to twice the mean, Seeds's that it is exponential,
the negative binomial that it is a gamma distribution (Cunningham, The Use and Evaluation of Yield Models in Integrated
Circuit Manufacturing, IEEE Transactions on Semiconductor Manufacturing 3(2), 1990).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from archsim.errors import ArchsimError, unknown

WAFER = 300.0
"""Diameter of a wafer in mm."""
EDGE = 3.0
"""Ring at the edge of a wafer, in mm, where no die works."""
SCRIBE = 0.1
"""Width of the saw lane between dies in mm."""
RETICLE = (26.0, 33.0)
"""Largest die that one exposure prints, in mm."""

MODELS = ("murphy", "poisson", "seeds", "negative-binomial")


def shape(area: float) -> tuple[float, float]:
    """Return width and height in mm of a die of `area` mm2: square, or as wide as the reticle lets it be.

    Raises
    ------
    ArchsimError
        If it is larger than the reticle.
    """
    if not 0 < area <= RETICLE[0] * RETICLE[1]:
        raise ArchsimError(f"a die of {area:.0f} mm2 cannot be made: one exposure prints at most 26 x 33 mm = 858 mm2; "
                           "split it, Die(count=2) or replace('die', count=2)")
    width = min(math.sqrt(area), RETICLE[0])
    return width, area / width


@functools.lru_cache(maxsize=4096)
def gross_dies(area: float) -> int:
    """Return how many whole dies of `area` mm2 a wafer holds: counted on the grid, at the best of its offsets.

    A die counts if its four corners lie inside the edge exclusion.
    """
    width, height = (side + SCRIBE for side in shape(area))
    radius = WAFER / 2 - EDGE
    best = 0
    for down in np.linspace(0.0, 0.5, 21):  # beyond half a die the grid is its own mirror image
        rows = np.arange(-math.ceil(radius / height) - 1, math.ceil(radius / height) + 1) + down
        far = np.maximum(np.abs(rows), np.abs(rows + 1)) * height
        half = np.sqrt(np.maximum(radius**2 - far**2, 0.0)) / width
        half = half[far <= radius]
        for right in np.linspace(0.0, 0.5, 21):
            best = max(best, int(np.maximum(np.floor(half - right) + np.floor(half + right), 0).sum()))
    return best


def gross_dies_formula(area: float) -> float:
    """Return the mean of the count over all offsets of the grid: pi d^2 / 4wh - d/w - d/h.

    Wafer area over die area, less half of the dies that the circle cuts, which crosses 2d/w columns' and 2d/h rows'
    edges twice each. `gross_dies`, at the best offset, is at most an eighth above it, for small dies 1 %. The usual
    formula, pi D^2 / 4A - pi D / sqrt(2A) without saw lane and edge ring (de Vries, IEEE Transactions on
    Semiconductor Manufacturing 18(1), 2005), is within 9 % of the count from 80 mm2 up, mostly within 5.
    """
    width, height = (side + SCRIBE for side in shape(area))
    diameter = WAFER - 2 * EDGE
    return math.pi * diameter**2 / (4 * width * height) - diameter / width - diameter / height


def die_yield(defects: float, area: float, model: str = "murphy", *, core_area: float = 0.0, cores: int = 1,
              need: int | None = None, repair: float = 0.0, clustering: float = 3.0) -> float:
    """Return the share of dies that can be sold.

    Y = E[ P(at least `need` of `cores` cores free of defects) x exp(-D (A - cores a) (1 - repair)) ],
    the mean over the distribution of D, with exp(-D a) the chance of one core. With no spare and no repair this is
    exp(-AD), ((1 - exp(-AD)) / AD)^2, 1 / (1 + AD) and (1 + AD/c)^-c.

    Parameters
    ----------
    defects
        Mean killer defects per cm2.
    area
        Of the die in mm2.
    model
        One of `MODELS`.
    core_area, cores, need
        mm2 of one core, cores on the die, and how many must work (all, if not given).
    repair
        Share of the area outside cores where a defect does no harm: spare rows of memories, unused interfaces.
    clustering
        Of the negative binomial: small where defects cluster.

    Raises
    ------
    ArchsimError
        If the model is not known or a number cannot be meant.
    """
    need = cores if need is None else need
    if model not in MODELS:
        raise unknown("yield model", model, MODELS)
    if not (0 <= defects < math.inf and 0 < area < math.inf):
        raise ArchsimError(f"defects ({defects!r}) must be at least 0 and area ({area!r}) positive")
    if not (1 <= need <= cores and 0 <= cores * core_area <= area * (1 + 1e-9)):
        raise ArchsimError(f"{need} of {cores} cores of {core_area:.4g} mm2 cannot be on a die of {area:.4g} mm2")
    if not (0 <= repair <= 1 and 1 <= clustering < math.inf):
        raise ArchsimError(f"repair ({repair!r}) must be from 0 to 1, clustering ({clustering!r}) at least 1")
    densities, weights = _densities(model, clustering)
    per_mm2 = densities * defects / 100.0
    rest = np.exp(-per_mm2 * (area - cores * core_area) * (1 - repair))
    good = _at_least(need, cores, -per_mm2 * core_area)
    return float(min(np.dot(weights, good * rest), 1.0))


def _at_least(need: int, cores: int, log_good: np.ndarray) -> np.ndarray:
    """Return P(at least `need` of `cores`) where exp(`log_good`) is the chance of each: a tail of the binomial.

    In logarithms, as thousands of cores have binomial coefficients beyond any float.
    """
    tail = np.exp(cores * log_good)
    with np.errstate(divide="ignore"):
        log_bad = np.log(-np.expm1(log_good))  # -inf where no defect can be
    for bad in range(1, cores - need + 1):
        ways = math.lgamma(cores + 1) - math.lgamma(bad + 1) - math.lgamma(cores - bad + 1)
        tail = tail + np.exp(ways + (cores - bad) * log_good + bad * log_bad)
    return np.asarray(np.minimum(tail, 1.0))


@functools.cache
def _densities(model: str, clustering: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points and weights of the distribution of defect density, as multiples of its mean (Gauss-Legendre)."""
    if model == "poisson":
        return np.ones(1), np.ones(1)
    nodes, weights = np.polynomial.legendre.leggauss(96)
    if model == "murphy":  # a triangle from 0 to 2, as two straight halves
        x = np.concatenate([(nodes + 1) / 2, (nodes + 3) / 2])
        w = np.concatenate([weights, weights]) / 2 * np.minimum(x, 2 - x)
    else:
        shape_ = 1.0 if model == "seeds" else clustering
        top = (shape_ + 12 * math.sqrt(shape_) + 30) / shape_  # where what is left of the gamma is below 1e-10
        x = (nodes + 1) / 2 * top
        w = weights * np.exp((shape_ - 1) * np.log(x) - shape_ * (x - 1))
    return x, w / w.sum()
