"""What work there is: model dimensions, operators and layer graphs. Nothing here knows a chip."""

from archsim.workload.config import ModelConfig
from archsim.workload.moe import Routing
from archsim.workload.ops import Attention, Elementwise, Gather, MatMul, Norm, Op
from archsim.workload.transformer import Tensor, transformer

__all__ = ["Attention", "Elementwise", "Gather", "MatMul", "ModelConfig", "Norm", "Op", "Routing", "Tensor",
           "transformer"]
