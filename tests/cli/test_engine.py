"""How large the pages of a document are drawn, and how much of a model's room they take."""

from __future__ import annotations

from ernie_cli.cli.engine import page_limits, room_of
from ernie_cli.cli.options import Common
from ernie_cli.engines.local import LocalEngine
from ernie_cli.runtime.checkpoint import NANO, find


def test_pages_that_are_read_are_drawn_for_print_and_others_as_pictures() -> None:
    engine = LocalEngine(find(NANO), "cpu")
    picture, _, printed = engine.checkpoint.budgets
    assert printed.least > picture.most
    assert page_limits(engine, Common()).page_pixels == printed.most
    assert page_limits(engine, Common(), printed=False).page_pixels == picture.most
    assert page_limits(engine, Common(max_pixels=1000)).page_pixels == 1000
    assert room_of(engine, Common()).of_picture(2100, 2970) * 784 > picture.most
