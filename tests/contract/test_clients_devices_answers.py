"""What counts as an answer about a device: it has to say which, and what protects it has to be readable."""

import json

import pytest

from shared.clients.defender import DefenderDevices
from shared.clients.interface import ActionQuery
from shared.clients.web import Api, session
from shared.errors import Cause, NotFound, OutcomeUnknown, Transient
from shared.models.device import Machine, MachineAction
from tests.contract.test_clients_stand import HOST, OTHER, Stub, say

WHOLE = {"id": HOST, "computerDnsName": "host1.contoso.com", "machineTags": ["Servers"]}


def machine(answer: object, device: str = HOST) -> Machine:
    with Stub(say(json.dumps(answer).encode())) as defender, session() as http:
        return DefenderDevices(Api(defender.url, lambda: "t", http), 5).machine(device)


def isolated(answer: object) -> MachineAction:
    with Stub(say(json.dumps(answer).encode())) as defender, session() as http:
        return DefenderDevices(Api(defender.url, lambda: "t", http), 5).isolate(HOST, "x")


LINK = "https://userrequests-us.securitycenter.windows.com:443/safedownload/x.zip?token=a%2B&b=1"


@pytest.mark.parametrize(
    "value",
    [
        LINK,
        json.dumps(LINK),
        json.dumps(LINK).replace("&", "\\u0026"),
        json.dumps(LINK).replace("/", "\\/"),
        f' "{LINK}" ',
        f'"{LINK}',
    ],
    ids=["bare", "wrapped", "escaped", "slashes", "padded", "half wrapped"],
)
def test_a_link_is_taken_out_of_its_wrapping(value: str) -> None:
    """A link in quotation marks is JSON within JSON, and some writers of that escape an ampersand."""
    with Stub(say(json.dumps({"value": value}).encode())) as defender, session() as http:
        assert DefenderDevices(Api(defender.url, lambda: "t", http), 5).package_link("x") == LINK


@pytest.mark.parametrize("value", [None, "", '""', '" "', 7, [LINK], '"'])
def test_a_link_that_is_none_is_asked_for_again(value: object) -> None:
    with Stub(say(json.dumps({"value": value}).encode())) as defender, session() as http, pytest.raises(Transient):
        DefenderDevices(Api(defender.url, lambda: "t", http), 5).package_link("x")


@pytest.mark.parametrize("tags", [[], ["Servers"], None])
def test_tags_are_a_list_of_texts_or_none_at_all(tags: object) -> None:
    assert machine(WHOLE | {"machineTags": tags}).tags == tuple(tags or ())  # type: ignore[arg-type]
    assert machine({name: WHOLE[name] for name in WHOLE if name != "machineTags"}).tags == ()


@pytest.mark.parametrize(
    "tags", [[{"name": "Domain Controller"}], ["Servers", 7], "Servers", {"Servers": True}, 7, True]
)
def test_a_device_whose_tags_cannot_be_read_is_not_one_without_tags(tags: object) -> None:
    """One of them may protect it."""
    with pytest.raises(Transient) as error:
        machine(WHOLE | {"machineTags": tags})
    assert error.value.cause is Cause.CONTENT


@pytest.mark.parametrize("members", [{"id": None}, {"id": ""}, {"id": OTHER}])
def test_an_answer_that_does_not_say_which_device_it_is_about_is_none(members: dict[str, object]) -> None:
    with pytest.raises(Transient):
        machine(WHOLE | members)


def test_asked_by_its_name_a_device_is_not_known() -> None:
    """The API takes a computer's name for an id; whoever made up such an id shall not choose the device."""
    with pytest.raises(NotFound):
        machine(WHOLE, "host1")


def test_the_case_of_an_id_says_nothing() -> None:
    assert machine(WHOLE | {"id": HOST.upper()}).id == HOST.upper()


@pytest.mark.parametrize(
    "members", [{"id": ""}, {"id": "a/b"}, {"id": "x\r\ny"}, {"id": "ä"}, {"id": "x" * 200}, {"machineId": OTHER}]
)
def test_an_acceptance_that_cannot_be_followed_is_in_doubt(members: dict[str, object]) -> None:
    """Its id goes into addresses and metadata; one for another device is not ours."""
    whole = {"id": "17", "machineId": HOST.upper(), "type": "Isolate", "status": "Pending"}
    assert isolated(whole).id == "17"
    with pytest.raises(OutcomeUnknown):
        isolated(whole | members)


@pytest.mark.parametrize(("status", "hides"), [("Pending", True), ("Succeeded", False)])
def test_an_unfinished_action_that_nobody_can_follow_stops_whoever_is_about_to_send(status: str, hides: bool) -> None:
    """It may be somebody's isolation. What is over is a fact, whatever it is called; and a listing of all devices is
    not spoilt by one row.
    """
    row = {"id": None, "machineId": HOST, "type": "Isolate", "status": status}
    with Stub(say(json.dumps({"value": [row]}).encode())) as defender, session() as http:
        devices = DefenderDevices(Api(defender.url, lambda: "t", http), 5)
        assert len(devices.actions(ActionQuery()).actions) == 1
        if not hides:
            assert len(devices.actions(ActionQuery((HOST,))).actions) == 1
            return
        with pytest.raises(Transient):
            devices.actions(ActionQuery((HOST,)))


def test_an_answer_about_another_action_is_none() -> None:
    with Stub(say(b'{"id": "18", "status": "Succeeded"}')) as defender, session() as http:
        devices = DefenderDevices(Api(defender.url, lambda: "t", http), 5)
        assert devices.action("18").status == "succeeded"
        with pytest.raises(Transient):
            devices.action("17")
