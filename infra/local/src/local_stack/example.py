"""The API reference's CreateWorkflow example, with its sizes fitted to the local model."""

import json

from shared.settings import ModelSettings

GENERATE, REFINE = "generate", "refine"


def example_workflow(*, seed: int | None = None) -> str:
    """Return the request body: a picture is generated, then refined at twice its size."""

    def seeded(name: str) -> dict[str, int]:
        return {} if seed is None else {name: seed}

    side_px = ModelSettings().native_side_px
    config = {"prompt": "fashion model wearing elegant dress", "width": side_px, "height": side_px}
    mapping = {
        "from_step": GENERATE,
        "from_field": "result_image_path",
        "to_field": "base_image_url",
    }
    return json.dumps(
        {
            "name": "Fashion Image Pipeline",
            "description": "Generate and refine fashion images",
            "origin_instance": "local-demo",
            "steps": [
                {
                    "id": GENERATE,
                    "task_type": "GENERATION",
                    "config": config | seeded("seed"),
                },
                {
                    "id": REFINE,
                    "task_type": "REFINE",
                    "config": {"upscale_factor": 2.0} | seeded("upscale_seed"),
                    "depends_on": [GENERATE],
                    "input_mappings": [mapping],
                },
            ],
        },
        indent=2,
    )


def provider_command(gateway_url: str, api_key: str) -> str:
    """Return a shell command that creates a picture at the sandbox of outside providers."""
    body: dict[str, object] = {
        "task_type": "GENERATION",
        "provider_type": "fal_standard",
        "prompt": "a red dress",
        "width": 512,
        "height": 768,
        "origin_instance": "local-demo",
    }
    return _posted(f"{gateway_url}/api/v1/tasks/", api_key, json.dumps(body))


def curl_commands(gateway_url: str, api_key: str) -> str:
    """Return shell commands that post the example and query its status."""
    workflows = f"{gateway_url}/api/v1/workflows/"
    posted = _posted(workflows, api_key, example_workflow())
    return f"{posted}\n\ncurl -s {_header(api_key)} {workflows}<id>"


def _posted(url: str, api_key: str, body: str) -> str:
    header = f"{_header(api_key)} -H 'Content-Type: application/json'"
    return f"curl -s {header} \\\n  {url} -d '{body}'"


def _header(api_key: str) -> str:
    return f'-H "Authorization: Bearer {api_key}"'
