"""What foreign folders and zips may hold: nothing outside, nothing hidden, nothing that swells."""

from __future__ import annotations

import os
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from CrossModalSegLib.bundle import archive
from CrossModalSegLib.bundle.archive import (
    CONFIG_FILE,
    METADATA_FILE,
    README_FILE,
    WEIGHTS_FILE,
    open_archive,
    require_bundle_files,
)
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.errors import BundleError

ZipMaker = Callable[[dict[str, bytes]], Path]


def check(path: Path) -> archive.Archive:
    opened = open_archive(path)
    require_bundle_files(opened)
    return opened


def patch_central_directory(path: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrite bytes of the entry for `name` in a zip's list of files (APPNOTE 4.3.12)."""
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(name.encode()))
    content[start + offset : start + offset + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize("prefix", ["", "tiny/", "any name/"])
def test_a_zip_is_read_with_or_without_a_folder_around_everything(
    files: dict[str, bytes], make_zip: ZipMaker, prefix: str
) -> None:
    opened = check(make_zip({prefix + name: content for name, content in files.items()}))
    assert {name: opened.read(name) for name in opened.sizes} == files


def test_a_folder_and_a_zip_tell_the_same(
    bundle: Bundle, files: dict[str, bytes], make_zip: ZipMaker
) -> None:
    first, second = check(bundle.path), check(make_zip(files))
    assert first.sizes == second.sizes
    assert first.read(CONFIG_FILE, 10) == second.read(CONFIG_FILE, 10) == files[CONFIG_FILE][:10]


@pytest.mark.parametrize("litter", [".DS_Store", "configs/Thumbs.db", "__MACOSX/configs/._x"])
def test_litter_of_operating_systems_is_left_aside(
    files: dict[str, bytes], make_zip: ZipMaker, litter: str
) -> None:
    assert set(check(make_zip({**files, litter: b"x"})).sizes) == set(files)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "docs/../../evil.txt",
        "/etc/evil.txt",
        "docs//evil.md",
        "./docs/evil.md",
        "docs\\evil.md",
        "..\\evil.txt",
        "C:/evil.txt",
        "C:evil.txt",
        "docs/evil\n.md",
        "docs/evil.md:stream",
        "docs/\u202eevil.md",
    ],
)
def test_names_that_lead_elsewhere_are_refused(
    files: dict[str, bytes], make_zip: ZipMaker, name: str
) -> None:
    with pytest.raises(BundleError, match="was refused: it holds a file named"):
        open_archive(make_zip({**files, name: b"x"}))


def test_a_name_with_a_null_byte_is_refused(files: dict[str, bytes], make_zip: ZipMaker) -> None:
    path = make_zip({**files, "docs/a.mdXevil": b"x"})
    path.write_bytes(path.read_bytes().replace(b"docs/a.mdXevil", b"docs/a.md\0evil"))
    with pytest.raises(BundleError, match="was refused"):
        open_archive(path)


def test_links_in_a_zip_are_refused(files: dict[str, bytes], make_zip: ZipMaker) -> None:
    path = make_zip(files)
    with zipfile.ZipFile(path, "a") as opened:
        link = zipfile.ZipInfo("docs/passwd.md")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(BundleError, match=r"docs/passwd\.md is a link"):
        open_archive(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights there that users lack")
@pytest.mark.parametrize("name", [README_FILE, "docs"])
def test_links_in_a_folder_are_refused(bundle: Bundle, tmp_path: Path, name: str) -> None:
    (bundle.path / name).rename(tmp_path / "elsewhere")
    (bundle.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} is a link"):
        open_archive(bundle.path)


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_special_files_are_refused_without_being_opened(bundle: Bundle) -> None:
    os.mkfifo(bundle.path / "docs" / "pipe.md")
    with pytest.raises(BundleError, match="special file"):
        open_archive(bundle.path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights there that users lack")
def test_a_file_that_became_a_link_since_is_not_followed(bundle: Bundle, tmp_path: Path) -> None:
    opened = check(bundle.path)
    (bundle.path / CONFIG_FILE).rename(tmp_path / "config.json")
    (bundle.path / CONFIG_FILE).symlink_to(tmp_path / "config.json")
    with pytest.raises(BundleError, match="cannot be read"):
        opened.read(CONFIG_FILE)


def test_a_file_that_grew_since_is_refused(bundle: Bundle) -> None:
    opened = check(bundle.path)
    with (bundle.path / CONFIG_FILE).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(BundleError, match="not as long as it says"):
        opened.read(CONFIG_FILE)


@pytest.mark.parametrize("second", [CONFIG_FILE, CONFIG_FILE.upper()])
def test_a_name_that_comes_twice_is_refused(
    files: dict[str, bytes], make_zip: ZipMaker, second: str
) -> None:
    path = make_zip(files)
    with zipfile.ZipFile(path, "a") as opened:
        if second == CONFIG_FILE:
            with pytest.warns(UserWarning, match="Duplicate name"):
                opened.writestr(second, b"{}")
        else:
            opened.writestr(second, b"{}")
    with pytest.raises(BundleError, match="twice"):
        open_archive(path)


def test_encrypted_files_are_refused(files: dict[str, bytes], make_zip: ZipMaker) -> None:
    path = make_zip(files)
    patch_central_directory(path, CONFIG_FILE, 8, struct.pack("<H", 1))
    with pytest.raises(BundleError, match="is encrypted"):
        open_archive(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 9, 97])
def test_unusual_compression_is_refused(
    files: dict[str, bytes], make_zip: ZipMaker, compression: int
) -> None:
    path = make_zip(files)
    patch_central_directory(path, CONFIG_FILE, 10, struct.pack("<H", compression))
    with pytest.raises(BundleError, match="compress"):
        open_archive(path)


def test_a_zip_that_swells_is_refused_unread(
    files: dict[str, bytes], make_zip: ZipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip({**files, WEIGHTS_FILE: bytes(4 * 2**20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(BundleError, match="swells from"):
        open_archive(path)


@pytest.mark.parametrize("declared", [10, 10**6])
def test_a_zip_that_lies_about_a_size_is_refused(
    files: dict[str, bytes], make_zip: ZipMaker, declared: int
) -> None:
    path = make_zip(files)
    patch_central_directory(path, README_FILE, 24, struct.pack("<I", declared))
    with pytest.raises(BundleError, match=r"docs/README\.md"):
        check(path).read(README_FILE)


def test_a_small_declared_size_does_not_let_more_through(
    files: dict[str, bytes], make_zip: ZipMaker
) -> None:
    path = make_zip({**files, README_FILE: b"x" * 10**6})
    patch_central_directory(path, README_FILE, 24, struct.pack("<I", 10))
    patch_central_directory(path, README_FILE, 16, struct.pack("<I", zlib.crc32(b"x" * 10)))
    assert check(path).read(README_FILE) == b"x" * 10


@pytest.mark.parametrize(
    ("limit", "value", "match"),
    [
        ("MAX_FILES", 3, r"it holds (5|more than 6) files"),
        ("MAX_JSON_BYTES", 100, "configs/.*json has .* bytes, expected at most 100"),
        ("MAX_DOCUMENT_BYTES", 100, "has .* bytes, expected at most 100"),
        ("MAX_WEIGHTS_BYTES", 100, r"model\.safetensors has .* bytes, expected at most 100"),
        ("MAX_TOTAL_BYTES", 100, "more than 100 bytes"),
    ],
)
@pytest.mark.parametrize("as_zip", [False, True])
def test_more_than_the_limits_is_refused(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
    match: str,
    *,
    as_zip: bool,
) -> None:
    path: Path = request.getfixturevalue("bundle").path
    if as_zip:
        path = request.getfixturevalue("make_zip")(request.getfixturevalue("files"))
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(BundleError, match=match):
        open_archive(path)


def test_a_folder_with_countless_files_is_not_walked_to_the_end(bundle: Bundle) -> None:
    for number in range(200):
        (bundle.path / "docs" / f"{number}.md").touch()
    with pytest.raises(BundleError, match="it holds more than 128 files"):
        open_archive(bundle.path)


@pytest.mark.parametrize(
    "name", ["models/model.pt", "scripts/run.py", "configs/inference.json", "docs/a/b.md", "x.pkl"]
)
def test_files_that_our_bundles_do_not_have_are_refused(
    files: dict[str, bytes], make_zip: ZipMaker, name: str
) -> None:
    with pytest.raises(BundleError, match=f"was refused: it holds {name}"):
        check(make_zip({**files, name: b"x"}))


@pytest.mark.parametrize("name", [CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE])
def test_missing_files_are_named(files: dict[str, bytes], make_zip: ZipMaker, name: str) -> None:
    files.pop(name)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        check(make_zip(files))


def test_a_bundle_of_another_program_is_told_apart(make_zip: ZipMaker) -> None:
    path = make_zip({METADATA_FILE: b"{}", "models/model.pt": b"x"})
    with pytest.raises(BundleError, match="MONAI bundle of another program"):
        check(path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(3), b"\x80\x02c"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"is no bundle|damaged"):
        check(path)


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="There is no bundle at"):
        open_archive(tmp_path / "nothing.zip")


@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_a_truncated_zip_is_refused(
    files: dict[str, bytes], make_zip: ZipMaker, part: float
) -> None:
    path = make_zip(files)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BundleError):
        check(path)


def test_a_flipped_bit_in_a_zip_is_noticed(files: dict[str, bytes], make_zip: ZipMaker) -> None:
    path = make_zip(files)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        offset = opened.getinfo(WEIGHTS_FILE).header_offset
    content[offset + 30 + len(WEIGHTS_FILE) + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        check(path).read(WEIGHTS_FILE)


def test_a_list_of_files_that_fills_the_memory_is_not_read(
    files: dict[str, bytes], make_zip: ZipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(files)
    monkeypatch.setattr(archive, "MAX_LIST_BYTES", 100)
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", None)
    with pytest.raises(BundleError, match="list of files"):
        open_archive(path)


def test_the_form_for_countless_files_is_refused(
    files: dict[str, bytes], make_zip: ZipMaker
) -> None:
    path = make_zip(files)
    content = path.read_bytes()
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, len(content) - 22, 1)
    path.write_bytes(content[:-22] + locator + content[-22:])
    with pytest.raises(BundleError, match="list of files"):
        open_archive(path)


def test_a_comment_at_the_end_of_a_zip_does_no_harm(
    files: dict[str, bytes], make_zip: ZipMaker
) -> None:
    path = make_zip(files)
    with zipfile.ZipFile(path, "a") as opened:
        opened.comment = b"x" * 65535
    assert check(path).read(CONFIG_FILE) == files[CONFIG_FILE]
