"""Numbers as a reader wants them: rounded, with true minus signs and dashes."""

from collections.abc import Callable, Iterable, Mapping

from closecast.reports.language import Words

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def price(value: float) -> str:
    """Write a price with the digits that its size deserves.

    Args:
        value: A price.

    Returns:
        Such as ``1,234.5``, ``43.21`` or ``0.01234``.
    """
    if value >= 1000:  # noqa: PLR2004
        return f"{value:,.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.4g}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in percent, without the sign.

    Args:
        share: A share such as 0.8.
        digits: Digits after the point.

    Returns:
        Such as ``80.0``, or a dash for None.
    """
    return NONE if share is None else _minus(f"{100 * share:.{digits}f}")


def signed(share: float | None, digits: int = 1) -> str:
    """Write a skill in percent, always with its plus or minus.

    Args:
        share: A skill such as 0.012.
        digits: Digits after the point.

    Returns:
        Such as ``+1.2``, or a dash for None.
    """
    if share is None:
        return NONE
    text = f"{100 * share:+.{digits}f}"
    return text[1:] if float(text) == 0 else _minus(text)


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed count of digits.

    Args:
        value: A number.
        digits: Digits after the point.

    Returns:
        Such as ``0.012``, or a dash for None.
    """
    return NONE if value is None else _minus(f"{value:.{digits}f}")


def p_value(value: float | None) -> str:
    """Write a p-value.

    Args:
        value: A probability, or None where no test could be made.

    Returns:
        Three digits, ``<0.001`` or a dash.
    """
    if value is None:
        return NONE
    return f"{value:.3f}" if value >= 0.001 else "<0.001"  # noqa: PLR2004


def span(
    values: Iterable[float | None], words: Words, write: Callable[[float], str]
) -> str:
    """Write the range of shares, in percent.

    Args:
        values: Shares; None is left out.
        words: The language.
        write: How one share is written.

    Returns:
        Such as ``78.3 to 81.0 %``, or a dash where there is none.
    """
    known = [value for value in values if value is not None]
    if not known:
        return NONE
    low, high = write(min(known)), write(max(known))
    if low == high:
        return words("numbers.one", value=low)
    return words("numbers.span", low=low, high=high)


def plain(value: object, words: Words) -> str:
    """Write any value of a settings table or of the copycat figures.

    Args:
        value: Whatever JSON holds.
        words: The language.

    Returns:
        Words: yes, no, none, a number of four digits, a list with commas.
    """
    if isinstance(value, Mapping):
        return ", ".join(
            f"{words.name(key)} {plain(item, words)}" for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item, words) for item in value)
    if value is None or isinstance(value, bool):
        key = {None: "none", True: "yes", False: "no"}[value]
        return words(f"numbers.{key}")
    return _minus(f"{value:.4g}" if isinstance(value, float) else str(value))


def _minus(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
