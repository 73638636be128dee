"""Messages of Gemini's API, with the fields that are used. Unknown fields are ignored."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _GeminiMessage(BaseModel):
    # Errors end up in workflow histories, which must not contain a provider's data.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_name=True,
    )


class Blob(_GeminiMessage):
    """A file in base64."""

    mime_type: str = ""
    data: str = ""


class Part(_GeminiMessage):
    """A piece of the response; a thought may be a draft of the picture."""

    text: str | None = None
    inline_data: Blob | None = None
    thought: bool | None = None


class Content(_GeminiMessage):
    """The pieces of a response."""

    parts: list[Part] | None = None


class Candidate(_GeminiMessage):
    """A response, and the reason for its end."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None

    @property
    def parts(self) -> list[Part]:
        """The pieces that are no thoughts."""
        parts = self.content.parts if self.content else None
        return [part for part in parts or [] if not part.thought]

    @property
    def text(self) -> str:
        """The words."""
        return "".join(part.text or "" for part in self.parts)

    @property
    def pictures(self) -> list[Blob]:
        """The pictures."""
        return [part.inline_data for part in self.parts if part.inline_data]


class PromptFeedback(_GeminiMessage):
    """The refusal of a request."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class UsageMetadata(_GeminiMessage):
    """Numbers of tokens."""

    prompt_token_count: int | None = Field(default=None, ge=0)
    candidates_token_count: int | None = Field(default=None, ge=0)
    thoughts_token_count: int | None = Field(default=None, ge=0)

    @property
    def input_tokens(self) -> int:
        """Tokens of the request."""
        return self.prompt_token_count or 0

    @property
    def output_tokens(self) -> int:
        """Tokens of the response, thoughts included, which cost the same."""
        return (self.candidates_token_count or 0) + (self.thoughts_token_count or 0)


class Generated(_GeminiMessage):
    """A whole response."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
