"""Refusals around documents."""

from agent_api.errors import AppError, Unavailable


class DocumentNotFound(AppError):
    """No such document, or somebody else's private one: the two are not told apart."""

    status_code, code, default_message = 404, "document_not_found", "This document does not exist."


class PassageNotFound(AppError):
    """No such passage of this document, nor one with the excerpt that was given."""

    status_code, code = 404, "passage_not_found"
    default_message = "This passage is no longer in the document."


class FileNotFound(AppError):
    """The document was not uploaded here, or its bytes are gone."""

    status_code, code, default_message = 404, "file_not_found", "There is no file of this document here."


class ManagedBySource(AppError):
    """The document belongs to a folder or a Drive, and goes when the file goes."""

    status_code, code = 409, "managed_by_source"
    default_message = "This document comes from a connected folder. Change or remove the file there."


class QuotaExceeded(AppError):
    """The person holds as many uploads, or as many bytes, as they may."""

    status_code, code, default_message = 409, "quota_exceeded", "You have no room left. Please delete a document first."


class UploadTimedOut(AppError):
    """The file did not arrive in time."""

    status_code, code, default_message = 408, "upload_timed_out", "The upload took too long. Please try again."


class FileTooLarge(AppError):
    """The file is over the limit."""

    status_code, code, default_message = 413, "file_too_large", "This file is larger than the limit."


class UnsupportedType(AppError):
    """Nothing can be read out of such files, or the file is not what its name says."""

    status_code, code, default_message = 415, "unsupported_type", "Files of this type cannot be read."


class StorageUnavailable(Unavailable):
    """Where uploads are kept cannot be reached."""

    code, default_message = "storage_unavailable", "Files cannot be stored right now. Please try again."
