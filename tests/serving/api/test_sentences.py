"""What rooms say in English, for a Korean reader: the reports' own words."""

import pytest

from closecast.reports.language import words_of


def ask(client, language: str, *sentences: str):
    """Let the server translate sentences."""
    body = {"language": language, "sentences": list(sentences)}
    return client.post("/v1/sentences", json=body)


def test_a_sentence_is_said_in_korean(client):
    """As the reports say it; what has no words stays English and says so."""
    known, unknown = "The intervals hold.", "Something <new>."

    told = ask(client, "ko", known, unknown).json()["sentences"]

    here = words_of("ko").translated(known)
    assert here is not None
    assert told == [
        {"text": here, "language": "ko"},
        {"text": unknown, "language": "en"},
    ]
    english = ask(client, "en", known).json()["sentences"]
    assert english == [{"text": known, "language": "en"}]


def test_the_record_of_a_symbol_is_said_in_korean(client):
    """Names and states of monitors are words too."""
    early = "80 % interval: 12 dates, too few to say anything."
    crps = (
        "CRPS against EWMA-t: the CUSUM stands at 1.20 after 60 dates; stop (fine up "
        "to 4)."
    )

    told = [one["text"] for one in ask(client, "ko", early, crps).json()["sentences"]]

    assert told[0] == "80 % 구간: 12일은 아직 판단하기에 부족합니다."
    assert "사용 중단" in told[1]


@pytest.mark.parametrize(
    "body",
    [{"language": "de", "sentences": []}, {"language": "ko", "sentences": ["x" * 2001]},
     {"language": "ko", "sentences": ["x"] * 1001}],
)  # fmt: skip
def test_too_much_is_refused(client, body: dict):
    """Another language, a long text, a long list."""
    assert client.post("/v1/sentences", json=body).status_code == 422
