"""Constants and their sensitivity: against changing one figure by hand, and on rows that the model itself made."""

from pathlib import Path

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.explore import constants as k
from archsim.explore.validate import Table, load, predict

H100, A100 = chips.get("h100-sxm"), chips.get("a100-sxm-80gb")
SHAPES = [(m, n, k) for m in (1, 64, 256, 4096) for n, k in ((4096, 4096), (8192, 1024), (300, 700))]


def measured(tmp_path: Path, values: dict[str, float], devices: tuple[str, ...] = ("h100",)) -> Table:
    """Return a table whose rows a chip with other constants would have given, as the model sees it."""
    file = tmp_path / "rows.csv"
    head = "device,op,dtype,m,n,k,measured_us\n"
    lines = [f"{device},gemm,bf16,{m},{n},{kk},1\n" for device in devices for m, n, kk in SHAPES]
    file.write_text(head + "".join(lines))
    cases = load(file, resolve=chips.get).cases
    times = [predict(case, k.changed(case.chip, values)) * 1e6 for case in cases]
    file.write_text(head + "".join(line.rsplit(",", 1)[0] + f",{t!r}\n" for line, t in zip(lines, times, strict=True)))
    return load(file, resolve=chips.get)


def constant(path: str) -> k.Constant:
    return next(c for c in k.constants(H100) if c.path == path)


def test_every_number_that_timing_may_use_is_a_constant() -> None:
    found = {c.path: c for c in k.constants(H100)}
    assert found["core.barrier"].unit == "cycle"
    assert found["core.tensor.macs"].value == H100.core.rates
    assert found["memory.bandwidth"].datasheet
    assert not found["core.barrier"].datasheet
    device = H100.memory.device
    assert device is not None
    for name in ("read_queue", "write_queue", "disorder"):
        constant_ = found[f"memory.{name}"]
        assert constant_.value == getattr(device, name) and constant_.source is not None
        changed = k.scaled(H100, constant_, 0.5)
        assert changed is not None and getattr(changed.memory.device, name) == constant_.value / 2
    assert all(c.meaning for c in found.values())
    assert not {"price", "year", "die.area", "link.bandwidth", "core.tensor.asynchronous", "core.tiles"} & set(found)


def test_a_sheet_of_a_table_is_one_constant() -> None:
    slower = k.scaled(H100, constant("core.tensor.macs"), 0.8)
    assert slower is not None
    assert slower.peak("fp8") == pytest.approx(0.8 * H100.peak("fp8"))
    assert slower.peak("bf16") == pytest.approx(0.8 * H100.peak("bf16"))


@pytest.mark.parametrize(("path", "factor"), [("core.tensor.pair", 0.8), ("cache.far", 1.2)])
def test_what_cannot_be_scaled_is_not(path: str, factor: float) -> None:
    assert k.scaled(H100, constant(path), factor) is None


def test_what_is_simulated_can_be_changed_as_if_it_were_stated() -> None:
    reached = constant("memory.efficiency")
    assert reached.value == pytest.approx(H100.memory.sustained / H100.memory.bandwidth)
    slower = k.scaled(H100, reached, 0.8)
    assert slower is not None
    assert slower.memory.sustained == pytest.approx(0.8 * H100.memory.sustained)


def test_sensitivity_is_the_error_after_changing_one_figure(tmp_path: Path) -> None:
    table = measured(tmp_path, {})
    found = {s.constant.path: s for s in k.sensitivity(table)}
    slower = H100.replace("core", launch=H100.core.launch * 1.2)
    by_hand = [abs(predict(case, slower) / case.seconds - 1) for case in table.cases]
    assert found["core.launch"].up is not None
    assert found["core.launch"].up["gemm", "bf16"] == pytest.approx(100 * sum(by_hand) / len(by_hand))
    assert found["core.tensor.pair"].down is None
    assert found["memory.capacity"].largest == 0.0
    assert all(v >= -1e-6 for s in found.values() for c in (s.down, s.up) for v in (c or {}).values()), (
        "rows that the model made can only get worse")
    effects = [s.largest for s in k.sensitivity(table)]
    assert effects == sorted(effects, reverse=True)


def test_large_tables_are_sampled_evenly(tmp_path: Path) -> None:
    cases = measured(tmp_path, {}, ("h100", "a100")).cases
    few = k.sample(cases, 2)
    assert len(few) == 4
    assert [c.row for c in few] == [3, 9, 15, 21]
    assert k.sample(cases, 100) == list(cases)


def test_what_is_open_has_a_range_and_is_not_stated() -> None:
    open_ = k.free(H100)
    assert "core.barrier" in open_
    assert "core.launch" not in open_, "measured on this chip"
    for c in open_.values():
        assert c.likely is not None
        low, high = c.likely
        assert low <= c.value <= high, f"{c.path} is defined outside its own range"
    assert not any(c.datasheet for c in open_.values())


def test_only_gpus_have_constants_to_study(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("device,op,dtype,m,n,k,measured_us\ntpu-v5p,gemm,bf16,8,8,8,5\n")
    with pytest.raises(ArchsimError, match="no row of the table was measured on a GPU"):
        k.sensitivity(load(file, resolve=chips.get))
