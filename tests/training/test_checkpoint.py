"""A saved model comes back as it was, or not at all."""

import errno
import json
import os
from dataclasses import replace
from stat import S_ISDIR

import pytest

from closecast import durable
from closecast.errors import DiskError, ModelError
from closecast.training import checkpoint
from closecast.training.checkpoint import load, save
from closecast.training.model import train_fleet

FILES = ["metrics.jsonl", "model.json", "model.safetensors"]


class TestRoundTrip:
    def test_its_names_are_flushed_last(
        self, bars, settings, rows, tmp_path, monkeypatch
    ):
        """Two files reach the disk with their names, then the record and its name."""
        (model,) = train_fleet(bars, [settings], *rows)
        flushed = []
        monkeypatch.setattr(
            durable.os, "fsync", lambda at: flushed.append(S_ISDIR(os.fstat(at)[0]))
        )
        save(model, tmp_path)

        assert flushed == [False, False, True, False, True, True]

    @pytest.mark.parametrize("head", ["student_t", "point"])
    def test_the_same_model_comes_back(self, bars, settings, rows, tmp_path, head):
        """Settings, weights, curve, spread and record are the same, and forecasts."""
        (model,) = train_fleet(bars, [replace(settings, head=head)], *rows)
        again = load(save(model, tmp_path / "new" / "model"))

        assert again.settings == model.settings
        assert again.curve == model.curve
        assert again.trained_on == model.trained_on
        assert {n: w.tobytes() for n, w in again.weights.items()} == {
            n: w.tobytes() for n, w in model.weights.items()
        }
        before, after = (m.forecast(bars, rows[1]) for m in (model, again))
        assert before.quantiles.tobytes() == after.quantiles.tobytes()

    def test_an_ensemble_comes_back_whole(self, ensemble, bars, rows, tmp_path):
        """Every network is there and the mixture is the same."""
        again = load(save(ensemble, tmp_path))

        assert [m.settings.seed for m in again.members] == [0, 1, 2]
        before, after = (m.forecast(bars, rows[1]) for m in (ensemble, again))
        assert before.quantiles.tobytes() == after.quantiles.tobytes()

    def test_a_model_of_before_seeds_still_loads(self, model, tmp_path, monkeypatch):
        """Settings that a version did not have yet keep their defaults."""
        known = model.settings.to_dict()
        older = {n: v for n, v in known.items() if n not in {"seeds", "calibrate"}}
        monkeypatch.setattr(type(model.settings), "to_dict", lambda _: older)
        save(model, tmp_path)
        monkeypatch.undo()

        assert load(tmp_path).settings == model.settings
        assert sorted(path.name for path in tmp_path.iterdir()) == FILES

    def test_the_same_model_gives_the_same_bytes(self, model, tmp_path):
        """Saved twice, each file is the same, and no other file is left."""
        first, second = (save(model, tmp_path / name) for name in "ab")

        assert sorted(path.name for path in first.iterdir()) == FILES
        for name in FILES:
            assert (first / name).read_bytes() == (second / name).read_bytes()

    def test_metrics_hold_one_line_an_epoch(self, model, tmp_path):
        """The learning curve can be read without closecast."""
        lines = (save(model, tmp_path) / "metrics.jsonl").read_text().splitlines()

        epochs = [json.loads(line) for line in lines]
        assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
        assert [e["train_loss"] for e in epochs] == list(model.curve.train_loss)

    def test_a_model_can_be_saved_over_another(
        self, model, bars, settings, rows, tmp_path
    ):
        """The folder then holds the second model."""
        (other,) = train_fleet(bars, [replace(settings, seed=9)], *rows)
        save(model, tmp_path)

        assert load(save(other, tmp_path)).settings.seed == 9


class TestDamage:
    @pytest.mark.parametrize("name", [*FILES, "told.json"])
    @pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_flipped_bit_is_refused(self, model, tmp_path, name, place):
        """One bit of any file is enough, and the message names the file."""
        path = save(model, tmp_path, {"told.json": b"[1, 2, 3]"}) / name
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1
        path.write_bytes(content)

        with pytest.raises(ModelError, match=rf"another content .*{name}"):
            load(tmp_path)

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_refused(self, model, tmp_path, name):
        """A folder that is not whole is no model."""
        (save(model, tmp_path) / name).unlink()

        with pytest.raises(ModelError, match=f"none that can be read .*{name}"):
            load(tmp_path)

    @pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"format": 1}'])
    def test_another_json_is_refused(self, model, tmp_path, text):
        """What is not a model's record is not read further."""
        (save(model, tmp_path) / "model.json").write_text(text)

        with pytest.raises(ModelError, match="another content"):
            load(tmp_path)

    @pytest.mark.parametrize(
        ("key", "value", "refused"),
        [
            ("settings", None, "lacks or mistakes"),
            ("weights_sha256", None, "another content"),
            ("siblings", ["seed_1"], "lacks or mistakes"),
            ("siblings", {"../../other": "0"}, "a file in the model's folder"),
            ("beside", {"/dev/zero": "0"}, "a file in the model's folder"),
            ("beside", {"": "0"}, "a file in the model's folder"),
            ("best_epoch", "two", "lacks or mistakes"),
            ("residual_scale", {}, "lacks or mistakes"),
            ("residual_scale", [0.1], "lacks or mistakes"),
            ("stretch", 1.0, "lacks or mistakes"),
            ("mean_share", [[float("nan")] * 3] * 4, "lacks or mistakes"),
        ],
    )
    def test_a_record_that_a_stranger_sealed_is_refused(
        self, model, tmp_path, key, value, refused
    ):
        """A hash that fits proves no content: what is odd in it is one sentence."""
        path = save(model, tmp_path) / "model.json"
        document = json.loads(path.read_text()) | {key: value}
        del document["sha256"]
        document["sha256"] = checkpoint._sha256(checkpoint._canonical(document))
        path.write_bytes(checkpoint._text(document))

        with pytest.raises(ModelError, match=refused):
            load(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"\0" * 40, b"\xff" * 80])
    def test_weights_that_a_stranger_sealed_are_refused(self, model, tmp_path, content):
        """What is no safetensors file is one sentence, though its hash fits."""
        folder = save(model, tmp_path)
        path = folder / "model.json"
        (folder / "model.safetensors").write_bytes(content)
        document = json.loads(path.read_text())
        document["weights_sha256"] = checkpoint._sha256(content)
        del document["sha256"]
        document["sha256"] = checkpoint._sha256(checkpoint._canonical(document))
        path.write_bytes(checkpoint._text(document))

        with pytest.raises(ModelError, match="lacks or mistakes"):
            load(folder)

    def test_another_format_is_refused(self, model, tmp_path, monkeypatch):
        """A model of a later version says so."""
        monkeypatch.setattr(checkpoint, "FORMAT", 3)
        save(model, tmp_path)
        monkeypatch.undo()

        with pytest.raises(ModelError, match="format 1 or 2, got 3"):
            load(tmp_path)

    def test_weights_of_another_shape_are_refused(self, model, tmp_path):
        """Settings and weights must belong together."""
        other = replace(model, settings=replace(model.settings, hidden_size=7))

        with pytest.raises(ModelError, match="the arrays of these settings"):
            load(save(other, tmp_path))

    def test_unknown_settings_are_refused(self, model, tmp_path, monkeypatch):
        """A setting of another version is a damaged promise, not a guess."""
        unknown = {**model.settings.to_dict(), "attention": True}
        monkeypatch.setattr(type(model.settings), "to_dict", lambda _: unknown)
        save(model, tmp_path)

        with pytest.raises(ModelError, match=r"'attention'.*version of closecast"):
            load(tmp_path)

    def test_a_sibling_of_another_ensemble_is_refused(
        self, ensemble, settings, bars, rows, tmp_path
    ):
        """A network that is whole but not the one that was saved is damage too."""
        save(ensemble, tmp_path)
        (other,) = train_fleet(bars, [replace(settings, seed=1, epochs=1)], *rows)
        save(other, tmp_path / "siblings" / "seed_1")

        with pytest.raises(ModelError, match=r"another content .*seed_1"):
            load(tmp_path)


class Cut(BaseException):
    """The process ends here."""


def save_cut_off(model, folder, monkeypatch, *, after):
    """Save, and end the process before or after the record is written."""
    whole = checkpoint.write_durably

    def cut(path, content):
        if after:
            whole(path, content)
        raise Cut

    with monkeypatch.context() as here:
        here.setattr(checkpoint, "write_durably", cut)
        with pytest.raises(Cut):
            save(model, folder)


def files_in(folder):
    """Give the name of every file in a folder."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


class TestCutOff:
    """A save over another model that ends anywhere leaves one of the two."""

    @pytest.fixture
    def two(self, bars, settings, rows):
        """Two ensembles of the same seeds and other weights."""
        return [
            train_fleet(bars, [replace(settings, seeds=2, learning_rate=rate)], *rows)[
                0
            ]
            for rate in (0.01, 0.02)
        ]

    @pytest.mark.parametrize("after", [False, True])
    def test_before_its_record_the_old_one_after_it_the_new(
        self, two, tmp_path, monkeypatch, after
    ):
        """Weights, curve, siblings and what lies beside are all of one model."""
        old, new = two
        files = files_in(save(old, tmp_path))
        save_cut_off(new, tmp_path, monkeypatch, after=after)
        cut = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}

        found, expected = load(tmp_path), new if after else old

        for one, other in zip(found.members, expected.members, strict=True):
            assert one.curve == other.curve
            assert all((one.weights[n] == w).all() for n, w in other.weights.items())
        assert len(cut) > len(files)
        save(old, tmp_path)
        assert files_in(tmp_path) == files
        assert load(tmp_path).curve == old.curve

    def test_a_cut_before_a_second_cut_is_no_harm(self, two, tmp_path, monkeypatch):
        """What the first left is of the model that its record names."""
        old, new = two
        save(old, tmp_path)
        save_cut_off(new, tmp_path, monkeypatch, after=True)
        save_cut_off(old, tmp_path, monkeypatch, after=False)

        assert load(tmp_path).curve == new.curve

    def test_a_full_disk_leaves_the_old_one_and_no_file(
        self, two, tmp_path, monkeypatch
    ):
        """What was written aside is taken away again."""
        old, new = two
        files = files_in(save(old, tmp_path))
        whole, room = checkpoint.stage, [3]

        def stage(path, content):
            room[0] -= 1
            if not room[0]:
                raise DiskError("Expected room on the disk, got none. Make room.")
            whole(path, content)

        monkeypatch.setattr(checkpoint, "stage", stage)
        with pytest.raises(DiskError, match="room on the disk"):
            save(new, tmp_path)

        assert files_in(tmp_path) == files
        assert load(tmp_path).curve == old.curve

    def test_where_it_cannot_be_ended_it_is_refused(self, two, tmp_path, monkeypatch):
        """A folder that cannot be written never speaks as a mixture."""
        old, new = two
        save(old, tmp_path)
        save_cut_off(new, tmp_path, monkeypatch, after=True)

        def refuse(*_):
            raise PermissionError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(type(tmp_path), "replace", refuse)
        with pytest.raises(ModelError, match=r"cut off can be ended, got: Read-only"):
            load(tmp_path)

    def test_a_reader_beside_a_reader_finds_it_ended(self, tmp_path):
        """Of two that rename the same file one comes first."""
        checkpoint._settle(tmp_path / ".gone", tmp_path / "there")

        assert files_in(tmp_path) == []
