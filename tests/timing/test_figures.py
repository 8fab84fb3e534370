"""Every figure of a GPU, at the bounds of what it may be: a time, or a sentence on what does not fit."""

import contextlib
import math
from dataclasses import is_dataclass
from functools import reduce

import pytest

from archsim import chips
from archsim.errors import ArchsimError, UnsupportedError
from archsim.hardware.part import metadata_at
from archsim.timing import time
from archsim.workload.ops import Attention, GroupedMatMul, MatMul, Quantize, Route

OPS = (
    MatMul(m=64, n=4096, k=4096), GroupedMatMul(groups=(100, 20, 3), n=1024, k=1024),
    Attention(batch=8, q_len=1, kv_len=4096, heads=8, kv_heads=2, head_dim=128),
    Attention(batch=2, q_len=512, kv_len=512, heads=8, kv_heads=2, head_dim=128),
    Route(rows=100, experts=64, top_k=4), Quantize(rows=100, cols=1000, out_dtype="int8"),
)


@pytest.mark.parametrize("name", ["a100-sxm-80gb", "h100-sxm", "b200", "mi300x"])
def test_every_figure_may_be_all_that_it_is_allowed_to_be(name: str) -> None:
    base, timed = chips.get(name), set()
    for path, value, *_ in base.figures():
        part, _, figure = path.rpartition(".")
        if part.split(".")[0] not in ("core", "cache", "memory", "power") or type(value) not in (int, float):
            continue
        if not is_dataclass(reduce(getattr, part.split("."), base)):
            continue  # of a table by dtype
        about = metadata_at(base, path)
        for other in {10 * value, value / 10, about.get("low"), about.get("high")} - {None}:
            try:
                on = base.replace(part, **{figure: type(value)(other)})
            except ArchsimError:
                continue  # beyond what it may be
            for op in OPS:
                with contextlib.suppress(UnsupportedError):
                    t = time(op, on)
                    assert 0.0 < t.seconds < math.inf, (path, other)
                    assert t.utilization <= 1.0 + 1e-9, (path, other)
                    timed.add(path)
    assert len(timed) > 60
