"""When the loop breaker fires on logged outputs.

    python scripts/measure_loops.py FILE.jsonl [--tokenizer tokenizer.model]

A line of the file holds `output`, which begins inside the thought, and perhaps `closed`. Without the tokenizer that
wrote the log, its tokens stand in: words, single digits and signs, or the pieces of the SentencePiece model named.
A loop is in view, by this table, once its text has been written twice from beginning to end.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ernie_cli.runtime.loops import Loop, LoopBreaker
from ernie_cli.runtime.output import CLOSE_THOUGHT
from ernie_cli.runtime.tokenizer import Literal, Tokenizer

WORDS = re.compile(r" ?[^\W\d_]+|\d| ?[^\w\s]|\s|_")
Split: TypeAlias = Callable[[str], "list[tuple[int, bytes]]"]


@dataclass(frozen=True)
class Result:
    """One part of one output; `fired` is the number of tokens read when the breaker spoke first."""

    output: int
    closed: bool
    part: str
    tokens: int
    seconds: float
    fired: int = 0
    loop: Loop | None = None

    def __str__(self) -> str:
        if self.loop is None:
            return f"{self.output:>6} {self.closed!s:6} {self.part:8} {self.tokens:6}  -"
        in_view = self.loop.start + 2 * self.loop.period
        return (
            f"{self.output:>6} {self.closed!s:6} {self.part:8} {self.tokens:6} {self.fired:6} {self.loop.kind:6}"
            f" {self.loop.period:6} {self.loop.start:6} {in_view:8} {self.fired - in_view:6}"
        )


def words(text: str) -> list[tuple[int, bytes]]:
    """Words, digits and signs, with ids of their own."""
    ids: dict[str, int] = {}
    return [(ids.setdefault(word, len(ids)), word.encode()) for word in WORDS.findall(text)]


def pieces(model_file: Path) -> Split:
    """A splitter that uses a SentencePiece model."""
    tokenizer = Tokenizer(model_file, ())
    return lambda text: [(id, tokenizer.bytes_of(id)) for id in tokenizer.encode([Literal(text)])]


def watch(output: int, closed: bool, part: str, tokens: list[tuple[int, bytes]]) -> Result:
    """Feeds one part to a fresh breaker until it fires."""
    breaker = LoopBreaker()
    begun = time.perf_counter()
    for count, (token, piece) in enumerate(tokens, 1):
        if loop := breaker.push(token, piece):
            return Result(output, closed, part, len(tokens), time.perf_counter() - begun, count, loop)
    return Result(output, closed, part, len(tokens), time.perf_counter() - begun)


def measure(file: Path, split: Split) -> list[Result]:
    """Results of all parts of all outputs of a file."""
    results = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        parts = row["output"].split(CLOSE_THOUGHT, 1)
        for part, text in zip(("thought", "answer"), parts, strict=False):
            results.append(watch(number, row.get("closed", len(parts) == 2), part, split(text.strip())))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a SentencePiece model; default: words, digits and signs")
    given = parser.parse_args()
    results = measure(given.file, pieces(given.tokenizer) if given.tokenizer else words)
    print("output closed part     tokens  fired kind   period  start  in view  after")
    for result in results:
        print(result)
    fired = [result for result in results if result.loop]
    outputs = {result.output for result in results}
    print(f"\n{len({result.output for result in fired})} of {len(outputs)} outputs stopped,", end=" ")
    print(f"{sum(result.closed for result in fired)} of those with a closed thought")
    read = sum(result.fired or result.tokens for result in results)
    print(f"{sum(result.seconds for result in results) / read * 1e6:.1f} microseconds a token")


if __name__ == "__main__":
    main()
