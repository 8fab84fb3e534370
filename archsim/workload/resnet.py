"""resnet: the layer graph of a residual network (He et al. 2016, arXiv 1512.03385) at inference.

As torchvision builds it: the 3x3 convolution of a bottleneck has the stride, and every batch norm is folded into the
convolution before it, as inference compilers do. Equal blocks of a stage appear once with a ``repeat``.
"""

from __future__ import annotations

import networkx as nx

from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.workload import graph as g
from archsim.workload.ops import Conv, Elementwise, MatMul, Op, Pool

DEPTHS: dict[int, tuple[bool, tuple[int, int, int, int]]] = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
"""Whether blocks are bottlenecks (1x1, 3x3, 1x1) or two 3x3, and blocks per stage, by depth (table 1 of the paper)."""


def resnet(
    depth: int = 50, *, batch: int = 1, image: int = 224, classes: int = 1000, dtype: str = "bf16"
) -> nx.DiGraph:
    """Build the layer graph of one forward pass of a residual network.

    Parameters
    ----------
    depth
        18, 34, 50, 101 or 152.
    batch
        Images.
    image
        Pixels along a side.
    classes
        Results of the last layer.
    dtype
        Format of weights and activations.

    Raises
    ------
    ArchsimError
        If there is no such depth, or a size is out of range.
    """
    if depth not in DEPTHS:
        raise unknown("depth of a residual network", depth, map(str, DEPTHS))
    n, side, dt = positive_int("batch", batch, 2**20), positive_int("image", image, 2**14), dtype_name(dtype)
    classes = positive_int("classes", classes)
    if side < 32:
        raise ArchsimError(f"image must be at least 32 pixels, not {side}: five strides of 2 leave nothing of less")
    graph = g.new(f"resnet-{depth}", dtype=dt, tokens=n, phase="image", batch=n, note="a token is an image")
    bottleneck, stages = DEPTHS[depth]
    images: dict[str, g.Tensor] = {}  # what elementwise operators make: they themselves know no sides

    def put(name: str, op: Op, sources: tuple[str, ...], layer: str, repeat: int) -> str:
        g.add(graph, name, op, layer=layer, repeat=repeat)
        for source in sources:
            g.connect(graph, source, name, images.get(source))
        return name

    def conv(name: str, source: tuple[str, ...], pixels: int, c_in: int, c_out: int, kernel: int, stride: int,
             layer: str, repeat: int = 1) -> tuple[str, Conv]:
        op = Conv(batch=n, height=pixels, width=pixels, c_in=c_in, c_out=c_out, kernel=kernel, stride=stride,
                  padding=kernel // 2, folded_norm=True, dtype=dt)
        return put(name, op, source, layer, repeat), op

    def relu(name: str, op: Conv, *sources: str, layer: str, repeat: int = 1) -> str:
        act = Elementwise(elements=op.outputs, inputs=len(sources), ops=len(sources), dtype=op.out_dtype,
                          out_dtype=op.out_dtype, name="relu" if len(sources) == 1 else "add_relu")
        images[name] = g.output(op)
        return put(name, act, sources, layer, repeat)

    last, op = conv("conv1", (), side, 3, 64, 7, 2, "stem")
    last = relu("relu1", op, last, layer="stem")
    pool = Pool(batch=n, height=op.out_height, width=op.out_width, channels=64, kernel=3, stride=2, padding=1,
                dtype=op.out_dtype)
    last = put("maxpool", pool, (last,), "stem", 1)
    pixels, channels = g.output(pool).shape[1], 64
    for stage, blocks in enumerate(stages, start=1):
        width = 64 * 2 ** (stage - 1)
        wide = 4 * width if bottleneck else width
        for block, repeat in (("first", 1), ("rest", blocks - 1)):
            stride = 2 if stage > 1 and block == "first" else 1
            layer = f"stage{stage}.{block}"
            entry, steps = last, [(3, width, stride), (3, wide, 1)]
            if bottleneck:
                steps = [(1, width, 1), (3, width, stride), (1, wide, 1)]
            size, c_in = pixels, channels
            for i, (kernel, c_out, step) in enumerate(steps, start=1):
                last, op = conv(f"{layer}.conv{i}", (last,), size, c_in, c_out, kernel, step, layer, repeat)
                if i < len(steps):
                    last = relu(f"{layer}.relu{i}", op, last, layer=layer, repeat=repeat)
                size, c_in = op.out_height, c_out
            shortcut = entry
            if stride > 1 or channels != wide:
                shortcut, _ = conv(f"{layer}.shortcut", (entry,), pixels, channels, wide, 1, stride, layer, repeat)
            last = relu(f"{layer}.add", op, last, shortcut, layer=layer, repeat=repeat)
            pixels, channels = size, wide
    mean = Pool(batch=n, height=pixels, width=pixels, channels=channels, kernel=pixels, name="mean", dtype=op.out_dtype)
    last = put("avgpool", mean, (last,), "head", 1)
    g.add(graph, "fc", MatMul(m=n, n=classes, k=channels, dtype=dt, weights=True, bias=True), last, layer="head")
    graph.graph["parameters"] = g.inspect(graph).total.parameters
    return graph
