"""docs/admin-api.md says what the code does: every route, every field, every code."""

import ast
import re
from pathlib import Path

import msgspec
import orjson

from proxy.admin import answers, asked
from proxy.admin.queries import AuditQuery, RequestsQuery, TransactionsQuery, UsageQuery
from proxy.admin.routes import TABLE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "admin-api.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+) (/\S*)` \| (\w+) \| (.*) \|$", re.MULTILINE)


def test_the_table_is_the_route_table() -> None:
    table = [(route.method, route.path, route.role, route.summary) for route in TABLE]
    assert ROW.findall(PAGE)[:-1] == table
    assert ROW.findall(PAGE)[-1][:2] == ("GET", "/openapi.json")


def test_every_route_has_its_example() -> None:
    commands = re.findall(r"^(?:\w+=\$\()?curl .*$", PAGE, re.MULTILINE)
    names = {"{account}": "acme", "{key}": r"\$(KEY_ID|NEXT)", "{voucher}": r"\$VOUCHER", "{request}": "demo-1"}
    for route in (*((each.method, each.path) for each in TABLE), ("GET", "/openapi.json")):
        method, path = route
        pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        for name, value in names.items():
            pattern = pattern.replace(name, value)
        verb = {"GET": "", "POST": "(-X POST|--json)", "PATCH": "-X PATCH", "DELETE": "-X DELETE"}[method]
        found = [line for line in commands if re.search(rf"\$API{pattern}(\?[^ \"]*)?[\") ]|\$API{pattern}$", line)]
        assert any(re.search(verb, line) if verb else not re.search("-X|--json", line) for line in found), route


def test_examples_of_answers_have_the_fields_of_the_code() -> None:
    shown = [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    by_object = {each["object"]: each for each in shown}
    kinds = {
        "account": answers.Account, "transaction": answers.Movement, "balance": answers.Balance, "voucher": answers.VoucherMade,
        "key": answers.KeyMade, "request": answers.Request, "audit": answers.Audit, "status": answers.Status,
        "cache": answers.Cache, "cache.purge": answers.CachePurged,
    }  # fmt: skip
    for name, kind in kinds.items():
        assert set(by_object[name]) == {field.encode_name for field in msgspec.structs.fields(kind)}, name
        msgspec.convert(by_object[name], kind)
    msgspec.convert(by_object["list"]["data"][0], answers.Usage)


def test_what_can_be_asked_is_named() -> None:
    for kind in (
        asked.CreditNew,
        asked.VoucherNew,
        asked.KeyRotate,
        asked.VoucherUse,
        UsageQuery,
        RequestsQuery,
        TransactionsQuery,
        AuditQuery,
    ):
        for field in msgspec.structs.fields(kind):
            assert f"`{field.encode_name}`" in PAGE or f'"{field.encode_name}"' in PAGE, (kind, field.encode_name)


def test_every_code_is_on_the_page() -> None:
    codes = set()
    for path in (ROOT / "proxy" / "admin").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                codes.add(str(node.value.value))
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code":
                codes.add(ast.literal_eval(node.value))
    assert len(codes) > 8
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
