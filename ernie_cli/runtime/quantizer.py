"""Weight-only quantization as a quantizer of transformers: `from_pretrained` quantizes each tensor as it arrives.

Importing this registers it. Experts are quantized one matrix at a time and only then put together, so that no more than
the experts of one layer are ever held in bfloat16; the same modules take a checkpoint that was quantized on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.core_model_loading import ConversionOps, ErnieFuseAndSplitTextVisionExperts, WeightConverter
from transformers.quantizers import HfQuantizer
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from ernie_cli.runtime.config import QUANT_METHOD
from ernie_cli.runtime.precision import ABSMAX, SCALE, Kind, Precision, kind_of
from ernie_cli.runtime.quantize import quantize
from ernie_cli.runtime.quantized import QuantizedExperts, QuantizedLinear

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SUFFIXES = (SCALE, ABSMAX)
# How the hub names what transformers keeps in one tensor for all experts, and that tensor.
FUSED = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}
MODALITIES = ("text_moe", "vision_moe")


@register_quantization_config(QUANT_METHOD)
class WeightOnlyConfig(QuantizationConfigMixin):  # type: ignore[misc]
    """`quantization_config` of a checkpoint: the precision, int8 or nf4."""

    def __init__(self, precision: Precision, **_: Any) -> None:
        self.quant_method = QUANT_METHOD
        self.precision = precision


@register_quantizer(QUANT_METHOD)
class WeightOnlyQuantizer(HfQuantizer):  # type: ignore[misc]
    """Puts quantized modules in place of those that `precision.kind_of` says, and fills them."""

    def validate_environment(self, *_: Any, **__: Any) -> None:
        """Nothing to check: bitsandbytes is asked for when the first weight is quantized."""

    def update_dtype(self, dtype: torch.dtype) -> torch.dtype:
        return dtype

    @property
    def quantized_element_size(self) -> float:
        return 1.0  # of int8, and of the two codes that nf4 packs

    def param_element_size(self, model: PreTrainedModel, param_name: str, param: Tensor) -> float:
        quantized = self.param_needs_quantization(model, param_name) and not param_name.endswith(SUFFIXES)
        return self.quantized_element_size if quantized else param.element_size()

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_: Any) -> bool:
        module = model.get_submodule(param_name.rpartition(".")[0])
        return isinstance(module, QuantizedLinear | QuantizedExperts) and not param_name.endswith(".bias")

    def get_quantize_ops(self) -> ConversionOps:
        return QuantizeLinear()

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        replace_modules(model, self.quantization_config.precision, arriving=not self.pre_quantized)

    def get_weight_conversions(self) -> list[WeightConverter]:
        return []

    def update_weight_conversions(self, weight_conversions: list[Any], *_: Any, **__: Any) -> list[Any]:
        """The model's own converters, but for the experts: those are ours, and first."""
        others = [entry for entry in weight_conversions if not any("experts.*" in s for s in entry.source_patterns)]
        return [*self._expert_converters(), *others]

    def _expert_converters(self) -> Iterator[WeightConverter]:
        for fused, parts in FUSED.items():
            for suffix in (*SUFFIXES, "") if self.pre_quantized else ("",):
                yield WeightConverter(
                    source_patterns=[f"experts.*.{part}.weight{suffix}" for part in parts],
                    target_patterns=[f"{modality}.experts.{fused}{suffix}" for modality in MODALITIES],
                    operations=[FuseExperts()],
                )

    def is_serializable(self) -> bool:
        return False  # `quantize.quantize_checkpoint` writes checkpoints, from disk to disk

    @property
    def is_trainable(self) -> bool:
        return False


def replace_modules(model: PreTrainedModel, precision: Precision, *, arriving: bool = False) -> None:
    """Quantized modules, still empty, in the places of linear layers and experts that are not to be kept.

    Weights that are `arriving` are still numbers: older transformers (5.17) would cast them to what stands here.
    """
    text, config = model.get_submodule("model.language_model"), model.config
    for name, module in list(text.named_modules()):
        parent_name, _, own = name.rpartition(".")
        parent = text.get_submodule(parent_name)
        # `kind_of` knows the hub's names: no part for the language model, and each expert by itself.
        if hasattr(module, "gate_up_proj"):
            expert = f"model.{parent_name.rpartition('.')[0]}.experts.0"
            gate_up, down = (kind_of(f"{expert}.{part}.weight", precision, config) for part in ("up_proj", "down_proj"))
            setattr(parent, own, QuantizedExperts(module, gate_up, down, arriving=arriving))
        elif isinstance(module, nn.Linear):
            kind = kind_of(f"model.{name}.weight", precision, config)
            if kind != "float":
                setattr(parent, own, QuantizedLinear(module, kind, arriving=arriving))


class QuantizeLinear(ConversionOps):  # type: ignore[misc]
    """A linear layer's weight as its int8 rows and their scales; what is quantized already passes."""

    def convert(self, input_dict: dict[str, Any], model: PreTrainedModel, **_: Any) -> dict[str, Tensor]:
        converted: dict[str, Tensor] = {}
        for name, value in input_dict.items():
            tensor: Tensor = value[0] if isinstance(value, list) else value
            module = model.get_submodule(name.rpartition(".")[0])
            if isinstance(module, QuantizedLinear) and name.endswith(".weight") and tensor.is_floating_point():
                converted |= {name + suffix: part for suffix, part in quantize(tensor, module.kind).items()}
            else:
                converted[name] = tensor
        return converted


class FuseExperts(ErnieFuseAndSplitTextVisionExperts):  # type: ignore[misc]
    """The matrices of one layer's experts, quantized one by one if they are not yet, as one tensor a modality.

    `input_dict` has a list for each part (gate and up, or down): the text experts, then the vision experts. It is a
    kind of transformers' own, since older ones (5.17) allow no other to have several sources and several targets.
    """

    @torch.no_grad()
    def convert(
        self,
        input_dict: dict[str, list[Tensor]],
        source_patterns: list[str],
        target_patterns: list[str],
        model: PreTrainedModel,
        full_layer_name: str,
        **_: Any,
    ) -> dict[str, Tensor]:
        layer = full_layer_name[: full_layer_name.index(".mlp.") + len(".mlp.")]
        parts = [input_dict[pattern] for pattern in source_patterns]
        count = len(parts[0]) // len(target_patterns)
        fused: dict[str, Tensor] = {}
        for target in target_patterns:
            path, _dot, name = target.rpartition(".")
            kind: Kind = model.get_submodule(layer + path).kinds.get(name, "float")  # a scale has no kind of its own
            for expert in range(count):
                for suffix, tensor in self._expert(parts, kind).items():
                    into = fused.setdefault(target + suffix, tensor.new_empty((count, *tensor.shape)))
                    into[expert] = tensor
        return fused

    @staticmethod
    def _expert(parts: list[list[Tensor]], kind: Kind) -> dict[str, Tensor]:
        """The next expert's parts one below the other; each is let go of as soon as it is quantized."""
        done = []
        for part in parts:
            tensor = part.pop(0)
            done.append(quantize(tensor, kind) if tensor.is_floating_point() and kind != "float" else {"": tensor})
        return {suffix: torch.cat([one[suffix] for one in done]) for suffix in done[0]}
