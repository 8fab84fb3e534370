"""Row operators, products with scales and layers of experts against measured kernels."""

from functools import lru_cache
from pathlib import Path

import pytest

from archsim import chips
from archsim.explore.validate import Report, validate

# Mean absolute errors that the model reaches, rounded up; constants are the chips', not the rows'.
REACHED = {
    ("rowops", "a100_sxm", "add", "float16"): 9,
    ("rowops", "a100_sxm", "rmsnorm", "float16"): 9,
    ("rowops", "a100_sxm", "silu_mul", "float16"): 10,
    ("rowops", "h100_sxm", "add", "float16"): 15,
    ("rowops", "h100_sxm", "rmsnorm", "float16"): 9,
    ("rowops", "h100_sxm", "silu_mul", "float16"): 14,
    ("gemm", "h100_sxm", "gemm", "fp8"): 20,
    ("gemm", "h100_sxm", "gemm", "fp8_block"): 18,
    ("moe", "a100_sxm", "moe", "bfloat16"): 16,
    ("moe", "h100_sxm", "moe", "bfloat16"): 22,
    ("moe", "h100_sxm", "moe", "fp8_block"): 14,
}


@lru_cache
def scored(path: Path) -> Report:
    return validate(path, resolve=chips.get)


@pytest.mark.parametrize(("file", "device", "op", "dtype"), REACHED)
def test_measured_rows(shared: Path, file: str, device: str, op: str, dtype: str) -> None:
    path = shared / "measured" / "kernels" / f"{file}.csv"
    if not path.is_file():
        pytest.skip(f"no measured kernels at {path}")
    s = next(s for s in scored(path).scores if (s.device, s.op, s.dtype) == (device, op, dtype))
    assert s.n >= 200
    assert s.mape < REACHED[file, device, op, dtype]
    assert s.mape < 0.6 * s.roofline_mape
