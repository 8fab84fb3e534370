"""Running a layer graph on a chip."""

from archsim.simulation.run import OpRun, Run
from archsim.simulation.simulate import simulate

__all__ = ["OpRun", "Run", "simulate"]
