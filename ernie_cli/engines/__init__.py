"""Who answers: one protocol, several engines.

An engine takes messages and options and yields typed events, the last of which is `Finish`. It prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ernie_cli.messages import Event, Message


@dataclass(frozen=True)
class Options:
    """How to answer. None leaves the choice to the checkpoint's own generation defaults.

    With a JSON `schema`, an engine that `can_mask` gives an answer that fits it; one that cannot does its best.
    """

    thinking: bool = True
    think_budget: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_pixels: int | None = None
    schema: dict[str, Any] | None = None


class Engine(Protocol):
    """Something that answers."""

    @property
    def model(self) -> str:
        """The name of the model that answers."""

    @property
    def can_mask(self) -> bool:
        """Whether a schema is kept by construction."""

    def describe(self, messages: Sequence[Message], options: Options) -> str:
        """What would be sent, as text. Nothing is asked."""

    def max_tokens(self, options: Options) -> int:
        """How many tokens thought and answer together may have, whether or not the options say so."""

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Event]:
        """The events of one answer. Raises ErnieError."""
