"""The faults that earlier projects of this kind had, and the tests by which each of them cannot happen here.

Each fault is named once, as people who know those projects would say it. A test is `path::name`; it must exist and
must not be skipped. Whoever renames or removes one is told here.
"""

import ast
import re

import pytest

from local_stack.paths import REPOSITORY

API = "backend_agent_api/tests"

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
