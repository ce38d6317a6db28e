"""A value axis as it can be read off a chart: two of its numbers, and where they stand along it.

Places on a chart are in tenths of a token, across and down: on which token something lies is what a decoder knows best.
(In hundredths of the picture it has to know how large that is, and a token sees only what comes before it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from random import Random
from typing import NamedTuple

from data import Letter
from data.chart_print import HIGHEST, LOWEST

TENTHS = 10  # of a token
DIGITS = 3  # of a place, across and down
LIFTED = 0.4  # of axes that nobody drew: a quarter of those that are drawn, but there is more to be reckoned
STEPS = (1, 2, 2.5, 5, 10)  # between numbers of an axis, times powers of ten: matplotlib's


class Axis(NamedTuple):
    """The numbers `low` and `high`, and where along the axis they stand: at `begin` and at `end`."""

    low: str
    high: str
    begin: int
    end: int

    @property
    def horizontal(self) -> bool:
        """Up and down, places count from the top: there what is more stands at the lower one."""
        return self.begin < self.end

    @property
    def length(self) -> int:
        """From `low` to `high`."""
        return abs(self.end - self.begin)

    def along(self, place: tuple[int, int]) -> int:
        """How far from `low` a place, across and down, lies along the axis."""
        return place[0] - self.begin if self.horizontal else self.begin - place[1]

    def share(self, place: tuple[int, int]) -> int:
        """The same in hundredths of the way from `low` to `high`."""
        return round(100 * self.along(place) / self.length)

    @property
    def lifted(self) -> bool:
        """It does not begin with 0, and what is reckoned from `low` is not the value yet."""
        return float(self.low) > 0

    @property
    def span(self) -> float:
        """How much more `high` is than `low`."""
        return plain(float(self.high) - float(self.low))

    def above(self, share: int) -> float:
        """How much more than `low` stands there, as far as it can be read off; negative if it is less."""
        more = read_off(abs(self.span * share / 100))
        return more if share > 0 else -more if self.lifted else 0

    def value(self, share: int) -> float:
        """What stands there; nothing on a chart is below 0."""
        return plain(float(self.low) + self.above(share))


def place_of(told: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
    """Where that is which is told in fractions of a picture of so many tokens, in tenths of them."""
    counts = (TENTHS * tokens for tokens in size)
    across, down = (max(0, min(count - 1, int(share * count))) for share, count in zip(told, counts, strict=True))
    return across, down


def digit_at(digit: int) -> int:
    """The column at which a digit of the place is addressed that is told of a line: before all that is printed."""
    return -1 - digit


def places_of(letters: Sequence[Letter], size: tuple[int, int]) -> dict[int, tuple[int, int]]:
    """The places that are told of lines, on a picture of so many tokens."""
    return {one.line: place_of(one.told, size) for one in letters if one.told}


def axis_of(letters: Sequence[Letter], size: tuple[int, int], *, horizontal: bool) -> Axis:
    """The value axis of a chart of so many tokens, by what is printed there."""
    places, along = places_of(letters, size), 0 if horizontal else 1
    low, high = ("".join(one.character for one in letters if one.line == line) for line in (LOWEST, HIGHEST))
    return Axis(low, high, places[LOWEST][along], places[HIGHEST][along])


def draw_axis(random: Random) -> Axis:
    """An axis such as matplotlib draws."""
    step = random.choice(STEPS) * 10.0 ** random.randint(-1, 3)
    first = random.randint(1, 15) if random.random() < LIFTED else 0
    low, high = step * first, step * (first + random.randint(2, 6))
    digits = next(digits for digits in range(3) if round(step, digits) == step)
    begin, end = random.randint(8, 60), random.randint(85, 155)
    ends = (begin, end) if random.random() < 0.25 else (end, begin)
    return Axis(f"{low:.{digits}f}", f"{high:.{digits}f}", *ends)


def read_off(value: float) -> float:
    """A value, not below 0, with the digits that can be read off an axis: two, or behind a one half a third."""
    if not value:
        return 0
    unit: float = 10.0 ** (floor(log10(value)) - 1)
    unit /= 2 if value < 20 * unit else 1
    return plain(round(value / unit) * unit, 1)


def plain(value: float, digits: int = 2) -> float:
    """A number without what is lost in fractions of two, and a whole one as such."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded
