"""simulate: walk a layer graph over a chip and add up its operators."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import networkx as nx

from archsim.errors import ArchsimError, positive_int
from archsim.hardware import Chip
from archsim.simulation.ahead import schedule
from archsim.simulation.energy import powered, unmet
from archsim.simulation.launch import check, launched
from archsim.simulation.residency import residency
from archsim.simulation.run import OpRun, Run
from archsim.timing import Warm, unlimited
from archsim.timing.fusion import fuse
from archsim.workload.contract import execution_order
from archsim.workload.memory import memory
from archsim.workload.ops import Op

MOST_CHIPS = 1_000_000
"""Ten times the largest cluster built; a workload that needs more is a slip of the keyboard."""


def memory_need(graph: nx.DiGraph) -> tuple[float, float, float]:
    """Return (weight, KV cache, activation) bytes that must be resident to run the graph (`archsim.workload.memory`).

    In training, weights include their gradients and the optimizer's states.
    """
    need = memory(graph)
    return need.weights + need.gradients + need.optimizer, need.kv_cache, need.activations


def simulate(graph: nx.DiGraph, chip: Chip, *, chips: int | None = None, launch: str = "graph") -> Run:
    """Time every operator of a layer graph on a chip.

    Parameters
    ----------
    graph
        From `archsim.transformer`, or any DiGraph whose nodes carry ``op`` (and optionally ``layer``, ``repeat``).
    chip
        The chip.
    chips
        Spread the model evenly over this many chips without communication; by default over the fewest whose memory
        holds it.
    launch
        How a GPU's kernels start: ``graph`` (replayed by the device) or ``eager`` (each by the host).

    Returns
    -------
    Run

    Raises
    ------
    ArchsimError
        If a node has no operator, there is no such launch, or the chip has no path for a dtype.
    """
    _check(graph, chip)
    check(launch)
    weights, kv, activations = memory_need(graph)
    fewest = math.ceil((weights + kv + activations) / chip.memory.capacity)
    if fewest > MOST_CHIPS:
        raise ArchsimError(f"this needs {(weights + kv + activations) / 1e12:,.0f} TB of memory: more than "
                           f"{MOST_CHIPS:,} {chip.name} hold; choose a smaller batch, length or matrix")
    n = fewest if chips is None else positive_int("chips", chips, MOST_CHIPS)
    note = _note(str(graph.graph.get("note", "")), weights + kv + activations, fewest, n, chip)
    fused = fuse(graph, chip)
    order = execution_order(fused)
    warm = residency(order, fused, chip, n)
    alone = [_run_node(str(node), fused.nodes[node], n, chip, warm[node], launch) for node in order]
    rows = powered(schedule(alone, fused, chip, n), chip, n)
    about: dict[str, Any] = {k: v for k, v in graph.graph.items() if k in ("model", "phase", "batch", "seq", "context")}
    if launch != "graph":
        about["launch"] = launch
    done = Run(
        chip=chip, chips=n, ops=rows,
        dtype=str(graph.graph.get("dtype", "bf16")),
        tokens=int(graph.graph.get("tokens", 1)),
        weight_bytes=weights, kv_bytes=kv, activation_bytes=activations,
        parameters=int(graph.graph.get("parameters",
                                       sum(d["op"].parameters * d.get("repeat", 1) for _, d in graph.nodes(data=True)
                                           if not d.get("tied_to")))),
        workload=about, note=note,
    )
    beyond = unmet(done)
    return replace(done, note=f"{note}; {beyond}" if note else beyond) if beyond else done


def _run_node(name: str, data: dict[str, Any], chips: int, chip: Chip, warm: Warm, launch: str) -> OpRun:
    """Time one node's share on one of `chips` chips; an error says which node it was."""
    op: Op = data["op"]
    try:
        timed = launched(unlimited(op.shard(chips), chip, warm), chip, launch)
    except ArchsimError as e:
        raise type(e)(f"{name}: {e}") from None
    return OpRun(name, str(data.get("layer", "")), int(data.get("repeat", 1)), op, timed,
                 recomputed=bool(data.get("recomputed")))


def _check(graph: nx.DiGraph, chip: Chip) -> None:
    """Raise an ArchsimError unless these are a layer graph and a chip."""
    if not isinstance(chip, Chip):
        raise ArchsimError(f"simulate() takes a Chip, as archsim.chips.get(name) returns, not {chip!r}")
    if not isinstance(graph, nx.DiGraph):
        raise ArchsimError("simulate() takes a layer graph (networkx.DiGraph) first, as archsim.transformer(model) "
                           f"returns, not {type(graph).__name__}")
    if not graph.number_of_nodes():
        raise ArchsimError("the graph has no nodes")
    if not nx.is_directed_acyclic_graph(graph):
        raise ArchsimError("the graph has a cycle: operators cannot wait for each other")
    for node, data in graph.nodes(data=True):
        if not isinstance(data.get("op"), Op):
            raise ArchsimError(f"node {node!r} carries no operator: set graph.nodes[{node!r}]['op'] to an Op")


def _note(note: str, need: float, fewest: int, n: int, chip: Chip) -> str:
    """Return a graph's note with what must be said of `need` bytes on `n` chips, of which `fewest` would hold them."""
    if fewest > 1:
        note += "; " if note else ""
        note += f"needs {need / 1e9:,.0f} GB, one {chip.name} holds {chip.memory.capacity / 1e9:,.0f} GB"
    if n > 1:
        note += ": " if fewest > 1 else "; " if note else ""
        note += f"spread evenly over {n} chips, communication NOT counted"
    if n < fewest:
        note += f"; {fewest} are the fewest that hold it"
    return note
