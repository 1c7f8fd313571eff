"""The daily page and the notice say the same figures in every language."""

import re

import pytest

from closecast.reports.daily import daily_page, monitor_of, notice_text
from closecast.reports.language import LANGUAGES, words_of

STEP = {"date": "2013-03-04", "median": 24.7, "low_80": 24.4, "high_80": 24.96,
        "low_95": 24.0, "high_95": 25.3}  # fmt: skip
COVERAGE = {"name": "coverage_80", "state": "watch", "dates": 60, "early": False,
            "value": 0.62, "low": 0.65, "high": 0.93}  # fmt: skip
ROW = {"model": "closecast", "step": 1, "windows": 300, "dates": 60,
       "first": "2012-12-04", "last": "2013-02-28", "coverage_50": 0.5,
       "coverage_80": 0.62, "coverage_95": 0.9,
       "skill_crps_vs": {"ewma_t": -0.031, "zero": 0.02},
       "skill_crps_interval_vs": {"ewma_t": (-0.05, -0.01), "zero": None}}  # fmt: skip
SUMMARY = {
    "as_of": "2013-03-01T22:00:00Z", "number": 18, "head": "c0ffee" * 10,
    "state": "watch", "late": 1,
    "monitors": [COVERAGE, COVERAGE | {"name": "crps", "value": 7.2, "high": 6.0}],
    "forecasts": [{"symbol": "<MSFT>", "cutoff": "2013-03-01", "late": True,
                   "last_close": 24.68, "steps": [STEP]}],
    "matured": {"steps": 10, "in_50": 5, "in_80": 7, "in_95": 9,
                "first_steps": [{"symbol": "IBM", "date": "2013-03-01",
                                 "close": 175.3, "low_80": 171.7, "high_80": 175.6,
                                 "in_80": True}]},
    "record": [ROW, ROW | {"model": "ewma_t"}],
    "findings": {"spike": 2},
    "worst_findings": [{"symbol": "IBM", "date": "2013-01-02", "what": "Expected x",
                        "remedy": "Look."}],
}  # fmt: skip
EMPTY = SUMMARY | {
    "forecasts": [], "record": [], "findings": {}, "worst_findings": [],
    "matured": {"steps": 0, "in_50": 0, "in_80": 0, "in_95": 0, "first_steps": []},
    "monitors": [COVERAGE | {"early": True, "value": None, "dates": 1}],
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_all(language):
    """Forecast, what came, record, findings, head; nothing unescaped, no request."""
    page = daily_page(SUMMARY, words_of(language))

    for text in (
        "&lt;MSFT&gt;",
        "24.7",
        "175.3",
        "-3.1",
        "-5.0",
        "c0ffee",
        "Expected x",
    ):
        assert text in page
    assert "<MSFT>" not in page
    assert not re.findall(r"""(?:src|href)=["']https?:""", page)
    assert "<script" not in page
    assert page.count("<tbody>") == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_day_is_designed(language):
    """A sentence for each thing that is not there."""
    page = daily_page(EMPTY, words_of(language))

    assert "<tbody>" not in page
    for key in ("no_forecast", "nothing_came", "no_record", "no_finding"):
        assert words_of(language)(f"daily.{key}") in page


def test_the_notice_is_a_few_lines():
    """Subject first, head last."""
    lines = notice_text(SUMMARY, words_of("en")).splitlines()

    assert lines[0] == "closecast: watch: something moves"
    assert "<MSFT>: 24.68; on 2013-03-04 24.7, 80 % interval 24.4 to 24.96" in lines
    assert "80 % interval held 70 % of them" in "\n".join(lines)
    assert lines[-1].startswith("The ledger ends at row 18, hash c0ffee")


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        (COVERAGE, "80 % interval: held 62 % over the last 60 dates; 65 to 93 %"),
        (COVERAGE | {"early": True}, "80 % interval: 60 dates are too few"),
        (COVERAGE | {"early": True, "dates": 1}, "80 % interval: 1 date is too little"),
        (COVERAGE | {"name": "crps", "value": 7.2, "high": 6}, "worse than it was"),
        (
            COVERAGE | {"name": "crps", "value": 0.1, "high": 6, "state": "fine"},
            "no drift",
        ),
    ],
)
def test_a_monitor_is_a_sentence(monitor, said):
    """With the figures behind the word."""
    assert said in monitor_of(monitor, words_of("en"))["said"]
