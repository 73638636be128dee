"""Conversion of a model's reply to findings. Pure."""

import math
from enum import StrEnum
from typing import TypeVar

from provider_worker.evaluation.look import Look
from shared.contracts.enums import AnatomyIssue, Framing, Gender, ViewAngle
from shared.contracts.evaluation import EvaluationFindings

_E = TypeVar("_E", bound=StrEnum)
_UNCLEAR = "unclear"


def findings_of(look: Look, *, with_descriptions: bool) -> EvaluationFindings:
    """Return the findings of a reply.

    A model may contradict itself. Without people there is no shot type and no gender; a correct
    anatomy has no issues, and a wrong one has at least `other`.

    Args:
        look: the reply.
        with_descriptions: the client asked for the three texts.
    """
    people = max(look.number_of_people, 0)
    framing = _stated(Framing, look.framing) if people else None
    view = _stated(ViewAngle, look.view_angle) if people else None
    gender = _stated(Gender, look.gender) if people else None
    is_correct, issues = _anatomy(look)
    return EvaluationFindings(
        detected_framing=framing,
        detected_view_angle=view,
        shot_type_confidence=_share(look.shot_type_confidence, is_stated=bool(framing or view)),
        human_detected=people > 0,
        number_of_people=people,
        human_presence_confidence=_share(look.human_presence_confidence),
        anatomy_correct=is_correct,
        anatomy_issues=issues,
        anatomy_confidence=_share(look.anatomy_confidence, is_stated=is_correct is not None),
        detected_gender=gender,
        gender_confidence=_share(look.gender_confidence, is_stated=gender is not None),
        garment_description=_text(look.garment_description, is_wanted=with_descriptions),
        subject_description=_text(look.subject_description, is_wanted=with_descriptions),
        scene_description=_text(look.scene_description, is_wanted=with_descriptions),
        collage_detected=look.collage,
    )


def _stated(enum: type[_E], value: str) -> _E | None:
    return None if value == _UNCLEAR else enum(value)


def _anatomy(look: Look) -> tuple[bool | None, list[AnatomyIssue] | None]:
    if look.anatomy == "not_visible":
        return None, None
    issues = [AnatomyIssue(issue) for issue in dict.fromkeys(look.anatomy_issues)]
    if look.anatomy == "correct" and not issues:
        return True, []
    return False, issues or [AnatomyIssue.OTHER]


def _share(value: float, *, is_stated: bool = True) -> float | None:
    """Return a confidence within 0 to 1; none without the thing that it is about."""
    return min(max(value, 0.0), 1.0) if is_stated and not math.isnan(value) else None


def _text(text: str, *, is_wanted: bool) -> str | None:
    return text.strip() or None if is_wanted else None
