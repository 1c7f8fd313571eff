"""The daily page: what was forecast, what came true, the record, the monitors.

It is drawn from plain values, the same that a notice carries, and says in words what
the monitors say in figures.
"""

from collections.abc import Mapping
from typing import Any

from closecast.reports.checkup import template
from closecast.reports.language import Words

PAGE = "daily.html.j2"

JUDGED = "closecast"
SHOWN = 12
"""Forecasts that a notice lists, at most."""


def daily_page(summary: Mapping[str, Any], words: Words) -> str:
    """Write the page.

    Args:
        summary: Plain values, as ``closecast.serving.daily.summary`` makes them.
        words: The language.

    Returns:
        One HTML page that loads nothing.
    """
    return str(
        template(PAGE).render(
            summary=summary,
            language=words.language,
            t=words,
            title=words("daily.title"),
            state=state_of(summary["state"], words),
            monitors=[monitor_of(one, words) for one in summary["monitors"]],
            came=came_of(summary["matured"], words),
            record=_record(summary),
            price=price,
            percent=percent,
        )
    )


def notice_text(summary: Mapping[str, Any], words: Words) -> str:
    """Write a notice of a few lines.

    Args:
        summary: As in ``daily_page``.
        words: The language.

    Returns:
        Plain text; the first line is its subject.
    """
    told = summary["forecasts"]
    lines = [words("daily.subject", state=state_of(summary["state"], words)), ""]
    lines.append(words("daily.recorded", count=len(told), late=summary["late"]))
    lines += [_line(one, words) for one in told[:SHOWN]]
    came = summary["matured"]
    lines += ["", came_of(came, words)]
    lines += [monitor_of(one, words)["said"] for one in summary["monitors"]]
    lines += ["", words("daily.head", number=summary["number"], head=summary["head"])]
    return "\n".join(lines)


def state_of(state: str, words: Words) -> str:
    """Say a state of the monitors in words.

    Args:
        state: ``fine``, ``watch``, ``retrain`` or ``stop``.
        words: The language.

    Returns:
        A clause.
    """
    return words(f"states.{state}")


def monitor_of(monitor: Mapping[str, Any], words: Words) -> dict[str, str]:
    """Say in a sentence what a monitor says in figures.

    Args:
        monitor: What ``Monitor.to_dict`` gives.
        words: The language.

    Returns:
        ``state`` and what is ``said``.
    """
    name, dates = monitor["name"], monitor["dates"]
    if monitor["early"]:
        what = words(f"monitors.{name}")
        said = words("monitors.early", what=what, count=dates)
    elif name == "crps":
        key = "monitors.sharp" if monitor["state"] == "fine" else "monitors.worse"
        value, high = f"{monitor['value']:.1f}", f"{monitor['high']:.0f}"
        said = words(key, value=value, high=high, count=dates)
    else:
        said = words(
            "monitors.coverage",
            what=words(f"monitors.{name}"),
            held=percent(monitor["value"]),
            low=percent(monitor["low"]),
            high=percent(monitor["high"]),
            count=dates,
        )
    return {"state": monitor["state"], "said": said}


def came_of(came: Mapping[str, Any], words: Words) -> str:
    """Say what came true.

    Args:
        came: The part ``matured`` of a summary.
        words: The language.

    Returns:
        A sentence.
    """
    if not came["steps"]:
        return words("daily.nothing_came")
    share = percent(came["in_80"] / came["steps"])
    return words("daily.came", count=came["steps"], share=share)


def price(value: float) -> str:
    """Write a price with five figures."""
    return f"{value:,.5g}" if abs(value) < 100_000 else f"{value:,.0f}"  # noqa: PLR2004


def percent(share: float) -> str:
    """Write a share in whole percent."""
    return f"{100 * share:.0f}"


def _line(one: Mapping[str, Any], words: Words) -> str:
    step = one["steps"][-1]
    return words(
        "daily.line",
        symbol=one["symbol"],
        last=price(one["last_close"]),
        date=step["date"],
        median=price(step["median"]),
        low=price(step["low_80"]),
        high=price(step["high_80"]),
    )


def _record(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in summary["record"] if row["model"] == JUDGED]
