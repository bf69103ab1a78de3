"""How dangerous a history is: drawn from its seed, and taken back kind by kind where a failing one is shrunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.simulation.clockwork import Clockwork


@dataclass(frozen=True, slots=True)
class Dangers:
    """How often each kind of trouble strikes, per port call. `update` is that to a newer version of the product, whose
    rows have a member more (`members`), or a form that the older one cannot read as well (`form`). With `away`, devices
    do not return when the trouble is over, but days later or never. The timer `stalled` is disabled for most of it.
    With `orders`, people send orders. Where it is `deaf`, the only webhook is gone. With `more`, the policy asks for
    what is cheap beside isolation; with `first`, it has the package collected before that. With `live`, some devices
    run Linux, and policy and people ask them for live response. Where `unsaid`, no link tells how long a package is, so
    that it comes through staging. Where it is `cut`, blocks and pieces are so small that a package has several; where
    the archive's storage `pulls`, it fetches pieces by itself. With `hunts` harmful incidents are hunted for, with
    `reports` reports are made. Without `scenes` there is none, whatever the seed has. With `changes`, caps, protected
    devices, rates and policy change in the middle. Where it begins `observing`, it is switched to respond. One cap is
    `tight`, so that it is reached, and more devices are attacked. With `ends`, machine actions of every kind fail,
    stall and time out. Storage has us `refused` for a minute, or an answer of its own `lost` after any effect. Answers
    to acting calls come `late`. The trouble lasts for `hours`. `pages` are so small that there are
    several. What we send is `doubled` by a person at that moment. Hunts find `rows`. What we are about to send is
    `crossed` by an order. An incident that is harmless for a while has another one `merged` into it. What a queue
    has given to one worker it gives to another, too, while the first is at work (`shared`); a message that is sent
    becomes visible minutes late (`belated`). Reads are answered by a `gateway` before the service, or not at all. A
    worker is `halting` behind a row that it wrote, while others go on. A release is so `hasty` that it comes while the
    isolation is on its way. What goes on is `denied` by a 404. An acting call is `landing` when its sender has
    died. A setting that changes is `rolling` from instance to instance.
    """

    crash: float = 0.0
    mishap: float = 0.0
    storage: float = 0.0
    slow: float = 0.0
    switches: bool = False
    people: bool = True
    sweeps: bool = True
    instances: int = 2
    update: str = ""
    away: bool = False
    stalled: str = ""
    deaf: bool = False
    orders: bool = True
    more: bool = False
    first: bool = False
    live: bool = False
    unsaid: bool = False
    cut: bool = False
    pulls: bool = True
    hunts: bool = True
    reports: bool = True
    scenes: bool = True
    changes: bool = False
    observing: bool = False
    tight: str = ""
    ends: bool = False
    refused: bool = False
    lost: bool = False
    late: bool = False
    hours: bool = False
    pages: bool = False
    doubled: bool = False
    rows: bool = False
    crossed: bool = False
    merged: bool = False
    shared: bool = False
    belated: bool = False
    gateway: bool = False
    halting: bool = False
    hasty: bool = False
    denied: bool = False
    landing: bool = False
    rolling: bool = False


def short(dangers: Dangers) -> bool:
    """Whether a history costs little: of one like this several are played in the time that another takes."""
    more = dangers.live or dangers.reports or dangers.hunts or dangers.more or dangers.ends
    return not (more or dangers.tight or dangers.away or dangers.hours)


def drawn(seed: int) -> Dangers:
    """The dangers of a seed: from none at all to all at once. Half of the seeds play what they played before there was
    more.
    """
    random = Random(seed ^ 0x30BE)  # noqa: S311 - histories, not secrets
    known = earlier(seed)
    if random.random() < 0.5:
        return known
    ends = random.random() < 0.12
    made = replace(
        known,
        ends=ends,
        more=known.more or ends,
        refused=random.random() < 0.15,
        lost=random.random() < 0.2,
        late=random.random() < 0.2,
        hours=random.random() < 0.05,
        doubled=random.random() < 0.15,
        pages=random.random() < 0.2,
        changes=random.random() < 0.25,
        observing=random.random() < 0.12,
        tight=random.choice([""] * 12 + ["per_incident", "per_hour", "per_day", "fleet_share"]),
    )
    return _unruly(seed, _met(random, made))


def _met(random: Random, dangers: Dangers) -> Dangers:
    """What each seed has by its number it has by chance in some: so everything meets everything."""
    names = ("unsaid", "cut", "hunts", "reports")
    mixed = random.random() < _MIXED
    chosen = {name: random.random() < _SHARE for name in names}
    rows = random.random() < 0.7
    met = replace(dangers, **chosen) if mixed else dangers  # type: ignore[arg-type]
    crossed = random.random() < 0.25
    merged = random.random() < 0.15
    return replace(met, rows=met.hunts and rows, crossed=crossed, merged=merged)


def _unruly(seed: int, dangers: Dangers) -> Dangers:
    """What queues and gateways do beside: drawn apart, so that the rest of a seed stays what it was."""
    random = Random(seed ^ _APART)  # noqa: S311 - histories, not secrets
    made = replace(dangers, shared=random.random() < 0.1, belated=random.random() < 0.1, gateway=random.random() < 0.12)
    random = Random(seed ^ _UNTIMELY)  # noqa: S311 - histories, not secrets
    halting, hasty, denied = (random.random() < share for share in (0.1, 0.1, 0.06))
    random = Random(seed ^ _LANDING)  # noqa: S311 - histories, not secrets
    made = replace(made, landing=random.random() < 0.1, rolling=random.random() < 0.2)
    return replace(made, halting=halting, hasty=hasty, denied=denied, more=made.more or denied)


_MIXED = 0.12
_SHARE = 0.4
_APART = 0x9C67
_UNTIMELY, _LANDING = 0x2E31D, 0x3CDDD9
"""None of the regressions that were found before there was this has any of it."""

NOT_YET: dict[str, object] = {
    **dict.fromkeys(
        (
            *("changes", "observing", "ends", "refused", "lost", "late", "hours", "pages", "doubled", "rows"),
            *("crossed", "merged", "shared", "belated", "gateway"),
            *("halting", "hasty", "denied", "landing", "rolling"),
        ),
        False,
    ),
    "tight": "",
}
"""What earlier histories did not know."""


def earlier(seed: int) -> Dangers:
    """The dangers of a seed as they were before there was more."""
    random = Clockwork(seed ^ 0x5EED).random
    return Dangers(
        crash=random.choice([0.0, 0.001, 0.004, 0.01]),
        mishap=random.choice([0.0, 0.01, 0.05, 0.2]),
        storage=random.choice([0.0, 0.001, 0.005]),
        slow=random.choice([0.0, 0.01, 0.05]),
        switches=random.random() < 0.3,
        people=random.random() < 0.7,
        sweeps=random.random() < 0.5,
        instances=random.choice([1, 2, 2, 3]),
        update=random.choice(["", "", "", "members", "form"]),
        away=random.random() < 0.04,  # such a history lasts for days
        stalled=random.choice([*[""] * 12, "watch", "follow"]),
        orders=random.random() < 0.7,
        deaf=random.random() < 0.03,
        more=random.random() < 0.3,
        first=random.random() < 0.2,
        live=random.random() < 0.35,
        unsaid=seed % 6 == 0,
        cut=seed % 4 == 0,
        pulls=seed % 48 != 0,
        hunts=seed % 6 == 3,
        reports=seed % 4 == 0,
    )


def asked(seed: int, *, before: bool = False, scenes: bool = True) -> Dangers:
    """The dangers with which a command plays a seed: as drawn now or as `before` there was more, perhaps without its
    scene.
    """
    known = earlier(seed) if before else drawn(seed)
    return known if scenes else replace(known, scenes=False)


def command(seed: int, dangers: Dangers) -> str:
    """The command that plays a seed with these dangers; in words where there is none."""
    for before in (False, True):
        for scenes in (True, False):
            if asked(seed, before=before, scenes=scenes) == dangers:
                more = f"{' EARLIER=1' if before else ''}{'' if scenes else ' SCENES=0'}"
                return f"make simulate REPLAY={seed}{more}"
    return f"no command plays this one; a test does, by play({seed}, {dangers})"
