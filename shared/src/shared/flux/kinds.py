"""Device and number format, as settings choose them; imports no torch."""

from enum import StrEnum


class DeviceKind(StrEnum):
    """Where the model computes."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class DtypeKind(StrEnum):
    """Number format of weights and activations."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
