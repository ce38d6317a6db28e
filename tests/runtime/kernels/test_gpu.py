"""The Triton programs: every case of `cases.py`, in Triton's interpreter, and on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

CASES = Path(__file__).with_name("cases.py")
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed (it exists for Linux)")


def run_cases(**environment: str) -> None:
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", str(CASES)]
    rest = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(command, env={**rest, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@needs_triton
def test_programs_equal_the_reference_in_the_interpreter() -> None:
    run_cases(TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_programs_equal_the_reference_on_a_gpu() -> None:
    run_cases()
