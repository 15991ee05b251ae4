"""The table of faults: nothing that the mock can do is left out, and nothing in it is unknown to the mock."""

from proxy.drill.faults import DRILLED, HEALTHY
from proxy.mock.faults import FAULTS, apply, choose
from proxy.mock.plan import Plan
from proxy.mock.reply import Reply

DOORS = {"shut": "refused", "stuck": "black-hole"}


def test_every_fault_of_the_mock_is_drilled() -> None:
    told = {row.told.partition(":")[0] for row in DRILLED.values() if row.told}
    doors = {DOORS[row.door] for row in DRILLED.values() if row.door}
    assert told | doors == set(FAULTS)


def test_the_mock_takes_every_row() -> None:
    for row in DRILLED.values():
        if row.told:
            apply(choose(row.told), Plan(Reply()))


def test_rows_are_complete() -> None:
    for name, row in DRILLED.items():
        assert row.name == name
        assert bool(row.told) != bool(row.door), name
        effects = {row.plain, row.stream}
        assert effects != {None}, name
        assert bool(row.statuses) == bool(effects & {"fails", "refused", "breaks"}) or row.stream == "breaks", name
        assert not (row.named and effects != {"refused"}), name
    assert not HEALTHY.told


def test_credentials_are_never_the_clients_fault() -> None:
    rows = [row for row in DRILLED.values() if row.told in ("bad-key", "status:403")]
    assert [row.statuses for row in rows] == [(502,), (502,)]
