"""The systolic chips: what the documents say is there, and nothing estimated poses as published."""

import pytest
from archsim.chips import amazon, google

from archsim.hardware import SystolicCore

CHIPS = {chip.name: chip for chip in google.CHIPS + amazon.CHIPS}

@pytest.mark.parametrize("name", ["tpu-v5e", "tpu-v5p", "tpu-v6e", "trainium2"])
def test_unpublished_power_and_price_are_marked_estimated(name):
    chip = CHIPS[name]
    assert chip.sources.of("power.tdp").confidence == "estimated"
    assert chip.sources.of("power.tdp").note
    if chip.price:
        assert chip.sources.of("price").confidence == "estimated"


def test_the_catalogue_holds_what_the_documents_say():
    v4, v5e, v5p, v6e, trn2 = (CHIPS[n] for n in ("tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "trainium2"))
    assert [c.memory.capacity for c in (v4, v5e, v5p, v6e, trn2)] == [32 * 2**30, 16e9, 95e9, 32e9, 96 * 2**30]
    assert [c.cores for c in (v4, v5e, v5p, v6e, trn2)] == [2, 1, 2, 1, 8]
    assert [round(c.balance("bf16")) for c in (v4, v5e, v5p)] == [229, 240, 166]  # FLOP/byte; Cloud documents' figures
    assert {c.kind for c in CHIPS.values()} == {"systolic"}


def test_the_vector_units_close_with_the_published_rates():
    """The scaling book: 7e12 FLOP/s per v5p core; Trainium2's 1.0 TFLOPS is its fastest mode, twice ours."""
    for name, rate in (("tpu-v4", 2.15e12), ("tpu-v5e", 6.1e12), ("tpu-v5p", 7.2e12), ("trainium2", 0.49e12)):
        core = CHIPS[name].core
        assert isinstance(core, SystolicCore)
        clock = core.vector.clock or CHIPS[name].clock
        assert core.vector.lanes * core.vector.alus * clock == pytest.approx(rate, rel=0.01)


def test_one_kernel_fills_the_documented_part_of_the_scratchpad():
    """The compiler's default is 32 MiB of 128 (v5e, v6e) or 64 (v5p); it is kept as a share so that it grows along."""
    for name in ("tpu-v5e", "tpu-v5p", "tpu-v6e"):
        core = CHIPS[name].core
        assert core.scratchpad.capacity * core.kernel_share == 32 * 2**20
        assert CHIPS[name].sources.of("core.kernel_share").confidence == "derived"
    assert CHIPS["trainium2"].core.kernel_share == 1.0
