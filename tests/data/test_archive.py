"""An archive is read with suspicion: what is unsafe or damaged is refused and named."""

import io
import stat
import tarfile
import zipfile
from contextlib import suppress

import pytest
from small_sets import encrypted

from lmf.core.errors import DataError
from lmf.data.archive import Limits, read_pictures, scan, signature_fault
from lmf.data.entries import Archive, Member

PIXELS = b"not looked at here" * 40
SAFE = {"top/HR/a.png": PIXELS, "top/HR/b.PNG": PIXELS, "top/README.txt": b"hello"}


def archive(kind):
    return Archive(f"http://localhost/set.{kind}", kind, (Member("top/HR", "HR"),))


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return path


def make_tar(path, members, extra=()):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as package:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
        for info in extra:
            package.addfile(info)
    return path


def make(kind, folder, members):
    return (make_zip if kind == "zip" else make_tar)(folder / f"set.{kind}", members)


KINDS = pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])


@KINDS
def test_pictures_of_the_wanted_folder_come_out_whole(kind, tmp_path):
    members = SAFE | {"top/HR/sub/c.png": b"deeper", "top/HR/._a.png": b"macOS", "top/d.png": b"up"}
    path = make(kind, tmp_path, members)
    listing = scan(path, archive(kind))
    found = {
        picture.path: picture.content for picture in read_pictures(path, archive(kind), listing)
    }
    assert found == {"HR/a.png": PIXELS, "HR/b.PNG": PIXELS}
    assert listing.size == 2 * len(PIXELS)


@KINDS
@pytest.mark.parametrize("name", ["../x.png", "top/HR/../../../x.png", "/etc/x.png", "..\\x.png"])
def test_members_that_point_outside_are_refused(kind, name, tmp_path):
    path = make(kind, tmp_path, SAFE | {name: PIXELS})
    with pytest.raises(DataError, match="points outside"):
        scan(path, archive(kind))


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("name", ["top/HR/evil.png", "top/HR", "top"])
def test_links_and_devices_in_a_tar_are_refused(type_, name, tmp_path):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, "/etc/passwd"
    path = make_tar(tmp_path / "set.tar", SAFE, [info])
    with pytest.raises(DataError, match="link or a device"):
        scan(path, archive("tar"))


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "set.zip", SAFE)
    info = zipfile.ZipInfo("top/HR/evil.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as package:
        package.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"evil\.png.*link"):
        scan(path, archive("zip"))


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "set.zip", SAFE)
    path.write_bytes(encrypted(path.read_bytes()))
    with pytest.raises(DataError, match="encrypted"):
        scan(path, archive("zip"))


@KINDS
def test_an_archive_that_only_holds_an_archive_is_named(kind, tmp_path):
    path = make(kind, tmp_path, {"inner.zip": b"PK\x03\x04"})
    with pytest.raises(DataError, match=r"only another archive \(inner\.zip\)"):
        scan(path, archive(kind))


@KINDS
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_truncated_archive_never_passes_as_whole(kind, share, tmp_path):
    members = {f"top/HR/{i}.png": bytes([i]) * 3000 for i in range(20)}
    path = make(kind, tmp_path, members)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    if kind == "tar":  # one that ends between two members looks like a shorter one: counting tells
        with suppress(DataError):
            listing = scan(path, archive(kind))
            assert len(list(read_pictures(path, archive(kind), listing))) < len(members)
        return
    with pytest.raises(DataError, match="truncated or damaged"):
        list(read_pictures(path, archive(kind), scan(path, archive(kind))))


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path):
    path = make_zip(tmp_path / "set.zip", SAFE)
    content = bytearray(path.read_bytes())
    content[50] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="truncated or damaged"):
        list(read_pictures(path, archive("zip"), scan(path, archive("zip"))))


@KINDS
@pytest.mark.parametrize("limits", [Limits(members=2), Limits(total=900), Limits(picture=700)])
def test_bombs_are_refused(kind, limits, tmp_path):
    path = make(kind, tmp_path, SAFE)
    with pytest.raises(DataError, match="refused"):
        scan(path, archive(kind), limits)


@pytest.mark.parametrize(
    ("head", "kind", "fault"),
    [
        (b"\n<!DOCTYPE html><html>", "zip", "web page"),
        (b"<html>", "tar", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "tgz", "Git LFS pointer"),
        (b"PK\x03\x04", "tar", "not a tar"),
        (b"\x1f\x8b", "zip", "not a zip"),
        (b"PK\x03\x04", "zip", None),
        (b"P", "zip", None),
        (b"<", "zip", "not a zip"),
        (b"\x1f\x8b\x08", "tgz", None),
        (b"benchmark/Set5/", "tar", None),
    ],
)
def test_first_bytes_tell_what_a_file_is(head, kind, fault):
    found = signature_fault(head, archive(kind))
    assert found is None if fault is None else fault in found
