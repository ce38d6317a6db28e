"""Makes the scripts that train and evaluate nano importable, as they are when run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "nano"))
