"""What all tests share: the built-in checkpoint, and a picture drawn here."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import cv2  # noqa: F401 -- before decord, whose zlib is seen by all: OpenCV then reads no PNG any more
import pytest
from PIL import Image, ImageDraw

from ernie_cli.engines.local import LocalEngine
from ernie_cli.runtime.checkpoint import NANO, Checkpoint, find

os.environ.setdefault("ERNIE_CONFIG", os.devnull)
# What a shell starts in the background ignores Ctrl-C, and so do its children: those that are tested must not.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Scripts import each other by name, as they do when they are run.
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


@pytest.fixture(scope="session")
def nano() -> Checkpoint:
    return find(NANO)


@pytest.fixture(scope="session")
def engine(nano: Checkpoint) -> LocalEngine:
    return LocalEngine(nano, "cpu")


@pytest.fixture(scope="session")
def red_circle() -> Image.Image:
    picture = Image.new("RGB", (168, 140), (230, 230, 225))
    ImageDraw.Draw(picture).ellipse((50, 40, 110, 100), fill=(214, 40, 40))
    return picture
