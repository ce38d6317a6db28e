"""Which of the arguments is a question, and which a name that may be mistyped."""

from __future__ import annotations

from pathlib import Path

import pytest

from ernie_cli.cli.asking import split_question


@pytest.mark.parametrize(
    "name",
    ["sales.pgn", "my sepc.pdf", "scan of 3 May.pdf#3-5", "scans/*", "*.png", "clip.mp4#t=3", "https://a.b/c", "~/a"],
)
def test_what_is_written_like_a_name_is_no_question(name: str) -> None:
    assert split_question(["a.png", name]) == (["a.png", name], None)


def test_a_word_in_a_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pages").mkdir()
    monkeypatch.chdir(tmp_path)
    assert split_question(["a.png", "pages/page1"])[1] is None
    assert split_question(["a.png", "cat/dog"])[1] == "cat/dog"


@pytest.mark.parametrize(
    "question",
    [
        "What?",
        "red car",
        "What is in a.pdf?",
        "Is it 3.5",
        "1.5",
        "total 12.50",
        "km/h?",
        "\u7248\u672c1.2\u662f\u4ec0\u4e48",
    ],
)
def test_what_is_not_is_one(question: str) -> None:
    assert split_question(["a.png", question]) == (["a.png"], question)
