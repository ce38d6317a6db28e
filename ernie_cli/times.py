"""How times are written: the clock in frames, and the clock of answers and files. Seconds in, text out."""

from __future__ import annotations


def clock(time_s: float) -> str:
    """Seconds as the clock in the frames shows them, `HH:MM:SS.ss`."""
    # Through text, since 0.145 * 100 is not what 0.145 rounds to.
    hundredths = round(float(f"{time_s:.2f}") * 100)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"


def stamp(time_s: float, *, point: str = ".") -> str:
    """Seconds to the millisecond, `HH:MM:SS.sss`, as WebVTT writes them (SRT: with a comma)."""
    minutes, rest = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
