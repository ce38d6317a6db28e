"""Answers that are valid JSON by construction: a JSON Schema as a mask over the next token.

llguidance walks the grammar; this module adds how an answer is brought to its end in good order when time runs out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from ernie_cli.errors import UsageError
from ernie_cli.runtime.tokenizer import Literal, Tokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

# One way to write each value: nothing to gain from free white space but room for endless blanks.
LAYOUT: JsonCompileOptions = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
# Tried in this order when an answer has to be brought to its end. Inside a string only a quote ends anything, so that
# comes first, and alone: with more behind it, it could as well open a string. A comma leads on to what is required yet.
CLOSERS = ('"', "}]}", "}]", "]}", "}", "]", ", ", ",", "null", "false", "0")


class _Vocabulary:
    """What llguidance wants to know of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = stops[0]
        self.bos_token_id = None
        self.special_token_ids = sorted({*tokenizer.control.values(), *stops})
        special = set(self.special_token_ids)
        self.tokens = [b"" if id in special else tokenizer.bytes_of(id) for id in range(len(tokenizer))]
        for id in special:
            self.tokens[id] = f"<|special-{id}|>".encode()

    def __call__(self, text: bytes) -> list[int]:
        return self._tokenizer.encode([Literal(text.decode(errors="replace"))])


def compile_vocabulary(tokenizer: Tokenizer, stops: Iterable[int]) -> LLTokenizer:
    """The tokenizer as llguidance reads it; worth keeping, since a large vocabulary takes a second."""
    ordered = sorted(stops)
    return LLTokenizer(TokenizerWrapper(_Vocabulary(tokenizer, ordered)), eos_token=ordered)


class JsonConstraint:
    """The state of one answer that has to fit a schema."""

    def __init__(self, vocabulary: LLTokenizer, tokenizer: Tokenizer, schema: dict[str, Any]) -> None:
        """Raises UsageError for a schema that cannot be made into a grammar."""
        try:
            grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=LAYOUT)
        except ValueError as broken:
            raise UsageError(f"The schema cannot be used: {broken}", "Give a JSON Schema object.") from broken
        self._matcher = LLMatcher(vocabulary, grammar, log_level=0)
        if self._matcher.is_error():
            reason = self._matcher.get_error().splitlines()[0]
            raise UsageError(f"The schema cannot be used: {reason}", "Simplify it, or check it against JSON Schema.")
        self._stops = list(vocabulary.eos_tokens)
        self._closers = _single_tokens(tokenizer, CLOSERS)
        self._size = len(tokenizer)

    @property
    def finished(self) -> bool:
        """Whether the answer is whole and nothing more may come."""
        return bool(self._matcher.is_stopped())

    def allowed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens may come next, (vocabulary,)."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._size].astype(bool)

    def closing(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Like `allowed`, but only what brings the answer nearer to its end, where there is such a token."""
        allowed = self.allowed()
        for token in (*self._stops, *self._closers):
            if token < self._size and allowed[token]:
                only = np.zeros_like(allowed)
                only[token] = True
                return only
        return allowed

    def push(self, token: int) -> None:
        """Takes the token that was chosen."""
        self._matcher.consume_token(token)


def _single_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    wanted = {text.encode(): rank for rank, text in enumerate(texts)}
    found = [(wanted[data], id) for id in range(len(tokenizer)) if (data := tokenizer.bytes_of(id)) in wanted]
    return [id for _, id in sorted(found)]
