"""What `ernie doctor` looks at, a function each: what is here, whether it works, and what to do where it does not.

A check never raises: whatever goes wrong in it is what it found.
"""

from __future__ import annotations

import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal, TypeAlias

from ernie_cli.tasks.results import CheckInfo

if TYPE_CHECKING:
    from ernie_cli.runtime.fit import Asked
    from ernie_cli.runtime.machine import Machine

State: TypeAlias = Literal["ok", "missing", "broken"]
FULL_BYTES = 59_350_000_000  # what `ernie pull` fetches


def checks(machine: Machine) -> Iterator[CheckInfo]:
    """Everything, one after the other, as each is done; the smoke test comes last."""
    looks: tuple[tuple[str, Callable[[], CheckInfo]], ...] = (
        ("python", _python),
        ("torch", lambda: _torch(machine)),
        ("transformers", lambda: _package("transformers", "the model's architecture", "transformers")),
        ("bitsandbytes", _bitsandbytes),
        ("pictures", _pictures),
        ("documents", lambda: _imports("documents", "PDF", {"pypdfium2": "pypdfium2"})),
        ("video", _video),
        ("font", _font),
        ("disk", _disk),
        ("checkpoints", _checkpoints),
        ("ernie-nano", _smoke),
        ("int8", lambda: _smoke("int8")),
        ("nf4", lambda: _smoke("nf4")),
    )
    for name, look in looks:
        try:
            yield look()
        except Exception as error:  # a broken installation breaks in its own way
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            yield CheckInfo(name=name, state="broken", found=what, fix=f"Install {name} again.")


def _python() -> CheckInfo:
    found = f"{platform.python_version()} on {platform.platform(terse=True)}"
    if (3, 10) <= sys.version_info < (3, 14):
        return CheckInfo(name="python", state="ok", found=found)
    fix = "Install this program under Python 3.10 to 3.13."
    return CheckInfo(name="python", state="missing", found=f"{found}, which it was not tested on", fix=fix)


def _torch(machine: Machine) -> CheckInfo:
    from ernie_cli.runtime.machine import torch_build

    version, cuda, cards, driver = torch_build()
    hidden = cards - sum(device.where.startswith("cuda") for device in machine.accelerators)
    devices = ", ".join(f"{device.name} ({device.where})" for device in machine.accelerators)
    built = f"CUDA {cuda}" if cuda else "without CUDA"
    found = f"{version}, {built}; {devices or 'no accelerator'}{f', driver {driver}' if driver else ''}"
    if hidden:
        fix = "See nvidia-smi: another program may have it to itself, or it needs a restart."
        return CheckInfo(name="torch", state="broken", found=f"{found}; {hidden} GPUs do not answer", fix=fix)
    if machine.accelerators or not shutil.which("nvidia-smi"):
        return CheckInfo(name="torch", state="ok", found=found)
    fix = "Install a torch with CUDA, or a newer driver: https://pytorch.org/get-started/locally"
    return CheckInfo(name="torch", state="missing", found=f"{found}, but an NVIDIA driver is installed", fix=fix)


def _package(name: str, what: str, package: str) -> CheckInfo:
    try:
        return CheckInfo(name=name, state="ok", found=version(package))
    except PackageNotFoundError:
        return CheckInfo(name=name, state="broken", found=f"not installed; it is {what}", fix=f"pip install {package}")


def _bitsandbytes() -> CheckInfo:
    from ernie_cli.runtime.kernels.bits import bitsandbytes

    if bitsandbytes() is not None:
        return CheckInfo(name="bitsandbytes", state="ok", found=f"{version('bitsandbytes')}: int8 and nf4")
    found = "does not work, so there is only bf16"
    return CheckInfo(name="bitsandbytes", state="missing", found=found, fix="pip install --upgrade bitsandbytes")


def _pictures() -> CheckInfo:
    from PIL import features

    found = ["JPEG", "PNG", "WebP", "GIF", "TIFF", *(["AVIF"] if features.check("avif") else [])]
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        fix = "pip install --upgrade pillow-heif"
        return CheckInfo(name="pictures", state="missing", found=f"{', '.join(found)}; no HEIC", fix=fix)
    return CheckInfo(name="pictures", state="ok", found=", ".join([*found, "HEIC"]))


def _imports(name: str, what: str, packages: dict[str, str]) -> CheckInfo:
    """Whether modules can be imported; `packages` gives what to install for each."""
    from importlib import import_module

    for module, package in packages.items():
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            # opencv-python, which others may have installed, wants a library that servers often lack.
            fix = "apt install libgl1" if "libGL" in str(error) else f"pip install --upgrade {package}"
            return CheckInfo(name=name, state="missing", found=f"{module} cannot be imported: {error}", fix=fix)
    return CheckInfo(name=name, state="ok", found=what)


def _video() -> CheckInfo:
    required = _imports("video", "", {"av": "av", "cv2": "opencv-python-headless"})
    if required.state != "ok":
        return required
    faster = _imports("video", "", {"decord": "decord"}).state == "ok"
    return CheckInfo(name="video", state="ok", found=f"PyAV {version('av')}{', decord' if faster else ''}, OpenCV")


def _font() -> CheckInfo:
    from ernie_cli.media.clock import find_font

    return CheckInfo(name="font", state="ok", found=f"{find_font().name}, for the clock in video frames")


def _disk() -> CheckInfo:
    from ernie_cli.runtime.snapshots import cache_folder

    folder = next(path for path in (cache_folder(), *cache_folder().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free in {folder}"
    if free > FULL_BYTES:
        return CheckInfo(name="disk", state="ok", found=found)
    fix = "ernie pull fetches 59.4 GB: make room, or point HF_HOME to another disk."
    return CheckInfo(name="disk", state="missing", found=found, fix=fix)


def _checkpoints() -> CheckInfo:
    from ernie_cli.runtime.snapshots import snapshots

    here = snapshots()
    names = ", ".join(f"{found.repo}{' (incomplete)' if found.missing else ''}" for found in here)
    return CheckInfo(name="checkpoints", state="ok", found=names or "only the built-in ernie-nano (see ernie pull)")


def _smoke(precision: Asked = "auto") -> CheckInfo:
    """A picture whose answer is known, through the engine that the commands use."""
    name = "ernie-nano" if precision == "auto" else precision
    from PIL import Image, ImageDraw

    from ernie_cli.engines import Options
    from ernie_cli.engines.local import LocalEngine
    from ernie_cli.messages import Answer, Finish, Picture
    from ernie_cli.runtime.checkpoint import NANO, find
    from ernie_cli.tasks import ask

    image = Image.new("RGB", (168, 140), (235, 235, 235))
    ImageDraw.Draw(image).ellipse((40, 30, 120, 110), fill=(220, 30, 30))
    asked = ask.messages([Picture(image)], "What color is the circle?")
    begun = time.monotonic()
    said, tokens = "", 0
    for event in LocalEngine(find(NANO), precision=precision).stream(asked, Options()):
        if isinstance(event, Answer):
            said += event.text
        elif isinstance(event, Finish):
            tokens = event.usage.reasoning_tokens + event.usage.answer_tokens
    seconds = time.monotonic() - begun
    found = f"answers in {seconds:.1f} s ({tokens} tokens)"
    if said == "red":
        return CheckInfo(name=name, state="ok", found=found)
    fix = "Something computes wrongly here: please report it, with this output."
    return CheckInfo(name=name, state="broken", found=f"{found}, but says {said!r} of a red circle", fix=fix)
