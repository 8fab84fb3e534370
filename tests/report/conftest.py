"""Runs for the report room: a small model on small chips of every kind that needs no measured data."""

import networkx as nx
import pytest
from archsim.models import get

from archsim.economics import Cost, cost
from archsim.hardware import Chip, Memory, Power, RooflineCore
from archsim.simulation import Run, simulate
from archsim.units import GB, GB_per_s, GHz
from archsim.workload import Norm, transformer


def make(name: str, tflops: float, gb_per_s: float, price: float | None = 10_000, capacity: float = 200) -> Chip:
    return Chip(name=name, clock=1 * GHz, core=RooflineCore(rates={"bf16": tflops * 1e3}),
                memory=Memory(capacity=capacity * GB, bandwidth=gb_per_s * GB_per_s), power=Power(tdp=500), price=price)


@pytest.fixture(scope="session")
def chips() -> list[Chip]:
    return [make("fat", 1000, 3000), make("wide", 400, 3000, price=6000), make("secret", 200, 800, price=None)]


@pytest.fixture(scope="session")
def prefill(chips: list[Chip]) -> list[Run]:
    graph = transformer(get("llama-3.1-8b"), phase="prefill", batch=1, seq=2048)
    return [simulate(graph, chip) for chip in chips]


@pytest.fixture(scope="session")
def decode(chips: list[Chip]) -> list[Run]:
    graph = transformer(get("llama-3.1-8b"), phase="decode", batch=8, context=2048)
    return [simulate(graph, chip) for chip in chips]


@pytest.fixture(scope="session")
def price():
    def of(run: Run) -> Cost | None:
        return cost(run) if run.chip.price is not None else None

    return of


@pytest.fixture(scope="session")
def norms(chips: list[Chip]) -> list[Run]:
    """Runs without any matrix work, of a graph that names no model and no phase."""
    graph = nx.DiGraph()
    graph.add_node("norm", op=Norm(rows=4096, cols=4096))
    return [simulate(graph, chip) for chip in chips]
