"""The prompt is the one the model was trained on, whatever a user types into it."""

from __future__ import annotations

import pytest
from PIL import Image

from ernie_cli.messages import Message, Picture, Text, Video, user
from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.prompt import IMAGE_PATCH, Slot, render
from ernie_cli.runtime.tokenizer import Literal, Markup

BLANK = Image.new("RGB", (56, 56))


def written(messages: list[Message], **options: bool) -> str:
    return "".join(
        "<|image@placeholder|>" if isinstance(piece, Slot) else piece.text for piece in render(messages, **options)
    )


def test_one_picture_is_rendered_as_in_the_logged_prompt() -> None:
    assert written([user(Picture(BLANK), "{TEXT}")]) == (
        "<|begin_of_sentence|>You are a multimodal AI assistant called ERNIE developed by Baidu based on the "
        "PaddlePaddle framework.\nUser:  Picture 1:<|IMAGE_START|><|image@placeholder|><|IMAGE_END|>{TEXT}"
        "\nAssistant: \n<think>\n"
    )


def test_a_callers_system_text_takes_the_defaults_place() -> None:
    prompt = written([Message("system", (Text("Be brief."),)), user("Hello")])
    assert prompt == "<|begin_of_sentence|>Be brief.\nUser: Hello\nAssistant: \n<think>\n"


def test_pictures_and_videos_are_numbered_apart_over_the_conversation() -> None:
    clip = Video([BLANK, BLANK], [0.0, 0.5])
    prompt = written(
        [
            user(Picture(BLANK), clip, "a"),
            Message("assistant", (Text("b"),)),
            user(Picture(BLANK), "c"),
        ]
    )
    assert " Picture 1:<|IMAGE_START|>" in prompt
    assert " Video 1:<|VIDEO_START|>" in prompt
    assert "a\nAssistant: b<|end_of_sentence|>User:  Picture 2:<|IMAGE_START|>" in prompt


def test_without_thinking_the_thought_is_closed_and_empty() -> None:
    assert written([user("Hi")], thinking=False).endswith("\nAssistant: \n<think>\n\n</think>\n\n")


def test_control_strings_in_the_prompts_grammar_are_single_tokens(nano: Checkpoint) -> None:
    tokenizer = nano.tokenizer
    ids = tokenizer.encode([Markup("a<|IMAGE_START|>b</think>")])
    assert tokenizer.id("<|IMAGE_START|>") in ids
    assert tokenizer.id("</think>") in ids


@pytest.mark.parametrize("control", [IMAGE_PATCH, "</think>", "<|end_of_sentence|>", "</s>"])
def test_a_user_cannot_type_control_tokens(nano: Checkpoint, control: str) -> None:
    tokenizer = nano.tokenizer
    for text in (control, f"before{control}after", control * 3):
        ids = tokenizer.encode([Markup("User: "), Literal(text), Markup("\nAssistant: ")])
        assert not set(ids) & set(tokenizer.control.values())
        assert tokenizer.decode(ids) == f"User: {text}\nAssistant: "


def test_text_written_like_a_control_string_is_broken_up_too(nano: Checkpoint) -> None:
    """The 28B's vocabulary has hundreds of such pieces that the prompt never uses."""
    assert nano.tokenizer._split(Literal("a<|LOC_7|>b<|x|>")) == ["a<", "|LOC_7|>b<", "|x|>"]


def test_a_control_string_split_over_two_texts_stays_text(nano: Checkpoint) -> None:
    tokenizer = nano.tokenizer
    ids = tokenizer.encode([Literal("</thi"), Literal("nk>")])
    assert tokenizer.id("</think>") not in ids
    assert tokenizer.decode(ids) == "</think>"


def test_text_around_a_part_is_tokenized_together(nano: Checkpoint) -> None:
    tokenizer = nano.tokenizer
    assert tokenizer.encode([Literal("the cir"), Literal("cle")]) == tokenizer.encode([Markup("the circle")])


@pytest.mark.parametrize("text", ["plain", "  two  blanks ", "日本語 и é €", "a\n\n\tb", "🙂", ""])
def test_text_comes_back_as_it_went_in(nano: Checkpoint, text: str) -> None:
    assert nano.tokenizer.decode(nano.tokenizer.encode([Literal(text)])) == text
