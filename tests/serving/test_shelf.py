"""The shelf: what serves is what was put there, and why is never lost."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from closecast.errors import IntegrityError, ModelError, SettingError
from closecast.market.bars import Bars
from closecast.serving import shelf as shelf_module
from closecast.serving.desk import Desk
from closecast.serving.prices import PriceBook
from closecast.serving.shelf import LOG, Shelf, load


def test_an_added_version_does_not_serve_before_it_is_promoted(
    run_folder: Path, tmp_path: Path
):
    """To copy a model onto the shelf changes nothing for those who are served."""
    shelf = Shelf(tmp_path)

    version = shelf.add(run_folder, reason="new")

    assert version.number == 1
    assert shelf.current() is None
    assert shelf.promote(1, reason="good").number == 1
    assert shelf.current().number == 1


def test_a_loaded_version_forecasts_as_the_model_that_was_added(
    shelf: Shelf, forecaster, bars: Bars
):
    """The copy on the shelf is the model itself, to the last bit."""
    own = load(shelf.current()).forecast(bars)

    np.testing.assert_array_equal(own.quantiles, forecaster.forecast(bars).quantiles)


def test_a_rollback_goes_back_one_promotion_at_a_time(shelf: Shelf, model_folder: Path):
    """After 1, 2, 3 it is 2 and then 1 that serves, and then there is no way back."""
    for number in (2, 3):
        shelf.add(model_folder, reason="another")
        shelf.promote(number, reason="newer")

    assert shelf.rollback(reason="3 is worse").number == 2
    assert shelf.rollback(reason="2 too").number == 1
    with pytest.raises(ModelError, match="a version that served before, got none"):
        shelf.rollback(reason="and 1")
    assert shelf.current().number == 1


def test_the_log_keeps_every_step_with_its_reason(shelf: Shelf, model_folder: Path):
    """What was done, and why, is read again in the order that it was done in."""
    shelf.add(model_folder, reason="a  second\nmodel")
    shelf.promote(2, reason="better")
    shelf.rollback(reason="worse after all")

    told = [(entry.action, entry.version, entry.reason) for entry in shelf.log()]

    assert told == [
        ("add", 1, "the first one"),
        ("promote", 1, "there is no other"),
        ("add", 2, "a second model"),
        ("promote", 2, "better"),
        ("rollback", 1, "worse after all"),
    ]


def test_a_log_that_was_rewritten_is_refused(shelf: Shelf):
    """A reason changed afterwards no longer fits the hash of its line."""
    path = shelf.path / LOG
    path.write_text(path.read_text().replace("the first one", "the best one"))

    with pytest.raises(IntegrityError, match=r"a log as it was written.*line 1"):
        shelf.log()


def test_a_line_that_was_dropped_is_refused(shelf: Shelf):
    """Each line is whole, and the second names another one before it."""
    path = shelf.path / LOG
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])

    with pytest.raises(IntegrityError, match=r"a log as it was written.*line 1"):
        shelf.log()


def test_every_flipped_bit_of_the_log_is_refused(shelf: Shelf):
    """The last line too, which no other follows, and its end."""
    path = shelf.path / LOG
    whole = path.read_bytes()

    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(IntegrityError, match="a log as it was written"):
            shelf.log()


def test_a_version_is_on_the_disk_before_its_line_in_the_log(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A loss of power after the line leaves the files that it names."""
    done: list[str] = []
    monkeypatch.setattr(shelf_module, "flush_tree", lambda _: done.append("files"))
    monkeypatch.setattr(shelf_module, "flush_folder", lambda _: done.append("name"))
    monkeypatch.setattr(
        shelf_module.shelf_log, "append", lambda *_: done.append("line")
    )

    Shelf(tmp_path / "shelf").add(run_folder, reason="the first")

    assert done == ["files", "name", "line"]


def test_a_line_that_was_cut_off_never_counted(shelf: Shelf, model_folder: Path):
    """A process killed while it wrote leaves half a line, and the next goes over it."""
    path = shelf.path / LOG
    path.write_bytes(path.read_bytes() + b'{"number":3,"at":"20')

    shelf.add(model_folder, reason="after the crash")

    assert [entry.action for entry in shelf.log()] == ["add", "promote", "add"]


@pytest.mark.parametrize("name", ["model/model.safetensors", "scoreboard.json"])
def test_a_changed_file_is_refused_when_it_is_loaded(shelf: Shelf, name: str):
    """A weight or a score touched on the shelf is found before it serves."""
    path = shelf.current().folder / name
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))

    with pytest.raises(IntegrityError, match="as it was put on the shelf"):
        shelf.current()


def test_a_changed_manifest_is_refused(shelf: Shelf):
    """The manifest itself is held against the log."""
    path = shelf.current().folder / "manifest.json"
    path.write_text(path.read_text().replace("the first one", "the best one"))

    with pytest.raises(IntegrityError, match="as it was put on the shelf"):
        shelf.versions()


def test_a_missing_file_is_refused(shelf: Shelf):
    """A file that is gone is no other than one that was changed."""
    (shelf.current().folder / "model" / "metrics.jsonl").unlink()

    with pytest.raises(IntegrityError, match="none that can be read"):
        shelf.version(1)


def test_what_is_no_model_is_refused(tmp_path: Path):
    """An empty folder does not become a version."""
    shelf = Shelf(tmp_path / "shelf")

    with pytest.raises(ModelError, match="a model folder or a run with a model"):
        shelf.add(tmp_path, reason="by mistake")
    assert shelf.versions() == []


def test_a_damaged_model_is_refused_and_takes_no_number(
    model_folder: Path, run_folder: Path, tmp_path: Path
):
    """A model that cannot be loaded is not put on the shelf."""
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model_folder, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    shelf = Shelf(tmp_path / "shelf")

    with pytest.raises(ModelError, match="as it was saved"):
        shelf.add(broken, reason="by mistake")

    assert shelf.add(run_folder, reason="whole").number == 1


def test_no_step_is_taken_without_a_reason(shelf: Shelf):
    """A log without reasons would be no log."""
    with pytest.raises(SettingError, match="Expected a reason, got none"):
        shelf.promote(1, reason="  \n")


def test_an_unknown_version_is_refused_with_those_there_are(shelf: Shelf):
    """A number that is not on the shelf is told beside those that are."""
    with pytest.raises(ModelError, match=r"a version on the shelf \(1\), got 7"):
        shelf.promote(7, reason="better")


def test_a_version_that_serves_is_not_promoted_again(shelf: Shelf):
    """A second promotion would make a rollback go nowhere."""
    with pytest.raises(ModelError, match="does not serve yet, got 1"):
        shelf.promote(1, reason="once more")


def test_what_was_copied_before_a_crash_is_no_version(shelf: Shelf, model_folder: Path):
    """A folder without a line in the log never counted, and is written over."""
    left_over = shelf.path / "versions" / "0002"
    left_over.mkdir()
    (left_over / "stray").write_text("x")

    version = shelf.add(model_folder, reason="after the crash")

    assert version.number == 2
    assert not (left_over / "stray").exists()
    assert shelf.version(2).manifest["files"]


def test_onnx_runtime_forecasts_what_our_engine_forecasts(
    run_folder: Path, tmp_path: Path, bars: Bars
):
    """The networks' numbers agree to single precision, without PyTorch."""
    shelf = Shelf(tmp_path)
    version = shelf.add(run_folder, reason="for others", onnx=True)

    ours, theirs = load(version).forecast(bars), load(version, onnx=True).forecast(bars)

    assert "model.onnx" in version.manifest["files"]
    np.testing.assert_allclose(theirs.quantiles, ours.quantiles, rtol=1e-4, atol=1e-7)
    assert not np.array_equal(theirs.quantiles, ours.quantiles)


def test_a_version_without_onnx_is_told(shelf: Shelf):
    """To serve by ONNX Runtime what was not exported is refused, with the remedy."""
    with pytest.raises(ModelError, match="Put it on the shelf with --onnx"):
        load(shelf.current(), onnx=True)


def test_without_onnx_runtime_the_remedy_is_told(shelf: Shelf, monkeypatch):
    """The message names what to install."""
    from closecast.errors import MissingExtraError
    from closecast.serving import onnx_model

    monkeypatch.setattr(onnx_model, "find_spec", lambda _: None)

    with pytest.raises(MissingExtraError, match="pip install onnxruntime"):
        load(shelf.current(), onnx=True)


def test_a_version_forecasts_where_torch_is_not_installed(
    shelf: Shelf, prices_file: Path
):
    """Its networks are run by our own engine: the import of torch is refused here."""
    program = f"""
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("torch is not installed", name="torch")

sys.meta_path.insert(0, NoTorch())
from closecast.serving.desk import Desk
from closecast.serving.prices import PriceBook
from closecast.serving.shelf import Shelf

desk = Desk(Shelf({str(shelf.path)!r}), PriceBook({str(prices_file)!r}))
made = desk.forecast(desk.serving(), "AAPL")
assert "torch" not in sys.modules
print(made.forecast.quantiles.tobytes().hex())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    own = Desk(shelf, PriceBook(str(prices_file)))
    here = own.forecast(own.serving(), "AAPL").forecast
    assert bytes.fromhex(done.stdout) == here.quantiles.tobytes()
