"""``/v1/lessons``: the lab's lessons, which run beside the server."""

from typing import Literal

from fastapi import APIRouter

from closecast.serving.api.service import Served
from closecast.serving.api.shapes import LessonList

router = APIRouter(prefix="/v1", tags=["lab"])


@router.get("/lessons")
async def lessons(service: Served, language: Literal["en", "ko"] = "en") -> LessonList:
    """List the lessons in a language, and where each runs."""
    listed = service.lessons
    return LessonList(lessons=[] if listed is None else list(listed(language)))
