"""Energies by process, number format and level, against the measurements that they were derived from."""

import pytest

import archsim as sim
from archsim.errors import ArchsimError
from archsim.kernels import power as kernel
from archsim.power import mac_energy, relative_energy, spend, supply


def test_energies_follow_process_and_width() -> None:
    a100, h100 = sim.chips.get("a100-sxm-80gb"), sim.chips.get("h100-sxm")
    assert mac_energy(h100, "fp8") < 0.6 * mac_energy(h100, "bf16")
    assert mac_energy(a100, "int8") < 0.6 * mac_energy(a100, "bf16") < mac_energy(a100, "tf32")
    on_n7 = h100.replace("die", process="TSMC N7")
    assert mac_energy(h100, "bf16") == pytest.approx(0.70 * mac_energy(on_n7, "bf16"))
    assert mac_energy(h100, "nvfp4") == mac_energy(h100, "fp4")
    wider = a100.replace("core.tensor", rows=32)
    saved = 2 * (1 / 16 - 1 / 32) * a100.power.energy.register  # of bf16 from registers: 7 nm, as energies are stated
    assert mac_energy(a100, "bf16") - mac_energy(wider, "bf16") == pytest.approx(saved), "an element of B serves more"


@pytest.mark.parametrize(("process", "value"), [("TSMC N7", 1.0), ("TSMC 4N", 0.70), ("TSMC 4NP", 0.616),
                                                ("Samsung 8N", 1.25), ("16nm", 1.6), ("TSMC N5 (XCD)", 0.70)])
def test_processes_by_any_name(process: str, value: float) -> None:
    assert relative_energy(process) == pytest.approx(value)


def test_processes_go_down_and_unknown_ones_are_refused() -> None:
    values = [relative_energy(p) for p in ("28nm", "16nm", "12nm", "Samsung 8N", "7nm", "6nm", "5nm", "3nm", "2nm")]
    assert values == sorted(values, reverse=True)
    with pytest.raises(ArchsimError, match="did you mean"):
        relative_energy("N55")


def test_streams_cost_what_was_fitted() -> None:
    """te42kyfo/gpu-benches: 117 pJ for a byte from device memory to an SM on A100 40GB, 122 on H200; fp32 5.1, 5.8."""
    for name, byte, flop in (("a100-sxm-40gb", 117e-12, 5.1e-12), ("h200", 122e-12, 5.8e-12)):
        chip = sim.chips.get(name)
        assert chip.boost or chip.clock
        s = supply(chip)
        square = (kernel.supply(s, chip.boost or chip.clock) / 0.8) ** 2
        j = spend(chip, "bf16", on_chip_bytes=1.0, hbm_bytes=1.0)
        assert j.core * square + j.fixed == pytest.approx(byte, rel=0.1)
        assert spend(chip, "bf16", vector_ops=1.0).core * square == pytest.approx(flop, rel=0.03)
