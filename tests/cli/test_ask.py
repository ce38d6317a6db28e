"""`ernie ask` with a fake engine: what goes to which stream, and what a script gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Finish, Note, Picture, Text, Thinking, ToolCall
from tests.media import paper

from .conftest import FINISH, FakeEngine

Ernie = Callable[..., Result]


def test_the_answer_and_one_newline_on_stdout(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    result = ernie("ask", picture, "What color?")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "red\n", "")


def test_the_question_is_sent_behind_the_pictures(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    ernie("ask", picture, picture, "What changed?", "--seed", "7", "--no-think", "--max-pixels", "50000")
    ((messages, options),) = fake.asked
    first, second, question = messages[0].parts
    assert isinstance(first, Picture)
    assert isinstance(second, Picture)
    assert question == Text("What changed?")
    assert (options.seed, options.thinking, options.max_pixels, options.temperature) == (7, False, 50000, None)


def test_json_is_one_line_on_a_pipe(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    result = ernie("ask", picture, "What color?", "--json")
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == {
        "version": 1,
        "command": "ask",
        "model": "fake",
        "finish": "stop",
        "usage": {"prompt_tokens": 10, "image_tokens": 4, "reasoning_tokens": 2, "answer_tokens": 1},
        "timing": {"load_s": 0.0, "first_token_s": 0.1, "total_s": 0.5},
        "inputs": [{"path": str(picture), "width": 168, "height": 140}],
        "question": "What color?",
        "answer": "red",
        "thinking": "It is round. And red.",
        "data": None,
    }


def test_json_fits_its_published_schema(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    from ernie_cli.tasks.results import AskResult

    printed = ernie("ask", picture, "What color?", "-f", "json").stdout
    AskResult.model_validate_json(printed)
    assert json.loads(ernie("schema", "ask").stdout) == AskResult.model_json_schema()


def test_the_thought_goes_to_stderr_on_request(ernie: Ernie, fake: FakeEngine) -> None:
    result = ernie("ask", "What color?", "--show-thinking", "always")
    assert result.stdout == "red\n"
    assert result.stderr == "Thinking\nIt is round. And red.\n\n"


def test_the_thought_can_go_to_a_file(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    ernie("ask", "What color?", "--thinking-file", tmp_path / "thought.txt")
    assert (tmp_path / "thought.txt").read_text() == "It is round. And red.\n"


def test_the_answer_can_go_to_a_file(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    result = ernie("ask", "What color?", "-o", tmp_path / "answer.txt")
    assert (tmp_path / "answer.txt").read_text() == "red\n"
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["answer.txt"]


@pytest.mark.parametrize("option", ["--output", "--thinking-file"])
def test_a_file_that_cannot_be_written_is_told_before_any_work(
    ernie: Ernie, fake: FakeEngine, tmp_path: Path, option: str
) -> None:
    result = ernie("ask", "What color?", option, tmp_path / "no" / "answer.txt")
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr
    assert fake.asked == []


def test_an_empty_answer_exits_5(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Thinking("Hm."), ToolCall("zoom", {}), FINISH]]
    result = ernie("ask", "What is it?")
    assert result.exit_code == 5
    assert "asked for the tool zoom" in result.stderr


def test_a_cut_off_answer_is_printed_and_exits_6(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Thinking("Hm."), Answer("It is"), Finish("length", "fake")]]
    result = ernie("ask", "What is it?")
    assert (result.exit_code, result.stdout) == (6, "It is\n")
    assert "Cut off in the answer" in result.stderr


def test_cut_off_in_the_thought_is_said_so(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Thinking("Hm."), Finish("length", "fake")]]
    result = ernie("ask", "What is it?", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["answer"] == ""
    assert "before any answer" in result.stderr


def test_an_interruption_keeps_what_was_printed(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Answer("It is"), KeyboardInterrupt()]]
    result = ernie("ask", "What is it?")
    assert (result.exit_code, result.stdout) == (130, "It is\n")


def test_notes_and_details_go_to_stderr(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[Note("Something was left out."), Answer("x"), FINISH]] * 2
    assert "Something was left out." in ernie("ask", "q", "-v").stderr
    assert ernie("ask", "q", "-q").stderr == ""


def test_an_error_is_a_sentence_and_a_hint(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[ModelError("The weights are gone.", "Fetch them again.")]]
    result = ernie("ask", "q")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "Error: The weights are gone.\n  Fetch them again.\n"


def test_the_unexpected_is_told_without_a_traceback(ernie: Ernie, fake: FakeEngine) -> None:
    fake.queue = [[ZeroDivisionError("oh")]]
    result = ernie("ask", "q")
    assert result.exit_code == 1
    assert "ZeroDivisionError: oh" in result.stderr
    assert "Traceback" not in result.stderr
    assert "ERNIE_DEBUG=1" in result.stderr


def test_a_long_question_in_any_script_is_no_file_name(ernie: Ernie, fake: FakeEngine) -> None:
    assert ernie("ask", "图片里有什么" * 40).stdout == "red\n"


@pytest.mark.parametrize(
    "arguments",
    [["-"], [""], ["  "], ["https://example.org/a.png"], ["-", "-"], ["q", "--seed", "-1"]],
)
def test_a_missing_question_is_a_usage_error(ernie: Ernie, fake: FakeEngine, arguments: list[str]) -> None:
    result = ernie("ask", *arguments)
    assert result.exit_code == 2
    assert "rror" in result.stderr


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_without_a_question_is_a_usage_error(
    ernie: Ernie, fake: FakeEngine, picture: Path, count: int
) -> None:
    result = ernie("ask", *[picture] * count)
    assert result.exit_code == 2
    assert "no question" in result.stderr


@pytest.mark.parametrize("mistyped", ["b.pgn", "*.jpg", "./b", "PICTURE#3-5"])
def test_a_mistyped_input_is_no_question(ernie: Ernie, fake: FakeEngine, picture: Path, mistyped: str) -> None:
    result = ernie("ask", picture, mistyped.replace("PICTURE", str(picture)))
    assert (result.exit_code, fake.asked) == (2, [])
    assert "no question" in result.stderr


@pytest.mark.parametrize("question", ["Why?", "Is cat.png a cat", "What is on a.png and b.png?", "1.5 or 2?"])
def test_words_about_files_are_a_question(ernie: Ernie, fake: FakeEngine, picture: Path, question: str) -> None:
    assert ernie("ask", picture, question).stdout == "red\n"


def test_a_question_in_no_encoding_is_a_usage_error(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    result = ernie("ask", picture, "What is \udcff?")
    assert result.exit_code == 2
    assert "'What is \\udcff?' is not UTF-8 text" in result.stderr


def test_standard_input_is_told_by_its_bytes(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    assert ernie("ask", "-", "What color?", stdin=picture.read_bytes()).stdout == "red\n"
    assert isinstance(fake.asked[0][0][0].parts[0], Picture)


def test_a_password(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    path.write_bytes(paper.printed("Secret", password="sesame"))
    refused = ernie("ask", path, "What?")
    assert (refused.exit_code, fake.asked) == (3, [])
    assert "--password" in refused.stderr
    assert ernie("ask", path, "What?", "--password", "sesame").stdout == "red\n"


def test_pages_of_a_document_are_print(ernie: Ernie, fake: FakeEngine, tmp_path: Path, picture: Path) -> None:
    path = tmp_path / "page.pdf"
    path.write_bytes(paper.printed("Open"))
    ernie("ask", path, picture, "What?")
    parts = fake.asked[0][0][0].parts
    assert [part.printed for part in parts if isinstance(part, Picture)] == [True, False]
