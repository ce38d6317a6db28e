"""The job *video*: clips in which a named thing appears, leaves, moves or changes its colour, and when it does.

Every frame carries its clock, as the model expects it, and every answer is read from these clocks. What start and end
of an event are, f being the frames' times:

* *appears*, *leaves*, *changes color*, *turns green* happen between two frames: start is the last frame before, end the
  first frame after. What is there from the first frame on never appears.
* *moves*: start is the last frame in which the thing stands where it was, end the first in which it has arrived.
* *is visible*, *is green* are states: start is the first frame, end the last frame in which they hold.

The label of a segment is the event as it was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data import Question, Sample
from data.ask import article, count_of
from data.fonts import CLOCK_FONT, font_file
from data.ground import draw_backdrop
from data.scenes import COLORS, SCALE, SHAPES, Thing, draw_scene, draw_shape, stands_out
from ernie_cli.messages import Video

PROMPT = (
    'When does this happen: {event}? Answer with JSON only: a list of {{"start": "HH:MM:SS.ss", "end": "HH:MM:SS.ss", '
    '"label": "..."}}, read from the clock in the frames, or [] if never.'
)
RATE = 2.0  # frames a second of a whole clip
RATES = (0.5, 1.0, 2.0, 4.0, 5.0, 8.0, 10.0)  # of a closer look at a part of it
HOLD = 3  # frames that a state lasts at least
SLOWEST = 4  # pixels a frame

Box = tuple[float, float, float, float]
Span = tuple[int, int]  # first and last frame


# --- the clock


def clock(seconds: float) -> str:
    """A time as clocks in frames say it: `00:00:01.50`."""
    minutes, rest = divmod(round(float(f"{seconds:.2f}") * 100), 6000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


@lru_cache
def _clock_face(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_file(CLOCK_FONT), size)


def draw_clock(frame: Image.Image, seconds: float) -> None:
    """Writes the time into a frame as Baidu's processor does (transformers: `_render_image_with_timestamp`).

    Roboto of a tenth of the shorter side, at the top left, black with a white stroke of a tenth of its size.
    """
    size = int(min(frame.size) * 0.1)
    ImageDraw.Draw(frame).text(
        (0, 0),
        f"time: {clock(seconds)}",
        font=_clock_face(size),
        fill=(0, 0, 0),
        stroke_width=int(size * 0.1),
        stroke_fill=(255, 255, 255),
    )


# --- the clip


@dataclass(frozen=True)
class Actor:
    """A thing through all frames: its colour and box (fractions of the stage) in each; None where it is not there.

    `said` is the one way to speak of it: with its colour, if it keeps that.
    """

    shape: str
    said: str
    states: list[tuple[str, Box] | None]

    def runs(self, holds: Callable[[tuple[str, Box]], bool] = lambda state: True) -> list[Span]:
        """The spans of frames in which it is there and something holds of it."""
        marks = [0, *(int(state is not None and holds(state)) for state in self.states), 0]
        edges = np.flatnonzero(np.diff(marks))
        return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]

    def steps(self, differs: Callable[[Any, Any], bool]) -> list[Span]:
        """The neighbouring frames between which something happens to it."""
        pairs = zip(self.states, self.states[1:], strict=False)
        return [(k, k + 1) for k, (before, after) in enumerate(pairs) if differs(before, after)]

    def moves(self) -> list[Span]:
        merged: list[Span] = []
        for first, last in self.steps(lambda a, b: bool(a and b and a[1] != b[1])):
            if merged and merged[-1][1] == first:
                merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        return merged

    def color(self, frame: int) -> str | None:
        state = self.states[frame]
        return state[0] if state else None


@dataclass(frozen=True)
class Clip:
    """What a clip shows, and when."""

    actors: list[Actor]
    times: list[float]

    def at(self, frame: int) -> str:
        return clock(self.times[frame])


def video_sample(
    random: Random, width: int, height: int, frames: int, questions: int, *, window: bool | None = None
) -> Sample:
    """A clip of so many frames of width x height pixels, and up to `questions` different questions about it.

    A whole clip has 2 frames a second from 0 on; a `window`, as when looking closer, any rate and any start. None
    draws either.
    """
    closer = random.random() < 0.35 if window is None else window
    rate, start = (random.choice(RATES), random.uniform(0, random.choice([20, 600, 7200]))) if closer else (RATE, 0.0)
    times = [round(round(start, 2) + i / rate, 2) for i in range(frames)]
    strip = int(min(width, height) * 0.1) + 4  # the clock hides nothing
    backdrop = draw_backdrop(random, width, height)
    stage = backdrop.crop((0, strip, width, height))
    things = draw_scene(random, *stage.size, random.randint(1, 4), backdrop=stage).things
    things = list({thing.shape: thing for thing in things}.values())
    clip = Clip(_direct(random, things, stage, frames), times)
    asked: list[Question] = []
    for _ in range(4 * questions):
        question = _ask(random, clip)
        if len(asked) < questions and question.text not in [other.text for other in asked]:
            asked.append(question)
    return Sample(Video(_film(clip, backdrop, strip), times), asked)


def _direct(random: Random, things: list[Thing], stage: Image.Image, frames: int) -> list[Actor]:
    """One or two of the things do something, now and then none; the others stay as they are."""
    acting = random.choices([0, 1, 2], [1, 12, 5])[0]
    random.shuffle(things)
    return [
        _act(random, things, index, stage, frames) if index < acting else _stay(random, things[index], frames)
        for index in range(len(things))
    ]


def _stay(random: Random, thing: Thing, frames: int) -> Actor:
    return Actor(thing.shape, _said(random, thing), [(thing.color, thing.box)] * frames)


def _said(random: Random, thing: Thing) -> str:
    return thing.name if random.random() < 0.75 else thing.shape


def _act(random: Random, things: list[Thing], index: int, stage: Image.Image, frames: int) -> Actor:
    thing = things[index]
    said, there = _said(random, thing), (thing.color, thing.box)
    kind = random.choice(["appears", "leaves", "visits", "returns", "moves", "moves", "turns", "turns"])
    first = random.randint(2, frames - 2 * HOLD)
    last = random.randint(first + HOLD, frames - HOLD + 1)
    ground = np.asarray(stage, dtype=np.float32)
    if kind == "moves" and (target := _target(random, things, index, ground)):
        # Slower than this, and nobody could tell in which frame it sets out.
        steps = max(abs(target[0] - thing.box[0]) * stage.width, abs(target[1] - thing.box[1]) * stage.height) / SLOWEST
        last = first + min(last - first, int(steps))
        path = [min(1.0, max(0.0, (k - first) / (last - first))) for k in range(frames)]
        boxes = [tuple(a + (b - a) * share for a, b in zip(thing.box, target, strict=True)) for share in path]
        return Actor(thing.shape, said, [(thing.color, box) for box in boxes])  # type: ignore[misc]
    if kind == "turns":
        colors = [c for c in COLORS if c != thing.color and _apart(c, thing.color) and stands_out(c, ground, thing.box)]
        if colors:
            turned = (random.choice(colors), thing.box)
            return Actor(thing.shape, thing.shape, [there if k < first else turned for k in range(frames)])
    cast = {
        "leaves": lambda k: k < first,
        "visits": lambda k: first <= k < last,
        "returns": lambda k: not first <= k < last,
    }
    seen = cast.get(kind, lambda k: k >= first)
    return Actor(thing.shape, said, [there if seen(k) else None for k in range(frames)])


def _apart(a: str, b: str) -> bool:
    return sum(abs(x - y) for x, y in zip(COLORS[a], COLORS[b], strict=True)) > 150


def _target(random: Random, things: list[Thing], index: int, ground: np.ndarray) -> Box | None:
    """Where a thing can go, across a good part of the stage, past no other thing and clear of the ground."""
    left, top, right, bottom = things[index].box
    others = [thing.box for i, thing in enumerate(things) if i != index]
    for _ in range(20):
        x, y = random.uniform(-left, 1 - right), random.uniform(-top, 1 - bottom)
        x, y = random.choice([(x, 0.0), (0.0, y), (x, y / 3)])
        swept = (left + min(x, 0), top + min(y, 0), right + max(x, 0), bottom + max(y, 0))
        far = max(abs(x), abs(y)) > 0.25 and (abs(x) > 2 * abs(y) or abs(y) > 2 * abs(x))
        clear = all(swept[0] > o[2] or swept[2] < o[0] or swept[1] > o[3] or swept[3] < o[1] for o in others)
        if far and clear and stands_out(things[index].color, ground, swept):
            return (left + x, top + y, right + x, bottom + y)
    return None


@lru_cache(maxsize=256)
def _sprite(shape: str, color: str, width: int, height: int) -> Image.Image:
    """A shape with smooth edges on nothing, of width x height pixels."""
    mask = Image.new("L", (width * SCALE, height * SCALE))
    draw_shape(ImageDraw.Draw(mask), shape, (0, 0, width * SCALE - 1, height * SCALE - 1), 255)
    sprite = Image.new("RGBA", (width, height), COLORS[color])
    sprite.putalpha(mask.resize((width, height), Image.Resampling.BOX))
    return sprite


def _film(clip: Clip, backdrop: Image.Image, strip: int) -> list[Image.Image]:
    w, h = backdrop.width, backdrop.height - strip
    still = [actor for actor in clip.actors if all(state == actor.states[0] for state in actor.states)]

    def paste(frame: Image.Image, actor: Actor, k: int) -> None:
        if state := actor.states[k]:
            color, (left, top, right, bottom) = state
            sprite = _sprite(actor.shape, color, max(4, round((right - left) * w)), max(4, round((bottom - top) * h)))
            frame.paste(sprite, (round(left * w), strip + round(top * h)), sprite)

    base = backdrop.copy()
    for actor in still:
        paste(base, actor, 0)
    film = []
    for k, seconds in enumerate(clip.times):
        frame = base.copy()
        for actor in clip.actors:
            if actor not in still:
                paste(frame, actor, k)
        draw_clock(frame, seconds)
        film.append(frame)
    return film


# --- the questions


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
        return Event("changes color", [], f"The {actor.shape} stays {next(s[0] for s in actor.states if s)}.")
    ((a, b),) = spans
    seen = f"The {actor.shape} is {actor.color(a)} at {clip.at(a)}. It is {actor.color(b)} at {clip.at(b)}."
    return Event(random.choice(["changes color", f"turns {actor.color(b)}"]), spans, seen)


def colored(random: Random, clip: Clip, actor: Actor) -> Event:
    color = random.choice([state[0] for state in actor.states if state])
    spans = actor.runs(lambda state: state[0] == color)
    seen = " and ".join(f"from {clip.at(a)} to {clip.at(b)}" for a, b in spans)
    return Event(f"is {color}", spans, f"The {actor.shape} is {color} {seen}.")


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


def _ask(random: Random, clip: Clip) -> Question:
    roll = random.random()
    if roll < 0.06:
        return _missing(random, clip)
    if roll < 0.26:
        return random.choice([_happens, _count, _color_at])(random, clip)
    # Mostly of those that do something, and of what they do.
    busy = [actor for actor in clip.actors if _acts(actor)]
    actor = random.choice(busy if busy and random.random() < 0.8 else clip.actors)
    kinds = _acts(actor)
    told = random.random()
    kind = random.choice(kinds) if kinds and told < 0.55 else visible if told < 0.75 else random.choice(EVENTS)
    event = kind(random, clip, actor)
    said = actor.shape if kind in (turning, colored) else actor.said
    if event.spans and kind in (appearing, leaving, turning) and random.random() < 0.1:
        verb = {"appears": "appear", "leaves": "leave", "disappears": "disappear", "changes color": "change color"}
        if event.text in verb:
            ask, end = f"When does the {said} {verb[event.text]}?", clip.at(event.spans[0][1])
            return Question(ask, event.thought, f"At {end}.")
    return _when(f"{f'the {said}' if random.random() < 0.75 else article(said)} {event.text}", clip, event)


def _when(text: str, clip: Clip, event: Event) -> Question:
    found = [{"start": clip.at(a), "end": clip.at(b), "label": text} for a, b in event.spans]
    return Question(PROMPT.format(event=text), event.thought, json.dumps(found))


def _missing(random: Random, clip: Clip) -> Question:
    """Something that is not in the clip at all."""
    present = {actor.shape for actor in clip.actors}
    shape = random.choice([shape for shape in SHAPES if shape not in present])
    name = f"{random.choice(list(COLORS))} {shape}" if random.random() < 0.6 else shape
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


# --- how well a time was found


def score(expected_answer: str, given_answer: str) -> dict[str, float]:
    """How well an answer to `PROMPT` fits: temporal `iou` and the mean errors of `start` and `end` in seconds.

    Segments are matched greedily by their IoU; `iou` is the mean over the expected ones, or over the given ones where
    these are more. `found` is 1 where it is at least 0.5. Where nothing matches the errors are infinite; "[]" for "[]"
    is perfect. An answer that is not such JSON has `readable` 0.
    """
    expected = segments(expected_answer)
    read = segments(given_answer)
    assert expected is not None
    given = read or []
    pairs = sorted(((overlap(a, b), i, j) for i, a in enumerate(expected) for j, b in enumerate(given)), reverse=True)
    left, right, matched = set(range(len(expected))), set(range(len(given))), []
    for value, i, j in pairs:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            matched.append((value, expected[i], given[j]))
    most = max(len(expected), len(given))
    perfect = read is not None and most == 0
    iou = sum(value for value, _, _ in matched) / most if most else float(perfect)
    errors = [
        sum(abs(a[side] - b[side]) for _, a, b in matched) / len(matched) if matched else 0.0 if perfect else np.inf
        for side in (0, 1)
    ]
    return {
        "readable": float(read is not None),
        "iou": iou,
        "found": float(iou >= 0.5),
        "start": errors[0],
        "end": errors[1],
    }


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union of two spans of time; equal instants overlap fully."""
    if a == b:
        return 1.0
    union = max(a[1], b[1]) - min(a[0], b[0])
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / union if union > 0 else 0.0


def segments(answer: str) -> list[tuple[float, float]] | None:
    """The (start, end) pairs in seconds of an answer in strict JSON, or None where it is not that."""
    try:
        items: Any = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    found = [(_seconds(item.get("start")), _seconds(item.get("end"))) for item in items]
    return None if any(None in span for span in found) else found  # type: ignore[return-value]


def _seconds(text: Any) -> float | None:
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d\.\d\d)", text) if isinstance(text, str) else None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None
