"""Asks the public names as browsers do: containers that are well may still have no certificate, or no way to them."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass, replace

from deployer.health import POLL_SECONDS
from deployer.problems import Problem
from deployer.settings import SETTINGS
from deployer.target import Target

QUESTION_SECONDS_MAX = 10.0
HERE = "127.0.0.1"
# Containers have no IPv6: Docker would carry its visitors in under one address, and limits by address would be one.
RECORD = "make an A record (and no AAAA) that leads to this machine; Let's Encrypt asks there for the certificate"
NAMES = {"FRONTEND_HOSTNAME": "frontend", "AGENT_API_HOSTNAME": "agent-api"}
"""The settings that name a site, and who answers there."""
NO_WAY = "ports"


@dataclass(frozen=True)
class Refusal:
    """Why a name did not answer, and whether it may soon: a certificate takes a while."""

    problem: Problem
    may_change: bool


def examine_names(target: Target, seconds_max: float) -> list[Problem]:
    """What is wrong with the public names once there is no more to wait for."""
    variables = target.variables()
    port = int(variables.get("DEPLOY_HTTPS_PORT") or SETTINGS["DEPLOY_HTTPS_PORT"].default)
    logs = " ".join(["docker", "compose", "-p", target.project, "logs", "caddy"])
    deadline = time.monotonic() + seconds_max
    found = [_wait(variables[name], port, f"{logs} {service}", deadline) for name, service in NAMES.items()]
    return [problem for problem in found if problem]


def _wait(name: str, port: int, logs: str, deadline: float) -> Problem | None:
    refusal = ask(name, port, logs)
    if refusal and refusal.may_change:
        print(f"waiting for https://{name}: {refusal.problem.detail}", flush=True)
    while refusal and refusal.may_change and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        refusal = ask(name, port, logs)
    if refusal and refusal.problem.name == NO_WAY and ask(name, port, logs, address=HERE) is None:
        # Let's Encrypt found the way, or there would be no certificate. Not every router leads back to this side.
        return replace(refusal.problem, is_fatal=False)
    return refusal.problem if refusal else None


def ask(name: str, port: int, logs: str, *, address: str | None = None) -> Refusal | None:
    """One question to /health over TLS, as strict as a browser. None where it is answered."""
    try:
        status = _status_of_health(name, port, address or name)
    except socket.gaierror:
        return Refusal(Problem("names", f"{name} is unknown to DNS", RECORD), may_change=False)
    except ssl.SSLError as error:
        return Refusal(_no_certificate(name, error, logs), may_change=True)
    except http.client.HTTPException as error:
        detail = f"https://{name}/health is not answered ({type(error).__name__})"
        return Refusal(Problem("site", detail, f"{logs} says more"), may_change=True)
    except OSError as error:
        return Refusal(_no_way(name, port, error), may_change=False)
    if status == http.HTTPStatus.OK:
        return None
    return Refusal(Problem("site", f"https://{name}/health answers {status}", f"{logs} says more"), may_change=True)


def _status_of_health(name: str, port: int, address: str) -> int:
    connection = http.client.HTTPConnection(name, port)
    with (
        socket.create_connection((address, port), QUESTION_SECONDS_MAX) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=name) as connection.sock,
    ):
        connection.request("GET", "/health", headers={"Connection": "close"})
        return connection.getresponse().status


def _no_certificate(name: str, error: ssl.SSLError, logs: str) -> Problem:
    reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or "TLS ended"
    cure = (
        f"{logs} says what Let's Encrypt answered. It asks at ports 80 and 443 of the address that DNS gives: the"
        " A record must lead to this machine, with no AAAA beside it, and both ports be open"
    )
    return Problem("certificate", f"{name} has no valid certificate ({reason})", cure)


def _no_way(name: str, port: int, error: OSError) -> Problem:
    cure = (
        "let ports 80 and 443 in, at this machine (ufw status) and at its provider, and look where the name leads:"
        f" getent ahosts {name}. Then try curl https://{name}/health from elsewhere"
    )
    return Problem(NO_WAY, f"{name} does not answer at port {port} ({error.strerror or 'timed out'})", cure)
