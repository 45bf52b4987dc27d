"""The segment benchmark: a cube survives its CSV, and its planted causes are what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.segments import search
from bench.segment_cubes import case
from bench.segments import main, read, right, write


def test_a_generated_cube_survives_its_csv(tmp_path: Path) -> None:
    one = case(3)
    write(tmp_path / "cube.csv", one)
    live, baseline = read(tmp_path / "cube.csv")
    assert live.n.sum() == one.live.n.sum()
    assert baseline.hits.sum() == one.baseline.hits.sum()
    assert [s.where for s in search(live, baseline, 0)] == [s.where for s in search(one.live, one.baseline, 0)]


def test_the_segments_of_a_csv_are_printed_one_json_object_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "cube.csv", case(3))
    causes = json.loads((tmp_path / "cube.json").read_text())["causes"]
    monkeypatch.setattr("sys.argv", ["bench", str(tmp_path / "cube.csv")])
    main()
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert lines[0]["segment"] in causes
    assert "s CPU" in printed.err


def test_planted_causes_are_found_and_null_cubes_stay_quiet() -> None:
    hit = shown = planted = 0
    for seed in range(5_000, 5_020):
        one = case(seed)
        found = search(one.live, one.baseline, 0)
        hit += sum(any(right(segment, cause, one.twins) for segment in found) for cause in one.causes)
        shown, planted = shown + len(found), planted + len(one.causes)
    assert 2 * hit / (shown + planted) >= 0.85
    nulls = [case(seed, causes=0) for seed in range(5_000, 5_020)]
    assert sum(bool(search(one.live, one.baseline, 0)) for one in nulls) <= 1


def test_collinear_dims_are_one_segment_with_two_names() -> None:
    told = [
        segment
        for seed in range(5_020, 5_060)
        if (one := case(seed)).twins
        for segment in search(one.live, one.baseline, 0)
        if any(dim in (*one.twins, *one.twins.values()) for dim, _ in segment.where)
    ]
    assert len(told) >= 3
    assert all(segment.aliases for segment in told)
