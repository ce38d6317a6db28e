"""Nano as it learns: the model, its heads and optimizers, what a batch teaches them, and how all of it is kept."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pointing
import reckoning
import spelling
import torch
import torch.distributed as dist
from batches import Batch
from heads import IGNORED, LAYER
from moments import FRAMES, ClipHeads, Filmed
from muon import Muon
from network import attention_in, loss, padded_indices, read, see
from places import Asked, Heads
from printed import SIDES
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from shape import new_model
from torch import Tensor, nn
from transformers import Ernie4_5_VLMoeForConditionalGeneration

from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.runtime.loading import load
from ernie_cli.runtime.prompt import CONTROL
from ernie_cli.runtime.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
TOKENIZER = ROOT / "ernie_cli" / "nano" / "tokenizer.model"
# Heads that know the checkpoint in the package, in bfloat16, and how far that has come. No part of the package.
HEADS = Path(__file__).with_name("heads.safetensors")
WARMUP = 50
# How much what every token shows counts: alone, and beside what is said. What a clip's tokens do not know cannot be
# said: those of whole films are too few to teach it.
SHOWN = {Asked.HEADS: (0.08, 0.08), Filmed.HEADS: (0.2, 0.4)}
# The attention that `pointing.py` teaches words. Where that has changed, it is quicker to let it learn faster than all.
WORDS_LOOK = tuple(
    f"model.language_model.layers.{layer}.self_attn" for layer in (pointing.FIND_LAYER, pointing.READ_LAYER)
)
ENDS = 5.0  # how much more it counts what follows a line of a page: one that is held for the last costs all others
POINTED = 0.5  # how much it counts to look where a time can be read
RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun
# Steps in which new heads learn by themselves, so many times as fast: what they want at first would shock the model.
ALONE, FASTER = 150, 5
# Norm of each weight's gradient; most are longer, so that all jobs count alike everywhere. (Clipped as one, gradients
# of where words should look, a hundred times those of what they say, left a clip's words little to learn with.)
CLIP = 0.01
# Experts' largest singular values, of `gate_up_proj` and of `down_proj`, fall to the last over so many steps: once
# grown, they multiply gradients until a single token drowns all others.
CAPS, CAPPED_BY, CAP_EVERY = {"gate_up_proj": (10.0, 6.0), "down_proj": (6.0, 4.0)}, 1500, 25
LARGEST = 512  # rows or columns of what learns with Muon: for the resampler's matrices it takes as long as all else
BALANCE = 1e-3  # how fast the routers' bias follows the load (DeepSeek-V3, auxiliary-loss-free balancing)


class Looked(NamedTuple):
    """What the model makes of a batch: a medium's tokens as the eyes hand them on, (rows, tokens, hidden), and, as
    `see` gives them, its patches, if they were asked; all tokens' last states; and of each layer, as `read` gives them,
    the states, expert loads and attention to the prefix."""

    seen: Tensor
    patches: list[Tensor]
    states: list[Tensor]
    hidden: Tensor
    loads: list[Tensor]
    looks: list[Tensor]


class Losses(NamedTuple):
    """Mean loss over the learned tokens; that of what every token shows; and that of where it is looked."""

    said: Tensor
    shown: Tensor
    pointed: Tensor


class Trainer:
    """The model, its two optimizers and how far it has come."""

    def __init__(
        self,
        folder: Path,
        peak: float,
        *,
        fresh: bool = False,
        eyes: bool = True,
        looking: float = 1.0,
        device: str = "cpu",
    ) -> None:
        self.folder, self.peak, self.eyes, self.device = folder, peak, eyes, torch.device(device)
        # Where there are instructions for bfloat16 it takes half of float32's time, and elsewhere many times as long.
        self.half = self.device.type == "cuda" or "AVX512" in torch.backends.cpu.get_cpu_capability()
        self.precision = torch.bfloat16 if self.half else torch.float32
        self.tokenizer = Tokenizer(TOKENIZER, CONTROL)
        kept = folder / "state.pt"
        saved = torch.load(kept, "cpu") if kept.exists() else None if fresh else packaged()
        self.model = new_model(self.tokenizer.control)
        hidden, width = self.model.config.text_config.hidden_size, self.model.config.vision_config.hidden_size
        self.heads = nn.ModuleDict({Asked.HEADS: Heads(hidden, width), Filmed.HEADS: ClipHeads(hidden)})
        self.step, self.begun = 0, ALONE  # the rate rises from there
        self.learned: Counter[str] = Counter()  # pictures of each job
        self.model.to(self.device)
        self.heads.to(self.device)
        matrices: dict[str, Tensor] = {}
        rest: dict[str, Tensor] = {}
        # Each expert by itself is a matrix, in the memory of the tensor that holds them all.
        self.experts = {
            name: (weight, [nn.Parameter(expert) for expert in weight.data])
            for name, weight in self.model.named_parameters()
            if name.endswith(tuple(CAPS))
        }
        for name, weight in [*self.model.named_parameters(), *self.heads.named_parameters("heads")]:
            if not weight.requires_grad:
                continue
            if name in self.experts:
                matrices |= {f"{name}.{number}": expert for number, expert in enumerate(self.experts[name][1])}
                continue
            inner = weight.ndim == 2 and not any(part in name for part in ("embed_tokens", "lm_head", "heads"))
            (matrices if inner and min(weight.shape) <= LARGEST else rest)[name] = weight
        looks = {weight: looking for name, weight in self.model.named_parameters() if name.startswith(WORDS_LOOK)}
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices.values(), looks, self.precision, lr=peak, weight_decay=0.02),
            torch.optim.AdamW(rest.values(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01),
        ]
        self._learning = (matrices, rest)  # of each optimizer, by name
        if saved:
            self._load(saved)

    @property
    def alone(self) -> bool:
        """Whether nothing but the heads learns yet."""
        return self.step < ALONE

    def _load(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Heads that it lacks, or has in another shape, begin anew, and with nothing.

        A head that says nothing wants nothing of the model either, as long as it has not learned anything itself.
        """
        self.model.load_state_dict(state["model"])
        heads = self.heads.state_dict()
        known = {name: head for name, head in state["heads"].items() if _fits(head, heads.get(name))}
        self.heads.load_state_dict({name: known.get(name, torch.zeros_like(head)) for name, head in heads.items()})
        for optimizer, weights in zip(self.optimizers, self._learning, strict=True):
            for name, weight in weights.items():
                moments = dict(state["moments"].get(name, {}))
                step = moments.pop("step", None)  # a number, which AdamW keeps on the CPU
                if moments and all(_fits(moment, weight) for moment in moments.values()):
                    moments = {key: moment.to(self.device) for key, moment in moments.items()}
                    optimizer.state[weight] = moments if step is None else moments | {"step": step}
        self.step, self.learned = state["step"], Counter(state["learned"])
        self.begun = ALONE if state["moments"] else max(ALONE, self.step)

    def save(self) -> None:
        """Everything needed to go on, written whole or not at all, by the first process."""
        if RANK:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "moments": {
                name: optimizer.state[weight]
                for optimizer, weights in zip(self.optimizers, self._learning, strict=True)
                for name, weight in weights.items()
            },
            "step": self.step,
            "learned": dict(self.learned),
        }
        torch.save(state, self.folder / "state.part")
        (self.folder / "state.part").replace(self.folder / "state.pt")

    def see(
        self,
        pixels: Tensor,
        grid: tuple[int, int, int],
        patches: list[Tensor] | None = None,
        *,
        of: Ernie4_5_VLMoeForConditionalGeneration | None = None,
    ) -> Tensor:
        """What the eyes make of media of one grid (t, h, w), or those `of` another model."""
        with self._autocast():
            return see(of or self.model, pixels.to(self.device, self.precision), grid, patches=patches)

    def _autocast(self) -> torch.autocast:
        """Half precision where it helps."""
        return torch.autocast(self.device.type, self.precision, enabled=self.half)

    def look(self, batch: Batch) -> Looked:
        """The model's way through a batch: as far as the heads if nothing is said in it."""
        patches: list[Tensor] = []
        loads: list[Tensor] = []
        states: list[Tensor] = []
        looks: list[Tensor] = []
        with self._autocast():
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.eyes and not batch.timed):
                seen = batch.seen if batch.pixels is None else self.see(batch.pixels, batch.grid, patches)
            embeds = self.model.model.language_model.embed_tokens(batch.ids).to(self.precision)
            inner = batch.layout.medium
            # What clips and pages show is taught to the eyes by heads right behind them, and by nothing deeper.
            by_heads = isinstance(batch.asked, Filmed) or batch.asked.printed
            handed = seen.detach() if by_heads else seen
            embeds = torch.cat([embeds[:, : inner.start], handed.to(embeds.dtype), embeds[:, inner.stop :]], dim=1)
            layers = None if batch.layout.branches else LAYER + 1
            hidden = read(
                self.model,
                embeds,
                batch.positions,
                batch.layout,
                loads=loads,
                states=states,
                looks=looks,
                layers=layers,
                wanted=batch.targets != -100,
            )
        return Looked(seen, patches, states, hidden, loads, looks)

    def losses(self, batch: Batch) -> tuple[Losses, list[Tensor]]:
        """What is wrong about a batch, and each sparse layer's expert loads."""
        said = shown = pointed = torch.zeros((), device=self.device)
        medium = batch.layout.medium
        with torch.set_grad_enabled(not self.alone):
            looked = self.look(batch)
        with self._autocast():
            # The eyes learn nothing of clips about which only thoughts are said: without them these take less time.
            unasked = batch.timed and not self.alone
            seen = None if unasked or batch.seen is not None else looked.seen
            patches = looked.patches if isinstance(batch.asked, Asked) else ()
            states = looked.states[LAYER][:, medium]
            shown = self.heads[batch.asked.HEADS].losses(seen, states, batch.asked, *patches)
            if batch.layout.branches and not self.alone:
                learned, _ = padded_indices(batch.targets != -100)
                hidden = looked.hidden.flatten(0, 1)[learned]
                weights = self._weights(batch).flatten()[learned]
                said = loss(hidden, self.model.lm_head.weight, batch.targets.flatten()[learned], weights)
            if isinstance(batch.asked, Filmed) and not self.alone:
                pointed = self._missed(looked, batch)
            if isinstance(batch.asked, Asked) and batch.asked.printed and not self.alone:
                pointed = self._missed_left(looked, batch)
            if batch.spelled and not self.alone:
                pointed = pointed + spelling.missed(looked.looks, batch.spelled, medium, batch.repeated)
                words = pointing.words(looked.states[LAYER], batch.spelled, batch.layout)
                pointed = pointed + self.heads[Asked.HEADS].print.misplaced(words, batch.spelled.where)
            if batch.repeated and not self.alone:
                pointed = pointed + spelling.missed_again(looked.looks, batch.repeated, batch.layout.prefix)
            if batch.reckoned and not self.alone:
                pointed = pointed + reckoning.missed_reckoned(looked.looks, batch.reckoned, batch.layout.prefix)
        return Losses(said, shown, pointed), looked.loads

    def _weights(self, batch: Batch) -> Tensor:
        """How much each token that is said counts, (rows, tokens); none where nothing is."""
        weights = (batch.targets != -100).float()
        if batch.spelled:
            spelled, layout = batch.spelled, batch.layout
            said = weights[:, layout.prefix :].view(len(weights), layout.branches, -1)
            # A bar that would come next and is not there is no end of a line: that there is one counts but once, too.
            ends = (spelled.place == IGNORED) & (spelled.where.column > 0)
            said[spelled.row[ends], spelled.branch[ends], spelled.token[ends]] *= ENDS
        return weights

    def _missed(self, looked: Looked, batch: Batch) -> Tensor:
        """How far off a clip's tokens look, and those that speak of it."""
        medium, pairs = batch.layout.medium, -(-batch.grid[0] // FRAMES)
        missed = torch.zeros((), device=self.device)
        for layer in pointing.BEFORE_LAYERS:
            attention = self._attention_in(layer, looked, batch)
            missed = missed + pointing.missed_before(attention[..., medium, medium], pairs)
        if batch.pointed:
            missed = missed + pointing.missed(looked.looks, batch.pointed, medium.start)
            words = pointing.words(looked.states[pointing.FIND_LAYER], batch.pointed, batch.layout)
            missed = missed + self.heads[Filmed.HEADS].misnumbered(words, batch.pointed.number)
        return missed

    def _missed_left(self, looked: Looked, batch: Batch) -> Tensor:
        """How far off a page's tokens look for those to their left, on average over the layers."""
        width = batch.grid[2] // SIDES
        missed = [
            spelling.missed_left(self._attention_in(layer, looked, batch), layer, batch.layout.medium, width)
            for layer in spelling.LEFT
        ]
        return torch.stack(missed).mean()

    def _attention_in(self, layer: int, looked: Looked, batch: Batch) -> Tensor:
        """Logarithms of how much the tokens of the prefix attend to each other, (rows, heads, tokens, tokens)."""
        prefix = slice(batch.layout.prefix)
        return attention_in(self.model, layer, looked.states[layer - 1][:, prefix], batch.positions[..., prefix])

    def learn(self, job: str, batch: Batch, scale: float) -> tuple[float, ...]:
        """One step with a batch on the trainer's device; the learning rate is `scale` times the peak after the warm-up.

        Gives the losses, and the norms of the eyes' gradient and of the decoder's before each is clipped.
        """
        losses, loads = self.losses(batch)
        seen = SHOWN[batch.asked.HEADS][batch.layout.branches > 0] * losses.shown
        (losses.said + seen + POINTED * losses.pointed).backward()
        rate = self.peak * FASTER if self.alone else self.peak * scale * min(1.0, (self.step + 1 - self.begun) / WARMUP)
        loads, norms = self._move(loads, rate)
        if not self.alone:
            if self.step % CAP_EVERY == 0:
                self._cap()
            self._balance(loads, said=batch.layout.branches > 0)
            self.learned[job] += len(batch.ids) * WORLD
        self.step += 1
        return (*(value.item() for value in losses), *norms)

    def _move(self, loads: list[Tensor], rate: float) -> tuple[list[Tensor], list[float]]:
        """Moves all weights along their gradients; gives the loads of all processes and the norms before clipping."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loads = self._share(loads)
        norms = [_clip(part) for part in self._parts()]
        for weight, experts in self.experts.values():
            if weight.grad is not None:
                for expert, gradient in zip(experts, weight.grad, strict=True):
                    expert.grad = gradient
                weight.grad = None
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loads, norms

    def _parts(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The weights of the eyes and those of the decoder."""
        eyes = [*self.model.model.vision_tower.parameters(), *self.model.model.resampler_model.parameters()]
        return eyes, [*self.model.model.language_model.parameters()]

    @torch.no_grad()
    def _cap(self) -> None:
        """Shortens experts' largest singular values."""
        for name, (weight, _) in self.experts.items():
            first, last = CAPS[name.rpartition(".")[2]]
            most = max(last, first + (last - first) * self.step / CAPPED_BY)
            left, values, right = torch.linalg.svd(weight, full_matrices=False)
            if values.max() > most:
                weight.copy_(left * values.clamp(max=most)[:, None] @ right)

    def _share(self, loads: list[Tensor]) -> list[Tensor]:
        """Makes gradients and loads the means over all processes."""
        if WORLD == 1:
            return loads
        # What a batch does not need has no gradient, in any of the processes: they draw the same jobs.
        weights = (*self.model.parameters(), *self.heads.parameters())
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        # An expert nobody needed has a gradient all the same, since it is a slice of one tensor.
        flat = torch.cat([gradient.flatten() for gradient in gradients] + [load.flatten() for load in loads]) / WORLD
        dist.all_reduce(flat)
        parts = flat.split([t.numel() for t in (*gradients, *loads)])
        for gradient, mean in zip(gradients, parts, strict=False):
            gradient.copy_(mean.view_as(gradient))
        return [mean.view_as(load) for load, mean in zip(loads, parts[len(gradients) :], strict=True)]

    @torch.no_grad()
    def _balance(self, loads: list[Tensor], *, said: bool) -> None:
        """Moves the routers' bias; that of the text experts only if anything was `said`."""
        sparse = [layer.mlp for layer in self.model.model.language_model.layers if hasattr(layer.mlp, "text_moe")]
        for block, shares in zip(sparse, loads, strict=False):
            for moe, share in zip((block.text_moe, block.vision_moe), shares, strict=True):
                if moe is block.text_moe and not said:
                    continue
                moe.gate.moe_statics.e_score_correction_bias += BALANCE * torch.sign(share.mean() - share)

    def export(self, out: Path) -> None:
        """The weights in bfloat16 and the hub's layout, with config, tokenizer and preprocessor settings.

        Into the package, also what the next training begins with beside them (`HEADS`).
        """
        from export import write_checkpoint

        write_checkpoint(self.model, out)
        if out.resolve() == TOKENIZER.parent.resolve():
            heads = {name: head.to(torch.bfloat16) for name, head in self.heads.state_dict().items()}
            save_file(heads, HEADS, {"step": str(self.step), "learned": json.dumps(self.learned, sort_keys=True)})


def packaged() -> dict[str, Any]:
    """A training's state as far as it is known of the checkpoint in the package: without moments."""
    with safe_open(HEADS, "pt") as file:
        told = file.metadata()
    return {
        "model": load(find(NANO), "cpu").native.state_dict(),
        "heads": load_file(HEADS),
        "moments": {},
        "step": int(told["step"]),
        "learned": json.loads(told["learned"]),
    }


def _fits(saved: Tensor, own: Tensor | None) -> bool:
    return own is not None and saved.shape == own.shape


def _clip(weights: list[nn.Parameter]) -> float:
    """Shortens each gradient to `CLIP`; gives the norm of all of them before that."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norms = [gradient.norm() for gradient in gradients]
    for gradient, norm in zip(gradients, norms, strict=True):
        gradient.mul_(CLIP / norm.clamp(min=CLIP))
    return torch.stack(norms).norm().item() if norms else 0.0
