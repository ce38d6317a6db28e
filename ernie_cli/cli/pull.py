"""`ernie pull`: fetches a checkpoint from the Hugging Face hub into its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ernie_cli.cli.options import Format, FormatOption, JsonOption, QuietOption, VerboseOption
from ernie_cli.cli.output import Output, Style
from ernie_cli.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from ernie_cli.runtime.hub import Plan


def pull(
    repo: Annotated[
        str | None, typer.Argument(metavar="REPO", help="A model on the hub: owner/name.", show_default=False)
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="A branch, a tag or a commit; main if none is given.", show_default=False, metavar="REV"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before fetching.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files, * for those to fetch.")] = False,
    format: FormatOption = Format.text,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch a checkpoint, as far as it is not here yet; its folder comes on stdout.

    Without REPO: baidu/ERNIE-4.5-VL-28B-A3B-Thinking, 59 GB. Only weights,
    configuration and tokenizer are fetched, never code. When interrupted, the
    same command goes on. HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE mean
    what they mean to huggingface_hub.

    [bold]ernie pull --dry-run[/bold]

    [bold]ernie pull baidu/ERNIE-4.5-VL-28B-A3B-Thinking --revision main --yes[/bold]
    """
    from ernie_cli.runtime import hub
    from ernie_cli.runtime.checkpoint import FULL
    from ernie_cli.runtime.snapshots import DEFAULT_REVISION, size_text

    output = Output(Style(verbose=verbose, quiet=quiet))
    output.detail(hub.surroundings())
    name, _, stated = (repo or FULL).partition("@")
    plan = hub.plan(name, revision or stated or DEFAULT_REVISION)
    _say(plan, output)
    hub.check_space(plan)
    as_json = json or format is Format.json
    if not dry_run:
        _fetch(plan, yes, output)
    elif not as_json:
        rows = [("" if file.here else "*", file.name, size_text(file.size)) for file in plan.files]
        output.table(("", "", ""), rows)
        return
    if as_json:
        from ernie_cli.tasks.results import PullResult

        path, files = str(plan.folder), len(plan.files)
        output.result(PullResult(repo=plan.repo, revision=plan.commit, path=path, files=files, bytes=plan.size))
    else:
        output.text(str(plan.folder))


def _say(plan: Plan, output: Output) -> None:
    from ernie_cli.runtime.snapshots import size_text

    output.note(f"{plan.repo}, revision {plan.revision}")
    if plan.revision != plan.commit:
        output.note(f"Commit {plan.commit}")
    if plan.offline:
        output.note("Offline: whether the hub has a newer commit was not asked.")
    here = len(plan.files) - len(plan.missing)
    output.note(
        f"{len(plan.files)} files, {size_text(plan.size)}; "
        + (f"{here} here, {size_text(plan.size - plan.need)}; " if here and plan.missing else "")
        + (
            f"{size_text(plan.need)} to fetch, {size_text(plan.free)} free."
            if plan.missing
            else "all of them are here."
        )
    )


def _fetch(plan: Plan, yes: bool, output: Output) -> None:
    from ernie_cli.runtime import hub
    from ernie_cli.runtime.snapshots import size_text

    if plan.missing and not yes and output.agrees(f"Fetch {size_text(plan.need)}?", otherwise=True) is False:
        output.note("Nothing was fetched.")
        raise typer.Exit(EXIT_INTERRUPTED)
    try:
        with output.progress(len(plan.missing), plan.need) as bar:
            hub.fetch(plan, bar)
    except KeyboardInterrupt:
        output.note("Interrupted. Run the same command again: it goes on where it stopped.")
        raise
    if plan.missing:
        output.note(f"Fetched. Use it with: --model {plan.repo}")
