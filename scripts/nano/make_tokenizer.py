"""Trains nano's SentencePiece model on the drawn world's own words: `python scripts/nano/make_tokenizer.py OUT`.

Digits are single tokens and control strings single pieces, as in the tokenizer of the 28B. The corpus is drawn from a
seed, so the same model comes out each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import sentencepiece
from data import words
from data.ask import easy_sample, scene_sample

from ernie_cli.runtime.prompt import CONTROL, DEFAULT_SYSTEM

VOCABULARY = 2048


def corpus(random: Random) -> Iterator[str]:
    """Lines in the proportions in which nano meets them: prompts, thoughts, answers, JSON, prose and tables."""
    for _ in range(1500):
        sample = scene_sample(random, 56, 56, 6, 2) if random.random() < 0.8 else easy_sample(random, 2)
        for question in sample.questions:
            yield f"{DEFAULT_SYSTEM}\nUser:  Picture {random.randint(1, 9)}:"
            yield f"{question.text}\nAssistant: \n"
            yield f"\n{question.thought}\n"
            yield f"\n\n{question.answer}"
    for _ in range(4000):
        yield from structured(random)
        yield " ".join(random.choices(words.PROSE, k=12)).capitalize() + "."


def structured(random: Random) -> Iterator[str]:
    def number() -> int:
        return random.randint(0, 1000)

    things = f"{random.choice(words.GOODS)} {random.choice(words.PROSE)}"
    yield json.dumps([{"bbox_2d": [number() for _ in range(4)], "label": things} for _ in range(random.randint(1, 3))])
    clock = f"00:00:{random.randint(0, 59):02d}.{random.choice((0, 50)):02d}"
    yield json.dumps([{"start": clock, "end": clock, "label": things}])
    titles = (
        f"{random.choice(words.MEASURES)} by {random.choice(['month', 'city', 'year', 'day', 'quarter', 'product'])}"
    )
    labels = random.sample(random.choice([words.CITIES, words.MONTHS, words.DAYS, words.GOODS]), 3)
    rows = [[label, round(random.uniform(0, 100), random.choice([0, 1]))] for label in labels]
    chart = random.choice(["bar", "line", "pie"])
    yield json.dumps({"charts": [{"type": chart, "title": titles, "columns": ["label", "value"], "rows": rows}]})
    yield f"{random.choice(words.FIRST_NAMES)} {random.choice(words.LAST_NAMES)}, {random.choice(words.CITIES)}"
    yield f"| {random.choice(words.FIELDS)} | {number()} |\n|---|---|"
    yield f"# {random.choice(words.FIELDS)} {number()}\n\n- {things}\n"
    yield f"**{random.choice(words.FIELDS)}**: {random.choice(words.MONTHS)} {number()}"


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(Random(0)),
        model_prefix=str(out / "tokenizer"),
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        character_coverage=1.0,
        split_digits=True,
        split_by_unicode_script=False,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[symbol for symbol in CONTROL if symbol not in ("<s>", "</s>")] + ["\n"],
        pad_id=-1,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        num_threads=1,
        minloglevel=2,
    )
    (out / "tokenizer.vocab").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
