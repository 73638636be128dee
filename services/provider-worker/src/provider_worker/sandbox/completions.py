"""Chat Completions, which OpenAI and Ollama share: its question, reply and errors. Pure."""

import time
from collections.abc import Mapping
from typing import Any

from provider_worker.sandbox.chats import Answer, Question, inner
from provider_worker.sandbox.ledger import Entry

_FINISHES = {
    "stop": "stop",
    "cut_off": "length",
    "refusal": "stop",
    "content_filter": "content_filter",
}
_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "not_found_error",
    429: "requests",
    500: "server_error",
    503: "server_error",
}


def question_of(body: Mapping[str, Any]) -> Question:
    """Return the question of a body without faults."""
    system: list[str] = []
    prompts: list[str] = []
    pictures: list[str] = []
    for message in body["messages"]:
        into = prompts if message["role"] in ("user", "assistant") else system
        content = message["content"]
        plain: list[dict[str, Any]] = [{"type": "text", "text": content}]
        parts = plain if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                into.append(part["text"])
            else:
                pictures.append(part["image_url"]["url"])
    form = inner(body, "response_format", "json_schema")
    tools: list[dict[str, Any]] = body.get("tools") or []
    is_tool = bool(tools) and body.get("tool_choice") != "none"
    schema = tools[0]["function"]["parameters"] if is_tool else form.get("schema")
    return Question(
        model=body["model"],
        prompt="\n".join(prompts),
        system="\n".join(system),
        pictures=pictures,
        schema=schema,
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        is_tool=is_tool,
    )


def completion(entry: Entry, question: Question, answer: Answer) -> dict[str, Any]:
    """Return the body of a reply."""
    is_refused = answer.kind == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if is_refused else answer.text,
        "refusal": answer.text if is_refused else None,
    }
    finish = _FINISHES[answer.kind]
    if question.is_tool and answer.kind == "stop":
        function = {"name": entry.input["tools"][0]["function"]["name"], "arguments": answer.text}
        call = {"id": f"call_{entry.request_id[:8]}", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call]}
        finish = "tool_calls"
    return {
        "id": f"chatcmpl-{entry.request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": question.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }


def failure(status: int, message: str, code: str | None = None, kind: str = "") -> dict[str, Any]:
    """Return the body of an error."""
    known = kind or _TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": known, "param": None, "code": code}}
