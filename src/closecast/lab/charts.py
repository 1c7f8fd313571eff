"""The lecture's two charts of results: errors as bars, losses as curves."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from closecast.errors import SettingError
from closecast.lab.picture import COLOURS, Picture, canvas, show
from closecast.reports.figures import ACCENT, MUTED

PANELS = {"train_acc": "train", "val_acc": "validation", "test_acc": "test"}
HATCHES = ("", "//", "..", "xx", "--")
"""Bars are never told apart by colour alone."""

CURVES = {"train_losses": ("train", MUTED, "--"), "val_losses": ("val", ACCENT, "-")}


def plot_acc(var1: str, var2: str, df: Any) -> Picture:  # noqa: ANN401  a frame
    """Draw the errors of train, validation and test as bars by two arguments.

    Args:
        var1: The argument along the axis.
        var2: The argument that has a colour for each value.
        df: Results from ``load_exp_result``; where two share both values the bar is
            their mean and a line goes from the least to the greatest.

    Returns:
        The picture.

    Raises:
        SettingError: The results have no such argument.
    """
    groups, hues = _values(var1, df), _values(var2, df)
    figure, panels = canvas(1, len(PANELS), width=9.0, height=3.0)
    for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
        for at, hue in enumerate(hues):
            _draw_bars(axes, df, column, (var1, groups), (var2, hue), (at, len(hues)))
        axes.set_xticks(range(len(groups)), [str(group) for group in groups])
        axes.set(title=title, xlabel=var1)
        axes.grid(axis="y")
    panels[0].set_ylabel("mean error of the close, %")
    panels[-1].legend(title=var2, frameon=False)
    best = df.loc[df["val_acc"].idxmin()]
    return show(
        figure,
        f"Bars of the mean error in percent by {var1} and {var2}. Least on validation: "
        f"{best['val_acc']:.3f} with {var1} = {best[var1]} and {var2} = {best[var2]}, "
        f"where train has {best['train_acc']:.3f} and test {best['test_acc']:.3f}.",
    )


def plot_loss_variation(
    var1: str,
    var2: str,
    df: Any,  # noqa: ANN401  a frame
    *,
    sharey: bool = True,
    height: float = 2.0,
    aspect: float = 1.4,
) -> Picture:
    """Draw loss curves of training and validation in a grid of two arguments.

    Args:
        var1: The argument that has a column for each value.
        var2: The argument that has a row for each value.
        df: Results from ``load_exp_result``; where two share both values the first
            is drawn.
        sharey: Whether all panels have one scale.
        height: Of a panel, in inches.
        aspect: Width of a panel over its height.

    Returns:
        The picture.

    Raises:
        SettingError: The results have no such argument.
    """
    columns, rows = _values(var1, df), _values(var2, df)
    width = height * aspect * len(columns)
    figure, grid = canvas(
        len(rows), len(columns), width=width, height=height * len(rows)
    )
    cells = [grid] if isinstance(grid, Axes) else list(grid.ravel())
    places = [(row, column) for row in rows for column in columns]
    for axes, (row, column) in zip(cells, places, strict=True):
        results = df[(df[var1] == column) & (df[var2] == row)]
        _draw_losses(axes, results)
        axes.set_title(f"{var1} = {column}, {var2} = {row}", fontsize=9)
        if sharey:
            axes.sharey(cells[0])
    cells[0].legend(frameon=False)
    figure.supxlabel("epoch")
    figure.supylabel("loss")
    return show(
        figure,
        f"Loss of training and validation by epoch, a panel for each of {len(columns)} "
        f"values of {var1} and {len(rows)} of {var2}.",
    )


def _draw_bars(
    axes: Axes,
    df: Any,  # noqa: ANN401
    column: str,
    group: tuple[str, Sequence[Any]],
    hue: tuple[str, Any],
    place: tuple[int, int],
) -> None:
    (var1, values), (var2, value), (at, count) = group, hue, place
    width = 0.8 / count
    for number, one in enumerate(values):
        errors = df[(df[var1] == one) & (df[var2] == value)][column]
        if errors.empty:
            continue
        middle = number - 0.4 + width * (at + 0.5)
        axes.bar(
            middle,
            errors.mean(),
            0.92 * width,
            color=COLOURS[at % len(COLOURS)],
            hatch=HATCHES[at % len(HATCHES)],
            edgecolor="white",
            label=str(value) if number == 0 else None,
        )
        if len(errors) > 1:
            axes.vlines(middle, errors.min(), errors.max(), color=MUTED)


def _draw_losses(axes: Axes, results: Any) -> None:  # noqa: ANN401
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if results.empty:
        return
    for name, (label, colour, dash) in CURVES.items():
        losses = results.iloc[0][name]
        epochs = range(1, len(losses) + 1)
        axes.plot(epochs, losses, color=colour, linestyle=dash, marker=".", label=label)


def _values(name: str, df: Any) -> list[Any]:  # noqa: ANN401
    if name not in df.columns:
        raise SettingError(
            f"Expected an argument that the results have, got {name!r}. Choose one of "
            f"{', '.join(str(column) for column in df.columns)}."
        )
    return sorted(df[name].unique().tolist())
