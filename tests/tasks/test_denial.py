"""Answers that say there is nothing, and those that only sound so."""

from __future__ import annotations

import pytest

from ernie_cli.tasks.denial import says_nothing


@pytest.mark.parametrize(
    "answer",
    [
        "none",
        "**None.**",
        "N/A",
        "No objects found.",
        "Not visible",
        "```\nnone\n```",
        "There's nothing like that here.",
        "I don't see any dog.",
        "The car isn't present.",
        "It never happens.",
        "No dog in this picture.",
        "\u65e0\u3002",
    ],
)
def test_denials(answer: str) -> None:
    assert says_nothing(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "There is no doubt.",
        "No idea what this is.",
        "I cannot see any image.",
        "There is no dog, but a cat.",
        "There is no way to tell.",
        "I can't find enough detail.",
        "A dog.",
        "There is no dog. " + "Look again. " * 60,
    ],
)
def test_not_denials(answer: str) -> None:
    assert not says_nothing(answer)
