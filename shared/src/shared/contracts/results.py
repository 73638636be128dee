"""Which fields a task's result has: what a mapping's `from_field` may name."""

from shared.contracts.enums import TaskType

_PICTURE = frozenset({"result_image_path", "result_image_paths"})

RESULT_FIELDS: dict[TaskType, frozenset[str] | None] = {
    TaskType.GENERATION: _PICTURE,
    TaskType.EDITING: _PICTURE,
    TaskType.REFINE: _PICTURE,
    TaskType.DETAIL_ENHANCER: _PICTURE,
    TaskType.BACKGROUND_FIX: _PICTURE,
    TaskType.IMAGE_ADJUSTER: _PICTURE,
    TaskType.FACE_ENHANCER: _PICTURE
    | {
        "face_detected",
        "attempts_used",
        "final_ssim_score",
        "final_lpips_score",
        "final_dists_score",
    },
    TaskType.BACKGROUND_REMOVE: frozenset({"result_image_paths", "rembg_model_used"}),
    TaskType.VIDEO_GENERATION: frozenset({"result_video_path"}),
    TaskType.LLM_INTERACTION: frozenset(
        {"result_text", "input_tokens", "output_tokens", "result_json"}
    ),
    TaskType.EXPERIMENTAL_FAL: None,
}
"""None: whatever keys the app's own answer has."""
