"""``/v1/sentences``: what rooms say in English, in the language of a reader.

The words are those of the reports: one catalogue, wherever a sentence is shown.
"""

from fastapi import APIRouter

from closecast.reports.language import words_of
from closecast.serving.api.shapes import Said, Sentence, Spoken

router = APIRouter(prefix="/v1", tags=["words"])


@router.post("/sentences")
async def sentences(body: Spoken) -> Said:
    """Translate sentences; one without words in the language comes back in English."""
    words = words_of(body.language)
    found = [(text, words.translated(text)) for text in body.sentences]
    return Said(
        sentences=[
            Sentence(text=text, language="en")
            if here is None
            else Sentence(text=here, language=body.language)
            for text, here in found
        ]
    )
