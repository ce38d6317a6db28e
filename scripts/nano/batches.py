"""Samples as tensors: one medium a row, its questions packed behind it, each seeing the medium but not the others.

That packing is exact (positions and mask are those of each question asked alone) and saves encoding the picture again
for every question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import groupby
from typing import NamedTuple, TypeVar, cast

import numpy as np
import torch
from data import Address, Question, Sample
from data.reading import recalled
from moments import Filmed, Seen, film, shown_by
from network import Layout
from places import Asked, ask
from pointing import Pointed, joined, point
from reckoning import Reckoned, reckon
from spelling import Repeated, Spelled, repeat, spell
from torch import Tensor

from ernie_cli.messages import Picture, Video, user
from ernie_cli.runtime.generate import BRIDGE
from ernie_cli.runtime.positions import positions
from ernie_cli.runtime.prompt import END_OF_TURN, END_THINK, IMAGE_PATCH, Slot, render
from ernie_cli.runtime.tokenizer import Literal, Markup, Tokenizer
from ernie_cli.runtime.vision import Patches, PixelBudgets, patchify

ROUND_LENGTH = 32
# Of thoughts that are all that is said: what is learned of them, by the question's mode.
WANTED = {
    "judged": re.compile(r"\b(yes|no)\b"),
    "reckoned": re.compile(r"(?<=, )[\d.]+(?= more)|-?\d+ of \d+, -?\d+%, (?:[\d.]+ [+-] [\d.]+ = )?[\d.]*\d"),
    "timed": re.compile(".+", re.DOTALL),
}


@dataclass(frozen=True)
class Batch:
    """`ids`, `targets` (-100: not learned) are (rows, tokens), `positions` (3, rows, tokens).

    `asked` is what every token of the medium shows, where that is known, and `pointed`, of clips, where times that are
    said can be read, or `spelled`, of pages, where letters can, `repeated` what has been said before, and `reckoned`
    what follows from what has been. `timed`: only thoughts are to be said. `seen` (rows, tokens of the medium, hidden)
    is what the eyes made of the media, if they have been asked before; then there are no `pixels`.
    """

    pixels: Tensor | None
    grid: tuple[int, int, int]
    ids: Tensor
    targets: Tensor
    positions: Tensor
    layout: Layout
    asked: Asked | Filmed
    pointed: Pointed | None = None
    spelled: Spelled | None = None
    repeated: Repeated | None = None
    reckoned: Reckoned | None = None
    timed: bool = False
    seen: Tensor | None = None


T = TypeVar("T")


def moved(what: T, device: torch.device) -> T:
    """A batch, or a part of one, with all of its tensors on a device."""
    if isinstance(what, Tensor):
        return cast(T, what.to(device, non_blocking=True))
    if is_dataclass(what) and not isinstance(what, type):
        parts = {field.name: moved(getattr(what, field.name), device) for field in fields(what)}
        return replace(what, **parts)  # type: ignore[return-value]
    return what


def prefix(sample: Sample, tokenizer: Tokenizer, patches: Patches | Seen) -> tuple[list[int], np.ndarray, int, slice]:
    """Ids and positions up to and with the medium's end token, the next position, and the slice of vision tokens."""
    assert sample.medium is not None
    pieces = render([user(sample.medium)])
    slot = next(index for index, piece in enumerate(pieces) if isinstance(piece, Slot))
    before = tokenizer.encode([p for p in pieces[:slot] if not isinstance(p, Slot)])
    end = pieces[slot + 1]
    assert isinstance(end, Markup)
    ids = [*before, *[tokenizer.id(IMAGE_PATCH)] * patches.tokens, tokenizer.id(end.text)]
    where, following = positions([len(before), patches.merged_grid, 1])
    # The start and end tokens go to the vision experts as well.
    return ids, where, following, slice(len(before) - 1, len(ids))


def answer(
    question: Question, tokenizer: Tokenizer, before: Sequence[Markup | Literal] = ()
) -> tuple[list[int], list[Address | None]]:
    """Ids of an answer with what is said `before` and its end, and which character of a page is read in each.

    Only what is read is said letter by letter.
    """
    if not question.read:
        ids = tokenizer.encode([*before, Literal(question.answer), Markup(END_OF_TURN)])
        return ids, [None] * len(ids)
    ids = tokenizer.encode(before)
    said, read = spelled_out(question.answer, question.read, tokenizer)
    return [*ids, *said, tokenizer.id(END_OF_TURN)], [*[None] * len(ids), *read, question.read[-1]]


def cited(question: Question, tokenizer: Tokenizer) -> tuple[list[int], list[Address | None]]:
    """Ids of a thought, and the line that is spoken of in each."""
    its = question.cited or [None] * len(question.thought)
    groups = groupby(zip(question.thought, its, strict=True), lambda one: one[1])
    return _addressed((("".join(letter for letter, _ in group), address) for address, group in groups), tokenizer)


def spelled_out(
    text: str, read: Sequence[Address | None], tokenizer: Tokenizer
) -> tuple[list[int], list[Address | None]]:
    """Ids of a text of which some characters are read, and what is read in each: only these are said one by one."""
    parts: list[tuple[str, Address | None]] = []
    for is_read, group in groupby(zip(text, read, strict=False), lambda one: one[1] is not None):
        said = list(group)
        parts += said if is_read else [("".join(letter for letter, _ in said), None)]
    return _addressed(parts, tokenizer)


def _addressed(
    parts: Iterable[tuple[str, Address | None]], tokenizer: Tokenizer
) -> tuple[list[int], list[Address | None]]:
    """Ids of a text in parts, each encoded by itself, and the address of its part for each of them."""
    ids, addresses = list[int](), list[Address | None]()
    for part, address in parts:
        tokens = tokenizer.encode([Literal(part)])
        ids += tokens
        addresses += [address] * len(tokens)
    return ids, addresses


class Branch(NamedTuple):
    """Ids of a question, its thought and its answer; which of them are learned, what of a page is read in each, and
    which of them says what has been said by another one."""

    ids: list[int]
    learned: list[bool]
    read: list[Address | None]
    again: dict[int, int]


def branch(question: Question, tokenizer: Tokenizer) -> Branch:
    """A question as it is asked and answered."""
    asked: list[Markup | Literal] = [Literal(question.text), Markup("\nAssistant: \n<think>\n")]
    closed = Markup(f"\n{END_THINK}\n\n")
    if question.mode == "closed":
        asked.append(closed)
    elif question.mode == "cut":
        words = question.thought.split(" ")
        kept = " ".join(words[: len(question.text) % (len(words) + 1)])  # anywhere, but the same each time
        asked += [Literal(kept), Markup(BRIDGE if kept else ""), closed]
    prompt = tokenizer.encode(asked)
    if wanted := WANTED.get(question.mode):
        thought, cites = cited(question, tokenizer)
        learned = [False] * len(prompt) + _within(wanted, _pieces(thought, tokenizer))
        again = _recalled(question, prompt, thought, [], tokenizer)
        return Branch(prompt + thought, learned, [None] * len(prompt) + cites, again)
    is_open = question.mode == "open"
    thought, cites = cited(question, tokenizer) if is_open else ([], [])
    answered, reads = answer(question, tokenizer, [closed] if is_open else [])
    said, read = thought + answered, cites + reads
    again = _again(question, thought, answered, tokenizer) if is_open and question.again else {}
    again = {len(prompt) + token: len(prompt) + source for token, source in again.items()}
    again |= _recalled(question, prompt, thought, answered, tokenizer) if is_open else {}
    slips = _slips(question, thought, tokenizer)
    learned = [False] * len(prompt) + [token not in slips for token in range(len(said))]
    return Branch(prompt + said, learned, [None] * len(prompt) + read, again)


def _slips(question: Question, thought: list[int], tokenizer: Tokenizer) -> set[int]:
    """Which tokens of a thought are wrong, and not to be learned."""
    if not (thought and question.slips):
        return set()
    _, owners = joined(_pieces(thought, tokenizer))
    return {owner for begin, end in question.slips for owner in owners[begin:end]}


def _again(question: Question, thought: list[int], answered: list[int], tokenizer: Tokenizer) -> dict[int, int]:
    """Which tokens of an answer say what one of its thought has said: both by their places behind the question."""
    assert question.again
    *begun, _ = answered  # it ends with the end of the turn
    (_, owners), (_, sources) = joined(_pieces(begun, tokenizer)), joined(_pieces(thought, tokenizer))
    first = len(owners) - len(question.answer)
    places = ((place, source) for place, source in enumerate(question.again[:-1]) if source is not None)
    return {len(thought) + owners[first + place]: sources[source] for place, source in places}


def _recalled(
    question: Question, prompt: list[int], thought: list[int], answered: list[int], tokenizer: Tokenizer
) -> dict[int, int]:
    """Which tokens about a page follow from what an earlier one has said, by their places in the branch."""
    text, thinks, answer = question.text, question.thought, question.answer if answered else ""
    found = recalled(text, thinks, answer)
    if not found:
        return {}
    *begun, _ = answered or [0]  # it ends with the end of the turn
    _, owners = joined(_pieces([*prompt, *thought, *begun], tokenizer))
    before = sum(map(len, _pieces(prompt, tokenizer)))
    # What is said between question and thought, and between thought and answer, is of neither.
    of = [*owners[: len(text)], *owners[before : before + len(thinks)], *owners[len(owners) - len(answer) :]]
    # A word is not to learn to look for what it is not to say.
    slips = {len(text) + place for slip in question.slips for place in range(*slip)}
    return {of[place]: of[source] for place, source in found.items() if place not in slips}


def _within(wanted: re.Pattern[str], pieces: Sequence[str]) -> list[bool]:
    """Which of the pieces of a text have a part in something that is wanted."""
    text, owners = joined(pieces)
    having = {owner for match in wanted.finditer(text) for owner in owners[slice(*match.span())]}
    return [index in having for index in range(len(pieces))]


def _pieces(ids: Sequence[int], tokenizer: Tokenizer) -> list[str]:
    """What each token says by itself."""
    return [tokenizer.decode([token]) for token in ids]


def given(question: Question, tokenizer: Tokenizer, said: list[int]) -> list[int]:
    """The ids that a question's `said` ones are foretold from: with letters that were misread, if there are any."""
    if not question.misread:
        return said
    ids = branch(replace(question, answer=question.misread), tokenizer).ids
    return ids if len(ids) == len(said) else said


def collate(samples: list[Sample], tokenizer: Tokenizer, budgets: PixelBudgets) -> Batch:
    """A batch of samples with equally many questions, whose media come out at one size."""
    before: list[Seen] = [sample.seen for sample in samples if sample.seen]
    media = before or [patchify(_medium(sample), budgets) for sample in samples]
    shared, where, start, vision = prefix(samples[0], tokenizer, media[0])
    asked = [[branch(question, tokenizer) for question in sample.questions] for sample in samples]
    rows, branches, cut = len(samples), len(asked[0]), len(shared)
    # Few different lengths: the CPU's bfloat16 kernels are made anew for each shape they meet.
    length = -(-max((len(one.ids) for row in asked for one in row), default=0) // ROUND_LENGTH) * ROUND_LENGTH
    ids = torch.zeros(rows, branches, length, dtype=torch.long)
    targets = torch.full((rows, branches, length), -100)
    valid = torch.zeros(rows, branches, length, dtype=torch.bool)
    for row, questions in enumerate(asked):
        for index, (said, learned, *_) in enumerate(questions):
            ids[row, index, : len(said)] = torch.tensor(given(samples[row].questions[index], tokenizer, said))
            valid[row, index, : len(said)] = True
            # The token at place i is asked to foretell the one at i + 1.
            following = torch.where(torch.tensor(learned), torch.tensor(said), -100)
            targets[row, index, : len(said) - 1] = following[1:]
    shown = shown_by(before) if before else _shown(samples, media[0].merged_grid)
    pointed = spelled = repeated = reckoned = None
    if branches > 1:
        pieces = [[_pieces(said, tokenizer) for said, *_ in row] for row in asked]
        if isinstance(shown, Filmed):
            pointed = point(samples, pieces, shown)
        else:
            reckoned = reckon(pieces)
            if shown.printed:
                spelled = spell([[one.read for one in row] for row in asked], shown.printed)
        if pointed or spelled:
            repeated = repeat([[one.again for one in row] for row in asked])
    places, _ = positions([length], start)
    everywhere = torch.from_numpy(np.concatenate([where, *[places] * branches], axis=1))
    layout = Layout(cut, branches, vision, torch.cat([torch.ones(rows, cut, dtype=torch.bool), valid.flatten(1)], 1))
    return Batch(
        None if before else torch.from_numpy(np.stack([p.pixels for p in media if isinstance(p, Patches)])),
        media[0].grid,
        torch.cat([torch.tensor(shared).expand(rows, -1), ids.flatten(1)], 1),
        torch.cat([torch.full((rows, cut), -100), targets.flatten(1)], 1),
        everywhere[:, None].expand(-1, rows, -1),
        layout,
        shown,
        pointed,
        spelled,
        repeated,
        reckoned,
        any(question.mode == "timed" for question in samples[0].questions),
        torch.stack([seen.states for seen in before]) if before else None,
    )


def _shown(samples: list[Sample], grid: tuple[int, int, int]) -> Asked | Filmed:
    films = [sample.clip for sample in samples if sample.clip]
    return film(films, grid) if films else ask(samples, *grid[1:])


def _medium(sample: Sample) -> Picture | Video:
    assert isinstance(sample.medium, Picture | Video)
    return sample.medium
