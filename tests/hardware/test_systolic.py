"""What a systolic chip's definition takes: figures by dtype, dataflows, DMA queues, clock states, and its mistakes."""

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.hardware import Chip, MatrixArray, Memory, Scratchpad, SystolicCore, VectorUnit
from archsim.units import GB, GB_per_s, GHz, KiB, MiB, ns

ARRAY = MatrixArray(rows=128, cols=128)
PAD = Scratchpad(capacity=16 * MiB, read_bytes=8 * KiB, write_bytes=4 * KiB)


def core(**more: object) -> SystolicCore:
    return SystolicCore(**{"array": ARRAY, "vector": VectorUnit(lanes=1024), "scratchpad": PAD, **more})  # type: ignore[arg-type]


def chip(**more: object) -> Chip:
    return Chip(**{"name": "mine", "clock": 1.9 * GHz, "core": core(),  # type: ignore[arg-type]
                   "memory": Memory(capacity=16 * GB, bandwidth=800 * GB_per_s), **more})


def test_a_figure_may_differ_by_dtype() -> None:
    plain = MatrixArray(rows=128, cols=64, rows_per_cycle={"bf16": 1, "int8": 2}, load_bytes=8, latency=131)
    table = MatrixArray(rows=128, cols=64, rows_per_cycle={"bf16": 1, "s8": 2}, load_bytes={"bfloat16": 8, "int8": 16},
                        latency={"bf16": 131, "int8": 121})
    assert [(a.load_rate(d), a.delay(d)) for a in (plain, table) for d in ("bf16", "int8")] == [
        (8, 131), (8, 131), (8, 131), (16, 121)]
    assert MatrixArray(rows=128, cols=64).delay("bf16") == 191, "the skew of a wavefront"
    assert hash(table) != hash(plain)
    assert {p: v for p, v, *_ in chip(core=core(array=table)).figures()}["core.array.latency.int8"] == 121


@pytest.mark.parametrize(("fields", "message"), [
    ({"load_bytes": {"bf16": 8}, "rows_per_cycle": {"bf16": 1, "int8": 2}}, "load_bytes lacks 'int8', which rows_per_"),
    ({"latency": {"int8": 8}}, "MatrixArray.latency lacks 'bf16'"),
    ({"latency": 0}, "MatrixArray.latency = 0 cannot be right"),
    ({"load_bytes": {"bf16": -1}}, r"MatrixArray.load_bytes\['bf16'\] must be a positive number"),
    ({"load_bytes": "fast"}, "MatrixArray.load_bytes must be a number"),
    ({"dataflows": ("ws", "wo")}, "unknown dataflow in MatrixArray.dataflows 'wo': did you mean 'ws'"),
    ({"dataflows": ()}, "must name at least one of ws, os, is"),
    ({"dataflows": "ws"}, "MatrixArray.dataflows must be a list or tuple"),
    ({"shadow": 1}, "MatrixArray.shadow must be True or False"),
])
def test_mistakes_in_an_array(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ArchsimError, match=message):
        MatrixArray(**{"rows": 128, "cols": 128, **fields})  # type: ignore[arg-type]


def test_the_dma_engines_move_what_the_tighter_limit_allows() -> None:
    assert core().dma_rate is None
    assert core(dma_bandwidth=300 * GB_per_s).dma_rate == 300e9
    queue = {"dma_queue": 64, "dma_bytes": 4 * KiB, "dma_latency": 1000 * ns}
    assert core(**queue).dma_rate == pytest.approx(64 * 4096 / 1e-6)
    assert core(**queue, dma_bandwidth=100 * GB_per_s).dma_rate == 100e9
    with pytest.raises(ArchsimError, match="dma_queue needs dma_bytes"):
        core(dma_queue=64)


def test_a_chip_can_be_set_to_its_clock_states() -> None:
    states = chip(clock_states={"p0": 1.6 * GHz, "p3": 1.9 * GHz, "p7": 2.2 * GHz})
    fast = states.at("p7")
    assert (fast.clock, fast.name) == (2.2 * GHz, "mine@p7")
    assert fast.peak() / states.peak() == pytest.approx(2.2 / 1.9)
    assert fast.memory == states.memory
    assert fast.at("p3") == states.at("p3")
    assert fast.replace(clock=3 * GHz).name == "mine@p7*"
    with pytest.raises(ArchsimError, match="unknown clock state of mine 'p8': did you mean 'p7'.* p0, p3, p7"):
        states.at("p8")
    with pytest.raises(ArchsimError, match=r"tpu-v5e has no clock states; replace\(clock=...\) sets any clock"):
        chips.get("tpu-v5e@p7")
    with pytest.raises(ArchsimError, match=r"Chip.clock_states\['p0'\] must be a positive number"):
        chip(clock_states={"p0": 0})
