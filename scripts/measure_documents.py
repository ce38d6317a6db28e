"""How well ernie-nano reads charts and forms through the commands: `python scripts/measure_documents.py`.

Charts and pages are drawn from held-out seeds, written as PNG, and read by `ernie chart` and `ernie doc` in this
process, with everything a user's run goes through but the start of the interpreter. `csv_parses` is the share of the
charts that were read whose CSV comes back with the columns and rows it was written from; what gave no table is counted
by itself. `fields_too_many` are those of rows that a page does not have, all of them wrong. What is scored is
`scripts/nano/data/scores.py`'s, for the answers as the commands understood them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "nano"))

from data import HELD_OUT
from data.chart import ask_chart
from data.doc import doc_sample
from data.plots import draw_chart
from data.scores import leaves, score_chart, score_doc
from typer.testing import CliRunner

import ernie_cli.cli.engine as engines
from ernie_cli.cli.app import build_app
from ernie_cli.cli.chart_run import Placed, to_csv
from ernie_cli.engines.local import LocalEngine
from ernie_cli.runtime.checkpoint import NANO, find
from ernie_cli.tasks.chart import Chart


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and stdout of one command."""
    done = CliRunner().invoke(build_app(), [*arguments, "--quiet"])
    return done.exit_code, done.stdout


def csv_parses(charts: list[Chart], file: str) -> bool:
    """Whether the CSV of the command's own writer comes back with as many columns and rows as went in."""
    placed = [Placed(file, at, chart) for at, chart in enumerate(charts, 1)]
    rows = list(csv.reader(io.StringIO(to_csv(placed, several=len(placed) > 1))))
    return len({len(row) for row in rows}) == 1 and len(rows) == 1 + sum(len(chart.rows) for chart in charts)


def charts(count: int, folder: Path) -> dict[str, Any]:
    """Cells and rows right, and how the commands ended, on `count` charts."""
    sums, codes = Counter[str](), Counter[int]()
    for seed in range(HELD_OUT, HELD_OUT + count):
        random = Random(seed)
        chart = draw_chart(random, random.randint(5, 8) * 28, random.randint(5, 8) * 28)
        expected = ask_chart(random, chart, 1)[0].answer
        path = folder / f"chart-{seed}.png"
        chart.image.save(path)
        code, printed = run("chart", str(path), "--json")
        codes[code] += 1
        found = json.loads(printed)["charts"] if printed else []
        if found:
            sums["tables"] += 1
            sums["parsed"] += csv_parses([Chart(**{**one, "axes": None}) for one in found], str(path))
        given = [{**one, "title": one["title"] or None} for one in found]
        sums.update(score_chart(expected, json.dumps(given), chart.span))
    return {
        "charts": count,
        "without_a_table": count - sums["tables"],
        "csv_parses": round(sums["parsed"] / sums["tables"], 4) if sums["tables"] else None,
        "cells_right": round(sums["cells_right"] / sums["cells"], 4),
        "rows_right": round(sums["rows_right"] / sums["rows"], 4),
        "titles_right": round(sums["title"] / count, 4),
        "types_right": round(sums["type"] / count, 4),
        "readable": round(sums["readable"] / count, 4),
        "exit_codes": dict(codes),
    }


def forms(count: int, folder: Path) -> dict[str, Any]:
    """Characters wrong in transcriptions, and fields right by schemas, on `count` printed pages."""
    pages, fields, codes = Counter[str](), Counter[str](), Counter[int]()
    for seed in range(HELD_OUT, HELD_OUT + count):
        random = Random(seed)
        sample = doc_sample(random, random.randint(6, 9) * 28, random.randint(5, 8) * 28, 8, 4)
        path = folder / f"page-{seed}.png"
        sample.medium.image.save(path)  # type: ignore[union-attr]
        code, printed = run("doc", str(path), "--json")
        codes[code] += 1
        said = json.loads(printed)["pages"][0]["markdown"] if printed else ""
        pages.update(score_doc(sample.questions[0].answer, said or ""))
        asked = [one for one in sample.questions[1:] if one.text.startswith("Read these fields: ")][:1]
        for question in asked:
            form = question.text.removeprefix("Read these fields: ").removesuffix(". Answer with JSON only.")
            code, printed = run("doc", str(path), "--schema", form, "--json")
            codes[code] += 1
            data = json.loads(printed)["data"] if printed else None
            score = score_doc(question.answer, json.dumps(data))
            fields.update(score)
            fields["asked"] += 1
            too_many = score["fields"] - len(leaves(json.loads(question.answer)))
            fields["too many"] += too_many
            fields["too many, most"] = max(too_many, fields["too many, most"])
    return {
        "pages": count,
        "character_error_rate": round(pages["edits"] / pages["characters"], 4),
        "pages_exactly_right": round(pages["right"] / pages["fields"], 4),
        "schemas": fields["asked"],
        "fields": int(fields["fields"]),
        "fields_right": round(fields["right"] / max(1, fields["fields"]), 4),
        "fields_too_many": int(fields["too many"]),
        "most_of_these_in_one_answer": int(fields["too many, most"]),
        "data_that_fits": fields["readable"] / max(1, fields["asked"]),
        "exit_codes": dict(codes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=NANO, help="another checkpoint's folder")
    parser.add_argument("--limit", type=int, default=300, help="charts, and pages")
    options = parser.parse_args()
    engine = LocalEngine(find(options.model), "cpu")  # loaded once, for all commands
    engines.pick_engine = lambda common, output: engine
    with tempfile.TemporaryDirectory() as folder:
        figures = {"chart": charts(options.limit, Path(folder)), "doc": forms(options.limit, Path(folder))}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
