"""Importing bitsandbytes: it says nothing and fetches nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_bitsandbytes_is_imported_in_silence_and_fetches_no_kernel(tmp_path: Path) -> None:
    """A package named `kernels` that would show itself stands ready."""
    (tmp_path / "kernels.py").write_text("print('kernels was imported')\n")
    asked = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from ernie_cli.runtime.kernels.bits import bitsandbytes; assert bitsandbytes().functional; "
        "assert 'kernels' not in sys.modules; import kernels"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "kernels was imported\n")


def test_without_bitsandbytes_there_is_none() -> None:
    asked = (
        "import sys; sys.modules['bitsandbytes'] = None; import torch; "
        "from ernie_cli.runtime.kernels import Nf4Weight; from ernie_cli.runtime.kernels.bits import bitsandbytes; "
        "assert bitsandbytes() is None; "
        "weight = Nf4Weight(torch.full((1, 16), 255, dtype=torch.uint8), torch.ones(1, 1)); "
        "assert weight.dequantize().eq(1).all()"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
