# ruff: noqa: SIM300 - settings have capital letters and are not constants for it
"""Settings are read once and checked whole: every problem at once, by name, each with what to do."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import CLOUDS, Caps, Protected, Settings, load
from shared.errors import SettingsError
from shared.models.rates import DEFAULT_RATES, parse_rate
from tests.unit.incidents import JSON

LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "EVIDENCE_STORAGE": "UseDevelopmentStorage=true"}


def problems(**named: str) -> list[str]:
    """What a start with these settings would be refused for."""
    with pytest.raises(SettingsError) as refused:
        load(LEAST | named)
    assert str(refused.value) == "\n".join(f"- {problem}" for problem in refused.value.problems)
    return list(refused.value.problems)


def only(**named: str) -> str:
    (problem,) = problems(**named)
    (name,) = named
    assert problem.startswith(name)
    return problem


# Defaults


def test_the_defaults_are_those_of_the_design() -> None:
    settings = load(LEAST)
    assert settings.RESPONSE_MODE == "observe"
    assert not settings.respond
    assert settings.DEFENDER_CLOUD == "commercial"
    assert settings.ISOLATION_CAPS == Caps(per_incident=5, per_hour=10, per_day=50, fleet_share=0.05)
    assert settings.PROTECTED == Protected(ids=(), names=(), tags=(), groups=())
    assert settings.MAX_AGE_TO_CONTAIN == timedelta(hours=2)
    assert settings.ACTION_VISIBILITY == timedelta(seconds=120)
    assert settings.NUDGE_AFTER == timedelta(seconds=60)
    assert settings.NOTIFY_DETAIL == "minimal"
    assert settings.WATCH_FROM is None
    assert settings.WATCH_SCHEDULE == "*/10 * * * * *"
    assert settings.TIME_BUDGET == timedelta(minutes=8)
    assert settings.CLOSE_AFTER == timedelta(hours=1)
    assert (settings.SLACK_WEBHOOK_URL, settings.TEAMS_WEBHOOK_URL) == ("", "")


@pytest.mark.parametrize(
    ("api", "limits"),
    [
        ("package_uri", ((2, 60), (120, 3600))),
        ("live_response", ((10, 60),)),
        ("isolate", ((100, 60), (1500, 3600))),
        ("collect", ((100, 60), (1500, 3600))),
        ("machines", ((100, 60), (1500, 3600))),
        ("machine_actions", ((100, 60), (1500, 3600))),
        ("incidents", ((50, 60),)),
    ],
)
def test_the_rates_are_the_documented_ones(api: str, limits: tuple[tuple[int, int], ...]) -> None:
    assert load(LEAST).rate(api) == limits


def test_the_rates_have_the_keys_of_the_design() -> None:
    promised = (
        "incidents alerts hunting machines machine_actions isolate collect package_uri live_response"
        " live_response_result live_response_sessions library actions"
    )
    assert list(DEFAULT_RATES) == [*promised.split(), "virustotal"]


def test_an_empty_setting_is_none_at_all() -> None:
    """The portal keeps settings whose value somebody deleted."""
    emptied = dict.fromkeys(("RESPONSE_MODE", "ISOLATION_CAPS", "MAX_AGE_TO_CONTAIN", "WATCH_FROM", "RATE_LIMITS"), "")
    assert load(LEAST | emptied) == load(LEAST)


def test_names_that_are_not_ours_are_left_alone() -> None:
    assert load(LEAST | {"PATH": "/bin", "FUNCTIONS_WORKER_RUNTIME": "python"}) == load(LEAST)


# Every problem at once


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        load(
            {
                "RESPONSE_MODE": "Respond",
                "MAX_AGE_TO_CONTAIN": "two hours",
                "SLACK_WEBHOOK_URL": "http://hooks.slack.com/services/T0/B0/secret",
                "ISOLATION_CAPS": '{"per_hour": -1, "per_moon": 3}',
                "WATCH_SCHEDULE": "* * * * *",
            }
        )
    named = [problem.partition(":")[0] for problem in refused.value.problems]
    assert set(named) == {
        *("AzureWebJobsStorage", "EVIDENCE_STORAGE", "RESPONSE_MODE", "MAX_AGE_TO_CONTAIN", "SLACK_WEBHOOK_URL"),
        *("ISOLATION_CAPS.per_hour", "ISOLATION_CAPS.per_moon", "WATCH_SCHEDULE"),
    }
    assert "secret" not in str(refused.value)


@given(
    st.dictionaries(
        st.sampled_from([name for name in Settings.model_fields if name not in LEAST]), JSON.map(json.dumps), max_size=6
    )
)
def test_whatever_is_set_is_used_or_named(named: dict[str, str]) -> None:
    """And never anything else: an error without a name would be a start that nobody can repair."""
    found: tuple[str, ...] = ()
    try:
        load(LEAST | named)
    except SettingsError as error:
        found = error.problems or ("nothing said",)
    assert {each.partition(":")[0].partition(".")[0] for each in found} <= set(named)


# Storage


@pytest.mark.parametrize(
    "storage",
    [
        {"AzureWebJobsStorage": "UseDevelopmentStorage=true"},
        {"AzureWebJobsStorage__accountName": "bulkhead"},
        {
            f"AzureWebJobsStorage__{kind}ServiceUri": f"https://b.{kind}.core.windows.net"
            for kind in ("blob", "queue", "table")
        },
    ],
    ids=lambda each: next(iter(each)),
)
@pytest.mark.parametrize("evidence", ["EVIDENCE_STORAGE", "EVIDENCE_STORAGE__blobServiceUri"])
def test_storage_is_named_by_connection_string_or_identity(storage: dict[str, str], evidence: str) -> None:
    named = storage | {evidence: "https://evidence.blob.core.windows.net"}
    assert load(named).model_dump(include=set(named)) == named


@pytest.mark.parametrize("half", ["AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__queueServiceUri"])
def test_half_a_storage_is_a_problem(half: str) -> None:
    with pytest.raises(SettingsError, match="AzureWebJobsStorage: missing"):
        load({half: "https://b.core.windows.net", "EVIDENCE_STORAGE": "x"})


def test_missing_storage_says_what_to_give() -> None:
    with pytest.raises(SettingsError) as refused:
        load({})
    assert [each.partition(":")[0] for each in refused.value.problems] == ["AzureWebJobsStorage", "EVIDENCE_STORAGE"]
    assert all("connection string" in each for each in refused.value.problems)


# Addresses

ADDRESSES = ("DEFENDER_API_URL", "GRAPH_API_URL", "SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL", "PAGER_WEBHOOK_URL")


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "url",
    [
        *("https://eu.api.security.microsoft.com", "HTTPS://host/", "https://h:8443/x?sig=1", "http://127.0.0.1:7071"),
        *("http://localhost", "http://LOCALHOST:80/x", "http://[::1]:7071"),
    ],
)
def test_https_is_taken_and_plain_http_on_loopback(name: str, url: str) -> None:
    assert getattr(load(LEAST | {name: url}), name) == url.rstrip("/")


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "url",
    [
        *("http://api.security.microsoft.com", "http://127.0.0.1.evil.example", "http://localhost@evil.example"),
        *("http://127.0.0.2", "http://0.0.0.0", "ftp://127.0.0.1", "api.security.microsoft.com", "//host", "https://"),
        *("https:///path", "https:host", "file:///etc/passwd", "http://[::1", "x"),
    ],
)
def test_any_other_address_is_refused_and_not_repeated(name: str, url: str) -> None:
    """A webhook's address is a secret, and a problem is written to a log."""
    problem = only(**{name: url})
    assert url not in problem.partition(":")[2] or url == "x"


@pytest.mark.parametrize(
    ("cloud", "graph", "defender", "audience"),
    [
        (
            "commercial",
            "https://graph.microsoft.com",
            "https://api.security.microsoft.com",
            "https://api.securitycenter.microsoft.com",
        ),
        (
            "gcc",
            "https://graph.microsoft.com",
            "https://api-gcc.securitycenter.microsoft.us",
            "https://api-gcc.securitycenter.microsoft.us",
        ),
        (
            "gcchigh",
            "https://graph.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us",
        ),
        (
            "dod",
            "https://dod-graph.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us",
        ),
    ],
)
def test_each_cloud_has_its_hosts_and_audiences(cloud: str, graph: str, defender: str, audience: str) -> None:
    """Fact sheet 1.1 and 1.5: the commercial token is for a host that is not the one called."""
    settings = load(LEAST | {"DEFENDER_CLOUD": cloud})
    assert (settings.graph_url, settings.graph_audience) == (graph, graph)
    assert (settings.defender_url, settings.defender_audience) == (defender, audience)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_another_address_changes_the_host_and_not_the_audience(cloud: str) -> None:
    """A regional host or a test tenant is asked with a token for the same resource."""
    usual = load(LEAST | {"DEFENDER_CLOUD": cloud})
    moved = load(
        LEAST | {"DEFENDER_CLOUD": cloud, "DEFENDER_API_URL": "https://d.test/", "GRAPH_API_URL": "http://127.0.0.1:9"}
    )
    assert (moved.defender_url, moved.graph_url) == ("https://d.test", "http://127.0.0.1:9")
    assert (moved.defender_audience, moved.graph_audience) == (usual.defender_audience, usual.graph_audience)


def test_an_unknown_cloud_names_the_known_ones() -> None:
    assert all(cloud in only(DEFENDER_CLOUD="china") for cloud in CLOUDS)


# Times


@pytest.mark.parametrize(
    ("written", "seconds"), [("PT30S", 30), ("PT2H", 7200), ("P1DT12H", 129_600), ("PT0.5S", 0.5), ("PT90M", 5400)]
)
def test_durations_are_iso_8601(written: str, seconds: float) -> None:
    assert load(LEAST | {"MAX_AGE_TO_CONTAIN": written}).MAX_AGE_TO_CONTAIN == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["2 hours", "7200", "PT", "PT99999999999H", "tomorrow"])
@pytest.mark.parametrize("name", ["MAX_AGE_TO_CONTAIN", "NUDGE_AFTER", "ACTION_VISIBILITY", "WATCH_SLICE"])
def test_anything_else_is_told_how_to_write_one(name: str, written: str) -> None:
    problem = only(**{name: written})
    assert "ISO 8601" in problem
    assert "PT2H" in problem


@pytest.mark.parametrize("written", ["PT0S", "-PT5M"])
@pytest.mark.parametrize(
    "name", ["MAX_AGE_TO_CONTAIN", "NUDGE_AFTER", "COLLECT_PATIENCE", "TIME_BUDGET", "WATCH_ALARM"]
)
def test_no_time_at_all_is_no_duration(name: str, written: str) -> None:
    assert "greater than 0" in only(**{name: written})


def test_visibility_is_at_least_five_seconds_and_closing_at_least_an_hour_away() -> None:
    least = load(LEAST | {"ACTION_VISIBILITY": "PT5S", "CLOSE_AFTER": "PT1H"})
    assert (least.ACTION_VISIBILITY, least.CLOSE_AFTER) == (timedelta(seconds=5), timedelta(hours=1))
    assert "5 seconds" in only(ACTION_VISIBILITY="PT4.9S")
    assert "1 hour" in only(CLOSE_AFTER="PT59M")


def test_the_first_instant_needs_a_zone() -> None:
    assert load(LEAST | {"WATCH_FROM": "2026-08-20T10:00:00Z"}).WATCH_FROM == datetime(2026, 8, 20, 10, tzinfo=UTC)
    assert "zone" in only(WATCH_FROM="2026-08-20T10:00:00")
    assert "2026-08-20T10:00:00Z" in only(WATCH_FROM="yesterday")


@pytest.mark.parametrize("name", ["WATCH_SCHEDULE", "FOLLOW_SCHEDULE", "HOUSEKEEPING_SCHEDULE"])
@pytest.mark.parametrize("written", ["* * * * *", "* * * * * * *", "00:00:10", "daily"])
def test_a_schedule_has_six_fields(name: str, written: str) -> None:
    assert "second minute hour day month weekday" in only(**{name: written})
    assert getattr(load(LEAST | {name: "*/5 0 1-3 * JAN MON,FRI"}), name)


# JSON


def test_caps_protection_rates_and_hosts_are_json() -> None:
    settings = load(
        LEAST
        | {
            "ISOLATION_CAPS": '{"per_incident": 1, "fleet_share": 0}',
            "PROTECTED": '{"ids": ["a"], "names": ["DC01", "x.y"], "tags": ["t"], "groups": ["g"]}',
            "RATE_LIMITS": '{"package_uri": "1/min,60/h", "live_response_sessions": 3}',
            "DOWNLOAD_HOSTS": '[".blob.core.windows.net", "tenant"]',
        }
    )
    assert settings.ISOLATION_CAPS == Caps(per_incident=1, per_hour=10, per_day=50, fleet_share=0)
    assert settings.PROTECTED == Protected(ids=("a",), names=("DC01", "x.y"), tags=("t",), groups=("g",))
    assert settings.rate("package_uri") == ((1, 60), (60, 3600))
    assert settings.RATE_LIMITS["live_response_sessions"] == 3
    assert settings.rate("isolate") == parse_rate("100/min,1500/h")
    assert settings.DOWNLOAD_HOSTS == (".blob.core.windows.net", "tenant")


@pytest.mark.parametrize("cloud", ["microsoft.com", "microsoft.us"])
def test_packages_may_come_from_the_hosts_of_every_cloud(cloud: str) -> None:
    assert f".security.{cloud}" in load(LEAST).DOWNLOAD_HOSTS


@pytest.mark.parametrize("name", ["ISOLATION_CAPS", "PROTECTED", "RATE_LIMITS", "DOWNLOAD_HOSTS"])
@pytest.mark.parametrize(
    ("written", "advice"),
    [("{", "not valid JSON"), ("per_hour=1", "not valid JSON"), ("5", "needs a JSON"), ('"x"', "needs a JSON")],
)
def test_what_is_no_json_of_its_kind_is_told_so(name: str, written: str, advice: str) -> None:
    assert advice in only(**{name: written})


@pytest.mark.parametrize(
    ("name", "written", "known"),
    [
        ("ISOLATION_CAPS", '{"per_week": 1}', "per_incident, per_hour, per_day, fleet_share"),
        ("PROTECTED", '{"name": ["dc01"]}', "ids, names, tags, groups"),
        ("RATE_LIMITS", '{"isolation": "1/min"}', ", ".join(DEFAULT_RATES)),
    ],
)
def test_a_key_that_is_not_known_is_told_the_known_ones(name: str, written: str, known: str) -> None:
    """A misspelt protection would protect nothing."""
    problem = only(**{name: written})
    assert "unknown key" in problem
    assert known in problem


@pytest.mark.parametrize(
    "written",
    [
        *('{"per_incident": -1}', '{"per_hour": 1.5}', '{"per_day": "many"}', '{"per_day": null}'),
        *('{"fleet_share": -0.1}', '{"fleet_share": 1.01}', '{"fleet_share": NaN}', '{"fleet_share": Infinity}'),
    ],
)
def test_a_cap_is_a_number_in_its_range(written: str) -> None:
    assert only(ISOLATION_CAPS=written).startswith("ISOLATION_CAPS.")


def test_a_single_name_is_not_a_list_of_its_letters() -> None:
    assert "JSON list" in only(PROTECTED='{"names": "dc01"}')


@pytest.mark.parametrize(
    "rate", ["0", "-1", "true", "2.5", "null", "[]", '""', '"2"', '"2/day"', '"0/min"', '"-1/min"', '"2/min,"']
)
def test_a_rate_that_cannot_be_kept_is_refused_at_the_start(rate: str) -> None:
    """Not when the first call is to be made, in the middle of a response."""
    assert "isolate" in only(RATE_LIMITS=f'{{"isolate": {rate}}}')


@given(
    st.dictionaries(st.sampled_from(list(DEFAULT_RATES)), st.integers() | st.text("0123456789/,minhs ", max_size=12))
)
def test_every_rate_that_is_accepted_can_be_kept(rates: dict[str, int | str]) -> None:
    try:
        settings = load(LEAST | {"RATE_LIMITS": json.dumps(rates)})
    except SettingsError:
        return
    for api in DEFAULT_RATES:
        assert all(calls > 0 and window > 0 for calls, window in settings.rate(api))


def test_all_wrong_rates_are_named_at_once() -> None:
    problem = only(RATE_LIMITS='{"isolate": 0, "collect": "often", "moon": 1}')
    assert all(name in problem for name in ("isolate: 0", "collect: 'often'", "unknown key moon"))


@pytest.mark.parametrize("host", ["", ".", ".com", "*", "*.example.com", "https://x.example", "x.example/path", "a b"])
def test_a_download_host_is_a_name_or_a_suffix_of_two_labels(host: str) -> None:
    assert repr(host) in only(DOWNLOAD_HOSTS=json.dumps([host]))


# The deployment's own name


@pytest.mark.parametrize(
    ("site", "name"),
    [("", "local"), ("bulkhead-prod", "bulkhead-prod"), ("a.b/c", "a-b-c"), ("--", "local"), ("x" * 80, "x" * 40)],
)
def test_the_deployment_is_called_like_its_site(site: str, name: str) -> None:
    """The name stands in every comment's marker, so it has to be one that can stand there."""
    assert load(LEAST | {"WEBSITE_SITE_NAME": site}).DEPLOYMENT == name
    assert load(LEAST | {"WEBSITE_SITE_NAME": site, "DEPLOYMENT": "mine"}).DEPLOYMENT == "mine"


@pytest.mark.parametrize("name", ["-a", "a/b", "a]b", "x" * 41, "a b"])
def test_a_name_that_could_not_stand_in_a_marker_is_refused(name: str) -> None:
    assert "letters, digits and hyphens" in only(DEPLOYMENT=name)


def test_settings_cannot_be_changed_after_they_were_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(LEAST).RESPONSE_MODE = "respond"  # type: ignore[misc]
