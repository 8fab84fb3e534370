"""Layer graphs as files: the node-link JSON of networkx, every operator with all its fields, exact in both directions.

::

    {"format": "archsim-graph", "version": 1, "directed": true, "multigraph": false,
     "graph": {"model": "two products", "dtype": "bf16", "tokens": 64},
     "nodes": [{"id": "up", "op": {"kind": "matmul", "m": 64, "n": 256, "k": 64, ...}, "layer": "", "repeat": 1}, ...],
     "edges": [{"source": "up", "target": "down", "tensor": {"shape": [64, 256], "dtype": "bf16"}}, ...]}

An operator's fields with defaults may be left out, and so may an edge's tensor: it is then what its source makes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

import networkx as nx

from archsim.dtypes import dtype as dtype_name
from archsim.errors import ArchsimError, path_of, positive_int, unknown
from archsim.workload.contract import Tensor, output, validate
from archsim.workload.ops import Op

FORMAT, VERSION = "archsim-graph", 1


def kinds() -> dict[str, type[Op]]:
    """Return every operator class by its kind: the package's own, and those that a user has defined."""

    def below(cls: type[Op]) -> Iterator[type[Op]]:
        for sub in cls.__subclasses__():
            if "kind" in vars(sub):
                yield sub
            yield from below(sub)

    return {cls.kind: cls for cls in below(Op)}


# --- out


def _plain(value: Any, where: str) -> Any:
    """Return a value as JSON has it: operators as objects with their kind, tuples as arrays."""
    if isinstance(value, Op):
        return {"kind": value.kind, **{f.name: _plain(getattr(value, f.name), where) for f in fields(value)}}
    if isinstance(value, Tensor):
        return {f.name: _plain(getattr(value, f.name), where) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v, where) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v, where) for k, v in value.items()}
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ArchsimError(f"{where}: {value!r} cannot be written as JSON")


def plain(graph: nx.DiGraph) -> dict[str, Any]:
    """Return a layer graph as plain data, ready for JSON.

    Raises
    ------
    ArchsimError
        If something that the graph carries is no operator, tensor, text or number.
    """
    return {
        "format": FORMAT, "version": VERSION, "directed": True, "multigraph": False,
        "graph": _plain(graph.graph, "graph"),
        "nodes": [{"id": node, **_plain(data, f"node {node!r}")} for node, data in graph.nodes(data=True)],
        "edges": [{"source": a, "target": b, **_plain(data, f"edge {a!r} -> {b!r}")}
                  for a, b, data in graph.edges(data=True)],
    }


def text(graph: nx.DiGraph) -> str:
    """Return a layer graph as JSON.

    Raises
    ------
    ArchsimError
        If something that the graph carries is no operator, tensor, text or number.
    """
    return json.dumps(plain(graph), indent=1) + "\n"


def save(graph: nx.DiGraph, path: str | os.PathLike[str]) -> None:
    """Write a layer graph to a file, whole or not at all.

    Raises
    ------
    ArchsimError
        If the file cannot be written.
    """
    target = path_of(path)
    part = target.with_name(target.name + ".part")
    content = text(graph)
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(target)
    except OSError as e:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ArchsimError(f"cannot write {target}: {e.strerror or e}") from None


# --- in


def _frozen(value: Any, where: str) -> Any:
    """Return a field's value as operators hold it: objects with a kind as operators, arrays as tuples."""
    if isinstance(value, dict):
        return _op(value, where)
    if isinstance(value, list):
        return tuple(_frozen(v, where) for v in value)
    return value


def _op(data: Any, where: str) -> Op:
    """Return the operator that an object describes."""
    if not isinstance(data, dict) or "kind" not in data:
        raise ArchsimError(f"{where}: an operator is an object with a 'kind', not {_short(data)}")
    known = kinds()
    kind = data["kind"]
    if kind not in known if isinstance(kind, str) else True:
        raise ArchsimError(f"{where}: {unknown('kind of operator', kind, known)}")
    cls = known[kind]
    names = {f.name: f for f in fields(cls)}
    for name in data:
        if name != "kind" and name not in names:
            raise ArchsimError(f"{where}: {unknown(f'field of {kind}', name, names)}")
    lacking = [f.name for f in names.values()
               if f.name not in data and f.default is MISSING and f.default_factory is MISSING]
    if lacking:
        raise ArchsimError(f"{where}: {kind} lacks {', '.join(map(repr, lacking))}")
    given = {name: _frozen(value, where) for name, value in data.items() if name != "kind"}
    for name, value in given.items():
        if names[name].type == "str" and not isinstance(value, str):
            raise ArchsimError(f"{where}: {name} must be a string, not {_short(value)}")
    try:
        return cls(**given)
    except ArchsimError as e:
        raise ArchsimError(f"{where}: {e}") from None
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        raise ArchsimError(f"{where}: {kind} cannot be made of {_short(data)}") from None


def _tensor(data: Any, made: Tensor, where: str) -> Tensor:
    """Return the tensor that an object describes, or what the source makes if there is none."""
    if data is None:
        return made
    if not isinstance(data, dict) or not isinstance(data.get("shape"), list) or set(data) != {"shape", "dtype"}:
        raise ArchsimError(f"{where}: a tensor is an object with a 'shape' and a 'dtype', not {_short(data)}")
    shape = tuple(positive_int(f"{where}: shape", side, 2**60) for side in data["shape"])
    try:
        return Tensor(shape, dtype_name(data["dtype"]))
    except ArchsimError as e:
        raise ArchsimError(f"{where}: {e}") from None


def read(data: Any, where: str = "graph") -> nx.DiGraph:
    """Return the layer graph that plain data describes, as `plain` or networkx's node_link_data give it.

    Raises
    ------
    ArchsimError
        If it is no such data, or describes an operator, a tensor or a graph that cannot be.
    """
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        raise ArchsimError(f"{where}: a graph is an object with 'nodes' and 'edges', not {_short(data)}")
    if data.get("format", FORMAT) != FORMAT or data.get("version", VERSION) != VERSION:
        raise ArchsimError(f"{where}: format {data.get('format', FORMAT)!r}, version {data.get('version')!r}; this "
                           f"version reads {FORMAT!r}, {VERSION}")
    edges = data.get("edges", data.get("links", []))  # networkx before 3.4 called them links
    about = data.get("graph", {})
    if not isinstance(edges, list) or not isinstance(about, dict):
        raise ArchsimError(f"{where}: 'edges' must be an array and 'graph' an object")
    graph = nx.DiGraph(**_about(about, where))
    for i, entry in enumerate(data["nodes"]):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
            raise ArchsimError(f"{where}: node {i} must be an object with a string as 'id', not {_short(entry)}")
        name = entry["id"]
        here = f"{where}: node {name!r}"
        if name in graph:
            raise ArchsimError(f"{here} occurs twice")
        more = {k: v for k, v in entry.items() if k not in ("id", "op")}
        for key in ("layer", "tied_to"):
            if not isinstance(more.get(key, ""), str):
                raise ArchsimError(f"{here}: {key} must be a string, not {_short(more[key])}")
        more["repeat"] = positive_int(f"{here}: repeat", more.get("repeat", 1))
        graph.add_node(name, op=_op(entry.get("op"), here), **more)
    for i, entry in enumerate(edges):
        ends = [entry.get("source"), entry.get("target")] if isinstance(entry, dict) else []
        if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
            raise ArchsimError(f"{where}: edge {i} must be an object with 'source' and 'target', not {_short(entry)}")
        for end in ends:
            if end not in graph:
                raise ArchsimError(f"{where}: edge {i}: {unknown('node', end, graph.nodes)}")
        before, after = ends
        here = f"{where}: edge {before!r} -> {after!r}"
        if graph.has_edge(before, after):
            raise ArchsimError(f"{here} occurs twice")
        more = {k: v for k, v in entry.items() if k not in ("source", "target", "tensor")}
        graph.add_edge(before, after, tensor=_tensor(entry.get("tensor"), output(graph.nodes[before]["op"]), here),
                       **more)
    try:
        validate(graph)
    except ArchsimError as e:
        raise ArchsimError(f"{where}: {e}") from None
    return graph


def _about(about: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what a graph says of itself, its numbers and formats checked."""
    checked = dict(about)
    try:
        for key in ("tokens", "batch", "seq"):
            if key in checked:
                checked[key] = positive_int(key, checked[key], 2**60)
        for key in ("parameters", "kv_bytes", "context"):
            value = checked.get(key, 0)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)
                                      or not 0 <= value < math.inf):
                raise ArchsimError(f"{key} must be a number of at least 0, not {_short(value)}")
        if "dtype" in checked:
            checked["dtype"] = dtype_name(checked["dtype"])
    except ArchsimError as e:
        raise ArchsimError(f"{where}: {e}") from None
    return checked


def load(path: str | os.PathLike[str]) -> nx.DiGraph:
    """Read a layer graph from a file that `save` wrote, or that was written by hand in the same form.

    Raises
    ------
    ArchsimError
        If the file is missing, is no JSON, or does not describe a layer graph.
    """
    file = path_of(path)
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise ArchsimError(f"cannot read {file}: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise ArchsimError(f"{file}: not a text file") from None
    except (ValueError, RecursionError) as e:
        at = f"line {e.lineno}: {e.msg}" if isinstance(e, json.JSONDecodeError) else "nested too deeply or too large"
        raise ArchsimError(f"{file}: not valid JSON: {at}") from None
    try:
        return read(data, str(file))
    except RecursionError:
        raise ArchsimError(f"{file}: nested too deeply") from None


def _short(value: Any) -> str:
    """Return a value for an error message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


__all__ = ["FORMAT", "VERSION", "kinds", "load", "plain", "read", "save", "text"]
