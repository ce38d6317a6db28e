"""The task *ask*: a question, about some pictures or none, answered in the model's own words."""

from __future__ import annotations

from collections.abc import Sequence

from ernie_cli.messages import Message, Part, Text, user


def messages(media: Sequence[Part], question: str) -> list[Message]:
    """The conversation to send: the media in order, then the question as it was typed."""
    return [user(*media, Text(question))]
