"""The loop breaker: every cycle is found, and nothing that a sound answer may hold is taken for one."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import TypeAlias

import pytest

from ernie_cli.runtime.checkpoint import Checkpoint
from ernie_cli.runtime.loops import LONGEST_PERIOD, Loop, LoopBreaker
from ernie_cli.runtime.tokenizer import Literal

Tokens: TypeAlias = "list[tuple[int, bytes]]"
SIGNS = re.compile(r" ?[^\W\d_]+|\d| ?[^\w\s]|\s|_")
THINGS = (
    "sea sky gull boat pier rope lamp bench cliff wave stone tower flag crane cloud net buoy hull mast oar "
    "door roof arch gate wall path tree hedge field barn cart horse child coat scarf glove kite ball"
).split()


def split(text: str) -> Tokens:
    """Words, digits and signs as tokens."""
    ids: dict[str, int] = {}
    return [(ids.setdefault(word, len(ids)), word.encode()) for word in SIGNS.findall(text)]


def feed(tokens: Tokens, breaker: LoopBreaker | None = None) -> tuple[int, Loop] | None:
    """How many tokens were read when the breaker spoke, and what it said."""
    breaker = breaker or LoopBreaker()
    for count, (token, piece) in enumerate(tokens, 1):
        if loop := breaker.push(token, piece):
            return count, loop
    return None


def vocabulary(random: Random, count: int) -> Tokens:
    """Different words of three to nine letters with a blank before each."""
    words: set[bytes] = set()
    while len(words) < count:
        words.add(b" " + "".join(random.choices("abdeghiklmnoprstuvw", k=random.randint(3, 9))).encode())
    return list(enumerate(sorted(sorted(words), key=lambda _: random.random())))


@pytest.mark.parametrize("period", range(1, LONGEST_PERIOD + 1))
def test_a_cycle_of_words_is_found_within_three_rounds_or_ninety_tokens(period: int) -> None:
    random = Random(period)
    words = vocabulary(random, 400 + period)
    before = random.choices(words[period:], k=random.randint(0, 300))
    found = feed(before + words[:period] * 100)
    assert found is not None
    count, loop = found
    # A short one has to be read for 240 bytes: 60 words of three letters and a blank.
    assert count - len(before) <= max(3 * period, 90 + period)
    assert loop.period == period
    assert loop.kind == "near" or abs(loop.start - len(before)) <= period


@pytest.mark.parametrize("period", [*range(1, 40), *range(40, LONGEST_PERIOD + 1, 8)])
def test_a_cycle_of_any_pieces_is_found(nano: Checkpoint, period: int) -> None:
    random = Random(period)
    ids = random.choices(range(len(nano.tokenizer)), k=period)
    cycle = [(id, nano.tokenizer.bytes_of(id)) for id in ids]
    found = feed(cycle * (2500 // period + 1))
    assert found is not None
    assert found[0] <= max(3 * period, 600 + period) or not re.search(
        r"\w\w|[^\x00-\x7f]", b"".join(p for _, p in cycle * 2).decode(errors="replace")
    )


def test_a_cycle_after_a_long_separator_is_found() -> None:
    line = "=" * 100 + " and then we begin again with something that was said already, namely this: "
    assert feed(split(line * 20)) is not None


LOOPS: dict[str, Callable[[int], str]] = {
    "a changing number": lambda n: f"This is a view of the sea and the pier, number {n}. ",
    "a changing word": lambda n: (
        f"I will also leave out the {THINGS[n % len(THINGS)]} because it is far too general here. "
    ),
    "two phrases in turn": lambda n: "old stone wall, " * (n % 2) + "old stone path, old stone gate, ",
    "a doubt that comes back": lambda n: (
        f"Wait, {['no', 'but', 'and'][n % 3]} the hint says that the boat is red, so the title should say red boat. "
    ),
    "a paragraph": lambda n: (
        f"The picture shows a harbour on a {THINGS[n % len(THINGS)]} morning. Two boats lie at the pier, one of them "
        "with a red sail, the other without any. Behind them a row of white houses climbs the hill towards a church, "
        f"and in front a {THINGS[7 * n % len(THINGS)]} stands on the quay with a child.\n\n"
    ),
    "list items": lambda n: f"- a small red boat that lies at the long grey pier, {n}\n",
    "numbered items": lambda n: f"{n}. a small red boat that lies at the long grey pier\n",
    "Chinese": lambda n: f"图中可以看到一座红色的桥和两条小船,第{n}次确认,水面上还有几只白色的海鸥。",
    "quoted keywords": lambda n: f'"spring {["leaves", "blossom", "light"][n * n % 3]}," "spring green," ',
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("spelled", [False, True])
def test_a_near_cycle_is_found(nano: Checkpoint, name: str, spelled: bool) -> None:
    text = "".join(LOOPS[name](n) for n in range(1, 120))
    found = feed(pieces(nano, text) if spelled else split(text))
    assert found is not None
    assert found[1].period > 0


def test_a_sentence_said_over_and_over_is_found_in_its_sixth_round() -> None:
    sentence = "Wait, {} the first line of the prompt says that the statue is made of bronze or of stone. "
    rounds = [split(sentence.format(word)) for word in ("no", "but", "and", "so", "yes", "well", "hm", "right")]
    found = feed([(hash(piece), piece) for tokens in rounds for _, piece in tokens])
    assert found is not None
    assert found[0] <= 6 * len(rounds[0])
    assert found[1] == Loop("near", len(rounds[0]), found[1].start)


def pieces(nano: Checkpoint, text: str) -> Tokens:
    """The text in the pieces of the nano tokenizer, most of them one to three letters long."""
    return [(id, nano.tokenizer.bytes_of(id)) for id in nano.tokenizer.encode([Literal(text)])]


def lines(count: int, line: Callable[[int], str]) -> str:
    return "\n".join(map(line, range(1, count + 1)))


def numbers(random: Random, count: int, sign: str = ",", most: int = 999) -> str:
    return sign.join(str(random.randint(0, most)) for _ in range(count))


def box(random: Random) -> str:
    return f'{{"bbox_2d": [{numbers(random, 4, ", ")}], "label": "{random.choice(["red car", "car"])}"}}'


def some(random: Random, count: int) -> str:
    return " ".join(random.choices(THINGS, k=count))


def cumulative(random: Random) -> str:
    gifts = [f"{n} {some(random, 1)} by the {some(random, 1)} in the {some(random, 1)}" for n in range(1, 9)]
    return "\n\n".join(f"On day {n} my old aunt gave to me\n" + ",\n".join(gifts[:n][::-1]) for n in range(1, 9))


def refrain(random: Random) -> str:
    chorus = "Row on, row on, you men of the bay,\nthe tide will not wait, the tide will not stay,\nrow on, row on!\n\n"
    return "".join("\n".join(f"The {some(random, 2)} of {some(random, 4)}" for _ in range(4)) + f"\n{chorus}" * 2
                   for _ in range(5))  # fmt: skip


def drafts(random: Random) -> str:
    title = some(random, 9)
    text = f"The picture shows {some(random, 9)}, and behind them {some(random, 12)}."
    return (
        f"The title: {title}. For the description I would say: {text} Let me check that everything in it can be seen. "
        f"{some(random, 14)}: yes, all of it. So the description is good: {text} And the title: {title}. Keywords: "
        f"{', '.join(random.sample(THINGS, 18))}. Counted: eighteen. Good, now write it down."
    )


def code(random: Random) -> str:
    def method(n: int) -> str:
        name = f"{random.choice(THINGS)}_{random.choice(THINGS)}"
        return (
            f'    def set_{name}(self, value: int) -> None:\n        """Sets the {name}."""\n        if value < {n}:\n'
            f'            raise ValueError("{name} must be at least {n}")\n        self._{name} = value\n'
        )

    return "class Harbour:\n" + lines(20, method)


def hex_dump(random: Random) -> str:
    rows = [bytes(16) if random.random() < 0.6 else bytes([255] * 16) for _ in range(60)]
    return lines(60, lambda n: f"{16 * n:08x}  {rows[n - 1].hex(' ')}  |{'.' * 16}|")


CHINESE = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少床前明月光疑是地上霜举头望山低头思故乡白日依尽黄河入海流"
SOUND: dict[str, Callable[[Random], str]] = {
    "boxes": lambda r: "[" + ",\n ".join(box(r) for _ in range(r.randint(20, 40))) + "]",
    "boxes on one line": lambda r: "[" + ", ".join(box(r) for _ in range(30)) + "]",
    "objects that differ in a number": lambda r: (
        "[" + lines(25, lambda n: f'  {{"id": {n}, "label": "chair", "color": "brown", "visible": true}},') + "]"
    ),
    "equal objects": lambda r: "[" + ", ".join(['{"label": "car"}'] * 20) + "]",
    "equal strings": lambda r: "[" + ", ".join(['"car"'] * 15) + "]",
    "csv": lambda r: "year,a,b,c\n" + lines(60, lambda n: f"{1960 + n}," + numbers(r, 3)),
    "csv with names": lambda r: lines(60, lambda n: f"2024-{n % 12 + 1:02},{some(r, 1)},{some(r, 1)},{numbers(r, 2)}"),
    "csv with equal words": lambda r: lines(60, lambda n: f"{n},north sea,calm,not measured,{numbers(r, 1)}"),
    "equal rows": lambda r: lines(40, lambda n: "yes,no,yes,no"),
    "table of zeros": lambda r: lines(60, lambda n: "| 0 | 0 | 0 | 0 | 0 |"),
    "table of zeros with names": lambda r: lines(60, lambda n: f"| {some(r, 1)} | 0 | 0 | 0.0 | 0 |"),
    "table of nothing": lambda r: lines(60, lambda n: "|   |   |   |"),
    "table rule": lambda r: "|---" * 40 + "|",
    "drawn table": lambda r: lines(15, lambda n: f"+{'-' * 18}+{'-' * 8}+\n| {some(r, 2):16} | {numbers(r, 1):>6} |"),
    "html table": lambda r: lines(
        25, lambda n: f'<tr><td class="name">{some(r, 2)}</td><td class="sum">{numbers(r, 1)}</td></tr>'
    ),
    "latex table": lambda r: lines(30, lambda n: f"\\textbf{{{some(r, 1)}}} & {numbers(r, 3, ' & ')} \\\\ \\hline"),
    "receipt": lambda r: lines(
        30, lambda n: f"1 x {r.choice(['Coffee', 'Tea', 'Cake'])}  {r.choice(['2.50', '1.90'])}"
    ),
    "equal receipt lines": lambda r: "1 x Coffee 2.50\n" * 12,
    "numbered list": lambda r: lines(50, lambda n: f"{n}. {some(r, 3)}"),
    "checklist": lambda r: lines(40, lambda n: f"- [ ] check the {some(r, 1)} of the {some(r, 1)}"),
    "keywords": lambda r: ", ".join(r.sample(THINGS, 38)),
    "keywords with one adjective": lambda r: ", ".join(f"old {thing}" for thing in r.sample(THINGS, 38)),
    "code": code,
    "yaml": lambda r: lines(30, lambda n: f"- name: {some(r, 1)}\n  kind: boat\n  crew: {numbers(r, 1)}"),
    "log": lambda r: lines(
        50, lambda n: f"12:{n:02}:{r.randint(0, 59):02} INFO server: request from 10.0.0.{n} answered"
    ),
    "subtitles": lambda r: lines(
        30, lambda n: f"{n}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\nA red ball by the {some(r, 1)}.\n"
    ),
    "hex dump": hex_dump,
    "hash": lambda r: "0x" + "0" * 64 + " and " + "".join(r.choices("0123456789abcdef", k=64)),
    "a large number": lambda r: "1" + "0" * 100,
    "bitmap": lambda r: lines(28, lambda n: " ".join("1" if abs(n - 14) < 4 and c > 9 else "0" for c in range(28))),
    "array of zeros": lambda r: "[" + ", ".join(["0"] * 80) + "]",
    "array of nothing": lambda r: "[" + ", ".join(["null"] * 60) + "]",
    "floats": lambda r: " ".join(r.choices(["1.000000e+00", "0.000000e+00"], k=80)),
    "separators": lambda r: lines(12, lambda n: r.choice("=-*#~_.") * r.randint(60, 120) + "\n" + some(r, 6)),
    "long separator": lambda r: r.choice("=-*#~_.") * 200,
    "box drawing": lambda r: "┌" + "─" * 120 + "┐\n│" + " " * 120 + "│\n└" + "─" * 120 + "┘",
    "emoji": lambda r: "🚨" * 40,
    "contents": lambda r: lines(25, lambda n: f"{some(r, 3)} {'. ' * 30}{n}"),
    "form": lambda r: lines(12, lambda n: "Name: ____________________ Date: __________"),
    "art": lambda r: lines(20, lambda n: " " * (20 - n) + "/" + "  " * n + "\\") + "\n" + "_" * 60,
    "blank lines": lambda r: f"{some(r, 5)}" + "\n" * 30 + f"{some(r, 5)}",
    "refrain": refrain,
    "cumulative song": cumulative,
    "humming": lambda r: "La la la la la, la la la la la,\n" * 4,
    "no": lambda r: "No, no, no, no, no, no! " * 3,
    "laughter": lambda r: "ha " * 40 + "!",
    "a long cry": lambda r: "N" + "o" * 60 + "!",
    "counting": lambda r: ", ".join(map(str, range(1, 201))),
    "multiplication": lambda r: lines(10, lambda n: " ".join(f"{n * k:3}" for k in range(1, 11))),
    "frames": lambda r: " ".join(f"Frame {n} shows the ball at the {r.choice(['left', 'right'])}." for n in range(16)),
    "equal frames": lambda r: " ".join(f"Frame {n} shows the red ball at the left side." for n in range(1, 17)),
    "cars": lambda r: " ".join(f"Box {n} is a red car." for n in range(1, 21)),
    "bars": lambda r: " ".join(f"The bar for {thing} is {numbers(r, 1)}." for thing in r.sample(THINGS, 30)),
    "years": lambda r: " ".join(f"In {1990 + n} the value is about {numbers(r, 1)}." for n in range(30)),
    "checked keywords": lambda r: " ".join(f'"{thing}" is in view, so I keep it.' for thing in r.sample(THINGS, 18)),
    "drafts": drafts,
    "clauses": lambda r: lines(12, lambda n: f"{n}. The tenant shall keep the {some(r, 2)} so, and {some(r, 6)}."),
    "Chinese": lambda r: "。".join("".join(r.choices(CHINESE, k=9)) for _ in range(40)),
    "Chinese list": lambda r: lines(40, lambda n: f"{n}、{''.join(r.choices(CHINESE, k=4))}:数值为{numbers(r, 1)}"),
    "base64": lambda r: "".join(r.choices("ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789+/", k=1200)),
    "genes": lambda r: "".join(r.choices("ACGT", k=600)),
    "broken characters": lambda r: "\ufffd" * 12 + some(r, 20),
}  # fmt: skip
NAMES = sorted(SOUND)


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_text_is_left_alone(nano: Checkpoint, name: str) -> None:
    text = SOUND[name](Random(0))
    assert feed(split(text)) is None
    assert feed(pieces(nano, text)) is None


@pytest.mark.parametrize("seed", range(200))
def test_sound_texts_drawn_at_random_are_left_alone(nano: Checkpoint, seed: int) -> None:
    random = Random(seed)
    text = "\n\n".join(SOUND[name](random) for name in random.sample(NAMES, 2))
    assert feed(split(text)) is None
    assert feed(pieces(nano, text)) is None


def test_after_a_reset_nothing_is_remembered() -> None:
    round_ = split("A red boat lies at the pier, and a gull sits on its mast and looks at the sea. ")
    breaker = LoopBreaker()
    fresh = feed(round_ * 20)
    assert fresh is not None
    for _ in range(3):
        assert feed(round_ * 20, breaker) == fresh
        breaker.reset()
    for _ in range(20):
        assert feed(round_ * 2, breaker) is None
        breaker.reset()


def test_a_cycle_that_ends_is_not_told_of_any_more() -> None:
    breaker = LoopBreaker()
    assert feed(split("waves, " * 60), breaker) is not None
    told = [breaker.push(-n, b"%d" % (n * 7919)) for n in range(1, 500)]
    assert told[-1] is None


@pytest.mark.parametrize("seed", range(20))
def test_the_near_watcher_does_not_depend_on_where_the_text_is_cut(seed: int) -> None:
    random = Random(seed)
    name = random.choice(list(LOOPS))
    data = "".join(LOOPS[name](n) for n in range(1, 120)).encode()
    # Every piece has a token of its own, so that only the near watcher can see anything.
    whole = feed([(n, data[n : n + 1]) for n in range(len(data))])
    cut: Tokens = []
    ends: list[int] = []
    while (done := ends[-1] if ends else 0) < len(data):
        ends.append(min(len(data), done + random.randint(1, 12)))
        cut.append((len(cut), data[done : ends[-1]]))
    parts = feed(cut)
    assert whole is not None
    assert parts is not None
    assert ends[parts[0] - 2] < whole[0] <= ends[parts[0] - 1]


def test_half_characters_and_unknown_tokens_are_watched_too() -> None:
    bells = [(n, bytes([byte])) for n, byte in enumerate("🔔".encode())]
    assert feed(bells * 15) is None
    assert feed(bells * 120) is not None
    assert feed([(7, b"")] * 50) is not None
    assert feed([(7, b"\xff")] * 300) is not None
