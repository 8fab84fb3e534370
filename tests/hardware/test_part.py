"""Parts complain in one line about what is missing, unknown or impossible."""

import inspect
import pickle

import pytest

from archsim import chips
from archsim.errors import ArchsimError
from archsim.hardware import (
    Cache,
    Chip,
    MatrixArray,
    Memory,
    Power,
    RooflineCore,
    Scratchpad,
    Source,
    SystolicCore,
    VectorUnit,
)
from archsim.hardware.part import Table
from archsim.units import GB, GHz, MiB, TB_per_s


def chip(**changes: object) -> Chip:
    parts: dict[str, object] = {
        "name": "mine",
        "clock": 1.5 * GHz,
        "cores": 2,
        "core": SystolicCore(
            array=MatrixArray(rows=128, cols=64, count=3, rows_per_cycle={"bf16": 1, "int8": 2}),
            vector=VectorUnit(lanes=1024),
            scratchpad=Scratchpad(capacity=16 * MiB, read_bytes=4096, write_bytes=2048),
        ),
        "memory": Memory(capacity=32 * GB, bandwidth=1 * TB_per_s),
    }
    return Chip(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["name", "clock", "core", "memory"])
def test_a_chip_names_the_field_it_lacks(missing: str) -> None:
    have = {"name": "x", "clock": 1e9, "core": RooflineCore(rates={"bf16": 100}), "memory": chip().memory}
    del have[missing]
    with pytest.raises(ArchsimError, match=f"Chip lacks '{missing}'"):
        Chip(**have)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Memory(capacity=80 * GB), "Memory lacks 'bandwidth'"),
        (lambda: Memory(capacity=80 * GB, bandwith=1e12), "did you mean 'bandwidth'"),
        (lambda: Memory(capacity=80 * GB, bandwidth=3.35), "3.35 \\* TB_per_s"),
        (lambda: Memory(capacity=-1.0, bandwidth=1e12), "Memory.capacity = -1.0 cannot be right"),
        (lambda: Memory(capacity=float("nan"), bandwidth=1e12), "cannot be right"),
        (lambda: Memory(capacity="80 GB", bandwidth=1e12), "must be a number, not '80 GB'"),
        (lambda: Memory(capacity=True, bandwidth=1e12), "must be a number, not True"),
        (lambda: Memory(80 * GB), "takes names: write capacity="),
        (lambda: MatrixArray(rows=128.5, cols=128), "rows must be a whole number"),
        (lambda: MatrixArray(rows=0, cols=128), "rows = 0 cannot be right"),
        (lambda: MatrixArray(rows=8, cols=8, rows_per_cycle={"bf17": 1}), "unknown dtype 'bf17'.*'bf16'"),
        (lambda: MatrixArray(rows=8, cols=8, rows_per_cycle={"bf16": 0}), "must be a positive number"),
        (lambda: MatrixArray(rows=8, cols=8, rows_per_cycle=2), "must be a mapping"),
        (lambda: chip(clock=1.5), "write e.g. 1.75 \\* GHz"),
        (lambda: chip(core="gpu"), "Chip.core must be a SystolicCore or GpuCore or RooflineCore"),
        (lambda: chip(name=""), "name must be one line of 1 to 40 characters"),
        (lambda: chip(name="a\nb"), "name must be one line"),
        (lambda: chip(name="a" * 41), "name must be one line"),
        (lambda: chip(memory=5), "Chip.memory must be a Memory, not 5"),
        (lambda: chip(cache=5), "Chip.cache must be a Cache, not 5"),
        (lambda: chip(notes="a note"), "Chip.notes must be a list or tuple"),
        (lambda: chip(vendor=3), "Chip.vendor must be a string"),
        (lambda: chip().replace("core", array=3), "SystolicCore.array must be a MatrixArray, not 3"),
        (lambda: chip().replace("core.array.rows", 256), "replace\\('core.array', rows=256\\)"),
        (lambda: chip().replace("core.array"), "takes a part and its figures by name"),
        (lambda: chip(sources={"memory.bandwith": Source("x")}), "nearest: 'memory.bandwidth'"),
        (lambda: Source("x", "certain"), "unknown confidence 'certain'"),
    ],
)
def test_a_mistake_is_named(make: object, says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        make()  # type: ignore[operator]


def test_peak_is_engines_times_macs_times_two_times_clock() -> None:
    assert chip().peak("bf16") == 2 * 3 * 128 * 64 * 2 * 1.5e9
    assert chip().peak("int8") == 2 * chip().peak("bf16")
    assert chip().balance("bf16") == chip().peak("bf16") / 1e12


def test_an_unsupported_dtype_lists_the_supported_ones() -> None:
    with pytest.raises(ArchsimError, match="mine has no fp8 matrix path; it has: bf16, int8"):
        chip().peak("fp8")


def test_replace_changes_one_figure_and_nothing_else() -> None:
    base = chip(sources={"core.array": Source("datasheet"), "memory.bandwidth": Source("datasheet")})
    wide = base.replace("core.array", rows=256, cols=256)
    before = {path: value for path, value, *_ in base.figures()}
    after = {path: value for path, value, *_ in wide.figures()}
    assert {p for p in after if after[p] != before[p]} == {"name", "core.array.rows", "core.array.cols"}
    assert (before["core.array.rows"], after["core.array.rows"]) == (128, 256)
    assert base.core.array.rows == 128  # type: ignore[union-attr]
    assert wide.name == "mine*"
    trust = {path: source.confidence for path, *_, source in wide.figures() if source}
    assert trust["core.array.rows"] == "hypothetical"
    assert trust["core.array.count"] == trust["memory.bandwidth"] == "published"


def test_replace_at_the_top_and_of_a_whole_part() -> None:
    assert chip().replace(clock=2 * GHz).clock == 2e9
    fast = chip().replace(memory=Memory(capacity=1 * GB, bandwidth=9 * TB_per_s), name="fast")
    assert (fast.memory.bandwidth, fast.name) == (9e12, "fast")


@pytest.mark.parametrize(
    ("path", "change", "says"),
    [
        ("core.arrai", {"rows": 1}, "did you mean 'array'"),
        ("core.array", {"row": 1}, "did you mean 'rows'"),
        ("core.array.rows", {"x": 1}, "is a figure"),
        ("cache", {"capacity": 1e6}, "is not set"),
        ("", {"clok": 1}, "did you mean 'clock'"),
        ("memory", {"bandwidth": -1.0}, "cannot be right"),
    ],
)
def test_replace_says_what_does_not_exist(path: str, change: dict[str, float], says: str) -> None:
    with pytest.raises(ArchsimError, match=says):
        chip().replace(path, **change)


def test_chips_are_values() -> None:
    assert chip() == chip()
    assert hash(chip()) == hash(chip())
    assert chip() != chip(clock=1 * GHz)
    assert chip(sources={"clock": Source("a")}) == chip(), "sources describe a chip, they do not change it"
    with pytest.raises(AttributeError):
        chip().clock = 1.0  # type: ignore[misc]


def test_a_gpu_without_l2_says_so() -> None:
    from archsim.hardware import GpuCore, TensorCore

    core = GpuCore(tensor=TensorCore(macs={"bf16": 1024}),
                   shared=Scratchpad(capacity=164 * 1024, read_bytes=128, write_bytes=128))
    with pytest.raises(ArchsimError, match="lacks 'cache'"):
        chip(core=core)
    assert chip(core=core, cache=Cache(capacity=40e6, bandwidth=5e12)).kind == "gpu"


def test_table_reads_like_a_dict_and_hashes() -> None:
    t = Table({"bf16": 1.0})
    assert t == {"bf16": 1.0}
    assert hash(t) == hash(Table({"bf16": 1.0}))
    assert dict(t) == {"bf16": 1.0}


def test_a_variant_says_whose_price_and_power_it_has() -> None:
    base = chip(price=6000.0, power=Power(tdp=500.0),
                sources={"price": Source("a list"), "power": Source("a datasheet")})
    wide = base.replace("core.array", rows=256)
    trust = {path: source for path, *_, source in wide.figures() if source}
    assert trust["price"].confidence == trust["power.tdp"].confidence == "hypothetical"
    assert "of mine, which differs in core.array.rows" in trust["price"].text
    assert base.replace(price=7000.0).sources["power"].text == "a datasheet"


def test_a_variant_of_a_long_name_keeps_to_the_limit() -> None:
    assert chip(name="a" * 40).replace(clock=2 * GHz).name == "a" * 39 + "*"


def test_parts_explain_themselves() -> None:
    assert str(inspect.signature(Memory)).startswith(
        "(*, capacity: float, bandwidth: float, efficiency: float | None = ")
    assert "bandwidth (B/s), required\n        peak bandwidth" in (Memory.__doc__ or "")


def test_lists_are_frozen() -> None:
    assert chip(notes=["one", "two"]).notes == ("one", "two")
    hash(chip(notes=["one", "two"]))


def test_a_hash_is_computed_once_and_stays_in_its_process():
    chip = chips.get("h100-sxm")
    again = chip.replace(name=chip.name)
    assert again is not chip and again == chip and hash(again) == hash(chip) == hash(chip)
    assert hash(chip.replace("core", launch=2e-6)) != hash(chip)
    assert "_hash" not in chip.__getstate__() and pickle.loads(pickle.dumps(chip)) == chip
