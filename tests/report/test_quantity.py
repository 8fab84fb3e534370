"""How numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.report.quantity import NONE, peak_rate, percent, quantity, scale, short_percent, sig


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.00"), (12.345, "12.3"), (999.6, "1,000"), (9.996, "10.0"), (123456.7, "123,457"),
     (0.0123, "0.0123"), (-2.5, "-2.50"), (1.2e-7, "1.20e-07"), (None, NONE), (math.nan, NONE), (math.inf, NONE)],
)
def test_sig(value, text):
    assert sig(value) == text


@given(st.floats(1e-5, 1e9))
def test_sig_is_within_half_a_unit_of_the_third_digit(value):
    assert float(sig(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(3.35e12, "B/s", "3.35 TB/s"), (80e9, "B", "80 GB"), (64 * 2**20, "B", "64 MiB"), (1.25e-6, "s", "1.25 µs"),
     (25000.0, "USD", "$25,000"), (2022, "", "2022"), (64.0, "B/cycle", "64 B/cycle"), (None, "W", NONE),
     ("HBM3", "", "HBM3"), (("a", "b"), "", "a, b"), (True, "", "True"), (137_800_208 * 1024, "B", "141.1 GB")],
)
def test_quantity(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.1234, "12.3"), (0.00123, "0.12"), (0, "0.0"), (1, "100.0"), (None, NONE)]
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("share", "text"), [(0.48, "48 %"), (0.074, "7.4 %"), (0.0001, "< 0.1 %")])
def test_short_percent(share, text):
    assert short_percent(share) == text


def test_scale_follows_the_largest():
    assert scale([0.5e-3, 2.5e-3, None], "s") == (pytest.approx(1e-3), "ms")
    assert scale([None], "s") == (1.0, "s")
    assert scale([1e30], "B")[1] == "EB"


def test_integers_are_no_floating_point():
    assert peak_rate(624e12, "int8") == "624 TOP/s"
    assert peak_rate(64e12, "cint32") == "64 TOP/s"
    assert peak_rate(1978.9e12, "fp8", 3) == "1.98 PFLOP/s"
