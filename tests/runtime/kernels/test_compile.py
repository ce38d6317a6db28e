"""The Triton programs compile to machine code for an A100 and an H100, which takes Triton's compiler but no GPU."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed (it exists for Linux)")

KINDS = {"plain": (0, "*bf16", "*bf16", 1), "int8": (1, "*i8", "*fp32", 1), "nf4": (2, "*u8", "*fp32", 64)}
SHARED = 99 * 1024  # bytes a program may use on the smallest cards of these generations; an A100 and an H100 allow more


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def compiled(program: Any, types: dict[str, str], constants: dict[str, Any], capability: int, **options: int) -> Any:
    """As a launch would: pointers and sizes divisible by 16, which is what lets loads be wide and run ahead."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    aligned = {(place,): [["tt.divisibility", 16]] for place in range(len(types))}
    source = ASTSource(program, types | dict.fromkeys(constants, "constexpr"), constants, aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


@pytest.mark.parametrize(("block", "warps", "stages", "capability"), [(16, 4, 3, 80), (128, 8, 2, 80), (128, 8, 2, 90)])
@pytest.mark.parametrize("kind", KINDS)
def test_grouped_uses_tensor_cores_and_fits(kind: str, block: int, warps: int, stages: int, capability: int) -> None:
    from ernie_cli.runtime.kernels import programs

    number, weight, scale, blocksize = KINDS[kind]
    types = {"x": "*bf16", "out": "*bf16", "pairs": "*i64", "routing": "*i64"}
    types |= dict.fromkeys(["tile_expert", "tile_start", "tile_end"], "*i64")
    types |= {"weight": weight, "scale": scale, "table": scale, "columns": "i32", "width": "i32", "experts": "i32"}
    constants = {"FAN_OUT": 6, "SCATTER": False, "SWIGLU": True, "KIND": number, "BLOCKSIZE": blocksize}
    constants |= {"BLOCK_M": block, "BLOCK_N": 64, "BLOCK_K": 64, "WIDEN": False}
    stages = 1 if kind == "nf4" else stages
    done = compiled(programs.grouped, types, constants, capability, num_warps=warps, num_stages=stages)
    assert done.asm["cubin"]
    assert "mma" in done.asm["ptx"]
    assert done.metadata.shared <= SHARED


@pytest.mark.parametrize("kind", KINDS)
def test_gathered_compiles(kind: str) -> None:
    from ernie_cli.runtime.kernels import programs

    number, weight, scale, blocksize = KINDS[kind]
    types = {"x": "*bf16", "out": "*fp32", "chosen": "*i64", "routing": "*bf16"}
    types |= {"weight": weight, "scale": scale, "table": scale, "columns": "i32", "width": "i32"}
    constants = {"FAN_OUT": 0, "WEIGHED": True, "SWIGLU": False, "KIND": number, "BLOCKSIZE": blocksize}
    constants |= {"BLOCK_N": 32, "BLOCK_K": 64 if kind == "nf4" else 128}
    assert compiled(programs.gathered, types, constants, 90).asm["cubin"]
