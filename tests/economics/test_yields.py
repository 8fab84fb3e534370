"""Dies per wafer against a count by eye, a random grid and published counts; yield against closed forms."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.economics.yields import EDGE, MODELS, SCRIBE, WAFER, die_yield, gross_dies, gross_dies_formula, shape
from archsim.errors import ArchsimError

CLOSED = {
    "poisson": lambda x: math.exp(-x),
    "murphy": lambda x: ((1 - math.exp(-x)) / x) ** 2,
    "seeds": lambda x: 1 / (1 + x),
    "negative-binomial": lambda x: (1 + x / 3) ** -3,
}
"""Yield without spares by the mean number of defects per die (Cunningham 1990)."""

areas = st.floats(5.0, 858.0)
densities = st.floats(0.01, 3.0)
models = st.sampled_from(MODELS)


def count(area: float, right: float, down: float) -> int:
    """Count dies whose four corners lie in the usable circle, one by one."""
    width, height = (side + SCRIBE for side in shape(area))
    radius, whole = WAFER / 2 - EDGE, 0
    for i in range(-math.ceil(radius / width) - 1, math.ceil(radius / width) + 1):
        for j in range(-math.ceil(radius / height) - 1, math.ceil(radius / height) + 1):
            corners = [((i + right + a) * width, (j + down + b) * height) for a in (0, 1) for b in (0, 1)]
            whole += all(math.hypot(x, y) <= radius for x, y in corners)
    return whole


@pytest.mark.parametrize("area", [858.0, 814.0, 300.0, 116.0])
def test_no_offset_of_the_grid_holds_more(area):
    offsets = np.linspace(0, 0.5, 6)  # of the 21 that gross_dies tries
    best = max(count(area, right, down) for right in offsets for down in offsets)
    assert best <= gross_dies(area) <= best * 1.05


@pytest.mark.parametrize("area", [814.0, 400.0, 116.0, 30.0])
def test_the_formula_is_the_mean_over_offsets(area):
    rng = np.random.default_rng(1)
    mean = np.mean([count(area, *rng.random(2)) for _ in range(60)])
    assert gross_dies_formula(area) == pytest.approx(mean, rel=0.02)


@given(areas)
def test_grid_and_formula_agree(area):
    assert gross_dies_formula(area) <= gross_dies(area) <= 1.13 * gross_dies_formula(area)


@given(st.floats(80.0, 858.0))
def test_the_usual_formula_is_within_a_few_percent(area):
    """pi D^2 / 4A - pi D / sqrt(2A): de Vries 2005. Worst at 660 mm2, where a row of squares just fits."""
    usual = math.pi * WAFER**2 / 4 / area - math.pi * WAFER / math.sqrt(2 * area)
    assert gross_dies(area) == pytest.approx(usual, rel=0.1)


def test_it_is_mostly_closer():
    off = [gross_dies(a) / (math.pi * WAFER**2 / 4 / a - math.pi * WAFER / math.sqrt(2 * a)) - 1
           for a in np.linspace(80, 858, 200)]
    assert np.median(np.abs(off)) < 0.05


@pytest.mark.parametrize(("area", "dies"), [(814, 67), (801, 68), (600, 93), (826, 64), (116, 530)])
def test_gross_dies_of_known_chips(area, dies):
    """H100, half a B200, TPU v4's bound, A100, an XCD of MI300X: the counts with which published die costs close
    (300 USD per H100 die = 16,000 / 67 / 0.80, siliconanalysts.com). The die's true aspect moves it by a row.
    """
    assert gross_dies(area) == pytest.approx(dies, rel=0.035)


@given(areas, areas)
def test_a_larger_die_never_fits_more_often(a, b):
    small, large = sorted((a, b))
    assert gross_dies(large) <= gross_dies(small)


@pytest.mark.parametrize("area", [858.1, 1600.0, 0.0, -1.0])
def test_a_die_beyond_the_reticle_is_an_error(area):
    with pytest.raises(ArchsimError, match="858 mm2"):
        gross_dies(area)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("defects_per_die", [1e-4, 0.1, 0.8, 3.0, 20.0])
def test_without_spares_it_is_the_closed_form(model, defects_per_die):
    area = 500.0
    assert die_yield(defects_per_die * 100 / area, area, model) == pytest.approx(
        CLOSED[model](defects_per_die), rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_cores_without_spares_are_plain_area(model):
    assert die_yield(0.1, 800, model, core_area=4, cores=100) == pytest.approx(die_yield(0.1, 800, model), rel=1e-12)


def test_harvesting_against_dice():
    """Throw Poisson defects on 20,000 dies of 16 cores, 14 needed, and count."""
    rng = np.random.default_rng(0)
    defects, area, core, cores, need = 0.5, 400.0, 15.0, 16, 14
    hits = rng.poisson(defects / 100 * core, (20000, cores))
    rest = rng.poisson(defects / 100 * (area - core * cores), 20000)
    good = np.mean(((hits == 0).sum(axis=1) >= need) & (rest == 0))
    assert die_yield(defects, area, "poisson", core_area=core, cores=cores, need=need) == pytest.approx(good, abs=0.01)


def test_harvesting_lifts_the_yield_of_a_large_gpu():
    """814 mm2, 132 of 144 cores on 50 to 60 % of the die, 0.1 defects per cm2: 0.44 to 0.47 becomes 0.67 to 0.72, and
    about 0.85 if half of the rest can be repaired; 0.80 is what a die of 300 USD implies (siliconanalysts.com).
    """
    yields = [die_yield(0.1, 814, model, core_area=814 * share / 144, cores=144, need=132)
              for model in ("poisson", "murphy") for share in (0.5, 0.6)]
    assert 0.65 < min(yields) < max(yields) < 0.74
    assert 0.44 < die_yield(0.1, 814, "poisson") < die_yield(0.1, 814, "murphy") < 0.475
    repaired = die_yield(0.1, 814, core_area=814 * 0.6 / 144, cores=144, need=132, repair=0.5)
    assert repaired == pytest.approx(0.85, abs=0.02)


@settings(max_examples=60)
@given(densities, areas, models, st.floats(0.0, 1.0), st.integers(1, 200), st.floats(0, 1), st.data())
def test_yield_is_a_share_and_spares_and_repair_never_lower_it(defects, area, model, share, cores, repair, data):
    need = data.draw(st.integers(1, cores))
    core = area * share / cores
    plain = die_yield(defects, area, model)
    with_spares = die_yield(defects, area, model, core_area=core, cores=cores, need=need)
    repaired = die_yield(defects, area, model, core_area=core, cores=cores, need=need, repair=repair)
    assert 0 < plain <= with_spares * (1 + 1e-9) and with_spares <= repaired * (1 + 1e-9) <= 1 + 1e-9


@given(densities, densities, areas, models)
def test_more_defects_never_raise_it(a, b, area, model):
    few, many = sorted((a, b))
    spares = {"core_area": area / 20, "cores": 10, "need": 9}
    assert die_yield(many, area, model) <= die_yield(few, area, model) + 1e-12
    assert die_yield(many, area, model, **spares) <= die_yield(few, area, model, **spares) + 1e-12


def test_thousands_of_cores():
    """Of 4,000 cores a mean of 40 fails: 3,900 are nearly always good, 3,960 half of the time."""
    core = -math.log(0.99) / 0.1 * 100
    for need, chance in ((3900, 1.0), (3960, 0.5), (4000, 0.0)):
        found = die_yield(0.1, core * 4000, "poisson", core_area=core, cores=4000, need=need)
        assert found == pytest.approx(chance, abs=0.05)


@given(densities, models)
def test_fewer_cores_needed_never_lower_it(defects, model):
    falling = [die_yield(defects, 600, model, core_area=5, cores=100, need=n) for n in (100, 99, 95, 80, 1)]
    assert all(a <= b + 1e-12 for a, b in pairwise(falling))


@pytest.mark.parametrize(("wrong", "says"), [
    ({"model": "murphey"}, "did you mean 'murphy'"),
    ({"defects": -0.1}, "at least 0"),
    ({"area": 0.0}, "positive"),
    ({"cores": 4, "need": 5}, "5 of 4 cores"),
    ({"cores": 4, "core_area": 300.0}, "cannot be on a die"),
    ({"repair": 1.5}, "from 0 to 1"),
    ({"clustering": 0.5}, "at least 1"),
])
def test_what_cannot_be_is_an_error(wrong, says):
    with pytest.raises(ArchsimError, match=says):
        die_yield(**{"defects": 0.1, "area": 400.0} | wrong)
