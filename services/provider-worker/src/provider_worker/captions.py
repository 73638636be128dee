"""The activity that captions a training's pictures by a language model."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio import activity

from provider_worker.calls import CallLog
from provider_worker.llm.chat import Chat
from provider_worker.llm.chats import Chats
from provider_worker.shown_pictures import ShownPictures
from provider_worker.wire.limits import RateLimit
from shared.contracts.datasets import CaptionActivities, CaptionImage, ImageCaption
from shared.contracts.enums import AiProvider, ProviderType
from shared.contracts.untrusted import clean_text
from shared.errors import PlatformError, UnservedError

_LONGEST_TURN_S = 15.0
_TIMEOUT_S = 90.0
"""Together within the run's limit of 120 s for one caption."""

_LONGEST_REPLY = 8000
"""The run shortens captions; a reply only has to fit into its history."""


class CaptionSettings(BaseSettings):
    """The model that captions the pictures of trainings."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_CAPTIONS_", frozen=True)

    provider: AiProvider | None = None
    """Vendor. None: the first one of `SARTIQ_EVALUATION_ORDER` that has a key."""
    model: str | None = Field(default=None, min_length=1, max_length=200)
    """The vendor's name of the model. None: the vendor's own setting, `SARTIQ_GEMINI_MODEL`."""
    max_tokens: int = Field(default=1024, ge=1, le=16_384)
    """Limit of a reply's tokens, those of a model's hidden reasoning included."""


class PictureCaptions(CaptionActivities):
    """Captions pictures of the object store, one request each.

    Args:
        chats: the vendors that have credentials.
        pictures: reads the pictures.
        settings: vendor and model.
        order: vendors to choose from if the settings name none.
        submits: limit on the rate of requests.
    """

    def __init__(
        self,
        chats: Chats,
        pictures: ShownPictures,
        settings: CaptionSettings,
        *,
        order: tuple[AiProvider, ...],
        submits: RateLimit,
    ) -> None:
        self._chats = chats
        self._pictures = pictures
        self._settings = settings
        self._order = (settings.provider,) if settings.provider else order
        self._submits = submits

    @activity.defn(name="caption_image")
    async def caption_image(self, request: CaptionImage) -> ImageCaption:
        """Caption one picture."""
        vendor = next((each for each in self._order if self._chats.serves(each)), None)
        if vendor is None:
            raise UnservedError(f"no credentials for a captioning model: {', '.join(self._order)}")
        chat = Chat(
            model=self._settings.model or self._chats.default_model(vendor),
            prompt=request.instruction,
            pictures=[await self._pictures.stored("picture", request.picture)],
            temperature=0.0,
            max_tokens=self._settings.max_tokens,
        )
        await self._submits.turn(max_wait_s=_LONGEST_TURN_S)
        log = CallLog(ProviderType.AI_CORE, attempt=activity.info().attempt)
        try:
            reply = await self._chats.ask(vendor, chat, log, timeout_s=_TIMEOUT_S)
        except PlatformError as error:
            error.service_requests = tuple(log.requests)
            raise
        return ImageCaption(caption=clean_text(reply.text, _LONGEST_REPLY))
