"""What is volatile, as a bundle: it contains nothing, and needs what live response needs. Its steps are tried in
`test_collect_logs.py`, and for real in `tests/integration/test_live_collections.py`.
"""

from responders.collect_volatile import RESPONDER, CollectVolatile


def test_it_takes_nothing_from_the_device() -> None:
    assert isinstance(RESPONDER, CollectVolatile)
    assert not RESPONDER.contains
    assert set(RESPONDER.permissions) == {"Machine.LiveResponse", "Library.Manage", "Machine.Read.All"}
