"""Modules that hold quantized weights, in the places of transformers' own.

A weight has its usual name and its scales beside it, as in `precision.stored_tensors`. Weights are never turned back as
a whole: `kernels` computes with them as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ernie_cli.runtime import kernels
from ernie_cli.runtime.kernels import Weight
from ernie_cli.runtime.precision import ABSMAX, SCALE, Kind, block_of


class QuantizedLinear(nn.Module):
    """`x @ weight.T + bias` with a weight (out, in) of a kind; stands for `nn.Linear`."""

    def __init__(self, linear: nn.Linear, kind: Kind, *, arriving: bool = False) -> None:
        super().__init__()
        self.kind = kind
        _declare(self, "weight", linear.weight, kind, arriving=arriving)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        out = kernels.linear(x, _weight(self, "weight", self.kind))
        return out if self.bias is None else out + self.bias


class QuantizedExperts(nn.Module):
    """The experts of a sparse block; stands for transformers' `Ernie4_5_VLMoeMoeExperts`, with its forward."""

    def __init__(self, experts: nn.Module, gate_up: Kind, down: Kind, *, arriving: bool = False) -> None:
        super().__init__()
        self.kinds = {"gate_up_proj": gate_up, "down_proj": down}
        for name, kind in self.kinds.items():
            _declare(self, name, getattr(experts, name), kind, arriving=arriving)

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        gate_up, down = (_weight(self, name, kind) for name, kind in self.kinds.items())
        return kernels.experts(hidden_states, top_k_index, top_k_weights, gate_up, down)


def _declare(module: nn.Module, name: str, weight: Tensor, kind: Kind, *, arriving: bool) -> None:
    """Empty parameters for a weight (..., rows, columns) of a kind, on the device where the weight is.

    One that is `arriving`, to be quantized on its way, has the dtype it comes in until it does.
    """
    *batch, columns = weight.shape

    def empty(shape: list[int], dtype: torch.dtype) -> nn.Parameter:
        return nn.Parameter(torch.empty(shape, dtype=dtype, device=weight.device), requires_grad=False)

    if kind == "int8":
        module.register_parameter(name, empty([*batch, columns], weight.dtype if arriving else torch.int8))
        module.register_parameter(name + SCALE, empty(batch, torch.float32))
    elif kind == "nf4":
        block = block_of(columns)
        assert block is not None, "a row that no block divides is kept at int8"
        module.register_parameter(name, empty([*batch, columns // 2], weight.dtype if arriving else torch.uint8))
        module.register_parameter(name + ABSMAX, empty([*batch, columns // block], torch.float32))
    else:
        module.register_parameter(name, nn.Parameter(weight, requires_grad=False))


def _weight(module: nn.Module, name: str, kind: Kind) -> Weight:
    held: Tensor = getattr(module, name)
    if kind == "int8":
        return kernels.Int8Weight(held, getattr(module, name + SCALE))
    return kernels.Nf4Weight(held, getattr(module, name + ABSMAX)) if kind == "nf4" else held
