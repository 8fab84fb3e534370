"""All operators under one name: ``ops.MatMul``, ``ops.Attention`` ... Each is defined where its subject is."""

from archsim.workload.attention import Attention
from archsim.workload.matmul import MatMul
from archsim.workload.op import Op, Stream, describe
from archsim.workload.stream import Elementwise, Gather, Norm, Route, Softmax, Transpose

__all__ = ["Attention", "Elementwise", "Gather", "MatMul", "Norm", "Op", "Route", "Softmax", "Stream", "Transpose",
           "describe"]
