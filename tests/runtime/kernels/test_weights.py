"""Layouts: bitsandbytes reads the same numbers from the same bytes."""

from __future__ import annotations

import pytest
import torch

from ernie_cli.runtime.kernels import Int8Weight, Nf4Weight
from ernie_cli.runtime.kernels.bits import bitsandbytes
from ernie_cli.runtime.kernels.weights import NF4, unpack_by_table
from tests.runtime.kernels.making import int8, nf4


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_the_table_is_that_of_bitsandbytes() -> None:
    assert torch.equal(torch.tensor(NF4), bitsandbytes().functional.get_4bit_type("nf4", device="cpu"))


def test_the_first_of_two_lies_in_the_high_half() -> None:
    packed = torch.full((1, 16), 0x1F, dtype=torch.uint8)
    numbers = Nf4Weight(packed, torch.tensor([[2.0]])).dequantize(dtype=torch.float32)
    assert torch.equal(numbers[0, :2], torch.tensor([NF4[1], NF4[15]]) * 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("columns", "blocksize"), [(96, 32), (160, 32), (192, 64), (2560, 64)])
def test_nf4_is_read_as_bitsandbytes_reads_it(columns: int, blocksize: int, dtype: torch.dtype) -> None:
    functional = bitsandbytes().functional
    plain = torch.randn(40, columns)
    packed, state = functional.quantize_4bit(plain, blocksize=blocksize, quant_type="nf4", compress_statistics=False)
    expected = functional.dequantize_4bit(packed, state).to(dtype)
    weight = nf4(plain, blocksize)
    assert (weight.shape, weight.blocksize) == ((40, columns), blocksize)
    assert torch.equal(weight.dequantize(dtype=dtype), expected)
    assert torch.equal(unpack_by_table(weight.packed, weight.absmax, blocksize, dtype), expected)


def test_int8_is_read_as_bitsandbytes_reads_it() -> None:
    functional = bitsandbytes().functional
    q, largest, _ = functional.int8_vectorwise_quant(torch.randn(40, 96).half())
    ours = Int8Weight(q, largest / 127).dequantize(dtype=torch.float32)
    torch.testing.assert_close(ours, functional.int8_vectorwise_dequant(q, largest), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [int8, lambda plain: nf4(plain, 32)])
def test_one_expert_is_its_slice_of_all(make) -> None:  # type: ignore[no-untyped-def]
    weight = make(torch.randn(3, 40, 96))
    assert torch.equal(weight.dequantize(1), weight.dequantize()[1])


def test_bytes_are_those_of_numbers_and_scales() -> None:
    plain = torch.randn(2, 10, 64)
    assert int8(plain).nbytes == 2 * 10 * (64 + 4)
    assert nf4(plain, 64).nbytes == 2 * 10 * (32 + 4)


@pytest.mark.parametrize(
    ("q", "scale"),
    [
        (torch.zeros(4, 8), torch.ones(4)),
        (torch.zeros(4, 8, dtype=torch.int8), torch.ones(8)),
        (torch.zeros(4, 8, dtype=torch.int8), torch.ones(4).half()),
        (torch.zeros(8, 4, dtype=torch.int8).T, torch.ones(4)),
    ],
)
def test_what_a_kernel_would_misread_is_refused(q: torch.Tensor, scale: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected|contiguous"):
        Int8Weight(q, scale)


def test_blocks_that_do_not_fill_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks of a power of two"):
        Nf4Weight(torch.zeros(4, 48, dtype=torch.uint8), torch.ones(4, 2))
