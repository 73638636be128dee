"""Parts that the wire formats of language models share: the question, and how its reply ends."""

import asyncio
import base64
import binascii
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from provider_worker.sandbox.faults import Canned
from provider_worker.sandbox.ledger import Charge, Entry
from provider_worker.sandbox.orders import Order, inline_content
from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.playing import BadBodyError, read_object
from provider_worker.sandbox.schemas.tables import Problem
from provider_worker.sandbox.texts import count_tokens, reply_text
from provider_worker.sandbox.wires import AtOnceWire, Job

Kind = Literal["stop", "cut_off", "refusal", "content_filter"]
ENDINGS: Mapping[str, Canned] = {
    "content_policy": Canned(error="I'm sorry, I can't help with that.", error_type="refusal"),
    "content_filter": Canned(error_type="content_filter"),
    "cut_off": Canned(error_type="cut_off"),
    "empty": Canned(error_type="empty"),
    "wrong_schema": Canned(error_type="wrong_schema"),
    "broken_json": Canned(error_type="broken_json"),
}
"""Ready-made faults of the work: how the reply ends."""
_TOKENS_A_PICTURE = 258


@dataclass(frozen=True)
class Question:
    """A request, as every model reads it.

    Attributes:
        model: its name.
        prompt: the user's text; it is the marker in the ledger.
        system: the system prompt.
        pictures: data URLs or base64.
        schema: of the reply; none: text.
        max_tokens: of the reply.
        is_tool: the reply is a tool's call.
    """

    model: str
    prompt: str
    system: str = ""
    pictures: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    is_tool: bool = False


@dataclass(frozen=True)
class Answer:
    """A reply, and how it ended."""

    text: str
    kind: Kind
    input_tokens: int
    output_tokens: int


class ChatWire(AtOnceWire):
    """A vendor of language models; it charges tokens."""

    @abstractmethod
    def question(self, app: str, body: Mapping[str, Any]) -> Question:
        """Return the question in a body without faults."""

    @abstractmethod
    def replied(self, app: str, entry: Entry, question: Question, answer: Answer) -> Response:
        """Return the response to a question."""

    @abstractmethod
    def unauthorized(self) -> Response:
        """Return the response to a request without an accepted key."""

    def order(self, entry: Entry) -> Order:
        """Return an order of nothing: replies have no media."""
        return Order()

    async def asked(self, request: Request, app: str, found: Sequence[Problem] | None) -> Response:
        """Receive a question.

        Args:
            request: the request.
            app: the path's API.
            found: faults of its body; none: the body is no JSON object.
        """
        if not self.has_key(request):
            return self.unauthorized()
        if found is None:
            return self.refused([Problem((), "the body is no JSON object", "json_invalid")])
        body = await read_object(request)
        prompt = "" if found else self.question(app, body).prompt
        job = Job(app=app, marker=prompt, input=body, charge=Charge("tokens", 0), problems=found)
        return await self.submitted(request, job)

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the reply, and note its tokens."""
        question = self.question(entry.app, entry.input)
        try:
            answer = await asyncio.to_thread(_answer, question, entry)
        except BadPictureError as error:
            return self.refused([Problem(("messages",), str(error), "image")])
        amount = answer.input_tokens + answer.output_tokens
        entry.charge = replace(entry.charge, amount=amount)
        return self.replied(entry.app, entry, question, answer)


async def body_of(request: Request) -> dict[str, Any] | None:
    """Return a body; none if it is no JSON object."""
    try:
        return await read_object(request)
    except BadBodyError:
        return None


def bearer(headers: Mapping[str, str]) -> str:
    """Return the key of `Authorization: Bearer …`."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key if scheme == "Bearer" else ""


def told(problems: Sequence[Problem]) -> str:
    """Return faults in words."""
    return "; ".join(f"{problem.field}: {problem.msg}".strip(": ") for problem in problems)


def inner(given: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return a nested object by the names on the way to it; empty if there is none."""
    found: Any = given
    for name in path:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, Mapping) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def respond(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON."""
    return JSONResponse(body, status, headers=headers)


def _answer(question: Question, entry: Entry) -> Answer:
    pictures = [_content(picture) for picture in question.pictures]
    sent = count_tokens(question.system + question.prompt) + _TOKENS_A_PICTURE * len(pictures)
    text = reply_text(question.prompt, pictures, question.schema)
    kind: Kind = "stop"
    most = question.max_tokens
    match entry.work.error_type:
        case "refusal":
            text, kind = entry.work.error or "", "refusal"
        case "content_filter":
            text, kind = "", "content_filter"
        case "wrong_schema":
            text = '{"unexpected": true}'
        case "empty":
            text = ""
        case "broken_json":
            text = text[: len(text) // 2]
        case "cut_off":
            text, kind = text[: len(text) // 2], "cut_off"
        case _:
            if most is not None and count_tokens(text) > most:
                text, kind = text.encode()[: most * 4].decode(errors="ignore"), "cut_off"
    return Answer(text, kind, sent, count_tokens(text))


def _content(picture: str) -> bytes:
    content = inline_content(picture)
    if content is None:
        try:
            content = base64.b64decode(picture, validate=True)
        except (binascii.Error, ValueError):
            raise BadPictureError("the picture is no data URL") from None
    return content
