"""A chip's hour of work: its parts, its idle hours, the server around it, rent, and the day that leaves it idle."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.economics import Assumptions, Day, Server, chip_hour, payback_years, whole_site
from archsim.economics.day import OFFICE
from archsim.economics.range import Range
from archsim.economics.server import SERVER
from archsim.economics.site import SITE, wall_watts
from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, Power, RooflineCore
from archsim.units import GB, GHz, TB_per_s, W


def chip(price: float | None = 27_500.0, tdp: float = 700.0, idle: float | None = 70.0) -> Chip:
    return Chip(name="sheet", clock=1 * GHz, core=RooflineCore(rates={"bf16": 990e3}), price=price,
                memory=Memory(capacity=80 * GB, bandwidth=3.35 * TB_per_s), power=Power(tdp=tdp * W, idle=idle))


SITES = st.builds(
    Assumptions, depreciation_years=st.floats(2, 8), usd_per_kwh=st.floats(0.03, 0.3), pue=st.floats(1, 2),
    load_power=st.floats(0.5, 1), availability=st.floats(0.8, 1), utilization=st.floats(0.2, 1),
    facility_usd_per_w=st.floats(0, 15), server=st.none() | st.builds(Server, chips=st.integers(1, 16)))


# --- the server, against what servers cost and draw -------------------------------------------------------------------

def test_an_eight_gpu_server_costs_what_they_sell_for() -> None:
    # HGX H100 servers sell for 300,000 to 400,000 USD (textbookofai), with GPUs at 25,000 to 30,000 (Raymond James in
    # Barron's, 2023-08); without the fabric outside the server.
    server = Server()
    inside = 8 * (server.usd_per_chip() - server.switch_usd)
    low, high = 8 * 25_000 + inside, 8 * 30_000 + inside
    assert low < 300_000 < 1.1 * high
    assert high < 400_000
    # DGX H100's bill of materials: 32,010 USD of parts that are no GPU baseboard (SemiAnalysis 2023-05, in
    # epoch-research/training-cost-trends); ours, before the maker's margin, within 10 %.
    parts = server.host_usd + server.dram_gb * server.dram_usd_per_gb + server.storage_usd + server.chassis_usd \
        + 8 * server.nic_usd
    assert parts == pytest.approx(32_010, rel=0.10)


def test_an_eight_gpu_server_draws_no_more_than_it_is_rated() -> None:
    # DGX H100: 10.2 kW (Epoch AI's sheet); a rating covers the worst case.
    high = Server(**{n: SERVER[n].high for n in ("host_w", "nic_w", "board_w", "overhead")})
    assert 0.9 * 10_200 < 8 * high.watts(700.0) < 10_200
    assert 8 * Server().watts(700.0) > 8 * 700 * 1.3


def test_a_cluster_with_network_costs_what_they_sell_for() -> None:
    # 1,024 H100 with network: 50 to 80 million USD (textbookofai).
    assert 0.7 * 50e6 < 1024 * (27_500 + Server().usd_per_chip()) < 80e6


def test_defaults_are_the_bases_of_the_tables() -> None:
    server, site = Server(), whole_site()
    assert all(getattr(server, name) == r.base for name, r in SERVER.items())
    assert all(getattr(site, name) == r.base for name, r in SITE.items())
    for name, r in {**SERVER, **SITE}.items():
        assert isinstance(r, Range)
        assert r.source, name


# --- the hour ---------------------------------------------------------------------------------------------------------

@given(SITES, st.floats(0, 50_000), st.floats(50, 1500))
def test_an_hour_is_the_sum_of_its_parts_and_of_its_formula(site: Assumptions, price: float, tdp: float) -> None:
    c = chip(tdp=tdp, idle=None)
    hour = chip_hour(c, site, price)
    assert hour.total == pytest.approx(hour.depreciation + hour.energy + hour.server + hour.facility)
    # in calendar hours, by hand
    busy = site.availability * site.utilization
    life = site.depreciation_years * 8760
    load, idle = max(site.load_power, site.idle_power) * tdp, site.idle_power * tdp
    mean, rated, capital = busy * load + (1 - busy) * idle, tdp, price
    if site.server is not None:
        mean, rated = site.server.watts(mean), site.server.watts(tdp)
        capital += site.server.usd_per_chip()
    calendar = capital / life + mean / 1e3 * site.pue * site.usd_per_kwh \
        + rated * site.facility_usd_per_w / site.facility_years / 8760
    assert hour.total * busy == pytest.approx(calendar)


@pytest.mark.parametrize(("name", "up"), [
    ("depreciation_years", False), ("usd_per_kwh", True), ("pue", True), ("load_power", True), ("availability", False),
    ("utilization", False), ("facility_usd_per_w", True), ("facility_years", False), ("idle_power", True)])
@given(site=SITES, factor=st.floats(1.01, 1.5))
def test_monotone_in_every_input(name: str, up: bool, site: Assumptions, factor: float) -> None:
    import dataclasses

    low = getattr(site, name)
    shares = ("availability", "utilization", "load_power", "idle_power")
    high = min(low * factor, 1.0) if name in shares else low * factor
    c = chip(idle=None)
    a = chip_hour(c, site).total
    b = chip_hour(c, dataclasses.replace(site, **{name: high})).total
    assert (b >= a * (1 - 1e-12)) if up else (b <= a * (1 + 1e-12))


@pytest.mark.parametrize("name", [n for n in SERVER if n != "chips"])
@given(factor=st.floats(1.01, 1.3))
def test_monotone_in_every_part_of_the_server(name: str, factor: float) -> None:
    import dataclasses

    server = Server()
    dearer = dataclasses.replace(server, **{name: getattr(server, name) * factor})
    assert chip_hour(chip(), whole_site(dearer)).total > chip_hour(chip(), whole_site(server)).total


def test_an_idle_chip_still_depreciates() -> None:
    full, half = (chip_hour(chip(), Assumptions(utilization=u)) for u in (1.0, 0.5))
    assert half.depreciation == pytest.approx(2 * full.depreciation)
    # 70 W for every hour of waiting, at PUE 1.4
    assert half.energy - full.energy == pytest.approx(0.070 * 1.4 * 0.10)
    assert wall_watts(chip(), Assumptions(utilization=0.5)) == pytest.approx((700 + 70) * 1.4)


def test_work_never_draws_less_than_idling() -> None:
    hot = chip(tdp=100, idle=90)
    assert wall_watts(hot, Assumptions(load_power=0.5, pue=1)) == pytest.approx(90)


# --- rent and payback -------------------------------------------------------------------------------------------------

def test_rent_pays_for_idle_hours_too() -> None:
    hour = chip_hour(chip(), whole_site(utilization=0.5), rent=2.0)
    assert hour.total == hour.rent == pytest.approx(4.0)
    with pytest.raises(ArchsimError, match="price or rent"):
        chip_hour(chip(), rent=2.0, price=1.0)
    with pytest.raises(ArchsimError, match="rent must be a number"):
        chip_hour(chip(), rent=-1.0)


@given(st.floats(1.0, 8.0), st.floats(1000, 40_000), st.floats(0.3, 1.0))
def test_after_the_payback_both_have_paid_the_same(rent: float, price: float, utilization: float) -> None:
    site = whole_site(utilization=utilization)
    c = chip(price)
    years = payback_years(c, rent, site)
    hour = chip_hour(c, site)
    running = (hour.energy + hour.facility) * site.busy * 8760
    rented = rent * site.availability * 8760
    if math.isinf(years):
        assert rented <= running * (1 + 1e-9)
        return
    assert site.server is not None
    owned = price + site.server.usd_per_chip() + running * years
    assert owned == pytest.approx(rented * years)
    assert payback_years(c, rent * 1.1, site) < years < payback_years(chip(price * 1.1), rent, site)


def test_a_cheap_rent_is_never_beaten() -> None:
    assert math.isinf(payback_years(chip(), 0.01, whole_site()))


# --- the day ----------------------------------------------------------------------------------------------------------

LOADS = st.lists(st.floats(0, 1000), min_size=24, max_size=24).filter(lambda x: max(x) > 1e-3).map(tuple)


@given(LOADS, st.floats(0, 30_000))
def test_batch_work_fills_the_night_and_is_conserved(load: tuple[float, ...], batch: float) -> None:
    day = Day(load)
    full = day.filled(batch)
    assert sum(full.load) == pytest.approx(sum(load) + min(batch, day.room), abs=1e-6)
    assert all(b >= a for a, b in zip(load, full.load, strict=True)), "nobody's work is moved"
    assert max(full.load) <= day.capacity * (1 + 1e-12)
    assert day.utilization <= full.utilization * (1 + 1e-12)
    assert 0 < full.utilization <= 1
    touched = [b for a, b in zip(load, full.load, strict=True) if b > a + 1e-9]
    if touched:  # level, and no untouched hour is below the level
        assert max(touched) == pytest.approx(min(touched))
        assert min(full.load) >= min(touched) - 1e-6


def test_filling_the_night_makes_every_token_cheaper() -> None:
    before, after = (chip_hour(chip(), whole_site(utilization=d.utilization)).total for d in (OFFICE, OFFICE.filled()))
    assert OFFICE.utilization == pytest.approx(sum(OFFICE.load) / 24)
    assert OFFICE.filled().utilization == pytest.approx(1.0)
    # all but the energy of work falls as the mean of the day rises
    assert after < before * 0.70
    extra = 1.0 / OFFICE.utilization - 1.0  # chip-hours of batch work per chip-hour sold by day
    marginal = ((1 + extra) * after - before) / extra
    # what the night's work adds is the electricity above idling: fans 1.2, PUE 1.2, 0.08 USD/kWh
    assert marginal == pytest.approx((0.7 * 700 - 70) / 1e3 * 1.2 * 1.2 * 0.08)


@pytest.mark.parametrize(("bad", "says"), [
    ((1.0,) * 23, "24 numbers"), (5, "24 numbers"), ("x" * 24, "24 numbers"), ((0.0,) * 24, "zero all day"),
    ((1.0,) * 23 + (-1.0,), r"load\[23\]"), ((1.0,) * 23 + (math.nan,), r"load\[23\]")])
def test_a_bad_day(bad: object, says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        Day(bad)  # type: ignore[arg-type]


def test_more_load_than_chips() -> None:
    with pytest.raises(ArchsimError, match="below the busiest hour"):
        Day((2.0,) * 24, capacity=1.0)
    with pytest.raises(ArchsimError, match="batch must be"):
        OFFICE.filled(-1)
