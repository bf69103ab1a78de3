"""The one error that stops a start, so that a person reads sentences and never a traceback for a slip of the pen."""

from collections.abc import Sequence


class StartRefusedError(Exception):
    """The app or its settings cannot be run; `problems` holds one sentence each, all that were found."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, since fixing them one start at a time is a nuisance."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
