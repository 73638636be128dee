"""Activities of the queue `provider-llm` beside those of tasks: evaluations and captions."""

from collections.abc import Callable, Sequence
from typing import Any

from provider_worker.adapters import Adapter
from provider_worker.captions import CaptionSettings, PictureCaptions
from provider_worker.evaluation.activity import PictureEvaluation
from provider_worker.evaluation.evaluator import Evaluator
from provider_worker.evaluation.settings import EvaluationSettings
from provider_worker.llm.adapter import AiCoreAdapter
from provider_worker.shown_pictures import ShownPictures


def vision_activities(
    adapters: Sequence[Adapter], pictures: ShownPictures
) -> list[Callable[..., Any]]:
    """Return the activities that ask the vendors of `ai_core` about pictures.

    Args:
        adapters: those of this worker; without that of `ai_core` there are no such activities.
        pictures: reads the pictures.
    """
    settings = EvaluationSettings()
    found: list[Callable[..., Any]] = []
    for adapter in adapters:
        if isinstance(adapter, AiCoreAdapter):
            evaluator = Evaluator(adapter.chats, settings, adapter.submits)
            captions = PictureCaptions(
                adapter.chats,
                pictures,
                CaptionSettings(),
                order=settings.order,
                submits=adapter.submits,
            )
            evaluation = PictureEvaluation(evaluator, pictures)
            found += [evaluation.evaluate_image, captions.caption_image]
    return found
