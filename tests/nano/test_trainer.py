"""What a training does to weights: experts are matrices of their own, and none grows beyond its bound."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from batches import collate, moved
from curriculum import BUDGETS, MIX, Curriculum
from data.chart import chart_sample
from data.doc import doc_sample
from torch.linalg import matrix_norm
from trainer import ALONE, CAPPED_BY, CAPS, CLIP, ENDS, Trainer, _clip

from ernie_cli.runtime.prompt import END_OF_TURN, END_THINK


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path, 1e-3)


def _learn(trainer: Trainer, job: str, rows: int = 4) -> None:
    _, samples, budgets = Curriculum(0, [job]).draw({})
    trainer.learn(job, collate(samples[:rows], trainer.tokenizer, budgets), 1.0)


def test_at_first_only_the_heads_learn(trainer: Trainer) -> None:
    trainer.step = 0
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    head = trainer.heads["picture"].late.weight.clone()
    _learn(trainer, "ground")
    assert all(torch.equal(weight, before[name]) for name, weight in trainer.model.named_parameters())
    assert not torch.equal(trainer.heads["picture"].late.weight, head)


def test_a_training_goes_on_where_it_was_also_with_other_heads(trainer: Trainer) -> None:
    trainer.step = ALONE + 1
    _learn(trainer, "ground")
    trainer.save()
    again = Trainer(trainer.folder, 1e-3)
    assert (again.step, again.learned) == (trainer.step, trainer.learned)
    for one, other in zip(_kept(trainer), _kept(again), strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    state = torch.load(trainer.folder / "state.pt")
    moments = state["moments"]["heads.picture.late.weight"]
    for of_weights, name in ((state["heads"], "picture.late.weight"), (moments, "exp_avg"), (moments, "exp_avg_sq")):
        of_weights[name] = of_weights[name][:7]
    torch.save(state, trainer.folder / "state.pt")
    anew = Trainer(trainer.folder, 1e-3)
    assert torch.equal(anew.heads["picture"].early.weight, trainer.heads["picture"].early.weight)
    assert not anew.heads["picture"].late.weight.any()
    assert sum(map(bool, _kept(anew))) == sum(map(bool, _kept(trainer))) - 1


def test_what_taught_the_package_is_kept_beside_it(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.HEADS", tmp_path / "heads.safetensors")
    monkeypatch.setattr("trainer.TOKENIZER", tmp_path / "nano" / "tokenizer.model")
    trainer.heads["picture"].late.bias.data.fill_(2)
    trainer.step, trainer.learned["ground"] = ALONE + 1, 7
    trainer.export(tmp_path / "elsewhere")
    assert not (tmp_path / "heads.safetensors").exists()
    trainer.export(tmp_path / "nano")
    again = Trainer(tmp_path / "runs", 1e-3)
    assert (again.step, again.learned) == (trainer.step, trainer.learned)
    assert again.heads["picture"].late.bias.unique().tolist() == [2]
    # No weight's moments are known: the rate begins low.
    weights = [weight for weight in again.model.parameters() if weight.requires_grad]
    before = [weight.clone() for weight in weights]
    _learn(again, "ground")
    assert 0 < max((weight - old).abs().max() for weight, old in zip(weights, before, strict=True)) < 1e-3 / 20


def _kept(trainer: Trainer) -> list[dict[str, torch.Tensor]]:
    """What the optimizers know of each weight."""
    return [
        optimizer.state[weight]
        for optimizer in trainer.optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    ]


def test_then_every_expert_moves_as_a_matrix(trainer: Trainer) -> None:
    trainer.step = ALONE + 1
    name, (weight, experts) = next(iter(trainer.experts.items()))
    before = weight.detach().clone()
    assert name.endswith("gate_up_proj")
    _learn(trainer, "ground", rows=12)  # so that every expert has tokens enough
    # The optimizer holds each by itself, in the memory of the tensor they are parts of.
    assert all(torch.equal(expert, weight[number]) for number, expert in enumerate(experts))
    moved = weight.detach() - before
    assert moved.abs().amax((1, 2)).min() > 0
    # Muon goes all ways alike in which there is anything to learn.
    values = torch.linalg.svdvals(moved)
    assert (values[:, 0] < 2 * values[:, 4]).all()


def test_experts_are_held_below_their_bounds(trainer: Trainer) -> None:
    trainer.step = 2 * CAPPED_BY
    trainer._cap()
    for name, (weight, _) in trainer.experts.items():
        last = CAPS[name.rpartition(".")[2]][1]
        assert matrix_norm(weight, 2).max() <= last * 1.001
    largest = max(matrix_norm(weight, 2).max().item() for weight, _ in trainer.experts.values())
    assert largest > 5.9  # and no lower than that


def test_a_gradient_is_shortened_by_itself_and_takes_nothing_from_others() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(3)]
    weights[0].grad, weights[1].grad = torch.full((2, 2), 15.0), torch.full((2, 2), CLIP / 4)
    assert _clip(weights) == pytest.approx(30.0)
    assert weights[0].grad.norm().item() == pytest.approx(CLIP)
    assert (weights[1].grad == CLIP / 4).all()
    assert weights[2].grad is None
    assert _clip(weights[2:]) == 0


@pytest.mark.parametrize("job", ["moments", "times", "video"])
def test_clips_are_learned_from(trainer: Trainer, job: str) -> None:
    trainer.step = ALONE + 1
    _, samples, budgets = Curriculum(0, [job]).draw({})
    batch = collate(samples[:3], trainer.tokenizer, budgets)
    losses, _ = trainer.losses(batch)
    said, shown, pointed = (loss.item() for loss in losses)
    assert (said > 0) == (job != "moments")
    assert shown > 0
    assert pointed > 0
    eyes, decoder = trainer._parts()
    sum(losses).backward()
    # The eyes learn from what the heads right behind them are asked, and not from times that are said.
    assert any(weight.grad is not None for weight in eyes) == (job != "times")
    assert any(weight.grad is not None for weight in decoder)


def test_what_follows_a_line_counts_more(trainer: Trainer) -> None:
    sample = doc_sample(Random(1), 224, 224, 4, 2)
    batch = collate([sample] * 2, trainer.tokenizer, BUDGETS)
    weights = trainer._weights(batch)
    assert ((weights > 0) == (batch.targets != -100)).all()
    # The ends of lines and cells of what is told, and of what is found.
    said = [trainer.tokenizer.decode([token]) for token in batch.targets[weights == ENDS].tolist()]
    assert set(said) <= {"\n", " ", "|", '"', "}", ",", END_OF_TURN}
    assert said.count(END_OF_TURN) >= 2
    assert len(said) >= 2 * len(sample.questions[0].answer.splitlines())
    assert weights[weights > 0].unique().tolist() == [1.0, ENDS]


def test_that_no_bar_comes_next_counts_no_more_than_that_one_does(trainer: Trainer) -> None:
    sample = chart_sample(Random(4), 224, 224, 2)
    batch = collate([sample], trainer.tokenizer, BUDGETS)
    weights, said = trainer._weights(batch)[0], batch.targets[0]
    thought = (said != -100) & (torch.arange(len(said)) < said.tolist().index(trainer.tokenizer.id(END_THINK)))
    told = "".join(trainer.tokenizer.decode([token]) for token in said[thought].tolist())
    assert told.strip() == sample.questions[0].thought
    assert told.count(";") > 0
    assert weights[thought].unique().tolist() == [1.0]


@pytest.mark.parametrize("job", sorted({*MIX} - {"easy-vqa"}))  # which asks nothing that `ask` does not
def test_all_that_is_computed_is_on_the_device_of_the_batch(
    trainer: Trainer, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What were made without saying where would lie on no device at all here, and on a GPU in the wrong place."""
    trainer.step = ALONE + 1
    monkeypatch.setattr("curriculum.POOL", 1)  # charts take long to draw
    _, samples, budgets = Curriculum(0, [job]).draw({})
    batch = moved(collate(samples[:2], trainer.tokenizer, budgets), trainer.device)
    with torch.device("meta"):
        losses = trainer.learn(job, batch, 1.0)
    assert sum(losses[:3]) > 0
