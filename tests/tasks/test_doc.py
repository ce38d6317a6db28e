"""Documents: the wording, and pages without their fences."""

from __future__ import annotations

import pytest

from ernie_cli.errors import AnswerError
from ernie_cli.tasks import doc
from ernie_cli.tasks.fields import parse_short


def test_wording() -> None:
    assert doc.request() == "Write the text of this page as Markdown."
    form = "invoice_no, total number, items[name, price number]"
    assert doc.request(parse_short(form)) == f"Read these fields: {form}. Answer with JSON only."


@pytest.mark.parametrize(
    ("answer", "markdown", "complete"),
    [
        ("# Title\n\nText", "# Title\n\nText", True),
        ("```markdown\n# Title\n```", "# Title", True),
        ("```\n# Title\n```", "# Title", True),
        ("Here is the page:\n\n```md\n# Title\n```\n\nAnything else?", "# Title", True),
        ("```markdown\n# Title\n\n```python\nx = 1\n```\n\nEnd\n```", "# Title\n\n```python\nx = 1\n```\n\nEnd", True),
        ("```markdown\n# Title\nmore", "# Title\nmore", False),
        ("```python\nx = 1\n```", "```python\nx = 1\n```", True),
        ("```\nx = 1\n```\n\nThen text.", "```\nx = 1\n```\n\nThen text.", True),
        ("<response>\nText\n</response>", "Text", True),
    ],
)
def test_pages(answer: str, markdown: str, complete: bool) -> None:
    reading = doc.read(answer)
    assert [page.markdown for page in reading.items] == [markdown]
    assert reading.complete is complete


@pytest.mark.parametrize("answer", ["This page is blank.", "(blank page)", "```markdown\n```", "Empty"])
def test_blank_pages(answer: str) -> None:
    assert doc.read(answer).nothing


@pytest.mark.parametrize("answer", ["", " \n", "```markdown"])
def test_no_page_at_all(answer: str) -> None:
    with pytest.raises(AnswerError):
        doc.read(answer)
