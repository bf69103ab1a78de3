"""When an incident says that it was changed: what is older than that is not taken, so it must not be another year."""

from datetime import timedelta

import pytest

from shared.models.incident import updated_of
from tests.unit.incidents import NOW, graph_time
from tests.unit.order_stand import HOST, OTHER, Stand

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [(timedelta(0), True), (-400 * DAY, True), (DAY, True), (DAY + timedelta(seconds=1), False), (13149 * DAY, False)],
)
def test_a_date_more_than_a_day_ahead_of_its_own_answer_is_not_believed(ahead: timedelta, believed: bool) -> None:
    raw = {"lastUpdateDateTime": graph_time(NOW + ahead)}
    assert updated_of(raw, NOW) == (NOW + ahead if believed else None)


def test_an_answer_without_a_date_has_none() -> None:
    assert [updated_of({"lastUpdateDateTime": odd}, NOW) for odd in (None, "soon", 5)] == [None] * 3
    assert updated_of({}, NOW) is None


def test_what_comes_after_a_date_of_another_year_is_taken() -> None:
    stand = Stand()
    stand.harm(OTHER, lastUpdateDateTime="2062-01-05T09:00:00.0000000Z")
    stand.wait(60)
    stand.harm(OTHER, HOST)
    stand.wait(60)
    assert (stand.isolated(OTHER), stand.isolated(HOST)) == (True, True)
