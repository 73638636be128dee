"""Uploading, listing and deleting LoRA files."""

import tempfile
from pathlib import Path

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError, not_found
from api_gateway.idempotency import claim, keep_response
from api_gateway.ignored.dependency import note_unknown_form_fields
from api_gateway.lora.admission import AdmittedLora, admit
from api_gateway.lora.multipart import receive_form
from api_gateway.lora.presentation import full_path, partial_path, timestamp
from api_gateway.lora.schemas import LoRADeleteRequest, LoRADeleteResponse
from api_gateway.lora.storing import add_row, is_stored, put_once, remove_unless_referenced
from api_gateway.lora.upload import (
    LoraForm,
    ResponseT,
    Upload,
    check_filename,
    read_form,
    with_hash,
)
from api_gateway.resources import Resources
from shared.db.models.loras import Lora
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.loras import LoraFilters, find_lora, list_loras, move_to_bin
from shared.lora.errors import LoraNameError
from shared.lora.names import split_path


async def upload_lora(res: Resources, upload: Upload[ResponseT]) -> ResponseT:
    """Store an uploaded file; a refused file is deleted completely.

    Raises:
        InvalidRequestError: the form or the file is at fault.
        Problem: 409 name taken, 413 too large, 415 no form, 503 no converter of pickles.
    """
    with tempfile.TemporaryDirectory(prefix="lora-", dir=res.uploads) as name:
        folder = Path(name)
        received = await receive_form(
            upload.request,
            folder / "received",
            max_bytes=res.lora.max_bytes,
            check_filename=check_filename,
        )
        known = {"file", *upload.form.model_fields}
        note_unknown_form_fields(upload.request, known, received.fields)
        wanted = read_form(received, upload.form)
        repeatable = with_hash(upload.repeatable, wanted)
        await _raise_if_repeated(res, repeatable)
        admitted = await admit(res, wanted, folder, repeatable)
        return await _keep(res, upload, repeatable, wanted, admitted)


async def _raise_if_repeated(res: Resources, repeatable: CreateRequest | None) -> None:
    """Raise for a repeat before the file is checked; the key is claimed for good in `_keep`."""
    if repeatable is not None:
        async with res.sessions() as session:
            await claim(session, repeatable)
            await session.rollback()


async def _keep(
    res: Resources,
    upload: Upload[ResponseT],
    repeatable: CreateRequest | None,
    wanted: LoraForm,
    admitted: AdmittedLora,
) -> ResponseT:
    try:
        while True:
            # The bytes are uploaded outside the transaction. A request with the same file that
            # failed may have removed them since; the transaction detects that.
            await put_once(res, admitted)
            async with res.sessions.begin() as session:
                if not await is_stored(res, session, admitted):
                    continue
                await claim(session, repeatable)
                lora = await add_row(session, upload.caller, wanted, admitted)
                response = upload.response.model_validate(_response_fields(res, lora, wanted))
                await keep_response(session, repeatable, response)
            return response
    except BaseException:
        await remove_unless_referenced(res, admitted)
        raise


def _response_fields(res: Resources, lora: Lora, wanted: LoraForm) -> dict[str, object]:
    """Return the fields of both responses; each takes those that it has."""
    return {
        "file_path": full_path(res.lora.root, lora),
        "partial_path": partial_path(lora),
        "filename": lora.original_filename,
        "file_size": wanted.file.size_bytes,
        "entity_type": lora.folder,
        "upload_timestamp": timestamp(lora.created_at),
    }


async def page_of_loras(
    res: Resources, caller: Principal, filters: LoraFilters, *, skip: int, limit: int
) -> tuple[list[Lora], int]:
    """Return one page of the caller's LoRAs, newest first, and their total number."""
    async with res.sessions() as session:
        return await list_loras(session, caller.scope, filters, skip=skip, limit=limit)


async def delete_lora(
    res: Resources, caller: Principal, body: LoRADeleteRequest
) -> LoRADeleteResponse:
    """Move a LoRA to the bin.

    Raises:
        InvalidRequestError: the path is malformed.
        Problem: 404.
    """
    try:
        split_path(body.partial_path, res.lora.root)
    except LoraNameError as error:
        raise InvalidRequestError([Fault(("body", "partial_path"), str(error))]) from error
    async with res.sessions.begin() as session:
        lora = await find_lora(session, caller.scope, body.partial_path, root=res.lora.root)
        moved_at = await move_to_bin(session, lora) if lora else None
        if lora is None or moved_at is None:
            raise not_found(f"LoRA {body.partial_path!r}")
        return LoRADeleteResponse(
            deleted=True,
            full_path=full_path(res.lora.root, lora),
            bin_path=full_path(res.lora.bin_root, lora),
            timestamp=timestamp(moved_at),
        )
