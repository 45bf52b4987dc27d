"""Flags over configuration over defaults, and what a request carries as proof."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from analysis.filters import Eq
from analysis.view import Baseline
from connectors.base import RejectedError
from tui import credentials
from tui.config import ConfigError, Loaded, load
from tui.config_schema import Config, PrometheusSource
from tui.options import FlagError, Flags, resolve, show

NOW = 1_795_000_000.5

FILE = """\
prometheus:
  - name: eu
    url: https://p.example.com/?key=s3cret
    bearer_token_command: [vault, read, s3cret]
logs:
  - name: inference
    path: /data/*.parquet
    dims: {region: zone}
    features: {amount: amount / 100}
window: 1h
mouse: false
keys: {pause: p}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    file = tmp_path / "c.yaml"
    file.write_text(FILE, encoding="utf-8")
    return load(file)


def test_nothing_given_means_the_defaults() -> None:
    options = resolve(Flags(), Loaded(Config()), NOW)
    assert not options.has_sources
    assert (options.view.window_s, options.view.live, options.view.models) == (1_800, True, ())
    assert (options.refresh_s, options.confidence_threshold, options.theme, options.mouse) == (5.0, 0.6, "dark", True)


def test_flags_win_over_the_file_and_the_file_over_the_defaults(loaded: Loaded) -> None:
    options = resolve(Flags(), loaded, NOW)
    assert (options.view.window_s, options.mouse, options.view.baseline) == (3_600, False, Baseline("previous"))
    flags = Flags(window="15m", baseline="1d", at="-2h", filter="region=eu", model=("fraud", "fraud"), ascii=True)
    options = resolve(flags, loaded, NOW)
    assert (options.view.window_s, options.view.baseline, options.view.end) == (900, Baseline("1d"), int(NOW) - 7_200)
    assert (options.view.where, options.view.models, options.ascii) == (Eq("region", "eu"), ("fraud",), True)


def test_a_source_flag_replaces_every_source_of_the_file(loaded: Loaded) -> None:
    options = resolve(Flags(logs=("/tmp/x",), scrape=("http://127.0.0.1:1/metrics", "page.txt")), loaded, NOW)
    assert [s.path for s in options.logs] == ["/tmp/x"]
    assert [(s.name, s.url, s.file) for s in options.scrape] == [
        ("127.0.0.1:1/metrics", "http://127.0.0.1:1/metrics", None),
        ("page.txt", None, "page.txt"),
    ]
    assert options.prometheus == ()


def test_a_source_flag_may_name_a_source_of_the_file(loaded: Loaded) -> None:
    options = resolve(Flags(prometheus=("eu", "http://h:9090/")), loaded, NOW)
    assert options.prometheus[0] is loaded.config.prometheus[0]
    assert (options.prometheus[1].name, options.prometheus[1].timeout) == ("h:9090", 10.0)


def test_a_log_that_is_an_address_is_a_table_of_a_clickhouse() -> None:
    (source,) = resolve(Flags(logs=("https://proxy:8443/ch/ml.inference",)), Loaded(Config()), NOW).logs
    assert (source.url, source.table, source.path) == ("https://proxy:8443/ch", "ml.inference", None)
    assert source.name == "proxy:8443/ch/ml.inference"


def test_following_the_clock_is_what_a_moment_that_has_not_passed_means(loaded: Loaded) -> None:
    assert resolve(Flags(at="now"), loaded, NOW).view.live
    assert resolve(Flags(at="2099-01-01"), loaded, NOW).view.live


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        (Flags(window="soon"), "window"),
        (Flags(baseline="2d"), "baseline"),
        (Flags(at="x"), "at"),
        (Flags(filter="region"), "filter"),
        (Flags(prometheus=("no-such-name",)), "prometheus"),
        (Flags(prometheus=("http://me:pw@h",)), "prometheus"),
        (Flags(logs=("",)), "logs"),
        (Flags(logs=("http://clickhouse:8123",)), "logs"),
        (Flags(logs=("http://me:pw@clickhouse:8123/log",)), "logs"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named(loaded: Loaded, flags: Flags, flag: str) -> None:
    with pytest.raises(FlagError) as caught:
        resolve(flags, loaded, NOW)
    assert caught.value.flag == flag


def test_a_window_of_the_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("\nwindow: ages\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"c.yaml:2: window: 'ages' is not a duration"):
        resolve(Flags(), load(file), NOW)


def test_every_value_is_shown_with_where_it_came_from_and_secrets_are_not(loaded: Loaded) -> None:
    text = show(resolve(Flags(theme="light", filter="tier=free"), loaded, NOW))
    assert "s3cret" not in text
    lines = text.splitlines()
    for line in (
        f"file = {loaded.file}",
        f"prometheus[0].url = https://p.example.com/?***  ({loaded.file}:3)",
        f"prometheus[0].bearer_token_command = vault ***  ({loaded.file}:4)",
        "prometheus[0].timeout = 10.0  (default)",
        f"logs[0].dims.region = zone  ({loaded.file}:8)",
        f"logs[0].features.amount = amount / 100  ({loaded.file}:9)",
        "scrape = none  (default)",
        f"window = 1h  ({loaded.file}:10)",
        "baseline = previous  (default)",
        "filter = tier=free  (--filter)",
        "theme = light  (--theme)",
        f"keys.pause = p  ({loaded.file}:12)",
    ):
        assert line in lines


def test_every_key_with_a_single_value_is_shown() -> None:
    text = show(resolve(Flags(), Loaded(Config()), NOW))
    shown = {line.split(" = ")[0] for line in text.splitlines()}
    assert set(Config.__struct_fields__) - {"keys", "incidents"} <= shown


def test_a_token_file_is_read_again_for_each_request(tmp_path: Path) -> None:
    token, headers = tmp_path / "token", tmp_path / "headers"
    source = PrometheusSource(name="eu", url="http://h", bearer_token_file=str(token), headers_file=str(headers))
    proof = credentials.Credentials(source)
    token.write_text("one\n")
    headers.write_text("# tenant\nX-Scope-OrgID: team: a\n\n")
    assert proof.headers() == {"Authorization": "Bearer one", "X-Scope-OrgID": "team: a"}
    token.write_text("two\n")
    assert proof.headers()["Authorization"] == "Bearer two"


def test_a_token_command_runs_again_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    now = 0.0
    source = PrometheusSource(name="eu", url="http://h", bearer_token_command=("cat", str(tmp_path / "token")))
    proof = credentials.Credentials(source, lambda: now)
    assert proof.headers()["Authorization"] == "Bearer one"
    (tmp_path / "token").write_text("two")
    now = 59.0
    assert proof.headers()["Authorization"] == "Bearer one"
    now = 60.0
    assert proof.headers()["Authorization"] == "Bearer two"


def test_a_token_command_runs_without_a_shell() -> None:
    command = (sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME;x")
    source = PrometheusSource(name="eu", url="http://h", bearer_token_command=command)
    assert credentials.Credentials(source).headers() == {"Authorization": "Bearer $HOME;x"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('tok'); raise SystemExit(3)", "exit status 3"),
        ("pass", "gave no token"),
        ("print('tok', flush=True); import time; time.sleep(60)", "took longer"),
    ],
)
def test_a_token_command_that_fails_is_an_error_without_its_output(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.setattr(credentials, "COMMAND_TIMEOUT_S", 0.5 if "sleep" in code else 20.0)
    source = PrometheusSource(name="eu", url="http://h", bearer_token_command=(sys.executable, "-c", code))
    with pytest.raises(RejectedError, match=words) as caught:
        credentials.Credentials(source).headers()
    assert "tok'" not in str(caught.value)


def test_unreadable_secrets_are_named_and_never_repeated(tmp_path: Path) -> None:
    gone = PrometheusSource(name="eu", url="http://h", bearer_token_file=str(tmp_path / "gone"))
    with pytest.raises(RejectedError, match=r"eu: .*gone cannot be read"):
        credentials.Credentials(gone).headers()
    (tmp_path / "headers").write_text("hunter2\n")
    odd = PrometheusSource(name="eu", url="http://h", headers_file=str(tmp_path / "headers"))
    with pytest.raises(RejectedError, match="line 1") as caught:
        credentials.Credentials(odd).headers()
    assert "hunter2" not in str(caught.value)
    absent = PrometheusSource(name="eu", url="http://h", bearer_token_command=("/no/such/program",))
    with pytest.raises(RejectedError, match="cannot be run"):
        credentials.Credentials(absent).headers()
