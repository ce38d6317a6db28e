"""`ernie doc` with a fake engine: Markdown, data, questions, folders, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest
from typer.testing import Result

from ernie_cli.cli.engine import Room
from ernie_cli.engines import Options
from ernie_cli.errors import ModelError
from ernie_cli.messages import Answer, Finish, Note, Picture, Text, Thinking
from ernie_cli.tasks.fields import parse_short
from ernie_cli.tasks.results import DocResult
from tests.media import paper

from .conftest import FINISH, FakeEngine

Ernie = Callable[..., Result]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(paper.printed("One", "Two", "Three"))
    return path


def answers(fake: FakeEngine, *texts: str) -> None:
    fake.queue = [[Thinking("Hm. "), Answer(text), FINISH] for text in texts]


def texts(fake: FakeEngine, turn: int = 0) -> list[str]:
    return [part.text for part in fake.asked[turn][0][-1].parts if isinstance(part, Text)]


# ------------------------------------------------------------------------------------------------ Markdown


def test_pages_come_with_their_marks(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, "# One", "```markdown\nTwo\n```")
    result = ernie("doc", f"{report}#1-2")
    assert (result.exit_code, result.stdout) == (0, "<!-- page 1 -->\n\n# One\n\n<!-- page 2 -->\n\nTwo\n\n")
    assert "[2/2]" in result.stderr


def test_a_picture_has_no_mark(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    answers(fake, "Text")
    assert ernie("doc", picture).stdout == "Text\n"
    assert texts(fake) == ["Write the text of this page as Markdown."]


def test_json_has_pages(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, "a", "This page is blank.", "c")
    printed = ernie("doc", report, "--json").stdout
    found = json.loads(printed)
    assert [(page["page"], page["markdown"]) for page in found["pages"]] == [(1, "a"), (2, ""), (3, "c")]
    assert found["usage"]["prompt_tokens"] == 30
    assert found["input"] == {"path": str(report), "pages": 3}
    DocResult.model_validate_json(printed)
    assert json.loads(ernie("schema", "doc").stdout) == DocResult.model_json_schema()


@pytest.mark.parametrize(("layer", "pictures", "used"), [("auto", 1, True), ("never", 1, False), ("only", 0, True)])
def test_the_text_layer(ernie: Ernie, fake: FakeEngine, report: Path, layer: str, pictures: int, used: bool) -> None:
    answers(fake, "a")
    found = json.loads(ernie("doc", f"{report}#2", "--text-layer", layer, "--json").stdout)
    assert found["pages"][0]["text_layer"] is used
    assert any("Two" in text for text in texts(fake)) is used
    shown = [part for part in fake.asked[0][0][-1].parts if isinstance(part, Picture)]
    assert len(shown) == pictures
    assert all(part.printed for part in shown)


def test_text_alone_where_there_is_none_fails(ernie: Ernie, fake: FakeEngine, picture: Path) -> None:
    result = ernie("doc", picture, "--text-layer", "only")
    assert (result.exit_code, fake.asked) == (3, [])
    assert "has no text layer" in result.stderr


def test_a_page_that_fails_is_marked_and_the_rest_goes_on(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    fake.queue = [[Answer("a"), FINISH], [FINISH], [Answer("c"), FINISH]]
    result = ernie("doc", report)
    assert result.exit_code == 8
    assert "<!-- page 1 -->\n\na" in result.stdout
    assert "<!-- page 2: The answer is empty. -->" in result.stdout
    assert "<!-- page 3 -->\n\nc" in result.stdout
    assert "report.pdf#2" in result.stderr


def test_print_that_is_too_small_as_it_is_shown_is_told_once(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, "One", "Two", "Three")
    result = ernie("doc", report, "--max-pixels", 5000)
    assert result.stderr.count("may be misread") == 1
    assert "report.pdf: a line of page 1 is 8 pixels high" in " ".join(result.stderr.split())
    for arguments in (["--max-pixels", 20_000], ["--max-pixels", 5000, "--text-layer", "only"]):
        answers(fake, "One", "Two", "Three")
        assert "misread" not in ernie("doc", report, *arguments).stderr


def test_a_page_that_is_cut_off_says_so(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    fake.queue = [[Answer("a"), Finish("length", "fake")], [Answer("b"), FINISH], [Finish("length", "fake")]]
    result = ernie("doc", report)
    assert result.exit_code == 6
    assert "<!-- page 1, cut off -->\n\na" in result.stdout
    assert "<!-- page 2 -->\n\nb" in result.stdout
    assert "<!-- page 3, cut off -->" in result.stdout


def test_a_password(ernie: Ernie, fake: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    path.write_bytes(paper.printed("Secret", password="sesame"))
    answers(fake, "a")
    assert ernie("doc", path).exit_code == 3
    assert ernie("doc", path, "--password", "wrong").exit_code == 3
    assert ernie("doc", path, "--password", "sesame").stdout == "<!-- page 1 -->\n\na\n\n"


def test_pages_of_several_documents_say_whose_they_are(
    ernie: Ernie, fake: FakeEngine, report: Path, picture: Path, tmp_path: Path
) -> None:
    other = tmp_path / "b--c.pdf"
    other.write_bytes(paper.printed("Four"))
    answers(fake, "a", "b", "c")
    printed = ernie("doc", f"{report}#1", other, picture).stdout
    first, second, third = (f"<!-- {name} -->\n\n" for name in (report, tmp_path / "b- -c.pdf", picture))
    assert printed == f"{first}<!-- page 1 -->\n\na\n\n{second}<!-- page 1 -->\n\nb\n\n{third}c\n\n"


def test_a_page_that_repeated_itself_is_told(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    fake.queue = [
        [Note("fake: bfloat16."), Answer("One"), FINISH],
        [Answer("i i i i"), Note("The answer repeated itself and was ended.", of_answer=True), Finish("loop", "fake")],
    ] * 2
    result = ernie("doc", f"{report}#1-2")
    assert result.exit_code == 0
    assert "report.pdf#2: The answer repeated itself and was ended." in result.stderr
    assert "report.pdf#1: " not in result.stderr
    first, second = json.loads(ernie("doc", f"{report}#1-2", "--json").stdout)["pages"]
    assert (first["problems"], second["problems"]) == ([], ["The answer repeated itself and was ended."])
    fake.queue = [[Answer(BILL), Note("The answer repeated itself and was ended.", of_answer=True), FINISH]]
    page = json.loads(ernie("doc", f"{report}#1", "--schema", FORM, "--per-page", "--json").stdout)["pages"][0]
    assert page["problems"] == [
        "The answer repeated itself and was ended.",
        "items add up to 32.50, but total is 33.",
    ]


@pytest.mark.parametrize("extra", [["--dry-run"], []])
def test_a_document_that_fails_beside_others_is_counted(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path, extra: list[str]
) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 and no more")
    answers(fake, "a")
    result = ernie("doc", f"{report}#1", broken, *extra)
    assert result.exit_code == 8
    assert "1 of 2 inputs failed." in result.stderr


# ------------------------------------------------------------------------------------------------ data

BILL = '{"total": 33, "items": [{"name": "pen", "price": 2.5}, {"name": "ink", "price": 30}]}'
FORM = "total number, items[name, price number]"


def test_data_of_the_document_with_what_does_not_add_up(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, BILL, BILL)
    result = ernie("doc", report, "--schema", FORM)
    assert json.loads(result.stdout) == json.loads(BILL)
    assert "items add up to 32.50, but total is 33." in result.stderr
    assert len(fake.asked) == 1
    found = json.loads(ernie("doc", report, "--schema", FORM, "--json").stdout)
    assert found["data"] == json.loads(BILL)
    assert found["problems"] == ["items add up to 32.50, but total is 33."]


def test_data_of_each_page_with_its_source(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, BILL, BILL)
    result = ernie("doc", f"{report}#2-3", "--schema", FORM, "--per-page", "--source")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["source"] for line in lines] == [{"page": 2}, {"page": 3}]
    assert lines[1]["items"][0] == {"name": "pen", "price": 2.5, "source": {"page": 3}}


def test_a_document_is_asked_for_its_sources(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, '{"total": 3, "source": {"page": 2}}')
    result = ernie("doc", report, "--schema", "total number", "--source")
    assert json.loads(result.stdout) == {"total": 3, "source": {"page": 2}}
    schema = fake.asked[0][1].schema
    assert schema is not None
    assert schema["properties"]["source"]["properties"]["page"]["maximum"] == 3


def test_of_one_page_the_source_is_known(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, BILL)
    found = json.loads(ernie("doc", f"{report}#3", "--schema", FORM, "--source").stdout)
    assert (found["source"], found["items"][0]["source"]) == ({"page": 3}, {"page": 3})


@pytest.mark.parametrize("extra", [[], ["--per-page"]])
def test_a_source_of_the_schemas_own_is_not_written_over(
    ernie: Ernie, fake: FakeEngine, report: Path, extra: list[str]
) -> None:
    result = ernie("doc", report, "--schema", "title, source", "--source", *extra)
    assert (result.exit_code, fake.asked) == (2, [])
    assert "has a field source of its own" in result.stderr


# ------------------------------------------------------------------------------------------------ questions


def test_a_question_sees_all_pages_at_once(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    answers(fake, "In May.")
    assert ernie("doc", report, "When does it end?").stdout == "In May.\n"
    assert sum(isinstance(part, Picture) for part in fake.asked[0][0][-1].parts) == 3
    assert [text for text in texts(fake) if text.startswith("Page")] == ["Page 1:\n", "Page 2:\n", "Page 3:\n"]


def test_pages_that_do_not_fit_are_read_in_parts(
    ernie: Ernie, fake: FakeEngine, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(4096, lambda width, height: 1200)
    monkeypatch.setattr("ernie_cli.cli.whole_document.room_of", lambda engine, common: room)
    answers(fake, "first part", "second part", "all of it")
    result = ernie("doc", report, "What is it?", "--json")
    found = json.loads(result.stdout)
    assert (found["answer"], found["notes"]) == ("all of it", ["The pages were read in 2 parts."])
    assert "Only 2 pages fit into one conversation" in result.stderr
    assert "Page 1 to 2:\nfirst part\n\nPage 3:\nsecond part" in texts(fake, 2)[0]


def test_answers_that_repeated_themselves_are_told(
    ernie: Ernie, fake: FakeEngine, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looped = [
        Answer("May May May"),
        Note("The answer repeated itself and was ended.", of_answer=True),
        Finish("loop", "fake"),
    ]
    fake.queue = [looped]
    assert "report.pdf: The answer repeated itself" in ernie("doc", report, "When does it end?").stderr
    room = Room(4096, lambda width, height: 1200)
    monkeypatch.setattr("ernie_cli.cli.whole_document.room_of", lambda engine, common: room)
    fake.queue = [looped, [Answer("In June."), FINISH], [Answer("In May."), FINISH]]
    found = json.loads(ernie("doc", report, "When does it end?", "--json").stdout)
    assert found["problems"] == ["About Page 1 to 2: The answer repeated itself and was ended."]


def test_a_part_that_was_cut_off_is_told(
    ernie: Ernie, fake: FakeEngine, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(4096, lambda width, height: 1200)
    monkeypatch.setattr("ernie_cli.cli.whole_document.room_of", lambda engine, common: room)
    fake.queue = [
        [Answer("first pa"), Finish("length", "fake")],
        [Answer("second"), FINISH],
        [Answer("all of it"), FINISH],
    ]
    result = ernie("doc", report, "What is it?")
    assert (result.exit_code, result.stdout) == (6, "all of it\n")
    assert "the answer about Page 1 to 2 was cut off" in result.stderr


def test_an_answer_of_nothing_about_a_single_document_ends_as_such(
    ernie: Ernie, fake: FakeEngine, report: Path
) -> None:
    answers(fake, "")
    assert ernie("doc", report, "What is it?").exit_code == 5


def test_pages_that_cannot_be_sent_are_told_and_the_others_asked_about(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    report.write_bytes(paper.printed("One", "", "Three"))
    answers(fake, "In May.")
    result = ernie("doc", report, "When?", "--text-layer", "only", "--json")
    assert result.exit_code == 8
    assert "1 of 3 inputs failed." in result.stderr
    errors = [page["error"] for page in json.loads(result.stdout)["pages"]]
    assert [error is None for error in errors] == [True, False, True]


def test_a_document_without_a_page_to_send_is_not_asked_about(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    report.write_bytes(paper.printed("", ""))
    result = ernie("doc", report, "When?", "--text-layer", "only")
    assert (result.exit_code, result.stdout, fake.asked) == (8, "", [])
    assert "2 of 2 inputs failed." in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--per-page"], ["--source"], ["--resume"], ["why so?", "--schema", "a", "--per-page"], ["why so?", "-o", "."]],
)
def test_what_does_not_go_together(ernie: Ernie, fake: FakeEngine, report: Path, arguments: Sequence[str]) -> None:
    result = ernie("doc", report, *arguments)
    assert (result.exit_code, fake.asked) == (2, [])
    assert "Error: " in result.stderr


# ------------------------------------------------------------------------------------------------ folders


def test_a_folder_gets_a_file_a_page_and_one_for_all(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    answers(fake, "a", "b", "c")
    result = ernie("doc", report, "-o", f"{tmp_path}/out/")
    assert (result.exit_code, result.stdout) == (0, "")
    made = tmp_path / "out" / "report"
    names = ["document.md", "ernie-doc.json", "page-0001.md", "page-0002.md", "page-0003.md"]
    assert sorted(path.name for path in made.iterdir()) == names
    assert (made / "page-0002.md").read_text() == "<!-- page 2 -->\n\nb\n"
    assert (made / "document.md").read_text().count("<!-- page") == 3


def test_resuming_tries_again_only_what_is_missing(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    fake.queue = [[Answer("a"), FINISH], [FINISH], [Answer("c"), FINISH], [Answer("b"), FINISH]]
    arguments = ("doc", report, "-o", f"{tmp_path}/out/", "--resume")
    assert ernie(*arguments).exit_code == 8
    first = tmp_path / "out" / "report" / "page-0001.md"
    before = first.stat().st_ino, first.stat().st_mtime_ns
    assert ernie(*arguments).exit_code == 0
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == before
    assert len(fake.asked) == 4
    whole = (tmp_path / "out" / "report" / "document.md").read_text()
    assert whole == "<!-- page 1 -->\n\na\n\n<!-- page 2 -->\n\nb\n\n<!-- page 3 -->\n\nc\n"


def test_pages_that_were_cut_off_are_read_again_with_more_tokens(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    cut = Finish("length", "fake")
    fake.queue = [[Answer("a"), FINISH], [Answer("b"), cut], [Answer("c"), FINISH], [Answer("bb"), FINISH]]
    arguments = ("doc", report, "-o", f"{tmp_path}/out/", "--resume", "--max-tokens")
    for tokens in ("50", "50", "40"):  # no more of it is to be had
        assert ernie(*arguments, tokens).exit_code == 6
        assert len(fake.asked) == 3
    assert ernie(*arguments, "60").exit_code == 0
    assert len(fake.asked) == 4
    assert "<!-- page 2 -->\n\nbb" in (tmp_path / "out" / "report" / "document.md").read_text()


def test_a_page_for_which_memory_ran_out_is_not_done(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    full = ModelError("Memory ran out.")
    fake.queue = [[Answer("a"), FINISH], [full], [Answer("c"), FINISH], [Answer("b"), FINISH]]
    arguments = ("doc", report, "-o", f"{tmp_path}/out/", "--resume")
    assert ernie(*arguments).exit_code == 8
    assert not (tmp_path / "out" / "report" / "page-0002.md").exists()
    assert ernie(*arguments).exit_code == 0
    assert len(fake.asked) == 4


def test_notes_of_a_person_among_the_pages_are_left_alone(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    answers(fake, *"abc")
    arguments = ("doc", report, "-o", f"{tmp_path}/out/", "--resume")
    ernie(*arguments)
    (tmp_path / "out" / "report" / "page-notes.md").write_text("<!-- page 1, cut off -->")
    assert ernie(*arguments, "--max-tokens", "4000").exit_code == 0


def test_a_document_through_a_pipe_is_read_once(ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path) -> None:
    answers(fake, *"abc")
    pipe = tmp_path / "pipe.pdf"
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_bytes(report.read_bytes()))
    writing.start()
    assert ernie("doc", pipe, "-o", f"{tmp_path}/out/").exit_code == 0
    writing.join()
    assert len(list((tmp_path / "out" / "pipe").glob("page-*.md"))) == 3


def test_pages_cut_off_at_the_default_are_read_again_too(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    cut = Finish("length", "fake")
    fake.queue = [[Answer("a"), FINISH], [Answer("b"), FINISH], [Answer("c"), cut], [Answer("cc"), FINISH]]
    arguments = ("doc", report, "-o", f"{tmp_path}/out/", "--resume")
    assert [ernie(*arguments).exit_code for _ in range(2)] == [6, 6]
    assert len(fake.asked) == 3
    assert ernie(*arguments, "--max-tokens", str(fake.max_tokens(Options()) + 1)).exit_code == 0
    assert len(fake.asked) == 4


def test_a_folder_is_of_one_document_and_one_way_to_read_it(
    ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path
) -> None:
    answers(fake, *"abc")
    out = f"{tmp_path}/out/"
    ernie("doc", report, "-o", out)
    again = ernie("doc", report, "-o", out)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    other = ernie("doc", report, "-o", out, "--resume", "--text-layer", "never")
    assert other.exit_code == 2
    assert "another text_layer" in other.stderr
    assert "another max_pixels" in ernie("doc", report, "-o", out, "--resume", "--max-pixels", "7840").stderr
    report.write_bytes(paper.printed("Four", "Five"))
    assert "another document" in ernie("doc", report, "-o", out, "--resume").stderr


def test_the_short_form_and_its_json_schema_ask_the_same(ernie: Ernie, fake: FakeEngine, report: Path) -> None:
    form = "no, state(open|paid), to{city, days date}, items[name, price number, tags[]]"
    answer = '{"no": null, "state": "open", "to": {"city": "x", "days": null}, "items": []}'
    answers(fake, answer, answer)
    ernie("doc", report, "--schema", form)
    ernie("doc", report, "--schema", json.dumps(parse_short(form)))
    (first, first_options), (second, second_options) = fake.asked
    assert first_options == second_options
    assert [part for part in first[0].parts if isinstance(part, Text)] == [
        part for part in second[0].parts if isinstance(part, Text)
    ]


NESTED = [
    "state(open|paid|late), items[name, kind(a|b)]",
    "to{city, tags[]}, rows[cells[value number, unit(mm|cm)]]",
    "due date, paid boolean, groups[name, members[name, role(one|two|three), years[] integer]]",
]


@pytest.mark.parametrize("form", NESTED)
def test_nested_schemas_come_back_valid_from_nano(ernie: Ernie, report: Path, form: str) -> None:
    arguments = ("--schema", form, "--temperature", "1.5", "--max-tokens", "400", "--text-layer", "never", "-q")
    for seed in ("1", "2"):
        result = ernie("doc", f"{report}#1", *arguments, "--seed", seed)
        assert result.exit_code == 0  # not cut off, which no mask can help
        jsonschema.validate(json.loads(result.stdout), parse_short(form))


def test_json_pages_of_a_folder(ernie: Ernie, fake: FakeEngine, report: Path, tmp_path: Path) -> None:
    answers(fake, BILL, BILL, BILL)
    ernie("doc", report, "-o", f"{tmp_path}/out/", "--schema", FORM, "--per-page")
    made = tmp_path / "out" / "report"
    assert json.loads((made / "page-0003.json").read_text())["data"] == json.loads(BILL)
    assert len(DocResult.model_validate_json((made / "document.json").read_text()).pages) == 3


SLOW = """
import time
from ernie_cli.cli import app, engine
from ernie_cli.messages import Answer, Finish, Text

class Slow:
    model, can_mask = "slow", True
    def max_tokens(self, options):
        return 1024
    def stream(self, messages, options):
        layer = messages[0].parts[1].text.split()[-1]
        with open(LOG, "a") as log:
            log.write(layer + "\\n")
        time.sleep(0.02)
        yield Answer("page " + layer)
        yield Finish("stop", "slow")

engine.pick_engine = lambda common, output: Slow()
app.main()
"""


def test_killed_anywhere_and_resumed_no_page_is_lost_or_made_twice(tmp_path: Path) -> None:
    count = 40
    report, log, out = tmp_path / "long.pdf", tmp_path / "log", tmp_path / "out"
    report.write_bytes(paper.printed(*(f"number {at}" for at in range(1, count + 1)), size=(150, 100)))
    code = SLOW.replace("LOG", repr(str(log)))
    command = [sys.executable, "-c", code, "doc", str(report), "-o", str(out), "--resume"]
    pages = out / "long"
    for kills, wanted in enumerate((1, 7, 8, 23, 39)):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while running.poll() is None and len(list(pages.glob("page-*.md"))) < wanted:
            time.sleep(0.002 * (kills + 1))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        for page in pages.glob("page-*.md"):  # whole, or not there
            assert page.read_text() == f"<!-- page {int(page.stem[5:])} -->\n\npage {int(page.stem[5:])}\n"
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    made = (pages / "document.md").read_text()
    assert made == "\n\n".join(f"<!-- page {at} -->\n\npage {at}" for at in range(1, count + 1)) + "\n"
    asked = [int(line) for line in log.read_text().split()]
    assert set(asked) == set(range(1, count + 1))
    # Only the page that was before the model when the signal came may be asked about again.
    assert len(asked) <= count + 5
    assert not list(pages.glob(".page-*"))
