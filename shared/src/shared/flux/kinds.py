"""Device and number format, as settings choose them; imports no torch."""

from enum import StrEnum


class DeviceKind(StrEnum):
    """The device that computes."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class DtypeKind(StrEnum):
    """The number format of weights and activations."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
