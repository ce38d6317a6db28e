"""What many answers cost together, and how they ended: one `Finish` for a search, a document, or a picture in tiles."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ernie_cli.cli.output import Reply
    from ernie_cli.messages import Finish


@dataclass
class Gathered:
    """What many answers cost together, and how they ended."""

    finishes: list[Finish] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def add(self, reply: Reply) -> None:
        self.finishes.append(reply.finish)
        self.thoughts.append(reply.thinking)

    def finish(self, model: str, *, cut: bool) -> Finish:
        """One finish for all: sums, the first look's times, and `length` if something was cut off."""
        from ernie_cli.messages import Finish, Timing, Usage

        usage = sum((one.usage for one in self.finishes), Usage())
        first = self.finishes[0].timing if self.finishes else Timing()
        reasons: set[str] = {one.reason for one in self.finishes} | ({"length"} if cut else set())
        reason = next((reason for reason in ("length", "loop", "budget") if reason in reasons), "stop")
        # As in one answer's timing, the model is there when the clock starts.
        took = time.monotonic() - self.begun - sum(one.timing.load_s for one in self.finishes)
        timing = replace(first, total_s=round(max(took, 0.0), 3))
        return Finish(reason, model, usage, timing)  # type: ignore[arg-type]
