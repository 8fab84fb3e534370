"""All operators under one name: ``ops.MatMul``, ``ops.Attention`` ... Each is defined where its subject is."""

from archsim.workload.attention import Attention, AttentionBackward
from archsim.workload.conv import Conv, Pool
from archsim.workload.gradient import CrossEntropy, Dropout, NormBackward, SoftmaxBackward, Update
from archsim.workload.matmul import GroupedMatMul, MatMul
from archsim.workload.op import Op, Stream, describe
from archsim.workload.stream import (
    Elementwise,
    Gather,
    Norm,
    Quantize,
    Route,
    Scatter,
    Softmax,
    Sort,
    Transpose,
)

__all__ = ["Attention", "AttentionBackward", "Conv", "CrossEntropy", "Dropout", "Elementwise", "Gather",
           "GroupedMatMul", "MatMul", "Norm", "NormBackward", "Op", "Pool", "Quantize", "Route", "Scatter", "Softmax",
           "SoftmaxBackward", "Sort", "Stream", "Transpose", "Update", "describe"]
