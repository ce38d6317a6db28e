"""The job *video*: clips in which a named thing appears, leaves, moves or changes its colour, and when it does.

Every frame carries its clock, as the model expects it, and every answer is read from these clocks. What start and end
of an event are, f being the frames' times:

* *appears*, *leaves*, *changes color*, *turns green* happen between two frames: start is the last frame before, end the
  first frame after. What is there from the first frame on never appears.
* *moves*: start is the last frame in which the thing stands where it was, end the first in which it has arrived.
* *is visible*, *is green* are states: start is the first frame, end the last frame in which they hold.

The label of a segment is the event as it was asked for. Times of an answer have been said by its thought, with others
where a thing has several colors: which of them are said again is told with each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from PIL import Image

from data import Question, Sample
from data.ask import article, count_of
from data.clip import TIME, Actor, Clip, Span, draw_clip, draw_clocks, draw_look, draw_restless
from data.scenes import COLORS, SHAPES
from ernie_cli.messages import Video

PROMPT = (
    'When does this happen: {event}? Answer with JSON only: a list of {{"start": "HH:MM:SS.ss", "end": "HH:MM:SS.ss", '
    '"label": "..."}}, read from the clock in the frames, or [] if never.'
)


def video_sample(
    random: Random, width: int, height: int, frames: int, questions: int, *, window: bool | None = None
) -> Sample:
    """A clip as `draw_clip` makes it, and up to `questions` different questions about it."""
    return _asked(random, draw_clip(random, width, height, frames, window=window), questions)


def look_sample(random: Random, width: int, height: int, frames: int, questions: int) -> Sample:
    """A part of a clip as `draw_look` makes it, and up to `questions` different questions about it."""
    return _asked(random, draw_look(random, width, height, frames), questions)


def moving_sample(random: Random, width: int, height: int, frames: int) -> Sample:
    """A clip as `draw_clip` makes it, in which things move if they do anything, about which nothing is asked."""
    return _asked(random, draw_clip(random, width, height, frames, acts=("moves",)))


def brief_sample(random: Random, width: int, height: int, frames: int) -> Sample:
    """A part of a clip as `draw_look` makes it, with things there for a moment, about which nothing is asked."""
    return _asked(random, draw_look(random, width, height, frames, acts=("glimpses",)))


def restless_sample(random: Random, width: int, height: int, frames: int) -> Sample:
    """A clip as `draw_restless` makes it, about which nothing is asked."""
    return _asked(random, draw_restless(random, width, height, frames))


def clocks_sample(random: Random, width: int, height: int, frames: int, *, side: int, lines: int) -> Sample:
    """The upper `lines` of frames as `draw_clocks` makes them, about which nothing is asked."""
    return _asked(random, draw_clocks(random, width, height, frames, side=side, lines=lines))


def _asked(random: Random, drawn: tuple[Clip, list[Image.Image]], questions: int = 0) -> Sample:
    clip, film = drawn
    return Sample(Video(film, clip.times), questions_about(random, clip, questions), clip=clip)


def questions_about(random: Random, clip: Clip, questions: int) -> list[Question]:
    """Up to so many different questions about a clip."""
    asked: list[Question] = []
    for _ in range(8 * questions):
        question = _ask(random, clip)
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            asked.append(question)
    return asked


def colored_question(random: Random, clip: Clip) -> Question:
    """When a thing is of a color, one that changes its own if there is any; or where nothing is ever seen, never."""
    turned = [actor for actor in clip.actors if actor.steps(_turned)]
    seen = [actor for actor in clip.actors if any(actor.states)]
    if not seen:
        return _missing(random, clip)
    actor = random.choice(turned or seen)
    event = colored(random, clip, actor, own=0.6)  # of most windows of a long clip the answer is never
    return _when(f"{_named(random, actor.shape)} {event.text}", clip, event)


def absent_question(random: Random, clip: Clip) -> Question:
    """When something can be seen that never is: often in the color of another thing, or another color's thing."""
    seen = {actor.shape: {state[0] for state in actor.states if state} for actor in clip.actors if any(actor.states)}
    colors = sorted({color for its in seen.values() for color in its})
    if seen and random.random() < 0.25:
        shape = random.choice(sorted(seen))
        name = f"{random.choice([color for color in COLORS if color not in seen[shape]])} {shape}"
    else:
        shape = random.choice([shape for shape in SHAPES if shape not in seen])
        color = random.choice([None, random.choice(list(COLORS)), random.choice(colors or list(COLORS))])
        name = f"{color} {shape}" if color else shape
    text = f"{_named(random, name)} {random.choice(['is visible', 'is visible', 'can be seen'])}"
    return _when(text, clip, Event(text, [], f"There is no {name}."))


def _named(random: Random, said: str) -> str:
    return f"the {said}" if random.random() < 0.75 else article(said)


# --- the events


@dataclass(frozen=True)
class Event:
    """Something asked for: how one says it, when it holds, and what is seen."""

    text: str
    spans: list[Span]
    thought: str


def _gone(state: Any, then: Any) -> bool:
    return state is not None and then is None


def _come(state: Any, then: Any) -> bool:
    return state is None and then is not None


def _turned(state: Any, then: Any) -> bool:
    return bool(state and then and state[0] != then[0])


def direction(actor: Actor, span: Span) -> str:
    """Where a thing goes: right, left, up or down."""
    before, after = (actor.states[k][1] for k in span)  # type: ignore[index]
    x, y = after[0] - before[0], after[1] - before[1]
    return ("right" if x > 0 else "left") if abs(x) > abs(y) else ("down" if y > 0 else "up")


def _way(word: str) -> str:
    return f"to the {word}" if word in ("left", "right") else word


def appearing(random: Random, clip: Clip, actor: Actor) -> Event:
    spans = actor.steps(_come)
    seen = " ".join(f"The {actor.said} is not there at {clip.at(a)}. It is there at {clip.at(b)}." for a, b in spans)
    return Event(
        random.choice(["appears", "appears", "comes into view"]),
        spans,
        seen or f"The {actor.said} is there from the start.",
    )


def leaving(random: Random, clip: Clip, actor: Actor) -> Event:
    spans = actor.steps(_gone)
    seen = " ".join(f"The {actor.said} is there at {clip.at(a)}. It is gone at {clip.at(b)}." for a, b in spans)
    return Event(random.choice(["leaves", "disappears"]), spans, seen or f"The {actor.said} does not leave.")


def visible(random: Random, clip: Clip, actor: Actor) -> Event:
    spans = actor.runs()
    seen = " and ".join(f"from {clip.at(a)} to {clip.at(b)}" for a, b in spans)
    return Event(
        random.choice(["is visible", "is visible", "can be seen"]), spans, f"The {actor.said} is there {seen}."
    )


def moving(random: Random, clip: Clip, actor: Actor) -> Event:
    spans = actor.moves()
    word = direction(actor, spans[0]) if spans else random.choice(["left", "right", "up", "down"])
    text = "moves" if random.random() < 0.6 else f"moves {_way(word)}"
    if not spans:
        return Event(text, [], f"The {actor.said} does not move.")
    ((a, b),) = spans
    return Event(
        text, spans, f"The {actor.said} stands still until {clip.at(a)}. It moves {_way(word)} until {clip.at(b)}."
    )


def turning(random: Random, clip: Clip, actor: Actor) -> Event:
    spans = actor.steps(_turned)
    if not spans:
        return Event("changes color", [], _stays(actor))
    ((a, b),) = spans
    seen = f"The {actor.shape} is {actor.color(a)} at {clip.at(a)}. It is {actor.color(b)} at {clip.at(b)}."
    return Event(random.choice(["changes color", f"turns {actor.color(b)}"]), spans, seen)


def _stays(actor: Actor) -> str:
    return f"The {actor.shape} is {' and '.join(dict.fromkeys(state[0] for state in actor.states if state))}."


def colored(random: Random, clip: Clip, actor: Actor, own: float = 0.8) -> Event:
    """When it is of a color, mostly one of its `own`.

    What is seen is all of its colors in turn, whichever is asked for: a change is then met on the way.
    """
    seen = [state[0] for state in actor.states if state]
    color = random.choice(seen if random.random() < own else list(COLORS))
    spans = {each: actor.runs(lambda state, each=each: state[0] == each) for each in (*dict.fromkeys(seen), color)}
    runs = sorted((span, each) for each, its in spans.items() for span in its)
    told = [f"is {each} from {clip.at(a)} to {clip.at(b)}." for (a, b), each in runs]
    return Event(f"is {color}", spans[color], f"The {actor.shape} " + " It ".join(told))


EVENTS = (appearing, leaving, visible, moving, turning, colored)


def _acts(actor: Actor) -> list[Callable[[Random, Clip, Actor], Event]]:
    """The kinds of event that happen to an actor, other than that it stays."""
    found = {
        appearing: actor.steps(_come),
        leaving: actor.steps(_gone),
        moving: actor.moves(),
        turning: actor.steps(_turned),
    }
    return [kind for kind, spans in found.items() if spans]


# --- the questions


def _ask(random: Random, clip: Clip) -> Question:
    roll = random.random()
    if roll < 0.1:
        return _missing(random, clip)
    if roll < 0.3:
        return random.choice([_happens, _count, _color_at])(random, clip)
    # Mostly of those that do something, and of what they do.
    busy = [actor for actor in clip.actors if _acts(actor)]
    actor = random.choice(busy if busy and random.random() < 0.8 else clip.actors)
    if not any(actor.states):
        return _never(random, actor.said, clip)
    kinds = _acts(actor)
    told = random.random()
    kind = random.choice(kinds) if kinds and told < 0.55 else visible if told < 0.75 else random.choice(EVENTS)
    event = kind(random, clip, actor)
    said = actor.shape if kind in (turning, colored) else actor.said
    if event.spans and kind in (appearing, leaving, turning) and random.random() < 0.1:
        verb = {"appears": "appear", "leaves": "leave", "disappears": "disappear", "changes color": "change color"}
        if event.text in verb:
            ask, end = f"When does the {said} {verb[event.text]}?", clip.at(event.spans[0][1])
            return _said_again(Question(ask, event.thought, f"At {end}."))
    return _when(f"{_named(random, said)} {event.text}", clip, event)


def _when(text: str, clip: Clip, event: Event) -> Question:
    found = [{"start": clip.at(a), "end": clip.at(b), "label": text} for a, b in event.spans]
    return _said_again(Question(PROMPT.format(event=text), event.thought, json.dumps(found)))


def _said_again(question: Question) -> Question:
    """The same with where its thought has said the times of its answer, which are in one order in both."""
    said: list[int | None] = [None] * (len(question.answer) + 1)
    after = 0
    for time in TIME.finditer(question.answer):
        first = question.thought.index(time[0], after)
        after = first + len(time[0])
        said[slice(*time.span())] = range(first, after)
    return replace(question, again=tuple(said))


def _missing(random: Random, clip: Clip) -> Question:
    """Something that is not in the clip at all."""
    present = {actor.shape for actor in clip.actors}
    shape = random.choice([shape for shape in SHAPES if shape not in present])
    return _never(random, f"{random.choice(list(COLORS))} {shape}" if random.random() < 0.6 else shape, clip)


def _never(random: Random, name: str, clip: Clip) -> Question:
    text = f"the {name} {random.choice(['appears', 'leaves', 'is visible', 'moves', 'changes color', 'disappears'])}"
    return _when(text, clip, Event(text, [], f"There is no {name}."))


def _happens(random: Random, clip: Clip) -> Question:
    told = sorted(
        (span, f"The {actor.said} {_verb(kind, actor, span)}.", event.thought)
        for actor in clip.actors
        for kind in _acts(actor)
        for event in [kind(random, clip, actor)]
        for span in event.spans
    )
    ask = random.choice(
        ["What happens in the clip?", "What happens in the video?", "What happens?", "Describe the clip."]
    )
    thought = " ".join(dict.fromkeys(thought for _, _, thought in told)) or "All shapes stay as they are."
    return Question(ask, thought, " ".join(text for _, text, _ in told) or "Nothing changes.")


def _verb(kind: Callable[..., Event], actor: Actor, span: Span) -> str:
    if kind is moving:
        return f"moves {_way(direction(actor, span))}"
    if kind is turning:
        return f"turns {actor.color(span[1])}"
    return "appears" if kind is appearing else "leaves"


def _count(random: Random, clip: Clip) -> Question:
    frame, when = random.choice([(0, "start"), (-1, "end")])
    number = sum(actor.states[frame] is not None for actor in clip.actors)
    be = "is" if number == 1 else "are"
    thought = f"At {clip.at(frame)} there {be} {count_of(number, 'shape')}."
    return Question(f"How many shapes are there at the {when}?", thought, str(number))


def _color_at(random: Random, clip: Clip) -> Question:
    frame, when = random.choice([(0, "start"), (-1, "end")])
    there = [actor for actor in clip.actors if actor.states[frame]]
    if not there:
        return _count(random, clip)
    turned = [actor for actor in there if turning in _acts(actor)]
    actor = random.choice(turned or there)
    thought = f"At {clip.at(frame)} the {actor.shape} is {actor.color(frame)}."
    return Question(f"What color is the {actor.shape} at the {when}?", thought, str(actor.color(frame)))
