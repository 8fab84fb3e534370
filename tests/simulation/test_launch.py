"""Graph replay and eager launch: what the host's part costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models, ops, simulate, transformer
from archsim.errors import ArchsimError
from archsim.hardware import GpuCore
from archsim.simulation.launch import launched
from archsim.timing import time
from archsim.units import us

GPU = chips.get("h100-sxm")
CORE = GPU.core
assert isinstance(CORE, GpuCore)


def test_a_short_kernel_takes_as_long_as_the_host_needs() -> None:
    kernel = launched(time(ops.Elementwise(elements=1024), GPU), GPU, "eager")
    assert kernel.seconds == CORE.host_launch
    assert kernel.bound == "launch"


def test_a_long_kernel_pays_the_difference_of_the_launches() -> None:
    alone = time(ops.MatMul(m=8192, n=8192, k=8192), GPU)
    kernel = launched(alone, GPU, "eager")
    assert kernel.seconds - alone.seconds == pytest.approx(CORE.stream_launch - CORE.launch)
    assert kernel.bound == "matrix"


def test_decode_of_a_small_model_is_launch_bound_unless_replayed() -> None:
    step = transformer(models.get("gpt2"), phase="decode", batch=1, context=512)
    eager, graph = (simulate(step, GPU, launch=mode) for mode in ("eager", "graph"))
    assert eager.bound == "launch"
    assert eager.time_s >= sum(o.repeat for o in eager.ops) * 5 * us
    assert eager.time_s > 1.3 * graph.time_s
    assert eager.workload["launch"] == "eager"


def test_compiled_programs_launch_no_kernels() -> None:
    step = transformer(models.get("gpt2"), phase="decode", batch=1, context=512)
    tpu = chips.get("tpu-v5e")
    assert simulate(step, tpu, launch="eager").time_s == simulate(step, tpu).time_s


@given(st.integers(0, 26), st.floats(1e-7, 1e-4), st.floats(1e-7, 1e-4))
def test_eager_is_never_faster_and_what_is_busy_fits_into_the_time(size: int, stream: float, host: float) -> None:
    chip = GPU.replace("core", stream_launch=stream, host_launch=host)
    alone = time(ops.Elementwise(elements=2**size), chip)
    eager = launched(alone, chip, "eager")
    assert eager.seconds >= alone.seconds
    assert max(eager.busy.values()) <= eager.seconds * (1 + 1e-12)
    assert launched(alone, chip, "graph") is alone


def test_a_mistyped_launch_is_named() -> None:
    with pytest.raises(ArchsimError, match="graph"):
        simulate(transformer(models.get("gpt2")), GPU, launch="graphs")
