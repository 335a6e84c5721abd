"""What a person reads about a document that could not be indexed. Texts of exceptions never get here.

Whether it is tried again depends on more than the reason, so whoever shows a document says that.
"""

MESSAGES = {
    "gone": "The file is not there any more.",
    "not_permitted": "The worker may not read this file. An operator has to give it the right.",
    "too_large": "The file is larger than the limit for one document.",
    "export_too_large": "Google exports its own documents up to 10 MB only, and this one is larger. Split it, use "
    "smaller images, or store it in Drive as an Office or PDF file.",
    "forbidden": "Its owner does not allow this file to be downloaded.",
    "harmful": "Google marks this file as malware or spam, so it is not downloaded.",
    "unsupported_type": "This kind of file holds no text that could be indexed.",
    "not_stable": "The file keeps changing while it is read.",
    "source_unavailable": "The place the file comes from cannot be reached.",
    "authentication": "The place the file comes from refuses our access. An operator has to renew it.",
    "storage_unavailable": "The storage of uploaded files cannot be reached.",
    "embedding_unavailable": "The embedding model does not answer.",
    "embedding_refused": "The embedding model does not accept this text, or its answer cannot be used.",
    "database_timed_out": "Storing this file takes the database longer than it may. An operator can allow more.",
    "database_full": "The database has no room for this file, on disk or in memory. An operator has to make some.",
    "no_source": "Nothing is known about where this file came from. Please upload it again.",
    "interrupted": "Indexing this file ended without a result several times, as if it brought its worker down.",
    "internal": "Indexing failed for a reason of ours.",
}
UNKNOWN = "The file could not be indexed."


def message_for(code: str) -> str:
    """The text for a code of ours."""
    return MESSAGES.get(code, UNKNOWN)
