"""The journal: what was acknowledged is never lost, whatever dies, fills up or writes beside it."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import files
from incidents.events import LINE_LIMIT, Event, EventError, Kind, from_line, is_incident_id, this_actor, to_line
from incidents.journal import RESERVE_BYTES, Blob, Journal, NotSavedError
from incidents.place import VARIABLE, Place, choose
from incidents.verify import check
from tests.incident_sample import ALICE, BOB, Ticking, flagged, journal_at
from tests.sample import NOW

ROOT = Path(__file__).resolve().parent.parent
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk or to become somebody else")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(data=st.dictionaries(st.text(), JSON, max_size=4), t=st.floats(0, 4e9), user=st.text())
def test_an_event_reads_back_as_it_was_written(data: dict[str, object], t: float, user: str) -> None:
    event = Event("01M8AX2XKZJCPNK3MD561XSC1D", "INC-260921-ABCD", round(t, 3), ALICE, Kind.NOTE, data)
    line = to_line(event)
    assert line.isascii()
    assert line.count(b"\n") == 1
    read = from_line(line)
    assert (read.data, read.actor, read.kind) == (event.data, ALICE, Kind.NOTE)
    assert read.t == pytest.approx(event.t, abs=1e-6)


@given(st.binary(max_size=200))
def test_what_is_no_event_is_refused_and_never_taken_for_one(line: bytes) -> None:
    with pytest.raises(EventError):
        from_line(line)


def test_what_a_newer_version_adds_is_passed_over() -> None:
    line = json.loads(to_line(Event("01M8AX2XKZJCPNK3MD561XSC1D", "INC-260921-ABCD", NOW, ALICE, Kind.NOTE)))
    newer = from_line(json.dumps({**line, "v": 9, "mood": "calm", "kind": "sung"}).encode())
    assert newer.kind == "sung"


def test_writers_are_merged_by_time_and_nobody_writes_to_the_file_of_another(tmp_path: Path) -> None:
    clock = Ticking()
    alice, bob = journal_at(tmp_path, ALICE, clock), journal_at(tmp_path, BOB, clock)
    incident = flagged(alice)
    for i in range(6):
        clock.later(1)
        (alice, bob)[i % 2].append(incident, Kind.NOTE, {"text": str(i)})
    history = alice.history(incident)
    assert [event.data["text"] for event in history.events[1:]] == list("012345")
    assert [event.actor.user for event in history.events[1:3]] == ["alice", "bob"]
    assert len(list((tmp_path / incident / "events").iterdir())) == 2


def test_a_torn_tail_is_skipped_and_counted_and_the_next_writer_is_not_harmed(tmp_path: Path) -> None:
    first = journal_at(tmp_path)
    incident = flagged(first)
    first.append(incident, Kind.NOTE, {"text": "whole"})
    first.close()
    (file,) = (tmp_path / incident / "events").iterdir()
    content = file.read_bytes()
    file.write_bytes(content + content.splitlines()[-1][:40])
    second = journal_at(tmp_path)
    assert second.history(incident).torn == 1
    second.append(incident, Kind.NOTE, {"text": "after"})
    history = second.history(incident)
    assert (history.torn, history.problems) == (1, ())
    assert [event.data.get("text") for event in history.events[1:]] == ["whole", "after"]


def test_a_damaged_line_is_told_with_its_place(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    journal.close()
    (file,) = (tmp_path / incident / "events").iterdir()
    file.write_bytes(file.read_bytes() + b'{"v":1}\n')
    (problem,) = journal_at(tmp_path).history(incident).problems
    assert file.name in problem
    assert "line 2" in problem


def test_an_event_that_stands_in_two_files_counts_once(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    (file,) = (tmp_path / incident / "events").iterdir()
    file.with_name("copy.jsonl").write_bytes(file.read_bytes())
    assert len(journal.history(incident).events) == 1


def test_what_is_too_long_for_a_line_goes_to_a_blob_and_reads_back(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    journal.append(incident, Kind.NOTE, {"text": "é" * LINE_LIMIT})
    assert journal_at(tmp_path).history(incident).events[-1].data["text"] == "é" * LINE_LIMIT
    for file in (tmp_path / incident / "events").iterdir():
        assert max(map(len, file.read_bytes().splitlines())) < LINE_LIMIT
    assert check(journal, incident).problems == ()


def test_the_blob_is_on_the_disk_before_the_event_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, seen = journal_at(tmp_path), []
    incident = journal.new_incident()
    blob = Blob(b"picture", "txt")
    write = files.append

    def look(descriptor: int, line: bytes) -> None:
        seen.append((tmp_path / incident / "blobs" / blob.name).read_bytes())
        write(descriptor, line)

    monkeypatch.setattr(files, "append", look)
    journal.append(incident, Kind.NOTE, {}, {"screen": blob})
    assert seen == [b"picture"]


def test_a_blob_that_was_changed_or_lost_is_found_by_verify(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    assert check(journal, incident).problems == ()
    screen, snapshot = sorted((tmp_path / incident / "blobs").iterdir(), key=lambda p: p.suffix, reverse=True)
    screen.write_bytes(b"forged")
    snapshot.unlink()
    assert sorted(p.split()[2] for p in check(journal, incident).problems) == ["cannot", "is"]


def test_two_clocks_a_minute_apart_do_not_turn_an_answer_before_its_question(tmp_path: Path) -> None:
    ahead, behind = journal_at(tmp_path, ALICE, Ticking(NOW + 60)), journal_at(tmp_path, BOB, Ticking(NOW))
    incident = flagged(ahead)
    ahead.append(incident, Kind.SEVERITY, {"severity": 3})
    behind.history(incident)
    behind.append(incident, Kind.SEVERITY, {"severity": 1})
    last = ahead.history(incident).events[-1]
    assert (last.actor.user, last.data["severity"], last.clock) == ("bob", 1, NOW)
    assert any("60 s" in problem for problem in check(ahead, incident).problems)


def test_a_clock_that_is_hours_ahead_is_not_followed(tmp_path: Path) -> None:
    ahead, right = journal_at(tmp_path, ALICE, Ticking(NOW + 7_200)), journal_at(tmp_path, BOB, Ticking(NOW))
    incident = flagged(ahead)
    right.history(incident)
    assert right.append(incident, Kind.NOTE, {"text": "now"}).event.t == NOW


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.journal import run

    assert run(seconds=3.0, writers=6, seed=5, folder=tmp_path) == 0
    said = re.search(r"(\d+) writers killed, (\d+) events acknowledged, 0 lost", capsys.readouterr().out)
    assert said is not None
    assert (int(said[1]) >= 6, int(said[2]) > 20) == (True, True)


def test_this_bench_would_see_a_loss(tmp_path: Path) -> None:
    from bench.journal import acknowledgements

    (tmp_path / "ack").write_bytes(b"01A 0.001\n01B 0.002\n01C 0.0")
    assert acknowledgements([tmp_path / "ack"]) == {"01A": 0.001, "01B": 0.002}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@as_root
def test_on_a_full_disk_the_reserve_takes_the_next_events_and_then_memory_does_loudly(
    small_disk: Path, tmp_path: Path
) -> None:
    notes = RESERVE_BYTES // 5_000
    memory = tmp_path / "memory"
    journal = journal_at(small_disk / "journal", memory=memory)
    incident = flagged(journal)
    space = os.statvfs(small_disk)
    (small_disk / "other").write_bytes(b"x" * (space.f_bavail * space.f_frsize))
    saved = [journal.append(incident, Kind.NOTE, {"text": f"{i} " + "x" * 8_000}) for i in range(notes)]
    kept = sum(one.durable for one in saved)
    assert RESERVE_BYTES / 9_000 < kept < notes
    assert [one.durable for one in saved] == [True] * kept + [False] * (notes - kept)
    assert str(memory) in saved[-1].problem
    texts = [
        event.data["text"].split()[0]
        for event in journal_at(small_disk / "journal", memory=memory).history(incident).events[1:]
    ]
    assert texts == [str(i) for i in range(notes)]
    (small_disk / "other").unlink()
    assert journal.rescue() == 1
    assert not (memory / incident).exists()
    assert len(journal_at(small_disk / "journal").history(incident).events) == notes + 1


def test_evidence_that_is_in_memory_alone_is_brought_to_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    journal = journal_at(tmp_path / "journal", memory=memory)
    put_all = files.put_all

    def too_long_for_the_disk(folder: Path, contents: Mapping[str, bytes], mode: int) -> None:
        if memory not in folder.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        put_all(folder, contents, mode)

    monkeypatch.setattr(files, "put_all", too_long_for_the_disk)
    incident = flagged(journal)
    monkeypatch.undo()
    assert not (memory / incident / "events").exists()
    assert journal.rescue() == 1
    assert not (memory / incident).exists()
    event = journal_at(tmp_path / "journal").history(incident).events[0]
    assert journal_at(tmp_path / "journal").blob(incident, event.data["blobs"]["snapshot"])


def test_each_folder_has_a_memory_of_its_own(tmp_path: Path) -> None:
    one, other = (choose(str(tmp_path / name), {"XDG_RUNTIME_DIR": str(tmp_path)}) for name in ("a", "b"))
    assert one.fallback.parent == other.fallback.parent == tmp_path / "mltriage" / "incidents"
    assert one.fallback != other.fallback


def test_a_short_write_is_taken_back_and_written_again_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_at(tmp_path)
    incident = flagged(journal)
    journal.append(incident, Kind.NOTE, {"text": "before"})
    write, calls = os.write, []

    def short(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        return write(descriptor, bytes(data)[: len(data) // 2] if len(calls) == 1 else data)

    monkeypatch.setattr(os, "write", short)
    assert journal.append(incident, Kind.NOTE, {"text": "after"}).durable
    monkeypatch.undo()
    history = journal.history(incident)
    assert (history.torn, history.problems) == (0, ())
    assert [event.data["text"] for event in history.events[1:]] == ["before", "after"]


def test_where_neither_disk_nor_memory_takes_it_the_error_says_what_to_do(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(NotSavedError, match=VARIABLE):
        journal_at(blocked).append("INC-260921-ABCD", Kind.NOTE, {})


def in_child(act: str, folder: Path, *, group: int) -> subprocess.CompletedProcess[str]:
    """Run a few lines with a journal `j` of `folder` as another user. What they import is imported before."""
    code = (
        "import os, shutil, sys; from pathlib import Path; from incidents.events import Actor, Kind\n"
        "from incidents.journal import Journal; from incidents.place import Place\n"
        f"os.setgroups([]); os.setgid({group}); os.setuid(65533)\n"
        f"memory = Path(f'/dev/shm/mltriage-test-{{os.getpid()}}')\n"
        f"j = Journal(Place(Path({str(folder)!r}), memory), Actor('second', 'h'))\n{act}\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def open_to_others(tmp_path: Path) -> Path:
    """A folder that other users can reach."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == Path.home().owner() and folder != Path("/tmp"):
            try:
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o711)
            except PermissionError:
                break
        if folder == Path("/tmp"):
            break
    return tmp_path


@as_root
def test_a_second_user_reads_and_adds_after_the_first_has_left(open_to_others: Path) -> None:
    shared = open_to_others / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    first = journal_at(shared)
    assert first.place.shared
    incident = flagged(first)
    first.close()
    act = (
        f"print(len(j.history({incident!r}).events)); j.append({incident!r}, Kind.NOTE, {{'text': 'me too'}}); "
        f"print(len(j.blob({incident!r}, next(iter(j.history({incident!r}).events[0].data['blobs'].values())))))"
    )
    done = in_child(act, shared, group=os.getgid())
    assert done.returncode == 0, done.stderr
    assert journal_at(shared).history(incident).events[-1].actor.user == "second"
    for path in (shared / incident).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o2770 if path.is_dir() else 0o660)


@as_root
def test_in_a_folder_that_cannot_be_written_memory_keeps_it_and_says_why(open_to_others: Path) -> None:
    folder = open_to_others / "read-only"
    folder.mkdir()
    folder.chmod(0o755)
    act = "saved = j.append('INC-260921-ABCD', Kind.NOTE, {'text': 'x'}); print(saved.problem)\nshutil.rmtree(memory)"
    done = in_child(act, folder, group=65_533)
    assert done.returncode == 0, done.stderr
    assert "read-only cannot be written: Permission denied" in done.stdout


def test_a_private_folder_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = journal_at(tmp_path / "own")
        incident = flagged(journal)
    finally:
        os.umask(before)
    assert not journal.place.shared
    for path in (tmp_path / "own" / incident).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_the_folder_is_the_variable_then_the_configured_one_then_the_state_folder(tmp_path: Path) -> None:
    named = choose("/srv/incidents", {VARIABLE: str(tmp_path)})
    assert named.folder == tmp_path
    assert choose("/srv/incidents", {}).folder == Path("/srv/incidents")
    assert choose(None, {}).folder == Path(os.environ["XDG_STATE_HOME"]) / "mltriage" / "incidents"


def test_the_actor_is_the_person_and_not_the_account_they_became() -> None:
    assert this_actor({"MLTRIAGE_USER": "ada", "SUDO_USER": "grace"}).user == "ada"
    assert this_actor({"SUDO_USER": "grace"}).user == "grace"
    assert this_actor({}).user


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_no_text_names_a_folder_outside_the_journal(text: str) -> None:
    assert not is_incident_id(f"../{text}")
    assert is_incident_id(text) == (len(text) == 15 and text.startswith("INC-"))


def test_purge_deletes_one_incident_and_no_other(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    gone, kept = flagged(journal), flagged(journal)
    journal.purge(gone)
    assert journal.incidents() == (kept,)
    with pytest.raises(ValueError, match="not the id"):
        journal.purge("../..")


def test_saved_within_a_tenth_of_a_second(tmp_path: Path) -> None:
    journal = Journal(Place(tmp_path, Path("/nowhere")))
    started = time.perf_counter()
    flagged(journal)
    assert time.perf_counter() - started < 1.0  # 100 ms on a quiet machine; the bench measures, this catches a network
