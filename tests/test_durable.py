"""A file is there whole or not at all."""

import os
from stat import S_ISDIR

import pytest

from closecast import durable
from closecast.durable import write_durably


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """When the disk fails, the old file is whole and no other is left."""

    def fail(_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    write_durably(path, b"old")
    monkeypatch.setattr(durable.os, "fsync", fail)

    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_name_is_flushed_after_the_content(tmp_path, monkeypatch):
    """First the bytes reach the disk, then the folder that names them."""
    flushed = []
    monkeypatch.setattr(
        durable.os, "fsync", lambda at: flushed.append(S_ISDIR(os.fstat(at)[0]))
    )
    write_durably(tmp_path / "file", b"new")

    assert flushed == [False, True]
