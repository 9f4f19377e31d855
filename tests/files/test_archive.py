"""Unpacking writes plain files below its folder, within bounds, or refuses and names the entry."""

from __future__ import annotations

import logging
import random
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.archive import extract_zip

MIB = 1 << 20
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def pack(
    path: Path, entries: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    return path


def unpack(archive: Path, *, max_files: int = 1000, max_bytes: int = 100 * MIB, max_ratio: float = 100) -> dict[str, bytes]:
    """Unpack beside the archive and return what is there."""
    folder = archive.parent / "unpacked"
    extract_zip(archive, folder, max_files=max_files, max_bytes=max_bytes, max_ratio=max_ratio)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def patch(archive: Path, header: bytes, offset: int, value: bytes) -> None:
    """Overwrite bytes of the first header of a kind: what no honest writer would store."""
    content = bytearray(archive.read_bytes())
    start = content.index(header) + offset
    content[start : start + len(value)] = value
    archive.write_bytes(content)


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    return tmp_path / "data.zip"


def test_unpacks_what_was_packed(zip_path: Path) -> None:
    entries = {"data_en/train/Paint bucket/1.jpg": b"one", "data_en/test/Cans/Ärger 垃圾.jpg": b"two", "empty.txt": b""}
    assert unpack(pack(zip_path, entries)) == entries


def test_keeps_empty_folders_so_that_an_empty_class_is_noticed(zip_path: Path) -> None:
    unpack(pack(zip_path, {"train/Cans/": b"", "train/Cans/sub/": b""}))
    assert (zip_path.parent / "unpacked/train/Cans/sub").is_dir()


def test_passes_over_system_files(zip_path: Path) -> None:
    entries = {
        "a/1.jpg": b"1",
        "a/.DS_Store": b"",
        "__MACOSX/a/._1.jpg": b"",
        "a/Thumbs.db": b"",
        ".git/config": b"",
        "a/desktop.ini": b"",
    }
    assert unpack(pack(zip_path, entries)) == {"a/1.jpg": b"1"}


def test_reads_names_as_windows_and_old_tools_write_them(zip_path: Path) -> None:
    pack(zip_path, {"Dos??.jpg": b"utf-8", "M?ll.jpg": b"cp437", "train+Cans+1.jpg": b"backslash"}, zipfile.ZIP_STORED)
    content = zip_path.read_bytes().replace(b"Dos??.jpg", "Dosé.jpg".encode()).replace(b"M?ll.jpg", b"M\x81ll.jpg")
    zip_path.write_bytes(content.replace(b"train+Cans+1.jpg", b"train\\Cans\\1.jpg"))
    assert unpack(zip_path) == {"Dosé.jpg": b"utf-8", "Müll.jpg": b"cp437", "train/Cans/1.jpg": b"backslash"}


def unstated(path: Path, names: dict[bytes, bytes]) -> Path:
    """Pack entries under names of any bytes, without a word on their encoding."""
    stand_ins = {f"{number:02}".ljust(len(name), "+"): name for number, name in enumerate(names)}
    pack(path, dict(zip(stand_ins, names.values(), strict=True)), zipfile.ZIP_STORED)
    content = path.read_bytes()
    for stand_in, name in stand_ins.items():
        content = content.replace(stand_in.encode(), name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("names", "encoding", "read_as"),
    [
        (("train/垃圾/1.jpg", "train/电池/一.jpg", "train/通/1.jpg", "a.txt"), "gbk", "GBK"),  # 通 in GBK is valid UTF-8
        (("train/垃圾/1.jpg", "train/Müll/1.jpg"), "utf-8", "UTF-8"),
        (("Müll/Größe.jpg", "déjà vu/à la carte.jpg", "20°C.jpg", "piñata.jpg"), "cp437", "code page 437"),
        (("a.jpg", "b/c.jpg"), "ascii", ""),
    ],
)
def test_names_that_do_not_state_their_encoding_are_read_and_reported(
    zip_path: Path, caplog: pytest.LogCaptureFixture, names: tuple[str, ...], encoding: str, read_as: str
) -> None:
    unstated(zip_path, {name.encode(encoding): b"" for name in names})
    with caplog.at_level(logging.WARNING):
        assert extract_zip(zip_path, zip_path.parent / "unpacked", max_files=9, max_bytes=9, max_ratio=9) == read_as
    folder = zip_path.parent / "unpacked"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(names)
    assert (f"read as {read_as}" in caplog.text) == (encoding in ("gbk", "cp437"))


def unicode_field(name: bytes, real: str) -> bytes:
    field = struct.pack("<BI", 1, zlib.crc32(name)) + real.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


def test_the_name_in_an_archives_own_unicode_field_counts_unless_it_is_of_another_name(zip_path: Path) -> None:
    renamed, stale = zipfile.ZipInfo("_1.jpg"), zipfile.ZipInfo("plain.jpg")
    renamed.extra, stale.extra = unicode_field(b"_1.jpg", "垃圾/1.jpg"), unicode_field(b"other.jpg", "../evil.jpg")
    assert unpack(pack(zip_path, [(renamed, b"1"), (stale, b"2")])) == {"垃圾/1.jpg": b"1", "plain.jpg": b"2"}


def test_a_name_in_the_unicode_field_is_judged_like_any_other(zip_path: Path) -> None:
    entry = zipfile.ZipInfo("good.jpg")
    entry.extra = unicode_field(b"good.jpg", "../evil.jpg")
    with pytest.raises(PipelineError, match="leads out"):
        unpack(pack(zip_path, [(entry, b"")]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.jpg", "leads out"),
        ("train/../../evil.jpg", "leads out"),
        ("train/..", "leads out"),
        ("..\\evil.jpg", "leads out"),
        ("/tmp/evil.jpg", "absolute"),
        ("\\\\server\\evil.jpg", "absolute"),
        ("C:\\evil.jpg", "drive"),
        ("c:evil.jpg", "drive"),
        ("__MACOSX/../../evil.jpg", "leads out"),
        (f"train/{'d/' * 1100}1.jpg", "lies more than 100 folders deep"),
    ],
)
def test_refuses_names_that_lead_elsewhere_before_anything_is_written(zip_path: Path, name: str, reason: str) -> None:
    with pytest.raises(PipelineError, match=reason) as caught:
        unpack(pack(zip_path, {"train/good.jpg": b"good", name: b"evil"}))
    assert f"{name[-50:]}'".replace("\\", "/") in str(caught.value)
    assert len(str(caught.value)) < 500
    assert [path.name for path in zip_path.parent.rglob("*")] == ["data.zip"]


def test_refuses_a_name_with_a_hidden_end(zip_path: Path) -> None:
    pack(zip_path, {"evil+.jpg": b""})
    zip_path.write_bytes(zip_path.read_bytes().replace(b"evil+.jpg", b"evil\0.jpg"))
    with pytest.raises(PipelineError, match="no usable name"):
        unpack(zip_path)


def test_refuses_an_entry_without_a_name(zip_path: Path) -> None:
    pack(zip_path, {"e": b""})
    for header, offset in ((LOCAL, 26), (CENTRAL, 28)):
        patch(zip_path, header, offset, struct.pack("<HH", 0, 1))  # the name's one byte now counts as extra data
    with pytest.raises(PipelineError, match="no usable name"):
        unpack(zip_path)


@pytest.mark.parametrize(
    ("kind", "reason"), [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "is neither"), (stat.S_IFCHR, "is neither")]
)
def test_refuses_links_and_special_files(zip_path: Path, kind: int, reason: str) -> None:
    entry = zipfile.ZipInfo("train/Cans/passwd")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(PipelineError, match=f"'train/Cans/passwd' {reason}"):
        unpack(pack(zip_path, [(entry, b"/etc/passwd")]))


def test_refuses_encrypted_entries(zip_path: Path) -> None:
    pack(zip_path, {"a.jpg": b"secret"})
    patch(zip_path, LOCAL, 6, b"\x01")
    patch(zip_path, CENTRAL, 8, b"\x01")
    with pytest.raises(PipelineError, match=r"'a\.jpg' is encrypted"):
        unpack(zip_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_refuses_methods_whose_reader_cannot_be_bounded(zip_path: Path, method: int) -> None:
    with pytest.raises(PipelineError, match=rf"'a\.jpg' is compressed by method {method}"):
        unpack(pack(zip_path, {"a.jpg": b"a"}, method))


@pytest.mark.parametrize("other", ["a//1.jpg", "./a/1.jpg", "a/./1.jpg", "a\\1.jpg", "a/1.jpg/"])
def test_refuses_two_entries_for_one_place(zip_path: Path, other: str) -> None:
    with pytest.raises(PipelineError, match=r"has the same place as 'a/1\.jpg'"):
        unpack(pack(zip_path, {"a/1.jpg": b"first", other: b""}))


def test_refuses_the_same_name_twice_however_it_is_written(zip_path: Path) -> None:
    composed, decomposed = "é.jpg", "e\u0301.jpg"
    with pytest.raises(PipelineError, match="same place"):
        unpack(pack(zip_path, {composed: b"first", decomposed: b"second"}))
    with pytest.warns(UserWarning, match="Duplicate name"):
        pack(zip_path, [("a", b"first"), ("a", b"second")])
    with pytest.raises(PipelineError, match="same place"):
        unpack(zip_path)


@pytest.mark.parametrize("names", [("a", "a/1.jpg"), ("x" * 300,)])
def test_says_which_entry_the_disk_does_not_take(zip_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(PipelineError, match=f"{names[-1][-50:]}' cannot be read or written"):
        unpack(pack(zip_path, dict.fromkeys(names, b"")))


def test_refuses_too_many_entries(zip_path: Path) -> None:
    pack(zip_path, {f"{number}.jpg": b"" for number in range(4)})
    with pytest.raises(PipelineError, match=r"'3\.jpg' exceeds the 3 files allowed"):
        unpack(zip_path, max_files=3)
    assert len(unpack(zip_path, max_files=4)) == 4


def test_refuses_too_many_bytes_in_all(zip_path: Path) -> None:
    pack(zip_path, {"1.jpg": bytes(600), "2.jpg": bytes(600)}, zipfile.ZIP_STORED)
    with pytest.raises(PipelineError, match=r"'2\.jpg' makes it larger than the 0\.001199 MB"):
        unpack(zip_path, max_bytes=1199)


def test_accepts_exactly_what_is_allowed(zip_path: Path) -> None:
    assert unpack(pack(zip_path, {"1.jpg": bytes(1200)}), max_files=1, max_bytes=1200) == {"1.jpg": bytes(1200)}


def test_refuses_an_entry_that_grows_beyond_reason(zip_path: Path) -> None:
    pack(zip_path, {"photo": random.Random(0).randbytes(MIB), "bomb": bytes(3 * MIB)})
    with pytest.raises(PipelineError, match="'bomb' unpacks to more than 100 times"):
        unpack(zip_path)
    assert (zip_path.parent / "unpacked/bomb").stat().st_size <= MIB + (1 << 16)


def test_refuses_a_bomb_in_small_pieces(zip_path: Path) -> None:
    with pytest.raises(PipelineError, match="more than 100 times"):
        unpack(pack(zip_path, {f"{number}": bytes(MIB) for number in range(3)}))


def test_a_small_drawing_of_one_colour_is_no_bomb(zip_path: Path) -> None:
    assert len(unpack(pack(zip_path, {"white.bmp": b"\xff" * MIB}))) == 1


@pytest.mark.parametrize("claim", [10, 0xFFFFFF00])
def test_believes_no_claim_of_packed_size(zip_path: Path, claim: int) -> None:
    pack(zip_path, {"bomb": bytes(3 * MIB)})
    patch(zip_path, CENTRAL, 20, struct.pack("<I", claim))
    with pytest.raises(PipelineError, match=r"'bomb' (unpacks to more than 100 times|is damaged)"):
        unpack(zip_path)


@pytest.mark.parametrize("claim", [10, 50 * MIB])
def test_believes_no_claim_of_unpacked_size(zip_path: Path, claim: int) -> None:
    pack(zip_path, {"1.jpg": b"content of an image"})
    patch(zip_path, CENTRAL, 24, struct.pack("<I", claim))
    try:
        assert unpack(zip_path, max_bytes=100) == {"1.jpg": b"content of an image"}
    except PipelineError as error:
        assert "'1.jpg' is damaged" in str(error)


def test_says_which_entry_is_damaged(zip_path: Path) -> None:
    pack(zip_path, {"good.jpg": b"good", "bad.jpg": b"content"}, zipfile.ZIP_STORED)
    zip_path.write_bytes(zip_path.read_bytes().replace(b"content", b"cantent"))
    with pytest.raises(PipelineError, match=r"'bad\.jpg' is damaged"):
        unpack(zip_path)


@pytest.mark.parametrize(
    ("header", "offset", "value"),
    [(CENTRAL, 6, b"\xff"), (CENTRAL, 42, b"\xff\xff\xff\x7f"), (LOCAL, 26, b"\xff"), (LOCAL, 30, b"b")],
    ids=["version", "offset", "length of name", "name"],
)
def test_says_whatever_zipfile_stumbles_over(zip_path: Path, header: bytes, offset: int, value: bytes) -> None:
    pack(zip_path, {"a.jpg": b"content"})
    patch(zip_path, header, offset, value)
    with pytest.raises(PipelineError, match="damaged"):
        unpack(zip_path)


def test_says_an_offset_beyond_any_file(zip_path: Path) -> None:
    entry = zipfile.ZipInfo("a.jpg")
    entry.extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)  # where the offset stands when its own field says "too large"
    pack(zip_path, [(entry, b"content")])
    patch(zip_path, CENTRAL, 42, b"\xff\xff\xff\xff")
    with pytest.raises(PipelineError, match="damaged"):
        unpack(zip_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(10)])
def test_says_what_is_no_archive(zip_path: Path, content: bytes) -> None:
    zip_path.write_bytes(content)
    with pytest.raises(PipelineError, match="not a zip archive"):
        unpack(zip_path)


def test_says_when_the_archive_was_cut_off(zip_path: Path) -> None:
    pack(zip_path, {"a.jpg": b"content"})
    zip_path.write_bytes(zip_path.read_bytes()[:-30])
    with pytest.raises(PipelineError, match="not a zip archive, or it is damaged"):
        unpack(zip_path)


def test_overwrites_nothing(zip_path: Path) -> None:
    (zip_path.parent / "unpacked").mkdir()
    (zip_path.parent / "unpacked/a.jpg").write_bytes(b"mine")
    with pytest.raises(PipelineError, match=r"'a\.jpg' cannot be read or written \(File exists\)"):
        unpack(pack(zip_path, {"a.jpg": b"theirs"}))
    assert (zip_path.parent / "unpacked/a.jpg").read_bytes() == b"mine"


def test_says_when_there_is_no_archive(zip_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        unpack(zip_path)


PARTS = st.sampled_from(["..", ".", "", "a", "b.jpg", "C:", "\\", "..\\", "~", "/", "e\u0301", ".hidden", "a" * 260])


@given(names=st.lists(st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(bool), max_size=6, unique=True))
@settings(deadline=None, max_examples=150)
def test_whatever_the_names_nothing_is_written_outside(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    root = tmp_path_factory.mktemp("case")
    archive = pack(root / "data.zip", dict.fromkeys(names, b"content"))
    try:
        files = unpack(archive)
    except PipelineError as error:
        assert str(archive) in str(error)
    else:
        assert len(files) <= len(names)
    assert {path.name for path in root.iterdir()} <= {"data.zip", "unpacked"}


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_whatever_the_damage_the_answer_is_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    archive = pack(tmp_path_factory.mktemp("case") / "data.zip", {"train/Cans/é.jpg": b"one" * 50, "b.jpg": b"two"})
    content = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)
    try:
        unpack(archive, max_bytes=1000)
    except PipelineError as error:
        assert str(archive) in str(error)
    assert {path.name for path in archive.parent.iterdir()} <= {"data.zip", "unpacked"}
