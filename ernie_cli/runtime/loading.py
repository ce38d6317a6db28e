"""From a checkpoint on disk to a model in memory: at which precision, and on which devices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ernie_cli.errors import ModelError
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.fit import Asked, Choice, choose, human, usable
from ernie_cli.runtime.machine import Machine, look
from ernie_cli.runtime.memory import Load, estimate
from ernie_cli.runtime.model import Model
from ernie_cli.runtime.precision import Precision, stated_precision, weigh
from ernie_cli.runtime.quantize import require_bitsandbytes
from ernie_cli.runtime.verify import check_checkpoint

if TYPE_CHECKING:
    from transformers import Ernie4_5_VLMoeForConditionalGeneration

    from ernie_cli.runtime.quantizer import WeightOnlyConfig

SMALL = 1_000_000_000  # below this many parameters, float32 on a CPU costs little and is the faster there
USUAL = Load(context=4096, prompt=2048, patches=4096)  # where nobody says what will be asked


def load(checkpoint: Checkpoint, device: str = "auto", precision: Asked = "auto", work: Load = USUAL) -> Model:
    """Loads the weights, once all files are seen to be whole and `work` is seen to fit.

    A checkpoint that is quantized already stays as it is. Raises ModelError, naming what is missing or broken, or what
    would fit.
    """
    if problems := check_checkpoint(checkpoint):
        first = problems[0]
        raise ModelError(f"The checkpoint {checkpoint.name} cannot be run: {first.what}", first.hint)
    choice = choose_for(checkpoint, machine_for(device), precision, work)
    native = _read(checkpoint, choice)
    if choice.devices == ("cpu",) and native.num_parameters() < SMALL:
        # A small model's steps are too short to be worth sharing: one thread decodes many times faster than several.
        torch.set_num_threads(1)
    try:
        if not choice.layers:
            _place(native.eval(), choice)
        return Model(checkpoint, native.eval(), choice)
    except torch.OutOfMemoryError as full:
        size = native.get_memory_footprint() / 1e9
        raise ModelError(
            f"{checkpoint.name} needs {size:.1f} GB and does not fit on {choice.devices[0]}.",
            "Close what else uses it, or use --precision nf4 or --device cpu.",
        ) from full


def check_room(model: Model, work: Load) -> None:
    """Raises ModelError if a model that is loaded has no room for work larger than that it was loaded for."""
    assert model.choice is not None
    config, choice = model.checkpoint.config, model.choice
    width = 4 if next(iter(model.native.parameters())).dtype == torch.float32 else 2
    beside = estimate(config, choice.precision, work, width).beside
    machine = look(accelerators=choice.devices != ("cpu",))
    rooms = [device for device in (*machine.accelerators, machine.memory) if device.where in choice.devices]
    if rooms and beside > (free := min(usable(device) for device in rooms)):
        raise ModelError(
            f"{work.context} tokens need {human(beside)} beside the model, and {human(max(free, 0))} are free.",
            "Lower --max-tokens or --max-pixels, or ask about fewer pictures at once.",
        )


def choose_for(checkpoint: Checkpoint, machine: Machine, precision: Asked, work: Load) -> Choice:
    """How this checkpoint is to be run on a machine. Raises ModelError if it cannot be."""
    stated = stated_precision(checkpoint.config)
    if stated and precision not in ("auto", stated):
        raise ModelError(
            f"{checkpoint.name} is quantized to {stated}, and cannot be run at {precision}.",
            "Leave --precision out, or take the checkpoint it was made from.",
        )
    small = not machine.accelerators and _is_small(checkpoint)
    asked = stated or precision
    choice = choose(checkpoint.config, machine, work, asked, 4 if small else 2, stored=bool(stated))
    if small and choice.precision == "bf16":
        return replace(choice, reason="computed in float32, since it is small")
    return choice


def machine_for(device: str) -> Machine:
    """This machine as if it had only the device of a name; `auto` means all of it. Raises ModelError if it has not."""
    if device != "auto":
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as absent:
            raise ModelError(
                f"This machine has no usable device {device!r}.", "Use --device cpu, or leave the option out."
            ) from absent
    if device == "auto":
        return look()
    machine = look(accelerators=not device.startswith("cpu"))
    name = {"cuda": "cuda:0", "cpu:0": "cpu", "mps:0": "mps"}.get(device, device)
    if name not in ("cpu", *(found.where for found in machine.accelerators)):
        raise ModelError(f"This program does not run on the device {device!r}.", "Use cpu, cuda, cuda:1 or mps.")
    return machine.only(name)


def _is_small(checkpoint: Checkpoint) -> bool:
    """By its configuration, and not by its files: a quantized one is computed like the one it was made from."""
    return weigh(checkpoint.config, "bf16").total // 2 < SMALL


def _read(checkpoint: Checkpoint, choice: Choice) -> Ernie4_5_VLMoeForConditionalGeneration:
    """The weights from disk, where they go if transformers can put them there, else in the machine's memory."""
    from safetensors import SafetensorError
    from transformers import Ernie4_5_VLMoeForConditionalGeneration
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    small = choice.devices == ("cpu",) and _is_small(checkpoint)
    placed: dict[str, Any] = {}
    if not choice.offloaded and choice.devices != ("cpu",):
        placed["device_map"] = device_map(choice)
    try:
        native, report = Ernie4_5_VLMoeForConditionalGeneration.from_pretrained(
            checkpoint.folder,
            config=checkpoint.config,
            dtype=torch.float32 if small else torch.bfloat16,
            use_safetensors=True,
            local_files_only=True,
            experts_implementation="grouped_mm",
            output_loading_info=True,
            quantization_config=_quantization(checkpoint, choice.precision),
            **placed,
        )
    except torch.OutOfMemoryError as full:
        raise ModelError(
            f"{checkpoint.name} does not fit on {' and '.join(choice.devices)} after all.",
            "Close what else uses it, or use --precision nf4 or --device cpu.",
        ) from full
    except (OSError, SafetensorError) as broken:
        raise ModelError(
            f"The weights in {checkpoint.folder} cannot be read: {_first_line(broken)}",
            "Fetch the checkpoint again; a download may have been cut off.",
        ) from broken
    except (ValueError, RuntimeError) as failed:
        cause = failed.__cause__ or failed
        raise ModelError(
            f"{checkpoint.name} could not be loaded as {choice.precision}: {_first_line(cause)}",
            "Run ernie doctor, which sees what is wrong here, or try --device cpu.",
        ) from failed
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"The weights in {checkpoint.folder} are incomplete: {len(missing)} are missing, such as {missing[0]}.",
            "Fetch the checkpoint again, with all its safetensors files.",
        )
    if small:
        # Older transformers (5.17) leave what is not quantized in a quantized checkpoint as it is stored.
        for weight in native.parameters():
            weight.data = weight.data.float() if weight.is_floating_point() else weight.data
    return native


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _quantization(checkpoint: Checkpoint, precision: Precision) -> WeightOnlyConfig | None:
    """What transformers is told to do while loading; None: nothing, or what the checkpoint itself says."""
    if precision == "bf16":
        return None
    from ernie_cli.runtime.quantizer import WeightOnlyConfig  # registers it, for a quantized checkpoint too

    if stated_precision(checkpoint.config):
        return None
    if precision == "nf4":
        require_bitsandbytes()
    return WeightOnlyConfig(precision)


# ------------------------------------------------------------------------------------------------ devices


def device_map(choice: Choice) -> dict[str, str]:
    """Which device gets which module, for accelerate: layers as they were chosen, all else on the first."""
    first, text = choice.devices[0], "model.language_model"
    if not choice.layers:
        return {"": first}
    others = ["lm_head", "model.vision_tower", "model.resampler_model", f"{text}.embed_tokens", f"{text}.norm"]
    others.append(f"{text}.rotary_emb")
    return dict.fromkeys(others, first) | {f"{text}.layers.{at}": where for at, where in enumerate(choice.layers)}


def _place(native: nn.Module, choice: Choice) -> None:
    """Everything to the one device, but for the experts that stay behind."""
    blocks = [
        moe
        for layer in native.get_submodule("model.language_model").layers  # type: ignore[union-attr]
        if hasattr(layer.mlp, "text_moe")
        for moe in (layer.mlp.text_moe, layer.mlp.vision_moe)
    ]
    staying = blocks[len(blocks) - 2 * choice.offloaded :] if choice.offloaded else []
    experts = [moe.experts for moe in staying]
    for moe in staying:
        moe.experts = nn.Identity()
    native.to(choice.devices[0])
    for moe, held in zip(staying, experts, strict=True):
        moe.experts = Elsewhere(held)


class Elsewhere(nn.Module):
    """Experts that are computed where they lie: a token's hidden state travels, which is small, and not the weights."""

    def __init__(self, experts: nn.Module) -> None:
        super().__init__()
        self.experts = experts

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        there = next(self.experts.parameters()).device
        answer: Tensor = self.experts(hidden_states.to(there), top_k_index.to(there), top_k_weights.to(there))
        return answer.to(hidden_states.device)
