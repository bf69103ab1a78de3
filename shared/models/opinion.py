"""What the ledger keeps of what the world said about a file, so that nobody is asked again for a while."""

from __future__ import annotations

from datetime import datetime

from shared.models.action import Kept


class Opinion(Kept):
    """What was said at `at` of the file with this hash: `malicious` of `engines`; None where nobody knew it."""

    digest: str
    at: datetime
    malicious: int | None = None
    engines: int | None = None
