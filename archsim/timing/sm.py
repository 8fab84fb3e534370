"""One SM by itself: its matrix engine and the software pipeline of a block, as figures of a chip and as a run."""

from __future__ import annotations

from functools import lru_cache

from archsim.errors import UnsupportedError
from archsim.hardware import Chip, GpuCore
from archsim.kernels.tensor_instruction import Engine


@lru_cache(maxsize=1024)
def engine(chip: Chip, dtype: str) -> Engine:
    """Return the matrix engine of one SM for operands of `dtype`, as the kernels take it.

    Raises
    ------
    UnsupportedError
        If the chip has no SMs, or its matrix engine does not take the dtype.
    """
    core = chip.core
    if not isinstance(core, GpuCore):
        raise UnsupportedError(f"{chip.name} has no SMs ({chip.kind})")
    t, beside = core.tensor, float(core.tensor.asynchronous)
    return Engine(
        macs=t.macs[chip.check_dtype(dtype)], sub_cores=1.0 if beside else float(t.sub_cores),
        rows=float(t.fetch_rows if beside else t.rows), cols=float(t.fetch_cols if beside else t.cols),
        k_bytes=float(t.k_bytes), depth=t.depth, pair_depth=t.pair_depth, fold_depth=t.fold_depth, commit=t.commit,
        in_order=beside, a_first=float(t.a_first), from_shared=beside, warp_rows=float(t.fetch_rows),
        warp_cols=float(t.fetch_cols), shared_read=core.shared.read_bytes, register_read=core.register_read,
        one_port=float(core.shared_one_port),
    )
