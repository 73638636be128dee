"""What every attempt's result carries, whoever ran it."""

from datetime import datetime

from shared.contracts.message import Message


class StoredFile(Message):
    """One object that an attempt wrote."""

    key: str
    size_bytes: int
    content_type: str
    sha256: str


class AttemptResult(Message):
    """The durable truth of an attempt; the workflow worker writes it into the records."""

    started_at: datetime
    executor_instance: str
    executor_type: str
    files: list[StoredFile] = []
