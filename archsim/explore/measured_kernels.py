"""What the time of a measured row includes: its kernels, and what L2 holds when each of them starts.

These are conventions of whoever measured, applied alike to every device. Serving frameworks' kernels are measured as
ai-dynamo/aiconfigurator's collectors do (collector/sglang, collector/vllm): a call is captured in a CUDA graph and
replayed, so that no host cost is left but what a graph costs, and what a call touched is there again at the next one.

- ``gemm``: six calls with a weight each make one graph, so that a weight comes round after six times the bytes of a
  call, activations after one (a column ``copies`` says how many weights where it is not six, and ``repeats`` how often
  the call ran in a row). In an 8-bit dtype (``fp8``, ``fp8_block``, ``int8``) it is two kernels: activations arrive in
  bf16 and are quantised first.
- ``attention_*`` is a framework's attention call on a paged cache: a kernel writes new keys and values to it, a block
  of another adds up the lengths of all sequences to lay out the work, then attention itself. The same cache is read by
  every call. Each call is a graph of its own (`Kernel.begins`), its library that of a column ``framework`` (`PACKED`).
- ``moe`` is a fused layer of experts: tokens are sorted by expert, the gated products up, the activation, the products
  down, and the sum over each token's experts. ``inter`` is cut by ``tp``; of ``experts``, ``ep`` ranks hold equal
  shares, and one of them is measured: see `archsim.explore.measured_experts`. Every call reads the same weights.
- ``rmsnorm``, ``silu_mul`` and ``add`` are measured within a running layer, by the time on the device alone
  (microsoft/vidur's profiler): what they read has just been written, but for the residual that ``add`` reads; what they
  write is not rewritten soon. The first two are a block per row whose threads take one element at a time, as vLLM's
  kernels were until 2025 (csrc/layernorm_kernels.cu, activation_kernels.cu); ``add`` is PyTorch's, four elements at a
  time. ``silu_mul`` and ``add`` read two operands per result.
- ``copy`` reads and writes ``bytes_tensor``, whatever the dtype, over and over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from archsim.dtypes import BYTES, dtype
from archsim.errors import ArchsimError, UnsupportedError
from archsim.explore.measured_experts import calls, experts, gate, quantised
from archsim.explore.measured_table import BadRowError, Row, flag, text, whole
from archsim.hardware import Chip, GpuCore
from archsim.hardware.gpu import PACKED_ASYNC_ATTENTION_TILES, PACKED_ATTENTION_TILES
from archsim.timing import COLD, Warm, time
from archsim.timing.warm import held_read, held_written
from archsim.workload.ops import (
    Attention,
    Elementwise,
    Gather,
    GroupedMatMul,
    MatMul,
    Norm,
    Op,
    Softmax,
)

ATTENTION = ("attention_context", "attention_prefill", "attention_generation", "attention_decode")
SHAPES: dict[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"),
    **dict.fromkeys(ATTENTION, ("batch", "q_len", "kv_len", "heads", "kv_heads", "head_dim")),
    **dict.fromkeys(("rmsnorm", "silu_mul", "add"), ("rows", "cols")),
    "moe": ("tokens", "hidden", "inter", "topk", "experts"),
    "copy": ("bytes_tensor",),
}
"""Ops that can be scored and the shape columns that each needs."""

COPIES = 6
"""Weights over which calls of a measured matrix product rotate (``outside_loop_count`` of both collectors)."""

REPLAYS = 6
"""Replays of a graph that are timed together (``num_runs`` of the collectors' helper)."""

PACKED = ("sglang", "vllm")
"""Frameworks (column ``framework``) that run FlashAttention 3 where instructions read shared memory themselves; the
first does so on GPUs of warp-level instructions too (sgl-kernel's flash_attn; collector/sglang takes its backend on all
GPUs before Blackwell)."""

BY_TOKEN = ("vllm",)
"""Frameworks whose kernel that writes new keys and values has a block per token (csrc/cache_kernels.cu,
reshape_and_cache_flash). Its threads took one element at a time until 2025 and take eight since; measured calls of
later versions cost what the former would (with the latter, prefill comes out 3 % faster in the mean)."""

WARM_UPS = 3
"""Replays before those that are timed: a power limit has that much longer to act."""


@dataclass(frozen=True)
class Kernel:
    """One kernel of a measured call.

    `own` says that the row is about it: a plain roofline counts no other. `inputs`, `weights` and `output` are reuse
    distances: bytes that are touched from one use of them to the next, themselves included; infinite if they are not
    used again; `made` are bytes of its inputs that the kernel before has just written, in the order in which it reads.
    `begins` is how many graphs begin with it: one if a call is a graph. It ran `repeats` times in a row. `framework`
    is who ran attention, if the row says so.
    """

    op: Op
    own: bool = True
    inputs: float = math.inf
    weights: float = math.inf
    output: float = math.inf
    begins: float = 0.0
    made: float = 0.0
    repeats: float = math.inf
    framework: str = ""

    def start(self, chip: Chip) -> float:
        """Return the seconds by which a replay that begins here is late: the host has queued it as it queues a kernel.

        Of `REPLAYS` replays, which are timed together, the first waits for the host.
        """
        core = chip.core
        if not self.begins or not isinstance(core, GpuCore):
            return 0.0
        return self.begins * (core.stream_launch - core.launch + core.host_launch / REPLAYS)

    def warm(self, chip: Chip) -> Warm:
        """Return what the chip's cache holds when the kernel starts."""
        inputs, weights, output = (held_read(d, chip) for d in (self.inputs, self.weights, self.output))
        if self.made:
            inputs = self.made / self.op.read_bytes * held_written(self.made, self.op.bytes - self.made, chip)
        return Warm(inputs, weights, output)

    def seconds(self, chip: Chip, *, held: bool = True, once: bool = False) -> float:
        """Return the seconds that the kernel takes, its late start included.

        `held` says whether the cache holds anything when it starts, `once` that nobody asks for this chip again.

        Raises
        ------
        ArchsimError
            If the chip cannot run it.
        """
        timed = time.__wrapped__ if once else time
        if self.framework in PACKED:
            chip = _packed(chip, self.framework == PACKED[0])
        return timed(self.op, chip, self.warm(chip) if held else COLD, self.repeats).seconds + self.start(chip)


@lru_cache(maxsize=64)
def _packed(chip: Chip, always: bool) -> Chip:
    """Return the chip with FlashAttention 3's kernels, if it has them; `always` says that warp-level ones count."""
    core = chip.core
    if not isinstance(core, GpuCore) or core.tensor.tensor_memory or not (core.tensor.asynchronous or always):
        return chip
    tiles = PACKED_ASYNC_ATTENTION_TILES if core.tensor.asynchronous else PACKED_ATTENTION_TILES
    return chip.replace("core", attention_tiles=tiles).replace(name=chip.name)


def kernels(row: Row, line: int) -> tuple[Kernel, ...]:
    """Return the kernels that a row's time includes, in their order.

    Raises
    ------
    BadRowError
        If a cell is missing or cannot be meant; the message names line and column.
    UnsupportedError
        If no such op can be timed.
    """
    op = text(row, "op", line).lower()
    if op not in SHAPES:
        raise UnsupportedError(f"op {op!r} cannot be timed yet; these can: {', '.join(SHAPES)}")
    size = {column: whole(row, column, line, 2**60 if op == "copy" else 2**31 - 1) for column in SHAPES[op]}
    if op == "copy":
        return _again(Elementwise(elements=-(-size["bytes_tensor"] // 2), ops=0.0, name="copy"))
    name = dtype(text(row, "dtype", line).lower())
    if op == "gemm":
        copies = _given(row, "copies", line) or COPIES
        return _product(size, name, copies, _given(row, "repeats", line) or (WARM_UPS + REPLAYS) * copies)
    if op == "moe":
        return _layer(experts(row, line, size, name), calls(row))
    if op in ATTENTION:
        first, *rest = _again(*_attention(row, line, size, name))
        framework = str(row.get("framework") or "").strip().lower()
        return tuple(replace(k, repeats=float(WARM_UPS + REPLAYS), framework=framework)
                     for k in (replace(first, begins=1.0), *rest))
    values, element = size["rows"] * size["cols"], int(BYTES[name])
    if op == "rmsnorm":
        call: Op = Norm(rows=size["rows"], cols=size["cols"], dtype=name, access=element)
    elif op == "silu_mul":
        call = replace(gate(size["rows"], size["cols"], name), access=element)
    else:
        call = Elementwise(elements=values, inputs=2.0, name=op, dtype=name, out_dtype=name, access=4 * element)
        return (Kernel(call, made=call.read_bytes / 2),)
    return (Kernel(call, made=call.read_bytes),)


def _again(*ops: Op) -> tuple[Kernel, ...]:
    """Return the kernels of a call that is repeated on the same data; the products and attention are its own."""
    call = sum(op.bytes for op in ops)
    lone = len(ops) == 1
    return tuple(Kernel(op, lone or isinstance(op, MatMul | GroupedMatMul | Attention), call, call, call) for op in ops)


def _layer(ops: list[Op], calls: int) -> tuple[Kernel, ...]:
    """Return the kernels of a layer of experts: each reads what the one before has just written, and own weights."""
    call = sum(op.bytes for op in ops)
    found = []
    for op in ops:
        product = isinstance(op, GroupedMatMul)
        just = 2.0 * op.a_bytes if isinstance(op, GroupedMatMul) else math.inf
        found.append(Kernel(op, product, just, call, call, made=0.0 if product else op.read_bytes))
    return (replace(found[0], begins=1.0 / calls), *found[1:])


def _given(row: Row, column: str, line: int) -> int | None:
    """Return the whole number of an optional column, None where there is none."""
    return whole(row, column, line) if str(row.get(column) or "").strip() else None


def _product(size: dict[str, int], name: str, copies: int, repeats: int) -> tuple[Kernel, ...]:
    product = MatMul(m=size["m"], n=size["n"], k=size["k"], dtype=name, weights=True)
    quantise = quantised(size["m"], size["k"], name)
    call = product.bytes + sum(op.bytes for op in quantise)
    made = sum(op.bytes for op in quantise) or call  # activations come from the kernel before, or the call before
    first, *rest = (*(Kernel(op, False, call, call, call) for op in quantise),
                    Kernel(product, True, made, copies * call, call))
    return tuple(replace(k, repeats=float(repeats)) for k in (replace(first, begins=1.0 / COPIES), *rest))


def _attention(row: Row, line: int, size: dict[str, int], name: str) -> list[Op]:
    """Return the kernels of a framework's attention call."""
    kv = dtype(str(row.get("kv_dtype") or "").strip().lower() or name)
    causal = flag(row, "causal", line)
    try:
        call = Attention(
            batch=size["batch"], q_len=size["q_len"], kv_len=size["kv_len"], heads=size["heads"],
            kv_heads=size["kv_heads"], head_dim=size["head_dim"], causal=causal, dtype=name, kv_dtype=kv,
        )
    except UnsupportedError:
        raise
    except ArchsimError as e:
        raise BadRowError(f"line {line}: {e}") from None
    new, cache = size["batch"] * size["q_len"], size["batch"] * size["kv_len"]
    width = 2 * size["kv_heads"] * size["head_dim"]
    write: Op = Gather(rows=new, cols=width, entries=cache, dtype=kv)
    if str(row.get("framework") or "").strip().lower() in BY_TOKEN:
        write = Elementwise(elements=new * width, ops=0.0, name="cache", cols=width, access=int(BYTES[kv]), dtype=kv,
                            out_dtype=kv)
    return [write, Softmax(rows=1, cols=size["batch"], dtype="fp32"), call]
