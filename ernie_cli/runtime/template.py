"""A checkpoint's own chat template (jinja), rendered to the same pieces as the built-in prompt.

A template sees placeholders where a user's or a file's text goes, and the text is put back after rendering, as
`Literal`: whatever it spells, it never becomes a control token, and never a piece of the template's own grammar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ernie_cli.errors import ModelError
from ernie_cli.messages import Message, Picture, Text, ToolCall, Video
from ernie_cli.runtime.prompt import IMAGE_END, IMAGE_START, VIDEO_END, VIDEO_START, Piece, Slot, call_json
from ernie_cli.runtime.tokenizer import Literal, Markup

# Private-use characters: no tokenizer has them, no template writes them.
OPEN, CLOSE = "\ue000", "\ue001"
PLACEHOLDER = re.compile(f"{OPEN}([0-9]+){CLOSE}")
MEDIUM = re.compile(
    f"(?<={re.escape(IMAGE_START)})(?:(?!{re.escape(IMAGE_END)}).)*(?={re.escape(IMAGE_END)})"
    f"|(?<={re.escape(VIDEO_START)})(?:(?!{re.escape(VIDEO_END)}).)*(?={re.escape(VIDEO_END)})",
    re.DOTALL,
)


def render_template(
    template: str, messages: Sequence[Message], *, tools: Sequence[dict[str, Any]] = (), thinking: bool = True
) -> list[Piece]:
    """The whole prompt as the template writes it. Raises ModelError if the template fails or loses a medium."""
    texts: list[str] = []
    media = [part for message in messages for part in message.parts if isinstance(part, Picture | Video)]
    turns = [_turn(message, texts) for message in messages]
    rendered = _render(template, turns, tools, thinking)
    places = MEDIUM.findall(rendered)
    if len(places) != len(media):
        raise ModelError(
            f"The checkpoint's chat template writes {len(places)} of {len(media)} pictures and videos.",
            "The template does not know how this model takes them; fetch the checkpoint again.",
        )
    pieces: list[Piece] = []
    position = 0
    for match, part in zip(MEDIUM.finditer(rendered), media, strict=True):
        pieces += [*_filled(rendered[position : match.start()], texts), Slot(part)]
        position = match.end()
    return [*pieces, *_filled(rendered[position:], texts)]


def _turn(message: Message, texts: list[str]) -> dict[str, Any]:
    """A message as templates expect it: content as a string, or as a list if there are media in it."""

    def held(text: str) -> str:
        texts.append(text)
        return f"{OPEN}{len(texts) - 1}{CLOSE}"

    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": held(part.text)})
        elif isinstance(part, ToolCall):
            text = f"<tool_call>\n{held(call_json(part))}\n</tool_call>\n"
            content.append({"type": "text", "text": text})
        else:
            content.append({"type": "image" if isinstance(part, Picture) else "video"})
    if all(item["type"] == "text" for item in content):
        return {"role": message.role, "content": "".join(item["text"] for item in content)}
    return {"role": message.role, "content": content}


def _render(template: str, turns: list[dict[str, Any]], tools: Sequence[dict[str, Any]], thinking: bool) -> str:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def fail(message: str) -> None:
        raise TemplateError(message)

    # A template comes with the checkpoint, so it is run as strictly as jinja can; the settings are transformers'.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, **more: json.dumps(value, ensure_ascii=False, **more)
    environment.globals["raise_exception"] = fail
    try:
        return environment.from_string(template).render(
            messages=turns,
            tools=list(tools) or None,
            add_generation_prompt=True,
            enable_thinking=thinking,
            options={"thinking_mode": "open" if thinking else "close"},
        )
    except (TemplateError, TypeError, ValueError) as broken:
        raise ModelError(
            f"The checkpoint's chat template failed: {broken}.", "Fetch tokenizer_config.json again."
        ) from broken


def _filled(rendered: str, texts: Sequence[str]) -> list[Piece]:
    """A stretch of rendered text, with the texts put back in their places."""
    pieces: list[Piece] = []
    for index, text in enumerate(PLACEHOLDER.split(rendered)):
        if index % 2:
            pieces.append(Literal(texts[int(text)]))
        elif text:
            pieces.append(Markup(text))
    return pieces
