"""`deploy.py --type cloud` asks the public names before it says that all is well."""

from __future__ import annotations

from deployer.public_names import ask
from local_stack.processes import free_ports
from tests.deployment.deploying import Operator
from tests.deployment.public_names import PublicNames


def test_both_names_are_asked_as_a_browser_would(operator: Operator, public_names: PublicNames) -> None:
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output
    assert public_names.asked == [f"{name}:{public_names.port}" for name in ("localhost", "127.0.0.1")]
    assert "everything is healthy" in ended.output


def test_without_caddy_nobody_is_asked(operator: Operator, public_names: PublicNames) -> None:
    assert operator.run("--type", "local").status == 0
    assert operator.run("--type", "cloud", "--dry-run").status == 0
    assert public_names.asked == []


def test_a_certificate_that_comes_a_little_later_is_waited_for(operator: Operator, public_names: PublicNames) -> None:
    public_names.handshakes_refused = 2
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output
    assert "waiting for https://localhost" in ended.output
    assert public_names.handshakes_refused == 0


def test_a_certificate_that_does_not_come_is_named(operator: Operator, public_names: PublicNames) -> None:
    public_names.handshakes_refused = 1000
    ended = operator.run("--type", "cloud", DEPLOY_HEALTH_SECONDS="1")
    assert ended.status == 1
    for name, service in (("localhost", "frontend"), ("127.0.0.1", "agent-api")):
        cure = ended.cure_of("FAIL", "certificate", f"{name} has no valid certificate (TLSV1_ALERT_INTERNAL_ERROR)")
        assert f"logs caddy {service} says what Let's Encrypt answered" in cure
    assert "everything is healthy" not in ended.output


def test_a_certificate_that_browsers_do_not_trust_is_named(operator: Operator) -> None:
    del operator.environment["SSL_CERT_FILE"]
    ended = operator.run("--type", "cloud", DEPLOY_HEALTH_SECONDS="1")
    assert ended.status == 1
    ended.cure_of("FAIL", "certificate", "localhost has no valid certificate (self")


def test_a_closed_port_is_named_at_once(operator: Operator) -> None:
    (nobody,) = free_ports(1)
    ended = operator.run("--type", "cloud", DEPLOY_HTTPS_PORT=str(nobody), DEPLOY_HEALTH_SECONDS="3600")
    assert ended.status == 1
    assert "ufw status" in ended.cure_of(
        "FAIL", "ports", f"localhost does not answer at port {nobody} (Connection refused)"
    )


def test_a_router_that_does_not_lead_back_is_no_failure(operator: Operator, public_names: PublicNames) -> None:
    # Nobody listens at that address, but here its certificate is found.
    operator.variables["FRONTEND_HOSTNAME"] = "127.0.0.2"
    ended = operator.run("--type", "cloud")
    assert ended.status == 0, ended.output
    assert "from elsewhere" in ended.cure_of("warn", "ports", "127.0.0.2 does not answer at port")
    assert "everything is healthy" in ended.output


def test_an_answer_that_is_none_is_named(operator: Operator, public_names: PublicNames) -> None:
    public_names.status = 502
    ended = operator.run("--type", "cloud", DEPLOY_HEALTH_SECONDS="1")
    assert ended.status == 1
    assert "logs caddy agent-api" in ended.cure_of("FAIL", "site", "https://127.0.0.1/health answers 502")


def test_a_name_that_dns_does_not_know_is_named() -> None:
    refusal = ask("chat.nowhere.invalid", 443, "docker compose logs")
    assert refusal is not None
    assert refusal.problem.detail == "chat.nowhere.invalid is unknown to DNS"
    assert not refusal.may_change
