"""What `verify` finds, told as it is found: reading takes hours perhaps, and whoever stops it keeps what is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from console.entrance import FAILED, WRONGLY, explained
from console.voice import ours
from console.words import many
from responders._inert import inert
from responders._verify import CHECKPOINT, Checked, Finding, check
from shared.errors import BulkheadError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from rich.progress import Progress
    from rich.text import Text

    from console.voice import Voice
    from responders._verify import Reader

EVERYTHING, VERSIONS, REPORTS = "everything", "versions", "reports"
"""What could not be checked is told by these where it is no run: all of it, what was written over, the reports."""

INTERRUPTED = "interrupted"
_VAULT_S = re.compile(
    r"sha256:[0-9a-f]{64} \(key-vault key https://[A-Za-z0-9-]{3,24}"
    r"\.(vault\.azure\.net|vault\.usgovcloudapi\.net|vault\.azure\.cn|managedhsm\.azure\.net)"
    r"/keys/[A-Za-z0-9-]{1,127}/[0-9a-f]{32}\)"
)
"""A key that is called as the vault calls one. It is for `az keyvault key show --id`, and told as it can be pasted."""


@dataclass
class _Watched:
    """A run's objects, of which `step` is told how many bytes were read."""

    reader: Reader
    step: Callable[[int], None]

    def names(self) -> list[str]:
        return self.reader.names()

    def read(self, name: str) -> Iterator[bytes]:
        for piece in self.reader.read(name):
            yield piece
            self.step(len(piece))


@dataclass
class Findings:
    """What was read, what is not sealed, and what could not be checked. `keys` are the fingerprints of which each seal
    has to have one, if there are any. `expected` are the runs that are to be read, and `at` is what is looked at beside
    these; of those in `accesses` the chain of accesses was looked at. `elsewhere` is of no run that is read.
    """

    voice: Voice
    keys: Collection[str] = ()
    results: dict[str, Checked] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)
    elsewhere: list[Finding] = field(default_factory=list)
    accesses: set[str] = field(default_factory=set)
    versions: bool = False
    reports: int = 0
    at: str = EVERYTHING

    def __post_init__(self) -> None:
        self._progress: Progress = self.voice.progress()

    @property
    def whole(self) -> bool:
        """Whether nothing differs, as far as anything was read."""
        some = bool(self.results or self.unchecked.keys() - {VERSIONS, REPORTS})
        return some and not (self.unsealed or self.elsewhere) and all(each.whole for each in self.results.values())

    def without_seal(self, runs: Iterable[str]) -> None:
        """Tell of runs that they are not sealed."""
        for run in runs:
            self.unsealed.append(run)
            self._say(ours(f"{run}: not sealed", "yellow"))

    def beside(self, finding: Finding) -> None:
        """Tell what was found, and is of no run that is read."""
        self.elsewhere.append(finding)
        self._say(ours(str(finding), "red"))

    def not_checked(self, what: str, why: str) -> None:
        """Tell what could not be checked."""
        self.unchecked[what] = why
        self._say(ours(f"{what}: could not be checked: {why}", "red"))

    def read(
        self,
        run: str,
        reader: Reader,
        folder: str,
        rest: Callable[[Checked], None],
        known: Iterable[Finding] = (),
    ) -> None:
        """Check a run, and what `rest` looks at besides; what is `known` of it is told with that. Each finding is told
        as it comes, and what was found stays where something goes wrong.
        """
        result, through = self.results.setdefault(run, Checked()), False
        watched = _Watched(reader, self._watching(run, result))
        self._progress.start()
        try:
            try:
                check(watched, folder, result)
                through = True
            finally:
                result.findings += known
            if self.keys and result.key not in {"", *self.keys}:
                result.findings.append(Finding(CHECKPOINT, "", f"is signed with another key: {result.key}"))
            rest(result)
        except ValueError as error:  # the name of a stranger's run, which no URL can carry
            self.unchecked[run] = str(error)
        except (BulkheadError, OSError) as error:
            self.unchecked[run] = explained(error)
        except KeyboardInterrupt:
            self.unchecked[run] = INTERRUPTED
            raise
        finally:
            watched.step(0)
            self._progress.stop()
            self._told(run, result, through=through)

    def _watching(self, run: str, result: Checked) -> Callable[[int], None]:
        """What is called with each piece that was read of a run: shows how much that is, and tells what is new."""
        place, told = f"{self.expected.index(run) + 1}/{len(self.expected)}", 0
        task = self._progress.add_task(f"{place} {inert(run.rpartition('/')[2], dots=False)}", total=None)

        def step(count: int) -> None:
            nonlocal told
            self._progress.update(task, advance=count)
            new = result.findings[told:]
            if new:
                heading = [] if told else [ours(f"{run}:", "red")]
                self._say(*heading, *(ours(f"  {each}", "red") for each in new))
                told = len(result.findings)

        return step

    def _told(self, run: str, result: Checked, *, through: bool) -> None:
        """Tell how it ends with a run. One that was not read `through` is told of where something differs in it."""
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        if through:
            self._say(_line(run, result))
        elif result.whole:
            del self.results[run]
        if run in self.unchecked:
            self._say(ours(f"{run}: could not be checked: {self.unchecked[run]}", "red"))

    def stopped(self) -> None:
        """Tell that a person stopped it: what was to be read, and was not, could not be checked."""
        left = [run for run in self.expected if run not in self.results or run in self.unchecked]
        self.unchecked |= dict.fromkeys(left or [self.at], INTERRUPTED)
        read = f"of {many(len(self.expected), 'run')} {len(self.expected) - len(left)} read to the end"
        self._say(ours(f"{INTERRUPTED}: {read if self.expected else 'nothing was read'}", "red"))

    def end(self) -> None:
        """Tell all of it to a script, and end with the status that it stands for."""
        told = {
            "whole": self.whole and not self.unchecked,
            "differences": [vars(difference) for difference in self.elsewhere],
            "unsealed": self.unsealed,
            "unchecked": [{"run": run, "why": why} for run, why in self.unchecked.items()],
            "reports": self.reports,
            "runs": [
                {
                    "run": run,
                    "sealed_as": each.run,
                    "whole": each.whole,
                    "objects": each.objects,
                    "bytes": each.size,
                    "signed": each.signed,
                    "key": each.key,
                    "versions": self.versions,
                    "accesses": run in self.accesses,
                    "differences": [vars(difference) for difference in each.findings],
                }
                for run, each in self.results.items()
            ],
        }
        nothing = not (self.results or self.unsealed or self.unchecked or self.elsewhere)
        self.voice.tell(told, *([ours("there is no run here to verify", "red")] if nothing else []))
        unknown = WRONGLY if self.unchecked else 0
        click.get_current_context().exit(unknown if self.whole else FAILED)

    def _say(self, *lines: Text) -> None:
        """Tell a person, with what shows how far it came out of the way."""
        shown = self._progress.live.is_started
        self._progress.stop()
        self.voice.say(*lines)
        if shown:
            self._progress.start()


def _line(run: str, result: Checked) -> Text:
    """A run that was read to its end."""
    style = "green" if result.whole else "red"
    named = f" (the seal of {result.run})" if result.run not in ("", run) else ""
    signed = result.signed or "NOT SIGNED"
    told = ours(f"{run}{named}: {result.objects} objects, {result.size} bytes; ", style)
    told.append(signed if _VAULT_S.fullmatch(signed) else ours(signed).plain)
    return told.append(f"; {'as it was sealed' if result.whole else many(len(result.findings), 'difference')}")
