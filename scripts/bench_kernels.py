"""How fast experts of the 28B's sizes compute in each precision, beside transformers' own ways in bfloat16.

    python scripts/bench_kernels.py            this machine's GPU, or one core of its CPU: medians and ratios
    python scripts/bench_kernels.py --parts    on a CPU: the ways of multiplying one matrix that were chosen among

Several sets of random experts take turns, so that no weights are met in a cache that the 28B's would not be in.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ernie_cli.runtime.kernels import Int8Weight, Nf4Weight, Weight, experts, reference

RUNS = 9
TOP_K = 6
CUDA = torch.cuda.is_available()
CLOCK = time.perf_counter if CUDA else time.process_time  # on a CPU, whatever else runs on the core does not count


def median_s(call: Callable[[], Any]) -> float:
    """Seconds, after one call to warm up."""
    times = []
    for _ in range(RUNS + 1):
        _settle()
        begun = CLOCK()
        call()
        _settle()
        times.append(CLOCK() - begun)
    return statistics.median(times[1:])


def _settle() -> None:
    if CUDA:
        torch.cuda.synchronize()


def random_weight(kind: str, *shape: int) -> Weight:
    """Bytes at random: what they stand for does not matter to the clock."""
    device = "cuda" if CUDA else "cpu"
    if kind == "bf16":
        return torch.randn(shape, device=device, dtype=torch.bfloat16).mul_(0.02)
    if kind == "int8":
        q = torch.randint(-127, 128, shape, device=device, dtype=torch.int8)
        return Int8Weight(q, torch.full(shape[:-1], 2e-4, device=device))
    packed = torch.randint(0, 256, (*shape[:-1], shape[-1] // 2), device=device, dtype=torch.uint8)
    return Nf4Weight(packed, torch.full((*shape[:-1], shape[-1] // 64), 0.02, device=device))


def ways(hidden: int, intermediate: int, count: int) -> dict[str, Callable[[Tensor, Tensor, Tensor], Any]]:
    """Name to a function of x, chosen, weights: ours in each precision, transformers' in bfloat16."""
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    found: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {}
    for kind in ("bf16", "int8", "nf4"):
        pair = random_weight(kind, count, 2 * intermediate, hidden), random_weight(kind, count, hidden, intermediate)
        found[f"{kind}, ours"] = lambda x, chosen, weights, pair=pair: experts(x, chosen, weights, *pair)
        if kind == "bf16":
            module = _as_module(*pair, count)
            for name in ("grouped_mm", "batched_mm"):
                theirs = ALL_EXPERTS_FUNCTIONS[name]
                found[f"bf16, transformers {name}"] = lambda *given, do=theirs, module=module: do(module, *given)
    return found


def _as_module(gate_up: Weight, down: Weight, count: int) -> Any:
    """What transformers' experts functions read of a module."""

    def gate(out: Tensor) -> Tensor:
        left, right = out.chunk(2, dim=-1)
        return F.silu(left) * right

    flags = {"has_gate": True, "has_bias": False, "is_transposed": False, "has_post_expert_norm": False}
    return SimpleNamespace(
        gate_up_proj=gate_up, down_proj=down, num_experts=count, _is_expert_parallel=False, _apply_gate=gate, **flags
    )


def bench_experts(hidden: int, intermediate: int, count: int) -> None:
    found = ways(hidden, intermediate, count)
    for tokens in (1, 4, 64, 1024) if CUDA else (1, 4, 64, 256):
        print(f"\n{count} experts of {intermediate} x {hidden}, top-{TOP_K}, {tokens} tokens")
        device = "cuda" if CUDA else "cpu"
        given = [
            (
                torch.randn(tokens, hidden, device=device, dtype=torch.bfloat16),
                torch.rand(tokens, count, device=device).topk(TOP_K).indices,
                torch.full((tokens, TOP_K), 1 / TOP_K, device=device, dtype=torch.bfloat16),
            )
            for _ in range(RUNS)
        ]
        times = {}
        for name, call in found.items():
            if name.endswith("batched_mm") and tokens > 4:
                continue  # it copies the weights of each pair
            turn = cycle(given)
            times[name] = median_s(lambda call=call, turn=turn: call(*next(turn)))
        print_ratios(times, "bf16, transformers grouped_mm")


def bench_parts(rows: int, columns: int) -> None:
    """One matrix on a CPU, each way in the order of what it was chosen over."""
    copies = max(2, 2**28 // (rows * columns))
    q = random_weight("int8", copies, rows, columns)
    nf4 = random_weight("nf4", copies, rows, columns)
    assert isinstance(q, Int8Weight)
    assert isinstance(nf4, Nf4Weight)
    for dtype in (torch.bfloat16, torch.float32):
        plain = torch.randn(max(2, copies // 4), rows, columns, dtype=dtype)
        for tokens in (1, 4, 16, 64):
            print(f"\n{rows} x {columns}, {str(dtype).removeprefix('torch.')}, {tokens} tokens")
            calls = parts(torch.randn(tokens, columns, dtype=dtype), plain, q, nf4)
            print_ratios({name: median_s(call) for name, call in calls.items()}, "plain")


def parts(x: Tensor, plain: Tensor, q: Int8Weight, nf4: Nf4Weight) -> dict[str, Callable[[], Any]]:
    """Ways of multiplying x by one of several matrices, another each time."""
    turn = cycle(range(len(plain)))
    ones, scale = torch.ones(q.shape[1], dtype=x.dtype), q.scale[0]
    return {
        "plain": lambda: F.linear(x, plain[next(turn)]),
        "int8: scale the weights, multiply": lambda: F.linear(x, q.dequantize(next(turn), x.dtype)),
        "int8: cast, multiply, scale": lambda: F.linear(x, q.q[next(turn)].to(x.dtype)) * scale,
        "int8: the same, in strips": lambda: _strips(x, q.q[next(turn)]) * scale,
        "int8: torch's int8 kernel": lambda: torch._weight_int8pack_mm(x, q.q[next(turn)], ones) * scale,
        "int8, as chosen": lambda: reference.linear(x, q, next(turn)),
        "nf4: unpack, multiply": lambda: F.linear(x, nf4.dequantize(next(turn), x.dtype)),
        "nf4, as chosen (in strips)": lambda: reference.linear(x, nf4, next(turn)),
    }


def _strips(x: Tensor, q: Tensor) -> Tensor:
    step = reference.STRIP // q.shape[1]
    return torch.cat([F.linear(x, strip.to(x.dtype)) for strip in q.split(step)], dim=1)


def print_ratios(times: dict[str, float], base: str) -> None:
    for name, seconds in times.items():
        print(f"  {name:<36} {seconds * 1000:9.3f} ms  {seconds / times[base]:6.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", action="store_true", help="one matrix on a CPU, each way that was tried")
    parser.add_argument("--experts", type=int, default=64 if CUDA else 16, help="how many experts; the 28B has 64")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    if not CUDA:
        torch.set_num_threads(1)
    with torch.inference_mode():
        if chosen.parts:
            bench_parts(3072, 2560)
            bench_parts(2560, 1536)
        else:
            bench_experts(2560, 1536, chosen.experts)
            bench_experts(2560, 512, chosen.experts)


if __name__ == "__main__":
    main()
