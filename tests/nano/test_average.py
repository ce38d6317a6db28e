from __future__ import annotations

from pathlib import Path

import pytest
import torch
from average import average
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def test_the_mean_of_weights_in_their_own_precision(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, file in enumerate(files):
        weights = {"a": torch.full((2, 3), 2.0**number, dtype=torch.bfloat16), "b": torch.tensor([float(number)])}
        save_file(weights, file, {"step": str(number)})
    average(files[0], files)
    mean = load_file(files[0])
    assert mean["a"].dtype == torch.bfloat16
    torch.testing.assert_close(mean["a"].float(), torch.full((2, 3), 7 / 3), atol=0.01, rtol=0)
    assert mean["b"].item() == 1.0
    with safe_open(files[0], "pt") as file:
        assert file.metadata() == {"step": "2"}


@pytest.mark.parametrize("other", [{"a": torch.zeros(3)}, {"a": torch.zeros(2), "b": torch.zeros(1)}])
def test_other_weights_have_no_mean(tmp_path: Path, other: dict[str, torch.Tensor]) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    save_file({"a": torch.zeros(2)}, one)
    save_file(other, two)
    with pytest.raises(ValueError, match=r"two\.safetensors holds other weights"):
        average(tmp_path / "out.safetensors", [one, two])
