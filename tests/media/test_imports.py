from __future__ import annotations

import subprocess
import sys


def test_the_room_is_entered_without_heavy_imports() -> None:
    code = "import sys, ernie_cli.media; print(*{'PIL', 'httpx', 'numpy', 'pillow_heif', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
