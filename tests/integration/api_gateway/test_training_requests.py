"""Fields of a training request: refused where nothing serves them, and settings of operators."""

import uuid
from typing import Any

import httpx
import pytest

from shared.contracts.enums import TransformType
from shared.contracts.training import DEFAULT_BASE_MODEL, OperatorSettings, OptimizerKind
from shared.contracts.transforms import TRANSFORMS
from shared.db.models.trainings import Training
from shared.settings import ModelSettings, TrainingSettings
from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_training import LORA, PATH, create
from workflows.starts import training_run

OWN_MODEL = "acme/flux-of-ours"
_TRANSFORMS = "preprocessing_transforms"


async def faults(api: httpx.AsyncClient, **fields: Any) -> dict[str, str]:
    """Return the faults of a refused request by their places below the body."""
    answer = await api.post(PATH, json=LORA | fields)
    assert answer.status_code == 422, answer.text
    return {".".join(map(str, fault["loc"][1:])): fault["msg"] for fault in answer.json()["detail"]}


async def row_of(gateway: Gateway, training: dict[str, Any]) -> Training:
    async with gateway.resources.sessions() as session:
        row = await session.get(Training, uuid.UUID(training["id"]))
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("transform", "place", "told"),
    [
        ({"type": "resize", "size": 8}, "size", "greater than or equal to 16"),
        ({"type": "resize", "size": True}, "size", "not true or false"),
        ({"type": "resize", "fit": "tight"}, "fit", "'inside', 'cover' or 'exact'"),
        ({"type": "resize", "width": 64}, "", "give both width and height"),
        ({"type": "center_crop", "aspect": "square"}, "aspect", "pattern"),
        ({"type": "center_crop", "aspect": "1:1", "size": 64}, "", "not both"),
        ({"type": "pad", "color": "white"}, "color", "edge"),
        ({"type": "face_crop", "margin": 6}, "margin", "less than or equal to 5"),
        ({"type": "face_crop", "on_missing": "fail"}, "on_missing", "'keep' or 'skip'"),
        ({"type": "background_removal", "model": "u9net"}, "model", "u2netp"),
        ({"type": "background_removal", "model": "sam"}, "model", "not installed here; use one of"),
        ({"type": "flip", "axis": "diagonal"}, "axis", "'horizontal' or 'vertical'"),
        ({"type": "color_normalize", "cutoff": 50}, "cutoff", "less than 50"),
        ({"type": "flip", "size": 64}, "size", "flip has no such parameter; it has axis, mode"),
        ({"type": "resize", "parameters": {"size": 64}}, "parameters", "it has size, width"),
    ],
)
async def test_wrong_parameter_of_a_transform_is_named(
    api: httpx.AsyncClient, transform: dict[str, Any], place: str, told: str
) -> None:
    found = await faults(api, **{_TRANSFORMS: [{"type": "flip"}, transform]})
    [(where, message)] = found.items()
    assert where == f"{_TRANSFORMS}.1" + (f".{place}" if place else "")
    assert told in message


async def test_every_type_of_transform_is_accepted_with_its_defaults(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    transforms = [{"type": kind.value} for kind in TransformType]
    training = await create(api, **{_TRANSFORMS: transforms})
    assert training[_TRANSFORMS] == transforms
    run = training_run(await row_of(gateway, training))
    assert [type(each.checked) for each in run.transforms] == list(TRANSFORMS.values())


async def test_all_faults_are_told_at_once(api: httpx.AsyncClient) -> None:
    found = await faults(
        api,
        training_type="FULL",
        base_model_path="some/model",
        preprocessing_captioning_strategy="llm",
        source_images=["no/such/picture.png"],
        preprocessing_transforms=[{"type": "pad", "size": 4}],
    )
    assert found.keys() == {
        "training_type",
        "base_model_path",
        "preprocessing_captioning_strategy",
        "source_images.0",
        f"{_TRANSFORMS}.0.size",
    }


async def test_full_is_not_served_yet(api: httpx.AsyncClient) -> None:
    found = await faults(api, training_type="FULL")
    assert found == {"training_type": "FULL is not served yet; send LORA, or leave it out"}


async def test_unknown_base_model_lists_the_known(gateway: Gateway) -> None:
    settings = TrainingSettings(base_models={OWN_MODEL: "/models/ours"})
    async with gateway.client(training=settings) as api:
        found = await faults(api, base_model_path="some/model")
        training = await create(api, base_model_path=OWN_MODEL)
    assert found == {
        "base_model_path": "this base model is not served here; "
        f"use one of {OWN_MODEL}, {DEFAULT_BASE_MODEL}"
    }
    assert training["base_model_path"] == OWN_MODEL


@pytest.mark.parametrize("strategy", ["llm", "custom_prompt"])
async def test_captions_of_a_model_need_one(gateway: Gateway, strategy: str) -> None:
    fields = {
        "preprocessing_captioning_strategy": strategy,
        "preprocessing_captioning_prompt": "Describe [trigger]",
    }
    async with gateway.client() as api:
        found = await faults(api, **fields)
        for other in ("none", "trigger_only", "filename"):
            await create(api, preprocessing_captioning_strategy=other)
    async with gateway.client(training=TrainingSettings(can_caption=True)) as api:
        training = await create(api, **fields)
    [message] = found.values()
    assert message == (
        f"{strategy} needs a captioning model, which is not served yet; "
        "send none, trigger_only, filename"
    )
    assert training["preprocessing_captioning_strategy"] == strategy


async def test_the_small_model_is_named_where_it_stands_for_the_default(gateway: Gateway) -> None:
    async with gateway.client() as api:
        training = await create(api)
    [warning] = training["warnings"]
    assert warning.startswith("base_model_path: trained on swatch, the packaged small model")
    served = ModelSettings(source="acme/flux", native_px=768)
    named = TrainingSettings(base_models={DEFAULT_BASE_MODEL: "acme/flux"})
    for changes in ({"model": served}, {"training": named}):
        async with gateway.client(**changes) as api:
            assert (await create(api))["warnings"] is None


async def test_operators_settings_apply_from_the_creation_on(gateway: Gateway) -> None:
    settings = TrainingSettings(
        batch_size=2,
        gradient_accumulation=3,
        optimizer=OptimizerKind.PRODIGY,
        save_every=50,
        max_step_saves_to_keep=5,
        sample_every=20,
        sample_steps=6,
        further=OperatorSettings(seed=7, held_out_share=0.2, max_samples=9),
    )
    async with gateway.client(training=settings) as api:
        training = await create(api, rank=8, steps=40)
    shown = {
        "batch_size": 2,
        "gradient_accumulation": 3,
        "optimizer": "prodigy",
        "save_every": 50,
        "max_step_saves_to_keep": 5,
        "sample_every": 20,
        "sample_steps": 6,
        "rank": 8,
        "steps": 40,
    }
    assert {name: training[name] for name in shown} == shown
    run = training_run(await row_of(gateway, training))
    assert run.hyperparameters.model_dump() == (
        settings.further.model_dump()
        | shown
        | {
            "resolutions": [64],
            "learning_rate": 0.0001,
            "bypass_guidance_embedding": False,
            "sample_prompts": [],
        }
    )


@pytest.mark.parametrize(
    ("model", "training", "fields", "resolutions"),
    [
        (ModelSettings(), TrainingSettings(), {}, [64]),
        (ModelSettings(source="acme/flux", native_px=768), TrainingSettings(), {}, [768]),
        (
            ModelSettings(),
            TrainingSettings(base_models={OWN_MODEL: "/models/ours"}),
            {"base_model_path": OWN_MODEL},
            [1024],
        ),
        (
            ModelSettings(),
            TrainingSettings(further=OperatorSettings(resolutions=[48, 64])),
            {},
            [48, 64],
        ),
    ],
)
async def test_resolutions_are_the_operators_or_those_of_the_model(
    gateway: Gateway,
    model: ModelSettings,
    training: TrainingSettings,
    fields: dict[str, Any],
    resolutions: list[int],
) -> None:
    async with gateway.client(model=model, training=training) as api:
        created = await create(api, **fields)
    run = training_run(await row_of(gateway, created))
    assert run.hyperparameters.resolutions == resolutions


async def test_row_from_before_operator_settings_has_their_defaults(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    row = await row_of(gateway, await create(api))
    row.operator_settings = None
    hyperparameters = training_run(row).hyperparameters
    assert OperatorSettings.model_validate(hyperparameters.model_dump()) == OperatorSettings()
