"""A file is there whole or not at all."""

import os
from stat import S_ISDIR

import pytest

from closecast import durable
from closecast.durable import flush_tree, sealed, unsealed, write_durably
from closecast.errors import DiskError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """When the disk fails, the old file is whole and no other is left."""

    def fail(_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    write_durably(path, b"old")
    monkeypatch.setattr(durable.os, "fsync", fail)

    with pytest.raises(DiskError, match=r"room for 3 bytes .* got: No space left"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_another_failure_of_the_disk_is_told_as_it_is(tmp_path, monkeypatch):
    """Only a full disk has a sentence of its own."""

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fail)

    with pytest.raises(OSError, match="Input/output error") as caught:
        write_durably(tmp_path / "file", b"new")
    assert not isinstance(caught.value, DiskError)


def test_the_name_is_flushed_after_the_content(tmp_path, monkeypatch):
    """First the bytes reach the disk, then the folder that names them."""
    flushed = []
    monkeypatch.setattr(
        durable.os, "fsync", lambda at: flushed.append(S_ISDIR(os.fstat(at)[0]))
    )
    write_durably(tmp_path / "file", b"new")

    assert flushed == [False, True]


def test_a_copied_tree_is_flushed_to_its_last_file(tmp_path, monkeypatch):
    """Every file, every folder within, and the folder itself."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"y")
    flushed = []
    monkeypatch.setattr(
        durable.os, "fsync", lambda at: flushed.append(S_ISDIR(os.fstat(at)[0]))
    )

    flush_tree(tmp_path)

    assert sorted(flushed) == [False, False, True, True, True]


def test_a_sealed_document_comes_back_or_not_at_all():
    """Any bit, any blank and any other order of keys are seen."""
    document = {"name": "삼성", "values": [1, 0.1, None], "sha": "x"}
    content = sealed(document)

    assert unsealed(content) == document
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        assert unsealed(bytes(flipped)) is None
    for other in (content + b" ", b"[]", b"", b"{}", b'{"sha256":"x"}'):
        assert unsealed(other) is None
