"""ONNX: a model file (.onnx) as a layer graph. Needs the onnx package: ``pip install 'archsim[onnx]'``.

The values of weights are not read, only their shapes. Steps: open dimensions get sizes; shapes are inferred, and what
computes shapes from shapes is folded away, in turns until nothing changes; patterns are merged
(`archsim.importers.patterns`); every node becomes an operator (`archsim.importers.lower`). Nodes that have no operator
are counted in ``graph.graph["unsupported"]`` and named in its note: they take no time in a simulation.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx

from archsim.dtypes import BYTES
from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, positive_int, unknown
from archsim.importers.contrib import output_shapes
from archsim.importers.lower import lower
from archsim.importers.net import Net, Node
from archsim.importers.patterns import merge

SMALL = 4096
"""Most elements of a tensor whose values are kept and computed with: shapes, axes, scales, epsilons."""

ROUNDS = 100
"""Most turns of inference and folding: each folds one more link of a chain at least, and chains are short."""

FLOATS = {"FLOAT": "fp32", "DOUBLE": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16", "FLOAT8E4M3FN": "fp8",
          "FLOAT8E5M2": "fp8", "FLOAT8E4M3FNUZ": "fp8", "FLOAT8E5M2FNUZ": "fp8", "FLOAT4E2M1": "fp4"}
WIDTHS = {1: "int8", 2: "fp16", 4: "fp32", 8: "fp32"}  # of integers: memory sees their width alone
STANDARD = ("", "ai.onnx", "com.microsoft")
"""Domains of operations; the last is that of ONNX Runtime. Operations of others carry their domain's name."""
INTEGERS = {"BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "UINT32": 4, "INT32": 4, "UINT64": 8,
            "INT64": 8, "STRING": 8, "COMPLEX64": 8, "COMPLEX128": 8}


def read(
    path: str | os.PathLike[str], *, dims: Mapping[str, int] | None = None, dtype: str | None = None
) -> nx.DiGraph:
    """Read an ONNX model as a layer graph.

    Parameters
    ----------
    path
        The .onnx file. Weights in files beside it are not needed.
    dims
        Sizes of the model's open dimensions by name, e.g. ``{"batch": 8, "sequence": 2048}``; one without a name goes
        by its input and its place, ``{"image.0": 8}``.
    dtype
        Run floating-point tensors in this format instead of the file's own. With 8 bits or fewer only the operands of
        matrix products change; everything else becomes bf16.

    Raises
    ------
    ArchsimError
        If the onnx package is missing, the file is no ONNX model, a dimension stays open, or shapes cannot be inferred.
    """
    file = Path(path)
    where = str(file)
    target = None if dtype is None else dtype_name(dtype)
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ArchsimError(f"{where}: reading ONNX needs the onnx package: pip install 'archsim[onnx]'") from None
    model = _open(file)
    try:
        _size(model, dict(dims or {}), where)
        constants, initial = _strip(model)
        model, constants = _infer(model, constants, set(initial), where)
        net = _net(model, constants, set(initial), target, where)
        net.settle()
        merge(net, lambda name: _values(initial.get(name)))
        graph = lower(net, file.stem)
        first = next(i for i in model.graph.input if i.name not in initial)
        graph.graph["tokens"] = _tokens(net, first.name)
        if target and net.given - {target}:
            note = f"{' and '.join(sorted(net.given - {target}))} in the file, run in {target}"
            graph.graph["note"] = "; ".join(filter(None, [note, graph.graph["note"]]))
    except ArchsimError as e:
        raise ArchsimError(str(e) if str(e).startswith(where) else f"{where}: {e}") from None
    except MemoryError:
        raise
    except Exception as e:  # a malformed model fails in ways that only its own library knows
        raise ArchsimError(f"{where}: not a well-formed ONNX model: {_line(e)}") from None
    return graph


def _tokens(net: Net, name: str) -> int:
    """Return what a step works on: token ids or rows of a (batch, sequence, hidden) input, else samples."""
    shape = net.shapes.get(name, ())
    rows = shape[:2] if len(shape) == 3 or (len(shape) == 2 and name in net.pairs) else shape[:1]
    return max(1, math.prod(rows))


def _open(file: Path) -> Any:
    """Return the parsed model."""
    import onnx

    try:
        content = file.read_bytes()
    except OSError as e:
        raise ArchsimError(f"cannot read {file}: {e.strerror or e}") from None
    try:
        model = onnx.load_model_from_string(content)
    except Exception as e:
        raise ArchsimError(f"{file}: not an ONNX model: {_line(e)}") from None
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    if not model.graph.node:
        raise ArchsimError(f"{file}: not an ONNX model: it has no nodes")
    return model


def _line(error: Exception) -> str:
    """Return an error's message in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:159]}…"


def _size(model: Any, dims: dict[str, int], where: str) -> None:
    """Give the open dimensions of the model's inputs their sizes."""
    held = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in held]
    for entry in inputs:  # an open dimension without a name gets one of its input and its place
        for i, d in enumerate(entry.type.tensor_type.shape.dim):
            if d.dim_param in ("", "?") and not d.dim_value > 0:
                d.dim_param = f"{entry.name}.{i}"
    names = {d.dim_param for i in inputs for d in i.type.tensor_type.shape.dim if d.dim_param}
    for name, size in dims.items():
        if name not in names:
            raise ArchsimError(f"{where}: {unknown('open dimension', name, sorted(names) or ['(none)'])}")
        dims[name] = positive_int(f"dimension {name!r}", size)
    for entry in inputs:
        if not entry.type.HasField("tensor_type"):
            raise ArchsimError(f"{where}: input {entry.name!r} is no tensor")
        if not entry.type.tensor_type.HasField("shape"):
            raise ArchsimError(f"{where}: input {entry.name!r} has no shape")
        for d in entry.type.tensor_type.shape.dim:
            if d.dim_param in dims:
                d.dim_value = dims[d.dim_param]
            elif d.dim_param:
                raise ArchsimError(f"{where}: input {entry.name!r} has the open dimension {d.dim_param!r}: give its "
                                   f"size, dims={{{d.dim_param!r}: 1}} (on the command line --dim {d.dim_param}=1)")
    for entry in (*model.graph.output, *model.graph.value_info):  # what they say of open dimensions is inferred anew
        for d in entry.type.tensor_type.shape.dim:
            if d.dim_param in dims:
                d.dim_value = dims[d.dim_param]


def _values(tensor: Any) -> Any:
    """Return an initialiser's values as an array, None if there are none or they are in another file."""
    from onnx import TensorProto, numpy_helper

    if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
        return None
    return numpy_helper.to_array(tensor)


def _strip(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make large initialisers plain inputs, so that only shapes are carried on.

    Returns the values of small ones, and all of them by name.
    """
    from onnx import helper

    constants: dict[str, Any] = {}
    held = list(model.graph.initializer)
    written = [n for n in model.graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"
               and math.prod(n.attribute[0].t.dims) > SMALL]  # large constants are initialisers by another name
    for node in written:
        node.attribute[0].t.name = node.output[0]
        held.append(node.attribute[0].t)
        model.graph.node.remove(node)
    declared = {i.name for i in model.graph.input}
    del model.graph.initializer[:]
    for tensor in held:
        value = _values(tensor) if math.prod(tensor.dims) <= SMALL else None
        if value is not None:
            constants[tensor.name] = value
            model.graph.initializer.append(tensor)
        elif tensor.name not in declared:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return constants, {t.name: t for t in held}


def _types(model: Any) -> dict[str, tuple[int, tuple[int, ...] | None]]:
    """Return element type and shape (None if not known in full) of every tensor that has a type."""
    found: dict[str, tuple[int, tuple[int, ...] | None]] = {}
    for tensor in model.graph.initializer:
        found[tensor.name] = tensor.data_type, tuple(tensor.dims)
    for entry in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        t = entry.type.tensor_type
        sized = t.HasField("shape") and all(d.HasField("dim_value") for d in t.shape.dim)
        shape = tuple(d.dim_value for d in t.shape.dim) if sized else None
        if t.elem_type and (shape is not None or entry.name not in found):
            found[entry.name] = t.elem_type, shape
    return found


def _infer(model: Any, constants: dict[str, Any], parameters: set[str], where: str) -> tuple[Any, dict[str, Any]]:
    """Infer shapes and fold what is constant, in turns, until nothing changes."""
    from onnx import helper, numpy_helper, shape_inference

    stated = [v for v in model.graph.value_info
              if v.type.tensor_type.HasField("shape")
              and all(d.HasField("dim_value") for d in v.type.tensor_type.shape.dim)]
    del model.graph.value_info[:]
    model.graph.value_info.extend(stated)
    for out in model.graph.output:  # an output's open shape would stand in the way of the inferred one
        if not all(d.HasField("dim_value") for d in out.type.tensor_type.shape.dim):
            out.type.tensor_type.ClearField("shape")
    for _ in range(ROUNDS):
        try:
            model = shape_inference.infer_shapes(model, data_prop=True)
        except Exception as e:
            raise ArchsimError(f"{where}: shapes contradict each other: {_line(e)}") from None
        types, changed, kept = _types(model), False, []
        for node in model.graph.node:
            made = _fold(node, model, constants, parameters, types)
            if made is None:
                kept.append(node)
                shapes = output_shapes(node, {n: s for n, (_, s) in types.items() if s is not None})
                for name, shape in zip(node.output, shapes, strict=False):
                    if name and types.get(name, (0, None))[1] is None:
                        elem = types[node.input[0]][0]
                        model.graph.value_info.append(helper.make_tensor_value_info(name, elem, list(shape)))
                        changed = True
                continue
            changed = True
            for name, value in zip(node.output, made, strict=True):
                if name and name not in constants:
                    constants[name] = value
                    model.graph.initializer.append(numpy_helper.from_array(value, name))
        if not changed:
            break
        del model.graph.node[:]
        model.graph.node.extend(kept)
        rest = [v for v in model.graph.value_info if v.name not in constants]
        del model.graph.value_info[:]
        model.graph.value_info.extend(rest)
    return model, constants


def _fold(
    node: Any, model: Any, constants: dict[str, Any], parameters: set[str], types: dict[str, Any]
) -> list[Any] | None:
    """Return the values of a node's outputs if they are constant, small and not made of parameters, else None."""
    import numpy as np
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type in ("Shape", "Size") and types.get(node.input[0], (0, None))[1] is not None:
        shape = types[node.input[0]][1]
        if node.op_type == "Size":
            return [np.array(math.prod(shape), dtype=np.int64)]
        attrs = {a.name: a.i for a in node.attribute}
        return [np.array(shape[attrs.get("start", 0):attrs.get("end", len(shape))], dtype=np.int64)]
    if node.domain not in ("", "ai.onnx") or not all(not name or name in constants for name in node.input):
        return None
    if any(n in parameters and constants[n].size > 1 and constants[n].dtype.kind not in "iub" for n in node.input if n):
        return None
    if node.op_type.startswith("Random") or any(a.HasField("g") for a in node.attribute):
        return None
    sizes = [types.get(name, (0, None))[1] for name in node.output if name]
    if any(shape is None or math.prod(shape) > SMALL for shape in sizes):
        return None
    inner = helper.make_graph([node], "one", [helper.make_tensor_value_info(n, types[n][0], types[n][1])
                                              for n in dict.fromkeys(node.input) if n],
                              [helper.make_tensor_value_info(n, types[n][0], types[n][1]) for n in node.output if n])
    one = helper.make_model(inner, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        values = ReferenceEvaluator(one).run(None, {n: constants[n] for n in node.input if n})
    except Exception:  # the reference does not know the node: it stays a node
        return None
    given = iter(values)
    return [np.asarray(next(given)) if name else None for name in node.output]


def _net(model: Any, constants: dict[str, Any], initial: set[str], target: str | None, where: str) -> Net:
    """Return the model as a Net; every tensor must have a shape by now."""
    from onnx import TensorProto, helper

    names = {number: name for name, number in TensorProto.DataType.items()}
    act = target if target is None or BYTES[target] >= 2 else "bf16"
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    pairs: set[str] = set()
    floats: set[str] = set()
    small: set[str] = set()  # integers of 8 bits or fewer: quantised weights
    types = _types(model)
    for tensor, (elem, shape) in types.items():
        kind = names.get(elem, "")
        if kind in FLOATS:
            floats.add(tensor)
            dtypes[tensor] = act if act and BYTES[FLOATS[kind]] >= 2 else FLOATS[kind]
        else:
            if kind.endswith(("INT8", "INT4")):
                small.add(tensor)
            dtypes[tensor] = "int4" if kind.endswith("INT4") else WIDTHS[INTEGERS.get(kind, 4)]
        if INTEGERS.get(kind) == 8 or (kind == "DOUBLE" and not act):
            pairs.add(tensor)
        if shape is not None:
            shapes[tensor] = shape
    nodes: list[Node] = []
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    taken: set[str] = set()
    for i, proto in enumerate(model.graph.node):
        name = (proto.name or f"{proto.op_type}_{i}").strip("/").replace("/", ".")
        while name in taken:
            name += "_"
        taken.add(name)
        attrs = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        attrs = {k: v.decode(errors="replace") if isinstance(v, bytes) else v for k, v in attrs.items()}
        op = proto.op_type
        if proto.domain not in STANDARD:
            op = f"{proto.domain}:{op}"
        elif proto.domain == "com.microsoft" and op == "Attention":  # not the one of the standard
            op = "PackedAttention"
        if op in ("Softmax", "LogSoftmax") and opset < 13:  # it took all sides from `axis` on as one row
            attrs = {"axis": 1, **attrs, "flat": True}
        node = Node(op, name, list(proto.input), list(proto.output), attrs)
        missing = [t for t in (*node.inputs, *node.outputs[:1]) if t and t not in shapes]
        if missing:
            source = next((n for n in nodes if missing[0] in n.outputs), node)
            raise ArchsimError(f"{where}: the shape of {missing[0]!r} cannot be inferred (made by {source.op} "
                               f"{source.name!r}): run a symbolic shape inference on the model first")
        nodes.append(node)
    weights = {t: t for t in initial if t in floats or (t not in constants and t in small)}
    constants |= {t: None for t in initial if t not in weights and t not in constants}
    given = {FLOATS[k] for t in weights if (k := names.get(types[t][0], "")) in FLOATS}
    return Net(nodes, [o.name for o in model.graph.output], shapes, dtypes, constants, weights, pairs, target,
               given=given)
