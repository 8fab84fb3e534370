"""GPU row operators: elementwise work and gathers by bandwidth, norms by blocks of threads."""

from __future__ import annotations

from archsim.dtypes import BYTES
from archsim.hardware import Chip, GpuCore
from archsim.kernels import gpu_rows as kernel
from archsim.timing.gpu_figures import row_figures
from archsim.timing.optime import OpTime
from archsim.timing.warm import COLD, Warm
from archsim.workload.ops import Norm, Stream

VECTOR_BYTES = 16.0
"""Bytes of a thread's widest load, on every GPU since 2006 (float4).

That a norm with a residual uses it and a plain norm takes one element at a time is no property of hardware but a
convention, that of the kernels that serving frameworks share (vllm-project/vllm csrc/layernorm_kernels.cu:
fused_add_rms_norm_kernel has a vectorised path for aligned rows, rms_norm_kernel had none). A plain norm written with
wide loads would take about the time that a residual one does here.
"""


def row_operator(op: Stream, chip: Chip, warm: Warm = COLD) -> OpTime:
    """Time a row operator.

    An elementwise operator or a gather streams: its bytes at the rate of device memory, or its arithmetic, after a
    launch and a latency. A norm needs its row twice, and its block of threads waits in between.
    """
    core, cache, memory = chip.core, chip.cache, chip.memory
    assert isinstance(core, GpuCore) and cache is not None
    hz = chip.clock
    own = op.parameter_bytes
    reads = (op.read_bytes - own) * (1.0 - warm.inputs) + own * (1.0 - warm.weights)
    writes = op.write_bytes * (1.0 - warm.output)
    busy = {
        "hbm": reads / memory.sustained + writes / (memory.bandwidth * memory.write_efficiency),
        "scratchpad": op.bytes / chip.cache_bandwidth,
        "vector": (op.vector_ops / core.fp32_lanes + op.transcendentals / core.sfu) / chip.cores / hz,
    }
    stream, fixed, plan = max(busy.values()), core.launch + memory.latency + cache.latency, "a stream over all SMs"
    seconds = stream + fixed
    if isinstance(op, Norm):
        size = BYTES[op.dtype]
        access = VECTOR_BYTES / size if op.residual and op.cols * size % VECTOR_BYTES == 0 else 1.0
        cycles = kernel.norm(row_figures(chip), float(op.rows), float(op.cols), size, access,
                                 (op.read_bytes - own) * (1.0 - warm.inputs), writes)
        seconds, plan = max(seconds, cycles / hz), "a block per row, two passes"
        fixed = max(fixed, seconds - stream)
    busy["launch"] = fixed
    return OpTime(
        seconds=seconds, cycles=seconds * hz, flops=op.flops, vector_ops=op.vector_ops, hbm_bytes=reads + writes,
        on_chip_bytes=op.bytes, utilization=op.bytes / memory.bandwidth / seconds,
        bound=max(busy, key=lambda x: busy[x]), busy=busy, plan=plan,
    )
