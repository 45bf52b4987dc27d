"""The configuration file: where it is found, what is wrong with it, what it becomes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.config import ConfigError, check_binding_ids, load
from tui.paths import example_config_file

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and an empty working directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("MLTRIAGE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path / "c.yaml", text))
    return caught.value


def test_no_file_is_needed(at_home: Path) -> None:
    loaded = load()
    assert loaded.file is None
    assert loaded.config.window == "30m"


def test_the_first_file_of_flag_variable_home_and_folder_is_read(
    at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(at_home / "work/mltriage.yaml", "window: 1m")
    assert load().config.window == "1m"
    written(at_home / "home/.config/mltriage/config.yaml", "window: 2m")
    assert load().config.window == "2m"
    monkeypatch.setenv("MLTRIAGE_CONFIG", str(written(at_home / "c.yaml", "window: 3m")))
    assert load(environment=os.environ).config.window == "3m"
    assert load(written(at_home / "d.yaml", "window: 4m")).config.window == "4m"


@pytest.mark.usefixtures("at_home")
def test_a_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        load(Path("gone.yaml"))
    monkeypatch.setenv("MLTRIAGE_CONFIG", "lost.yaml")
    with pytest.raises(ConfigError, match=r"lost\.yaml: cannot be read"):
        load()


def test_a_folder_and_binary_content_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "c.yaml").write_bytes(b"window: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "c.yaml")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path / "c.yaml", text)).config.refresh == 5.0


def test_an_unknown_key_names_file_line_key_and_the_nearest_known_one(tmp_path: Path) -> None:
    error = refused(tmp_path, "window: 30m\nprometheus:\n  - name: eu\n    url: http://h:9090\n    timout: 3\n")
    assert (error.line, error.key, error.nearest) == (5, "prometheus[0].timout", "timeout")
    assert str(error) == f"{tmp_path}/c.yaml:5: prometheus[0].timout: unknown key; did you mean 'timeout'?"


def test_an_unknown_key_unlike_any_other_lists_those_that_are_known(tmp_path: Path) -> None:
    error = refused(tmp_path, "scrape:\n- {name: a, url: 'http://h/m', xyzzy: 1}\n")
    assert error.nearest is None
    assert "known here: name, url, file, interval" in str(error)


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("refresh: soon", 1, "refresh", "expected a number, got text"),
        ("\nrefresh: 0", 2, "refresh", "expected a number >= 1.0"),
        ("mouse: 1", 1, "mouse", "expected true or false"),
        ("window: 30", 1, "window", "expected text"),
        ("logs: x", 1, "logs", "expected a list, got text"),
        ("logs:\n- path: p", 2, "logs[0]", "the key 'name' is missing"),
        ("logs:\n- {name: a}", 2, "logs[0]", "exactly one of path and url"),
        ("logs:\n- {name: a, path: p, url: http://h}", 2, "logs[0]", "exactly one of path and url"),
        ("logs:\n- {name: a, url: http://h}", 2, "logs[0]", "url and table need each other"),
        ("logs:\n- {name: a, path: p, headers_file: h}", 2, "logs[0]", "headers_file is for a url"),
        ("logs:\n- {name: a, url: http://h, table: t, label_files: l}", 2, "logs[0]", "in a view"),
        ("slos:\n- model: m", 2, "slos[0]", "at least one of availability and latency"),
        ("slos:\n- {model: m, latency: 0.99}", 2, "slos[0]", "latency and latency_ms need each other"),
        ("slos:\n- {model: m, availability: 99.9}", 2, "slos[0].availability", "expected a number < 1.0"),
        ("slos:\n- {model: m, availability: 0.9}\n- {model: m, availability: 0.9}", 1, "", "'m' has two entries"),
        ("theme: drak", 1, "theme", "did you mean 'dark'"),
        ("logs:\n- name: a\n  path: p\n  dims:\n    r: region\n    t: 3", 6, "logs[0].dims.t", "expected text"),
        (
            "prometheus:\n- name: a\n  url: http://h\n  labels:\n    modl: m",
            5,
            "prometheus[0].labels.modl",
            "mean 'model'",
        ),
        ("prometheus:\n- {name: a, url: http://h, cert_file: c}", 2, "prometheus[0]", "need each other"),
        (
            "prometheus:\n- {name: a, url: http://h, bearer_token_file: c, bearer_token_command: [d]}",
            2,
            "prometheus[0]",
            "exclude each other",
        ),
        ("keys:\n  1: x", 1, "keys", "put them in quotes"),
        ("logs:\n- {name: a, path: p}\n- {name: a, path: q}", 1, "", "two sources are named 'a'"),
        ("scrape:\n- {name: a}", 2, "scrape[0]", "exactly one of url and file"),
        ("prometheus:\n- {name: a, url: 'localhost:9090'}", 2, "prometheus[0]", "not an http"),
        ("window: 30m\nmouse: true\nwindow: 1h", 3, "window", "stands twice, first in line 1"),
        ("- a", 1, "", "must be a mapping"),
        ("window: [1", 1, "", "not YAML"),
        ("window: !!python/object:os.system x", 1, "", "not YAML"),
        ("keys: &a\n  x: *a", 1, "keys.x", "contains itself"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, key: str, words: str) -> None:
    error = refused(tmp_path, text)
    assert (error.line, error.key) == (line, key)
    assert words in str(error)


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    error = refused(tmp_path, "prometheus:\n- {name: a, url: 'https://me:hunter2@h'}")
    assert "headers_file" in str(error)
    assert "hunter2" not in str(refused(tmp_path, "prometheus:\n- {name: a, url: 'ftp://me:hunter2@h'}")) + str(error)


def test_a_page_and_its_past_may_have_one_name(tmp_path: Path) -> None:
    text = "scrape:\n- {name: a, url: 'http://h/m'}\n- {name: a, file: m.om}\n"
    assert [s.name for s in load(written(tmp_path / "c.yaml", text)).config.scrape] == ["a", "a"]
    assert "two sources are named 'a'" in str(refused(tmp_path, text + "- {name: a, file: n.om}\n"))


def test_values_are_text_where_they_look_like_text(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "c.yaml", "keys: {a: on, b: no, c: 03:01, d: 2026-11-22, e: y}"))
    assert dict(loaded.config.keys) == {"a": "on", "b": "no", "c": "03:01", "d": "2026-11-22", "e": "y"}


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = "logs:\n- {name: a, path: in/*.parquet}\n- {name: b, path: ~/x}\n- {name: c, path: /y}\n"
    loaded = load(written(tmp_path / "c.yaml", text))
    assert [source.path for source in loaded.config.logs] == [f"{tmp_path}/in/*.parquet", "/home/me/x", "/y"]


@pytest.mark.parametrize("kind", ["prometheus", "logs"])
def test_a_file_that_merely_lies_in_the_working_directory_may_not_run_a_command(at_home: Path, kind: str) -> None:
    table = "  table: t\n" * (kind == "logs")
    text = f"{kind}:\n- name: a\n  url: http://h\n  bearer_token_command: [touch, x]\n{table}"
    written(at_home / "work/mltriage.yaml", text)
    with pytest.raises(ConfigError, match="found in the working directory") as caught:
        load()
    assert caught.value.line == 4
    assert getattr(load(Path("mltriage.yaml")).config, kind)[0].bearer_token_command == ("touch", "x")


def test_a_remapped_key_must_name_a_binding(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "c.yaml", "keys:\n  pause: p\n  quitt: x"))
    with pytest.raises(ConfigError) as caught:
        check_binding_ids(loaded, ["pause", "quit"])
    assert (caught.value.line, caught.value.nearest) == (3, "quit")


def test_the_example_is_a_valid_configuration() -> None:
    loaded = load(example_config_file())
    assert example_config_file() == ROOT / "config.example.yaml"
    assert len(loaded.config.prometheus) == 2
