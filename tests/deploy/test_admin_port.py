"""The chart and ``server.admin_port``: a named port of the pod, which no Service and no network policy opens."""

from .rendered import Object, one, rendered

VALUES: Object = {
    "config": {"server": {"admin_port": 8081}, "admin": {"key": "file:/run/secrets/tollway/admin"}},
    "networkPolicy": {"enabled": True},
}


def test_the_pod_names_it_and_nothing_leads_there() -> None:
    objects = rendered(VALUES)
    ports = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert {port["name"]: port["containerPort"] for port in ports}["admin"] == 8081
    for service in (item for item in objects if item["kind"] == "Service"):
        assert "admin" not in {port["targetPort"] for port in service["spec"]["ports"]}
    allowed = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert "admin" not in {port["port"] for rule in allowed for port in rule["ports"]}


def test_without_it_the_pod_has_two_ports() -> None:
    ports = one(rendered({}), "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [port["name"] for port in ports] == ["http", "health"]
