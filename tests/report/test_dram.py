"""Tables of device memory: a row per pattern, and numbers that are the library's own."""

import pytest

import archsim
from archsim.errors import ArchsimError
from archsim.hardware.dram_stream import achieved
from archsim.report.dram import dram_data, rows, sheets, taken
from archsim.timing.gpu_memory import read_rate


def test_rows_are_what_the_patterns_achieve() -> None:
    chip = archsim.chips.get("mi300x")
    m = chip.memory
    for row in rows(chip):
        assert row.found == achieved(m.device, m.bandwidth / m.channels, row.pattern, row.size, row.stride)
    assert "refreshed all banks at once" in str(sheets(chip, rows(chip, "read"))[0])


def test_data_and_table_agree() -> None:
    chip = archsim.chips.get("h100-sxm")
    found = rows(chip, "copy")
    data = dram_data(chip, found)
    text = str(sheets(chip, found)[0])
    assert f"{100 * data['patterns'][0]['fraction']:.1f}" in text
    assert f"{data['patterns'][0]['bytes_per_s'] / 1e9:,.0f}" in text
    assert data["timings_ns"]["rcd"] == 14


def test_a_stated_efficiency_is_said_to_be_stated() -> None:
    chip = archsim.chips.get("h100-sxm")
    assert "as simulated" in taken(chip)
    assert "90.0 % of the peak, as its definition states" in taken(chip.replace("memory", efficiency=0.9))


def test_read_rate_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ArchsimError, match="has no SMs"):
        read_rate(archsim.chips.get("tpu-v7"), 1024.0)
    for flight, sms in ((0.0, None), (1024.0, 0), (1024.0, 1000), (float("nan"), None)):
        with pytest.raises(ArchsimError, match="bytes above 0"):
            read_rate(archsim.chips.get("h100-sxm"), flight, sms)
