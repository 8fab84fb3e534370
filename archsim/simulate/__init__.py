"""Running a layer graph on a chip."""

from archsim.simulate.run import OpRun, Run
from archsim.simulate.simulate import simulate

__all__ = ["OpRun", "Run", "simulate"]
