"""The journal on a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import StorageError
from CrossModalSegLib.training.journal import RESERVE_BYTES, RESERVE_FILE, Journal, read_journal

FILL_AND_TELL = """
import sys
from pathlib import Path
from CrossModalSegLib.core.errors import StorageError
from CrossModalSegLib.training.journal import Journal
folder = Path(sys.argv[1])
journal = Journal(folder / "journal.jsonl")
journal({"event": "first"})
with (folder / "other").open("wb", buffering=0) as other:
    try:
        while other.write(b"x" * 4096):
            pass
    except OSError as error:
        print(error.strerror)
try:
    for number in range(1000):
        journal({"event": "line", "number": number, "text": "x" * 100})
except StorageError as error:
    print(error)
journal.free_reserve()
journal({"event": "last", "text": "y" * 5000})
journal.close()
"""


def test_while_it_is_open_it_keeps_a_reserve(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert (tmp_path / RESERVE_FILE).stat().st_size == RESERVE_BYTES
    journal({"event": "first"})
    journal.free_reserve()
    assert not (tmp_path / RESERVE_FILE).exists()
    journal({"event": "last"})
    journal.close()
    assert [e["event"] for e in read_journal(tmp_path / "journal.jsonl")] == ["first", "last"]
    Journal(tmp_path / "journal.jsonl").close()
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_a_line_that_finds_no_room_is_taken_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal({"event": "first"})

    class Full:
        """Takes some bytes and then no more."""

        def __init__(self, stream: object) -> None:
            self.stream, self.left = stream, 7

        def fileno(self) -> int:
            return self.stream.fileno()  # type: ignore[attr-defined, no-any-return]

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(28, "No space left on device")
            written = self.stream.write(data[: self.left])  # type: ignore[attr-defined]
            self.left -= written
            return int(written)

    whole = journal._stream
    monkeypatch.setattr(journal, "_stream", Full(whole))
    with pytest.raises(StorageError, match="the disk is full"):
        journal({"event": "second"})
    monkeypatch.setattr(journal, "_stream", whole)
    journal({"event": "third"})
    journal.close()
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert lines == ['{"event": "first"}', '{"event": "third"}']


def test_on_a_disk_that_is_really_full_the_reserve_has_room_for_the_last_words(
    tmp_path: Path,
) -> None:
    mount = ["unshare", "-rm", "sh", "-c"]
    script = 'mount -t tmpfs -o size=512k full "$1" && "$2" -c "$3" "$1" && cat "$1"/journal.jsonl'
    try:
        probe = subprocess.run([*mount, "mount -t tmpfs x /mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if probe.returncode:
        pytest.skip("file systems cannot be mounted here")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run(
        [*mount, script, "sh", str(tmp_path), sys.executable, FILL_AND_TELL],
        capture_output=True,
        check=False,
        env=environment,
        timeout=60,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    said = result.stdout.splitlines()
    assert said[0] == "No space left on device"
    assert "the disk is full" in said[1]
    events = said[2:]
    assert events[0] == '{"event": "first"}'
    assert events[-1].startswith('{"event": "last"')
    assert all(event.endswith("}") for event in events)
