"""What can go wrong, as one small tree.

    ErnieError                 exit 1   unexpected
    ├── UsageError             exit 2   the command line does not make sense
    ├── InputError             exit 3   an input is missing, unreadable or unsupported
    ├── ModelError             exit 4   a checkpoint is missing, broken, or does not fit
    └── AnswerError            exit 5   the model's answer cannot be used

Each says what happened in one sentence, and carries a hint that says what to do.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_CUT_OFF = 6
EXIT_NOTHING_FOUND = 7
EXIT_BATCH_FAILURES = 8
EXIT_INTERRUPTED = 130


class ErnieError(Exception):
    """Base of everything this program raises on purpose; `exit_code` is what the process ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ErnieError):
    """The command line does not make sense."""

    exit_code = 2


class InputError(ErnieError):
    """An input is missing, unreadable or unsupported."""

    exit_code = 3


class ModelError(ErnieError):
    """A checkpoint is missing, broken, or does not fit this machine."""

    exit_code = 4


class AnswerError(ErnieError):
    """The model answered, but what it said cannot be used."""

    exit_code = 5
