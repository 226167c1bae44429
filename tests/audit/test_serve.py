"""``duban audit serve`` as the process that it is in a cluster: asked over HTTP, recorded, ended in order."""

from datetime import timedelta
from pathlib import Path

from deploy.stack import free_port
from services.processes import Process, environment
from services.suite import SUITE
from shared.domain.clock import system_clock
from shared.domain.roles import Role
from shared.events.audit import AuditAccessed
from shared.events.base import Fact
from shared.runtime.event_log import open_log
from shared.web.auth import issue_token, load_key
from tests.audit.story import told
from tests.faults.cluster import until
from tests.roles.site import Answer, ask


def test_every_log_records_an_auditors_question(tmp_path: Path) -> None:
    with told(tmp_path / "data") as suite:
        config = suite.opened.config
    port = free_port()
    log_file = tmp_path / "serve.log"
    process = Process(
        "audit serve", ["services", "audit", "serve"], environment(config, DUBAN_PORT=port), log_file
    )

    def get(path: str, role: Role | None = Role.auditor) -> Answer:
        headers = {}
        if role is not None:
            token = issue_token(
                load_key(config.data),
                post="audit/auditor",
                unit="audit",
                role=role,
                now=system_clock(),
                lifetime=timedelta(hours=1),
                issuer=config.token_issuer,
                audience=config.token_audience,
            )
            headers = {"Authorization": f"Bearer {token}"}
        return ask(port, "GET", path, headers, None, 60)

    def ready() -> bool:
        assert process.ended() is None, log_file.read_text("utf-8")
        try:
            return get("/readyz", None).status == 200
        except OSError:
            return False

    process.start()
    try:
        until(ready, lambda: log_file.read_text("utf-8"))
        why = "/api/v1/audit/why?subject=naming:1/2021"
        answer = get(why)
        assert answer.status == 200, answer.body
        assert {"NamingPublished", "RoundJudged", "TaskAssigned"} <= {
            node["kind"] for node in answer.body["nodes"]
        }
        assert (get(why, None).status, get(why, Role.supervision_office).status) == (401, 403)
        assert get("/api/v1/tasks").status == 404, "it serves the questions and nothing else"
    finally:
        code = process.stop()
    assert code == 0, log_file.read_text("utf-8")
    for name in SUITE:
        log = open_log(config, name, system_clock)
        found: list[Fact] = [
            log.mapper.to_domain_event(row)  # type: ignore[misc]
            for row in log.log.select_notifications(start=None, limit=10, topics=[AuditAccessed.TOPIC])
        ]
        log.close()
        (fact,) = found
        assert isinstance(fact, AuditAccessed)
        assert (fact.question, fact.by.post) == ("why", "audit/auditor")
        assert [(one.name, one.value) for one in fact.about] == [("subject", "naming:1/2021")]
