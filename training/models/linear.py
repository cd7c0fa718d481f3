"""A linear layer that is one product of two matrices, whatever stands before the last axis.

ONNX then has a `Gemm`, into which the runtime takes bias and ReLU; a product of a batch of matrices
with one matrix has an addition of its own, which costs inference a tenth of its time.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def flat_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, ..., C_in) -> (B, ..., C_out); weight: (C_out, C_in), bias: (C_out,)."""
    rows = F.linear(x.reshape(-1, x.shape[-1]), weight, bias)
    return rows.reshape(-1, *x.shape[1:-1], weight.shape[0])


class Linear(nn.Linear):
    """`torch.nn.Linear` by way of `flat_linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return flat_linear(input, self.weight, self.bias)
