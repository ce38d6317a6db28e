"""Many inputs: what fails is told and counted; a single one fails as itself."""

from __future__ import annotations

import pytest
import typer

from ernie_cli.cli.output import Output
from ernie_cli.cli.tally import Tally
from ernie_cli.errors import AnswerError, InputError, ModelError


def code_of(tally: Tally, *, fail_empty: bool = False) -> int:
    try:
        tally.end(fail_empty=fail_empty)
    except typer.Exit as end:
        return end.exit_code
    return 0


def test_one_of_many_fails_in_a_line_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(Output(), 3)
    for name in ("a.png", "b.png", "c.png"):
        with tally.one(name):
            if name == "b.png":
                raise AnswerError("Nothing can be read.", "Ask again.")
            tally.found += 1
    assert (tally.found, tally.failed, code_of(tally)) == (2, 1, 8)
    assert "Error: b.png: Nothing can be read.\n  Ask again." in capsys.readouterr().err


def test_a_name_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    with Tally(Output(), 2).one("b.png"):
        raise InputError("b.png is empty.")
    assert capsys.readouterr().err == "Error: b.png is empty.\n"


def test_a_single_input_fails_as_itself() -> None:
    with pytest.raises(InputError), Tally(Output(), 1).one("b.png"):
        raise InputError("b.png is empty.")


def test_codes_in_order_of_weight() -> None:
    tally = Tally(Output(), 2)
    assert (code_of(tally), code_of(tally, fail_empty=True)) == (0, 7)
    tally.cut_off("The answer was cut off.")
    assert code_of(tally, fail_empty=True) == 6
    tally.failed += 1
    assert code_of(tally) == 8


def test_what_is_wrong_with_the_model_or_the_command_line_before_anything_is_done_ends_it() -> None:
    tally = Tally(Output(), 3)
    with pytest.raises(ModelError), tally.one("a.png"):
        raise ModelError("There is no GPU.")
    with tally.one("a.png"):
        tally.found += 1
    with tally.one("b.png"):
        raise ModelError("Memory ran out.")
    assert (tally.failed, code_of(tally)) == (1, 8)


def test_a_single_document_of_several_pages_fails_as_itself_and_a_page_of_it_in_a_line() -> None:
    tally = Tally(Output(), 1)
    tally.has(3)
    with tally.one("a.pdf#2", part=True):
        raise InputError("a.pdf#2 is damaged.")
    with pytest.raises(AnswerError), tally.one("a.pdf"):
        raise AnswerError("The model gave no answer.")
