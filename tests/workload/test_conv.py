"""Convolution and pooling: FLOPs and pixels counted one by one, the product that it is, residual networks."""

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.errors import ArchsimError
from archsim.hardware import Chip, Memory, RooflineCore
from archsim.timing import lower, time
from archsim.timing.fusion import fuse
from archsim.units import GB, TFLOPS, GHz, TB_per_s
from archsim.workload import graph
from archsim.workload.conv import touched
from archsim.workload.ops import Conv, Elementwise, MatMul, Pool, describe
from archsim.workload.resnet import DEPTHS, resnet


def naive(op: Conv) -> tuple[int, int]:
    """Walk all windows of one image: return multiply-accumulates per channel pair, and pixels touched.

    Taps on the padding count as work, as every published count has it.
    """
    assert isinstance(op.kernel, tuple)
    assert isinstance(op.stride, tuple)
    assert isinstance(op.padding, tuple)
    assert isinstance(op.dilation, tuple)
    top, left, bottom, right = op.padding
    macs, pixels = 0, set()
    y = 0
    while y + op.dilation[0] * (op.kernel[0] - 1) < op.height + top + bottom:
        x = 0
        while x + op.dilation[1] * (op.kernel[1] - 1) < op.width + left + right:
            for i, j in itertools.product(range(op.kernel[0]), range(op.kernel[1])):
                row, col = y + i * op.dilation[0] - top, x + j * op.dilation[1] - left
                macs += 1
                if 0 <= row < op.height and 0 <= col < op.width:
                    pixels.add((row, col))
            x += op.stride[1]
        y += op.stride[0]
    return macs, len(pixels)


@st.composite
def convs(draw: st.DrawFn) -> Conv:
    side, groups = st.integers(1, 12), draw(st.integers(1, 3))
    height, width = draw(side), draw(side)
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = tuple(draw(st.integers(0, 3)) for _ in range(4))
    for size, k, d, p in ((height, kernel[0], dilation[0], padding[0] + padding[2]),
                          (width, kernel[1], dilation[1], padding[1] + padding[3])):
        assume(size + p > d * (k - 1))
    return Conv(batch=draw(st.integers(1, 3)), height=height, width=width, c_in=groups * draw(st.integers(1, 4)),
                c_out=groups * draw(st.integers(1, 4)), kernel=kernel, dilation=dilation, padding=padding,
                stride=(draw(st.integers(1, 4)), draw(st.integers(1, 4))), groups=groups, bias=draw(st.booleans()))


@given(convs())
def test_flops_and_traffic_equal_a_walk_over_all_windows(op: Conv) -> None:
    macs, pixels = naive(op)
    assert op.flops == 2 * op.batch * macs * op.c_in // op.groups * op.c_out
    weights = op.taps * op.c_in // op.groups * op.c_out + op.bias * op.c_out
    assert op.parameters == weights
    assert op.input_elements == op.batch * pixels * op.c_in
    if pixels:
        assert op.read_bytes == pytest.approx(2 * (op.batch * pixels * op.c_in + weights))
    assert op.write_bytes == 2 * op.outputs
    *_, (_, shape, _) = op.shapes()
    assert shape == (op.batch, op.out_height, op.out_width, op.c_out)


@given(convs(), st.integers(1, 9))
def test_the_product_is_the_convolution_and_shares_cover_it(op: Conv, chips: int) -> None:
    product = op.as_matmul()
    assert product.flops == op.flops
    assert product.bytes == op.bytes
    assert product.a_reuse >= 1
    assert product.a_bytes <= product.batch * product.m * product.k * 2
    part = op.shard(chips)
    assert part.flops <= op.flops <= part.flops * chips


few = st.integers(1, 6)


@given(st.integers(1, 40), few, few, st.integers(1, 4), st.integers(0, 5), st.integers(1, 20))
def test_touched_pixels_of_one_side(size: int, k: int, stride: int, dilation: int, before: int, places: int) -> None:
    seen = {p * stride + t * dilation - before for p in range(places) for t in range(k)}
    assert touched(size, k, stride, dilation, before, places) == len(seen & set(range(size)))


def test_shorthands_and_what_a_folded_norm_costs() -> None:
    op = Conv(batch=1, height=8, width=8, c_in=4, c_out=6, kernel=3, padding=1, folded_norm=True)
    assert op.kernel == (3, 3)
    assert op.padding == (1, 1, 1, 1)
    assert Conv(batch=1, height=8, width=8, c_in=4, c_out=6, kernel=3, padding=(1, 2)).padding == (1, 2, 1, 2)
    assert op.parameters == 9 * 4 * 6 + 2 * 6, "gain and shift are parameters of the model"
    assert op.parameter_bytes == 2 * (9 * 4 * 6 + 6), "one shift is left in the machine"
    assert op.vector_ops == 64 * 6
    fused = Conv(batch=1, height=8, width=8, c_in=4, c_out=6, kernel=1,
                 epilogue=(Elementwise(elements=8 * 8 * 6, name="relu"),))
    assert fused.bytes == Conv(batch=1, height=8, width=8, c_in=4, c_out=6, kernel=1).bytes
    assert describe(fused)["flops"] == fused.flops


@pytest.mark.parametrize(("change", "message"), [
    ({"kernel": 9}, "does not fit into height 5"),
    ({"kernel": (1, 2, 3)}, "must have 1 or 2 numbers"),
    ({"padding": (1, 2, 3)}, "1 or 2 or 4 numbers"),
    ({"padding": -1}, "from 1"),
    ({"stride": 0}, "stride must be from 1"),
    ({"kernel": "3x3"}, "whole number"),
    ({"groups": 3}, "multiples of groups = 3"),
    ({"c_in": 2**31 - 1, "kernel": 3}, "kernel area x input channels"),
    ({"batch": 0}, "Conv.batch must be from 1"),
    ({"dtype": "bf17"}, "unknown dtype"),
])
def test_impossible_convolutions_are_named(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"batch": 1, "height": 5, "width": 5, "c_in": 4, "c_out": 4, "kernel": 3}
    with pytest.raises(ArchsimError, match=message):
        Conv(**{**good, **change})  # type: ignore[arg-type]


def test_pooling_by_hand() -> None:
    op = Pool(batch=2, height=6, width=6, channels=3, kernel=3, stride=2, padding=1)
    assert op.outputs == 2 * 3 * 3 * 3
    assert op.vector_ops == op.outputs * 9
    assert op.bytes == 2 * (2 * 6 * 6 * 3 + op.outputs)
    whole = Pool(batch=2, height=7, width=7, channels=3, kernel=7, name="mean")
    assert whole.outputs == 6
    assert Pool(batch=8, height=6, width=6, channels=3, kernel=2, stride=2).shard(4).batch == 2
    with pytest.raises(ArchsimError, match="did you mean 'mean'"):
        Pool(batch=2, height=7, width=7, channels=3, kernel=7, name="meam")


# torchvision 0.2x, torchvision.models.resnet: meta["num_params"] and meta["_ops"] (1e9 multiply-accumulates at 224).
TORCHVISION = {18: (11_689_512, 1.814), 34: (21_797_672, 3.664), 50: (25_557_032, 4.089), 101: (44_549_160, 7.801),
               152: (60_192_808, 11.514)}


@pytest.mark.parametrize("depth", DEPTHS)
def test_residual_networks_have_their_published_parameters_and_work(depth: int) -> None:
    net = resnet(depth)
    graph.validate(net)
    total = graph.inspect(net).total
    assert (total.parameters, round(total.flops / 2e9, 3)) == TORCHVISION[depth]
    assert net.graph["parameters"] == total.parameters
    assert len(net) < 60, "the graph grows with distinct blocks, not with depth"
    assert graph.inspect(resnet(depth, batch=4)).total.flops == 4 * total.flops


def test_impossible_networks_are_named() -> None:
    with pytest.raises(ArchsimError, match="did you mean '50'"):
        resnet(51)
    with pytest.raises(ArchsimError, match="at least 32 pixels"):
        resnet(50, image=16)


@given(st.sampled_from(sorted(DEPTHS)), st.integers(1, 8), st.integers(32, 96))
def test_fusing_into_convolutions_keeps_the_work_and_adds_no_bytes(depth: int, batch: int, image: int) -> None:
    from archsim import chips

    net = resnet(depth, batch=batch, image=image)
    before, after = graph.inspect(net).total, graph.inspect(fuse(net, chips.get("tpu-v5p"))).total
    assert after.flops == before.flops
    assert after.parameters == before.parameters
    assert after.bytes < before.bytes
    assert graph.inspect(fuse(net, chips.get("tpu-v5p"))).kinds.keys() == {"conv", "matmul", "pool"}


# --- timing

@pytest.fixture(scope="module", params=["systolic", "gpu", "roofline"])
def chip(request: pytest.FixtureRequest) -> Chip:
    from archsim import chips

    plain = Chip(name="plain", clock=GHz, core=RooflineCore(rates={"bf16": 200 * TFLOPS / GHz}),
                 memory=Memory(capacity=80 * GB, bandwidth=2 * TB_per_s))
    return {"systolic": chips.get("tpu-v5p"), "gpu": chips.get("h100-sxm")}.get(request.param, plain)


@pytest.mark.parametrize("op", [
    Conv(batch=32, height=56, width=56, c_in=64, c_out=64, kernel=3, padding=1, folded_norm=True),
    Conv(batch=4, height=224, width=224, c_in=3, c_out=64, kernel=7, stride=2, padding=3),
    Conv(batch=8, height=14, width=14, c_in=256, c_out=256, kernel=3, padding=1, groups=256),
    Conv(batch=8, height=14, width=14, c_in=256, c_out=256, kernel=3, padding=1, groups=8),
])
def test_time_is_bounded_by_work_and_true_traffic(op: Conv, chip: Chip) -> None:
    t = time(op, chip)
    assert t.flops == op.flops
    assert t.hbm_bytes >= op.bytes * (1 - 1e-9)
    assert t.seconds >= op.bytes / chip.memory.bandwidth * (1 - 1e-9)
    assert t.seconds >= op.flops / chip.peak("bf16") * (1 - 1e-9) or op.groups > 1
    assert 0 < t.utilization <= 1
    m = op.as_matmul()
    spread = MatMul(m=m.m, n=m.n, k=m.k, batch=m.batch, weights=True, bias=m.bias)
    assert t.seconds <= time(spread, chip).seconds * (1 + 1e-9), "no slower than from a matrix of all windows"


def test_depthwise_runs_where_it_is_faster(chip: Chip) -> None:
    op = Conv(batch=64, height=56, width=56, c_in=128, c_out=128, kernel=3, padding=1, groups=128)
    assert time(op, chip).seconds <= time(op.as_matmul(), chip).seconds
    assert lower.conv(op, chip, time).seconds == time(op, chip).seconds


def test_resnet_runs_on_every_kind_of_chip(chip: Chip) -> None:
    from archsim.simulation import simulate

    one, many = (simulate(resnet(50, batch=n), chip) for n in (1, 64))
    assert one.parameters == 25_557_032
    assert many.flops == 64 * one.flops
    assert many.tokens_per_s > one.tokens_per_s
    assert 0 < many.utilization < 1
