import pandas as pd
import pytest

from closecast.errors import SettingError
from closecast.lab import plot_acc, plot_loss_variation


@pytest.fixture
def df() -> pd.DataFrame:
    """Results of two rates and two depths, one of them twice."""
    rows = [
        (0.1, 1, 4.0), (0.1, 2, 3.0), (0.01, 1, 2.0), (0.01, 2, 1.0), (0.1, 2, 5.0),
    ]  # fmt: skip
    return pd.DataFrame(
        [
            {"lr": lr, "n_layers": layers, "train_acc": error, "val_acc": 2 * error,
             "test_acc": 3 * error, "train_losses": [error, error / 2, 0.0],
             "val_losses": [error, error, error]}
            for lr, layers, error in rows
        ]
    )  # fmt: skip


def test_bars_are_the_errors(df):
    """Three panels, a bar for each pair of values, its height the mean error."""
    picture = plot_acc("lr", "n_layers", df)
    heights = [[bar.get_height() for bar in axes.patches] for axes in
               picture.figure.axes]  # fmt: skip

    assert heights == [[2, 4, 1, 4], [4, 8, 2, 8], [6, 12, 3, 12]]
    assert "Least on validation: 2.000 with lr = 0.01 and n_layers = 2" in picture.alt
    assert picture.figure.axes[0].get_xticklabels()[0].get_text() == "0.01"


def test_curves_are_the_losses(df):
    """A row a value of the second argument, a column a value of the first."""
    picture = plot_loss_variation("lr", "n_layers", df, height=1.5, aspect=2.0)
    panels = picture.figure.axes

    assert [axes.get_title() for axes in panels] == [
        "lr = 0.01, n_layers = 1", "lr = 0.1, n_layers = 1",
        "lr = 0.01, n_layers = 2", "lr = 0.1, n_layers = 2",
    ]  # fmt: skip
    train, val = panels[2].lines
    assert list(train.get_ydata()) == [1.0, 0.5, 0.0]
    assert list(val.get_xdata()) == [1, 2, 3]
    assert picture.figure.get_size_inches().tolist() == [6.0, 3.0]
    assert panels[0].get_ylim() == panels[3].get_ylim()
    apart = plot_loss_variation("lr", "n_layers", df, sharey=False).figure.axes
    assert apart[0].get_ylim() != apart[3].get_ylim()


def test_a_pair_without_result_is_an_empty_place(df):
    """A sweep that is half done can be looked at."""
    half = df[(df["lr"] == 0.1) | (df["n_layers"] == 1)]

    assert len(plot_acc("lr", "n_layers", half).figure.axes[0].patches) == 3
    assert len(plot_loss_variation("lr", "n_layers", half).figure.axes[2].lines) == 0


def test_one_value_of_each_is_one_panel(df):
    """The smallest grid has one place."""
    one = df[(df["lr"] == 0.01) & (df["n_layers"] == 1)]

    assert len(plot_loss_variation("lr", "n_layers", one).figure.axes) == 1


@pytest.mark.parametrize("draw", [plot_acc, plot_loss_variation])
def test_an_argument_that_is_not_there_is_told(df, draw):
    """What can be drawn is named."""
    with pytest.raises(SettingError, match=r"got 'hid_dim'. Choose one of lr, n_layer"):
        draw("lr", "hid_dim", df)
