"""Recordings: bounded, whole after any death of their writer, readable while they grow; and the screens over them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.answer import LatencyPanel, PanelStatus, State
from analysis.filters import Eq
from analysis.view import View
from incidents.codec import encode
from incidents.events import Kind
from incidents.flagging import declare, draft, join
from incidents.recording import Recorder, Recording, RecordingError, pack
from tests.incident_sample import ALICE, Ticking, journal_at
from tests.receivers import until
from tests.sample import NOW, sample
from tests.test_app import app_of, fleet, located, options
from tests.test_app import until as until_shown
from tests.test_incident_screen import store
from tui.app import Triage
from tui.incident_store import open_journal, record
from tui.replay import EvidenceFrames, ReplayError, ReplaySession, open_frames
from widgets.header import HeaderPanel
from widgets.panel import text_of

__all__ = ["fleet", "store"]

ROOT = Path(__file__).resolve().parent.parent


def recorded(path: Path, count: int, *, every_s: float = 30.0, limit: int = 10**8) -> Path:
    """A recording of `count` frames; the revision of each is its number."""
    recorder = Recorder(path, limit)
    for i in range(count):
        snapshot = replace(sample(now=NOW + i * every_s), revision=i)
        rank = replace(snapshot, focus="rank", latency=LatencyPanel(PanelStatus(State.EMPTY), "rank"))
        recorder.append(encode(snapshot, [rank]), snapshot.moment)
    recorder.close()
    return path


def revisions(path: Path) -> list[int]:
    """The numbers of the frames, from a reader of its own."""
    recording = Recording(path)
    try:
        return [recording.load(i).snapshot().revision for i in range(len(recording.times))]
    finally:
        recording.close()


def test_a_recording_reads_back_and_is_plain_gzip_for_everybody_else(tmp_path: Path) -> None:
    path = recorded(tmp_path / "rec", 3)
    assert revisions(path) == [0, 1, 2]
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert [json.loads(line)["snapshot"]["revision"] for line in lines] == [0, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_wherever_the_writer_was_killed_the_whole_frames_before_are_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = recorded(tmp_path_factory.mktemp("cut") / "rec", 2)
    whole = path.read_bytes()
    size = len(whole) // 2
    at = cut % len(whole)
    path.write_bytes(whole[:at])
    assert len(revisions(path)) in (at // size, max(0, at // size - 1))  # frames differ by some bytes
    again = Recorder(path, 10**8)
    again.append(encode(replace(sample(), revision=9)), NOW + 99)
    again.close()
    assert revisions(path)[-1] == 9


def test_a_reader_sees_what_is_added_and_a_file_that_was_cut(tmp_path: Path) -> None:
    path = recorded(tmp_path / "rec", 1)
    reader, size = Recording(path), path.stat().st_size
    recorder = Recorder(path, size * 4)
    for i in range(1, 3):
        recorder.append(encode(replace(sample(), revision=i)), NOW + i)
    reader.refresh()
    assert len(reader.times) == 3
    for i in range(3, 12):
        recorder.append(encode(replace(sample(), revision=i)), NOW + i)
        assert path.stat().st_size <= size * 4
        reader.refresh()
        assert reader.load(-1).snapshot().revision == i
    recorder.close()
    reader.close()
    kept = revisions(path)
    assert kept == list(range(kept[0], 12))
    assert kept[0] > 0


def test_what_is_no_recording_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("do not overwrite me, I am longer than a header")
    with pytest.raises(RecordingError, match="no recording"):
        Recorder(path, 10**6)
    with pytest.raises(RecordingError, match="beginning of a frame"):
        Recording(path)
    assert path.read_text().startswith("do not")
    with pytest.raises(RecordingError, match="No such file"):
        Recording(tmp_path / "none")


def test_a_damaged_frame_is_told_and_not_shown(tmp_path: Path) -> None:
    path = recorded(tmp_path / "rec", 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="frame 1"):
        revisions(path)


def test_two_recorders_do_not_write_to_one_file(tmp_path: Path) -> None:
    first = Recorder(tmp_path / "rec", 10**6)
    with pytest.raises(RecordingError, match="another process"):
        Recorder(tmp_path / "rec", 10**6)
    first.close()


def test_the_size_of_a_member_stands_in_its_header() -> None:
    member = pack(b"x" * 1_000, 12.5)
    assert gzip.decompress(member) == b"x" * 1_000 + b"\n"
    assert int.from_bytes(member[16:20], "little") == len(member)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of inference logs."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"ts": "2026-09-21T03:10:00Z", "model": "fraud", "latency_ms": 40}\n' * 50)
    return folder


def test_record_survives_kill_9_and_goes_on_where_it_was(tmp_path: Path, logs: Path) -> None:
    path = tmp_path / "rec"
    command = [sys.executable, "-m", "tui", "record", str(path), "--logs", str(logs), "--every", "0.05"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    until(lambda: path.exists() and len(Recording(path).times) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(revisions(path))
    done = subprocess.run([*command, "--frames", "2"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(revisions(path)) == before + 2


def test_record_ends_on_sigterm_with_a_whole_file(tmp_path: Path, logs: Path) -> None:
    path = tmp_path / "rec"
    command = [sys.executable, "-m", "tui", "record", str(path), "--logs", str(logs), "--every", "3600"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until(lambda: path.exists() and path.stat().st_size > 0)
    process.send_signal(signal.SIGTERM)
    assert "1 frames kept" in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert len(revisions(path)) == 1


@pytest.fixture
def wall() -> Ticking:
    return Ticking(NOW + 86_400)


@pytest.fixture
def replayed(tmp_path: Path, wall: Ticking) -> ReplaySession:
    """A session over ten frames, half a minute apart."""
    return ReplaySession(Recording(recorded(tmp_path / "rec", 10)), "rec", wall)


def shown(session: ReplaySession) -> tuple[int, float]:
    """Number of the frame on the screen, and its moment."""
    snapshot, _ = session.answer()
    return int(snapshot.notes[0].split("frame ")[1].split()[0]), snapshot.moment


def test_a_replay_begins_at_the_newest_frame_and_pauses_there(replayed: ReplaySession) -> None:
    assert shown(replayed) == (10, NOW + 270)
    assert replayed.view.live
    replayed.ask(replace(replayed.view, end=int(replayed.clock())))
    assert shown(replayed) == (10, NOW + 270)


def test_the_keys_for_time_step_through_the_frames(replayed: ReplaySession) -> None:
    replayed.ask(replayed.moved(-1))
    assert shown(replayed)[0] == 8  # a minute is two frames
    replayed.ask(replayed.moved(-20))
    assert shown(replayed)[0] == 1
    replayed.ask(replayed.moved(1))
    assert shown(replayed)[0] == 3
    replayed.ask(replace(replayed.view, end=NOW + 100))
    assert shown(replayed)[0] == 4
    replayed.ask(replace(replayed.view, end=NOW - 10**6))
    assert shown(replayed)[0] == 1
    replayed.ask(replayed.newest())
    assert shown(replayed)[0] == 10


async def test_it_plays_at_the_pace_at_which_it_was_recorded(replayed: ReplaySession, wall: Ticking) -> None:
    replayed.ask(replace(replayed.view, end=NOW + 60))
    replayed.ask(replayed.resumed())
    frames, news = [], []
    for _ in range(8):
        await replayed.poll(replayed.feeds[0], lambda: news.append(1))
        frames.append(shown(replayed)[0])
        wall.later(15)
    assert frames == [3, 3, 4, 4, 5, 5, 6, 6]
    assert len(news) == 4
    replayed.ask(replace(replayed.view, end=int(replayed.clock())))  # held
    wall.later(3_600)
    assert shown(replayed)[0] == 7


def test_another_model_in_focus_has_its_own_panels(replayed: ReplaySession) -> None:
    replayed.ask(replace(replayed.view, focus="rank"))
    assert replayed.answer()[0].latency.model == "rank"
    replayed.ask(replace(replayed.view, focus="fraud"))
    assert replayed.answer()[0].latency.model == "fraud"


def test_what_was_not_kept_is_refused_in_words_and_what_was_is_not(replayed: ReplaySession) -> None:
    before, view = replayed.answer()[0].frame, replayed.view
    for asked in (replace(view, window_s=3_600), replace(view, where=Eq("region", "eu-w1"))):
        assert replayed.refusal(asked).startswith("a replay shows what was kept: 30m vs ")
        replayed.ask(asked)
        assert replayed.answer()[0].frame == before
    assert replayed.refusal(replace(view, focus="churn")) == "churn was not kept in rec: fraud, rank"
    assert replayed.refusal(replace(view, focus="rank")) == ""
    assert replayed.refusal(replayed.moved(-1)) == ""


def test_of_a_single_moment_the_keys_for_time_say_so(tmp_path: Path, wall: Ticking) -> None:
    session = ReplaySession(Recording(recorded(tmp_path / "rec", 1)), "rec", wall)
    assert session.refusal(session.moved(-1)).startswith("one moment was kept in rec: 2")
    assert session.refusal(session.newest()) == ""


async def test_an_incident_that_was_flagged_on_the_screen_is_replayed_with_every_model(
    fleet: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.responding.PATIENCE_S", 60.0)
    chosen = options(fleet)
    async with Triage(chosen).run_test(size=(120, 40)) as pilot:
        app = await located(pilot)
        await pilot.press("F", "enter")
        await until_shown(pilot, lambda: app.incident_at_hand is not None)
    journal = open_journal(chosen)
    (incident,) = journal.incidents()
    session = ReplaySession(EvidenceFrames(journal, record(journal, incident)), incident)
    async with Triage(replace(chosen, view=session.view), session).run_test(size=(120, 40)) as pilot:
        app = app_of(pilot)
        await until_shown(pilot, lambda: app.snapshot is not None)
        seen = list[str]()
        while len(seen) < 3:
            await until_shown(pilot, lambda: app.snapshot is not None and app.snapshot.latency.model not in seen)
            assert app.snapshot is not None
            seen.append(app.snapshot.focus)
            await pilot.press("g")
        assert set(seen) == {"fraud", "rank", "churn"}
        await pilot.press("plus", "left_square_bracket")
        said = [str(note.message) for note in app._notifications]
        assert any(text.startswith("a replay shows what was kept") for text in said)
        assert any(text.startswith("one moment was kept in INC-") for text in said)


async def test_a_recording_that_grows_is_followed(tmp_path: Path, wall: Ticking) -> None:
    path = recorded(tmp_path / "rec", 1)
    session, news = ReplaySession(Recording(path), "rec", wall), []
    assert shown(session)[0] == 1
    recorder = Recorder(path, 10**8)
    recorder.append(encode(sample(now=NOW + 30)), NOW + 30)
    recorder.close()
    await session.poll(session.feeds[0], lambda: news.append(1))
    assert news
    assert shown(session) == (2, NOW + 30)
    await session.close()


def test_an_incident_is_replayed_from_its_evidence_alone(tmp_path: Path) -> None:
    clock = Ticking()
    journal, first = journal_at(tmp_path, ALICE, clock), sample()
    incident = declare(journal, draft(first, first.findings[0])).event.incident
    clock.later(300)
    later = sample(now=NOW + 300)
    join(journal, incident, draft(later, later.findings[0]))
    journal.append(incident, Kind.NOTE, {"text": "no evidence here"})
    session = ReplaySession(EvidenceFrames(journal, record(journal, incident)), incident, Ticking(NOW + 10**6))
    assert shown(session) == (2, NOW + 300)
    session.ask(session.moved(-1))
    assert shown(session) == (1, NOW)
    assert session.answer()[0].findings == first.findings


async def test_the_screens_open_on_a_recording_and_the_keys_work(tmp_path: Path) -> None:
    session = ReplaySession(Recording(recorded(tmp_path / "rec", 10)), "rec")
    app = Triage(replace(options(tmp_path), refresh_s=1.0, view=View()), session)
    async with app.run_test(size=(120, 40)) as pilot:
        triage = app_of(pilot)

        def frame() -> str:
            return triage.snapshot.notes[0] if triage.snapshot is not None else ""

        await until_shown(pilot, lambda: "frame 10 of 10" in frame())
        await pilot.press("left_square_bracket")
        await until_shown(pilot, lambda: "frame 8 of 10" in frame())
        header = triage.main.query_one(HeaderPanel)
        await until_shown(pilot, lambda: "PAUSED 30m" in text_of(header)[0])
        await pilot.press("space")
        assert triage.view.live
        await until_shown(pilot, lambda: "REPLAY 30m" in text_of(header)[0])
        await pilot.press("2")
        assert triage.main.page == "latency"
        await pilot.press("1", "0")
        await until_shown(pilot, lambda: "frame 10 of 10" in frame())


def test_the_folder_of_an_incident_is_replayed_wherever_it_was_copied_to(tmp_path: Path) -> None:
    journal, first = journal_at(tmp_path / "there", ALICE), sample()
    incident = declare(journal, draft(first, first.findings[0])).event.incident
    journal.close()
    shutil.copytree(tmp_path / "there" / incident, tmp_path / "here" / incident)
    before = sorted(tmp_path.rglob("*"))
    frames, name = open_frames(options(tmp_path), str(tmp_path / "here" / incident))
    assert (name, len(frames.times)) == (incident, 1)
    assert ReplaySession(frames, name).answer()[0].findings == first.findings
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ReplayError, match="is no recording, and as an incident"):
        open_frames(options(tmp_path), str(tmp_path / "here"))


def test_replay_without_a_terminal_prints_the_newest_answer(tmp_path: Path) -> None:
    path = recorded(tmp_path / "rec", 2)
    command = [sys.executable, "-m", "tui", "replay"]
    environment = {**os.environ, "MLTRIAGE_INCIDENT_DIR": str(tmp_path / "journal")}
    done = subprocess.run(
        [*command, str(path)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "p99 182ms -> 712ms" in done.stdout
    for nothing in (str(ROOT / "README.md"), "INC-000000-AAAA"):
        failed = subprocess.run([*command, nothing], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert failed.returncode == 1
        assert nothing.rpartition("/")[2] in failed.stderr
