"""Prefetched weights and results kept on the chip: bytes are exact, nothing becomes slower, room and idle time bind."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import chips, models
from archsim.hardware import Chip
from archsim.simulation import Run, simulate
from archsim.units import GB_per_s, MiB
from archsim.workload import transformer
from archsim.workload.build import Tensor
from archsim.workload.ops import Attention, MatMul, Norm

V5E, V4 = chips.get("tpu-v5e"), chips.get("tpu-v4")
BUSY = Attention(batch=1, q_len=8192, kv_len=8192, heads=32, kv_heads=8, head_dim=128)  # leaves the memory idle
LEAN = MatMul(m=64, n=4096, k=4096, weights=True)  # waits for 32 MiB of weights


def chain(*ops: object, repeat: int = 1) -> nx.DiGraph:
    graph = nx.DiGraph()
    for i, op in enumerate(ops):
        graph.add_node(f"op{i}", op=op, layer="layer", repeat=repeat)
        if i:
            graph.add_edge(f"op{i - 1}", f"op{i}")
    return graph


def both(graph: nx.DiGraph, chip: Chip) -> tuple[Run, Run]:
    return simulate(graph, chip, chips=1), simulate(graph, chip.replace("core", prefetch=False), chips=1)


def test_weights_come_while_the_operator_before_leaves_the_memory_idle() -> None:
    ahead, alone = both(chain(BUSY, LEAN), V5E)
    first, second = ahead.ops
    assert first.prefetched == 0
    assert 0 < second.prefetched <= LEAN.parameter_bytes
    gain = second.prefetched / V5E.memory.sustained
    assert alone.time_s - ahead.time_s == pytest.approx(gain)
    assert second.time.stalls["device memory"] == pytest.approx(alone.ops[1].time.stalls["device memory"] - gain)
    assert ahead.hbm_bytes == alone.hbm_bytes
    assert first.time.busy["hbm"] == pytest.approx(alone.ops[0].time.busy["hbm"] + gain)
    assert ahead.to_dict()["ops"][1]["prefetched_bytes"] == second.prefetched


def test_there_must_be_room_and_idle_time() -> None:
    full = V5E.replace("core", kernel_share=1.0)
    small = V5E.replace("core.scratchpad", capacity=40 * MiB).replace("core", kernel_share=0.9)
    assert simulate(chain(BUSY, LEAN), full, chips=1).ops[1].prefetched == 0
    assert simulate(chain(BUSY, LEAN), small, chips=1).ops[1].prefetched == pytest.approx(4 * MiB)
    rows = [LEAN, LEAN]
    ahead = simulate(chain(*rows), V5E, chips=1)
    time = ahead.ops[0].time
    idle = (time.seconds - time.busy["hbm"]) * V5E.memory.sustained
    assert ahead.ops[1].prefetched <= idle + ahead.ops[1].prefetched  # what is left after lending
    assert ahead.ops[1].prefetched < 0.2 * LEAN.parameter_bytes, "an operator that streams its own weights lends little"


def test_weights_may_come_several_operators_ahead() -> None:
    norm = Norm(rows=8192, cols=4096)
    near, far = (simulate(chain(BUSY, *[norm] * between, LEAN), V5E, chips=1).ops[-1].prefetched for between in (0, 3))
    assert far >= near > 0


def test_what_an_operator_keeps_beside_its_blocks_is_no_room_for_others() -> None:
    """Of the 96 MiB that blocks may not fill 80 hold one operand whole; 16 are left for weights that pass by."""
    keeps = MatMul(m=16384, n=10240, k=4096)
    wide = MatMul(m=64, n=16384, k=8192, weights=True)  # waits for 256 MiB of weights
    run = simulate(chain(BUSY, BUSY, keeps, wide), V5E, chips=1)
    assert run.ops[2].time.resident == (0, 80 * MiB)
    assert run.ops[3].prefetched == pytest.approx(16 * MiB)
    alone = simulate(chain(BUSY, BUSY, BUSY, wide), V5E, chips=1)
    assert alone.ops[3].prefetched == pytest.approx(72.45e6, rel=0.01), "as much as memory has time for"
    own = MatMul(m=2048, n=8192, k=4096, weights=True)  # its own weights lie where it keeps them
    assert simulate(chain(BUSY, own), V5E, chips=1).ops[1].prefetched > 0


def test_equal_layers_prefetch_their_own_first_weights() -> None:
    once, often = (simulate(chain(LEAN, BUSY, repeat=n), V5E, chips=1) for n in (1, 11))
    assert once.ops[0].prefetched == 0
    single = simulate(chain(LEAN, BUSY, LEAN), V5E, chips=1).ops[2].prefetched
    assert often.ops[0].prefetched == pytest.approx(single * 10 / 11), "in all layers but the first"


@given(st.sampled_from(["tpu-v5e", "tpu-v6e", "tpu-v4", "tpu-v5p", "trainium2", "h100-sxm"]),
       st.sampled_from(["prefill", "decode"]), st.integers(1, 300), st.sampled_from([1, 3]))
def test_nothing_becomes_slower_or_moves_more(name: str, phase: str, length: int, n: int) -> None:
    where = {"seq": length} if phase == "prefill" else {"context": length}
    graph = transformer(models.get("llama-2-7b"), phase=phase, **where)  # type: ignore[arg-type]
    chip = chips.get(name)
    ahead = simulate(graph, chip, chips=n)
    if chip.kind != "systolic":
        assert all(o.prefetched == 0 for o in ahead.ops)
        return
    alone = simulate(graph, chip.replace("core", prefetch=False), chips=n)
    assert ahead.time_s <= alone.time_s
    assert ahead.hbm_bytes == alone.hbm_bytes if chip.cache is None else ahead.hbm_bytes <= alone.hbm_bytes
    for a, b in zip(ahead.ops, alone.ops, strict=True):
        assert a.time.seconds <= b.time.seconds
        assert max(a.time.busy.values()) <= a.time.seconds * (1 + 1e-9)
        assert a.prefetched <= a.op.parameter_bytes / n
        assert min(a.time.stalls.values()) >= 0
        lost = sum(b.time.stalls.values()) - sum(a.time.stalls.values())
        assert lost == pytest.approx(b.time.seconds - a.time.seconds, abs=1e-12)
        assert 0 < a.time.utilization <= 1


@pytest.mark.parametrize(("name", "model", "how"), [
    ("tpu-v4", "phi-4", {"phase": "train", "batch": 2, "seq": 128, "dtype": "int8", "recompute": "full"}),
    ("tpu-v6e", "mpt-1b", {"phase": "train", "batch": 2, "seq": 1000}),
    ("tpu-v6e", "kimi-k2", {"phase": "decode", "batch": 2, "context": 128, "dtype": "int8"}),
    ("tpu-v5e", "switch-xxl-128", {"phase": "prefill", "batch": 2, "seq": 17}),
])
def test_the_memory_is_never_busier_than_the_time_allows(name: str, model: str, how: dict[str, object]) -> None:
    """What comes before equal layers loads for one of them, and one idle second loads for one operator."""
    run = simulate(transformer(models.get(model), **how), chips.get(name))  # type: ignore[arg-type]
    assert any(o.prefetched for o in run.ops)
    for o in run.ops:
        assert max(o.time.busy.values()) <= o.time.seconds * (1 + 1e-9), o.name


def test_a_result_that_stays_saves_no_more_than_waiting() -> None:
    """With ports of 16 bytes per cycle, results of a batch pass through the scratchpad more slowly than the memory."""
    chip = V4.replace("core", fuse_elementwise=False).replace("core.scratchpad", read_bytes=16.0, write_bytes=8.0)
    graph = transformer(models.get("llama-3.1-8b"), phase="decode", batch=129, context=1024)
    for o in simulate(graph, chip).ops:
        assert max(o.time.busy.values()) <= o.time.seconds * (1 + 1e-9), o.name


def test_a_result_that_fits_a_shared_scratchpad_stays_there() -> None:
    """64 MiB between two products do not visit device memory on a chip whose cores share 128 MiB."""
    graph = chain(MatMul(m=8192, n=4096, k=512, weights=True), MatMul(m=8192, n=512, k=4096, weights=True))
    graph.edges["op0", "op1"]["tensor"] = Tensor((8192, 4096), "bf16")
    ahead, alone = both(graph, V4)
    assert alone.hbm_bytes - ahead.hbm_bytes == 2 * 8192 * 4096 * 2
    assert ahead.time_s < alone.time_s
    slow = V4.replace("cache", bandwidth=V4.memory.bandwidth * 0.5)
    assert simulate(graph, slow, chips=1).time_s > ahead.time_s
    small = simulate(graph, V4.replace("cache", capacity=32 * MiB), chips=1)
    assert small.hbm_bytes == alone.hbm_bytes
    graph.add_node("op2", op=Norm(rows=8192, cols=4096), layer="layer")
    graph.add_edge("op0", "op2")
    assert simulate(graph, V4, chips=1).hbm_bytes == simulate(
        graph, V4.replace("core", prefetch=False), chips=1).hbm_bytes, "another operator reads it later"


def test_the_engines_of_a_core_bound_what_comes_ahead() -> None:
    slow = V5E.replace("core", dma_bandwidth=100 * GB_per_s)
    ahead, alone = both(chain(BUSY, LEAN), slow)
    assert alone.time_s - ahead.time_s == pytest.approx(ahead.ops[1].prefetched / 100e9)
