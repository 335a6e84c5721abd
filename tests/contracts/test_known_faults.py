"""The faults that earlier projects of this kind had, and the tests by which each of them cannot happen here.

Each fault is named once, as people who know those projects would say it. A test is `path::name`; it must exist and
must not be skipped. Whoever renames or removes one is told here.
"""

import ast
import re

import pytest

from local_stack.paths import REPOSITORY

API = "backend_agent_api/tests"
RAG = "backend_rag_pipeline/tests"

KNOWN_FAULTS: dict[str, list[str]] = {
    "users could set their own tokens through their profile policy": [
        "tests/sql/test_access.py::test_a_person_changes_nothing_but_their_name",
        "tests/sql/test_access.py::test_a_person_cannot_write_into_money",
    ],
    "anon could call the grant function, with negative amounts too": [
        "tests/sql/test_access.py::test_no_browser_key_calls_a_function_that_moves_tokens",
        "tests/sql/test_access.py::test_a_grant_that_is_not_positive_is_refused_to_the_services_too",
        "tests/sql/test_grants.py::test_functions_are_executable_by_exactly_the_listed_roles",
    ],
    "webhook answered 200 when it failed, so paid tokens were lost": [
        f"{API}/test_billing_webhook.py::test_with_the_database_away_the_webhook_answers_5xx_and_the_retry_succeeds",
        f"{API}/test_billing_webhook.py::test_an_effect_that_fails_for_now_is_kept_as_failed_and_made_good_by_a_retry",
        f"{API}/test_billing_refunds.py::test_with_stripe_away_the_event_is_kept_as_failed_and_a_retry_makes_it_good",
    ],
    "webhook answered 200 when the signature was wrong": [
        f"{API}/test_billing_webhook.py::test_what_is_not_signed_is_refused_and_not_kept",
        f"{API}/test_billing_webhook.py::test_a_signature_of_another_body_secret_or_time_is_refused",
    ],
    "no release of a token when the browser went away": [
        f"{API}/test_chat_turns.py::test_without_output_the_token_goes_back",
        "tests/end_to_end/test_several_processes.py::test_a_reader_that_leaves_at_once_finds_the_answer_on_return",
    ],
    "refunds recorded as purchases": [
        f"{API}/test_billing_refunds.py::test_partial_refunds_take_back_what_they_paid_for",
        f"{API}/test_billing_refunds.py::test_a_refund_heard_of_before_its_payment_credits_only_the_rest",
    ],
    "two refunds in one millisecond collided": [
        f"{API}/test_billing_refunds.py::test_two_refunds_in_one_moment_are_two",
    ],
    "Stripe refunds and disputes ignored": [
        f"{API}/test_billing_refunds.py::test_a_dispute_takes_the_tokens_until_it_is_won",
        f"{API}/test_billing_refunds.py::test_the_last_word_is_stripes_in_any_order_of_events",
        "tests/end_to_end_money/test_sequences.py::test_any_sequence_of_dealings_and_crashes_ends_in_agreement",
    ],
    "amount and currency unchecked": [
        f"{API}/test_billing_webhook.py::test_a_payment_that_does_not_match_is_flagged_and_credits_nothing",
        f"{API}/test_billing_checkout.py::test_a_price_from_the_browser_is_ignored",
    ],
    "success page claimed tokens before they were there": [
        "frontend/e2e/billing.spec.ts"
        "::the page waits, promises nothing, grows calm, and shows the tokens once they are there",
        f"{API}/test_billing_webhook.py::test_a_payment_is_credited_once_with_its_event_kept",
    ],
    "a session id of another user was accepted": [
        f"{API}/test_chat_refusals.py::test_a_conversation_of_somebody_else_or_of_nobody",
        "tests/sql/test_begin_request.py::test_another_persons_conversation_is_not_there",
    ],
    "users could insert assistant messages that were replayed as the model's own": [
        "tests/sql/test_access.py::test_a_person_cannot_write_into_conversations_messages_or_turns",
        f"{API}/test_chat_turns.py::test_only_the_last_user_message_of_a_body_is_read",
        f"{API}/test_chat_history.py::test_what_people_could_forge_is_not_told_as_the_models_own",
    ],
    "the SQL tool filtered by a word list, and code execution was plain exec": [
        f"{API}/test_chat_known_faults.py::test_the_model_is_offered_these_tools_and_no_others",
    ],
    "reusing a request id bypassed the rate limit": [
        f"{API}/test_chat_known_faults.py::test_many_turns_under_one_request_id_are_one_answer",
    ],
    "each stream line carried the whole text so far": [
        f"{API}/test_chat_known_faults.py::test_a_stream_grows_with_its_text_and_not_with_its_square",
    ],
    "exception text shown to users": [
        f"{API}/test_http.py::test_an_unexpected_failure_says_nothing_about_itself",
        f"{API}/test_chat_turns.py::test_what_breaks_after_output_is_kept_and_charged",
    ],
    "blocking calls in async code": [
        f"{API}/test_chat_known_faults.py::test_others_are_answered_while_answers_hang",
        f"{RAG}/google_drive/test_google_drive_sign_in.py::test_a_source_closes_while_google_is_silent",
    ],
    "raw HTML in answers": [
        "frontend/e2e/safety.spec.ts::hostile Markdown is shown and does nothing",
        f"{RAG}/test_extract_documents.py::test_what_hides_or_harms_is_cleaned_away",
    ],
    "one knowledge base for everyone": [
        "tests/sql/test_search.py::test_row_level_security_and_search_show_the_same_in_every_scope_and_mode",
        "tests/sql/test_search_index.py::test_among_ten_thousand_other_chunks",
        f"{API}/test_citations.py::test_two_people_find_only_their_own_and_what_is_shared",
        f"{API}/test_documents_reading.py::test_a_private_document_is_not_found_by_anybody_else",
        f"{RAG}/test_uploads.py::test_an_upload_is_indexed_for_its_owner_alone",
    ],
    "dense search only": [
        "tests/sql/test_search.py::test_modes_search_by_meaning_by_words_and_by_both",
    ],
    "no index on the vectors": [
        "tests/sql/test_search_index.py::test_among_ten_thousand_other_chunks",
    ],
    "mid-word cuts": [
        f"{RAG}/test_chunking.py::test_chunks_end_between_words_and_mostly_between_sentences",
    ],
    "a failed query embedding became zeros": [
        f"{API}/test_retrieval.py::test_without_a_vector_that_means_something_words_are_searched",
        f"{API}/test_chat_known_faults.py::test_without_an_embedding_the_search_goes_by_words",
        f"{RAG}/test_embeddings.py::test_a_lasting_wrong_answer_never_becomes_a_vector",
    ],
    "delete-then-insert lost documents when indexing failed and marked them done": [
        f"{RAG}/test_failing_neighbours.py::test_a_failed_change_keeps_the_old_chunks",
        f"{RAG}/test_crashes.py::test_a_worker_killed_at_random_points_leaves_exactly_the_old_or_the_new_chunks",
    ],
    "xlsx and docx decoded as text garbage": [
        f"{RAG}/test_extract_tables.py::test_a_workbook_becomes_typed_rows_and_readable_text",
        f"{RAG}/test_extract_documents.py::test_a_docx_becomes_markdown_without_invented_pages",
    ],
    "Drive listing ignored its next page": [
        f"{RAG}/google_drive/test_google_drive_listing.py::test_every_page_of_every_folder_is_listed",
        f"{RAG}/google_drive/test_google_drive_changes.py::test_every_page_of_the_log_is_read",
    ],
    "checkpoint saved before the work": [
        "tests/sql/test_source_listings.py::test_a_listing_queues_what_is_new_together_with_the_state_that_follows_it",
    ],
    "no server limits on uploads": [
        f"{API}/test_documents_upload.py::test_a_file_over_the_limit_is_413_declared_or_not",
        f"{API}/test_documents_upload.py::test_many_at_once_do_not_pass_the_quota_of_bytes",
    ],
    "files stored twice as base64 in history": [
        f"{API}/test_chat_refusals.py::test_a_malformed_field_is_named",
    ],
    "health check never failed": [
        f"{API}/test_database.py::test_the_service_outlives_its_database",
        f"{RAG}/test_continuous_run.py::test_the_health_check_follows_the_heartbeat",
    ],
}


def _python_tests(text: str) -> set[str]:
    return {
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not any(re.search(r"\b(skip|skipif|xfail)\b", ast.unparse(each)) for each in node.decorator_list)
    }


def _typescript_tests(text: str) -> set[str]:
    return set(re.findall(r"^\s*(?:test|it)\(\"([^\"]+)\"", text, re.M))


@pytest.mark.parametrize(("fault", "tests"), KNOWN_FAULTS.items())
def test_a_known_fault_has_its_tests(fault: str, tests: list[str]) -> None:
    assert tests, fault
    for test in tests:
        path, name = test.split("::", 1)
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        found = _python_tests(text) if path.endswith(".py") else _typescript_tests(text)
        assert name in found, f"{fault}: {test} is gone or skipped"


def test_what_is_gone_or_skipped_is_seen() -> None:
    text = "import pytest\ndef test_a(): ...\n@pytest.mark.skipif(True)\nasync def test_b(): ...\n"
    assert _python_tests(text) == {"test_a"}
    assert _typescript_tests('test("a b", async () => {})\n  test.skip("c", f)\n') == {"a b"}
