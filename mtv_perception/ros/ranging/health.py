"""What is wrong with the inputs of the ranging node, each until it is good again."""

from __future__ import annotations

from collections import Counter


class InputHealth:
    """Errors by their source, so that no good input hides the error of another.

    Attributes:
        why_nothing: why the last result was not measured; empty where it was.
    """

    def __init__(self, why_nothing: str) -> None:
        self.why_nothing = why_nothing
        self._errors: dict[str, str] = {}
        self._results, self._without, self._reasons = 0, Counter[str](), dict[str, str]()
        self._lacking: list[str] = []

    def broken(self, source: str, error: str) -> None:
        """An input can't be used."""
        self._errors[source] = error

    def good(self, source: str) -> None:
        """The next message of an input may be good."""
        self._errors.pop(source, None)

    def error(self, source: str) -> str:
        """Why an input can't be used; empty where it can."""
        return self._errors.get(source, "")

    def measured(self, lacks: dict[str, str]) -> None:
        """A result was measured.

        Args:
            lacks: why, by what it should have had.
        """
        self.why_nothing = ""
        self._results += 1
        self._without.update(lacks.keys())
        self._reasons |= lacks

    def sum_up(self) -> None:
        """End a period of diagnostics: what half of its results lacked is told until the next one."""
        if self._results:
            often = (what for what, count in self._without.items() if 2 * count >= self._results)
            self._lacking = [self._reasons[what] for what in often]
        self._results = 0
        self._without.clear()

    def problems(self) -> list[str]:
        """All of it, each once."""
        told = (self.why_nothing, *self._errors.values(), *self._lacking)
        return list(dict.fromkeys(filter(None, told)))
