"""What work there is: model dimensions, operators and layer graphs. Nothing here knows a chip."""

from archsim.workload.architecture import ModelConfig, Patches, Stack
from archsim.workload.moe import Routing
from archsim.workload.ops import Attention, Elementwise, Gather, MatMul, Norm, Op
from archsim.workload.sublayers import AttentionConfig, FfnConfig, Layer
from archsim.workload.transformer import Tensor, transformer

__all__ = ["Attention", "AttentionConfig", "Elementwise", "FfnConfig", "Gather", "Layer", "MatMul", "ModelConfig",
           "Norm", "Op", "Patches", "Routing", "Stack", "Tensor", "transformer"]
