"""The store and its file systems: PV5xx."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.core.disk import Mount, read_mounts
from provenv.core.values import replace
from provenv.doctor import rules_machine
from provenv.doctor.facts import Facts, MachineFacts, ShellFacts, Volume
from provenv.doctor.facts_machine import volume
from provenv.model.finding import Finding
from unit.doctor.helpers import Patient

SHELL = ShellFacts(variables={}, python=None, pip=None, active={}, gone=(), stacked=())
DISK = Volume(
    folder="/data",
    device=1,
    kind="ext4",
    mount="/data",
    free=10**11,
    insensitive=False,
    noexec=False,
)
MACHINE = MachineFacts(
    store="/data/home", open=(), strangers=(), read_only=(), project=DISK, home=DISK
)


def judge(machine: MachineFacts) -> list[Finding]:
    facts = Facts(shell=SHELL, machine=machine)
    return [rule.finding(seen) for rule in rules_machine.RULES for seen in rule.check(facts)]


def test_a_sound_machine() -> None:
    assert judge(MACHINE) == []


@pytest.mark.parametrize(
    ("machine", "code", "weight"),
    [
        (replace(MACHINE, home=replace(DISK, device=2, mount="/big")), "PV511", "note"),
        (replace(MACHINE, home=replace(DISK, kind="nfs4")), "PV512", "warning"),
        (replace(MACHINE, project=replace(DISK, kind="fuse.sshfs")), "PV512", "note"),
        (replace(MACHINE, project=replace(DISK, insensitive=True)), "PV513", "warning"),
        (replace(MACHINE, project=replace(DISK, noexec=True)), "PV514", "error"),
        (replace(MACHINE, project=None, home=replace(DISK, free=1000)), "PV515", "warning"),
        (replace(MACHINE, strangers=(("/data/home", "eve"),)), "PV502", "error"),
        (replace(MACHINE, read_only=("/data/home/store",)), "PV503", "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_machines_that_are_not(machine: MachineFacts, code: str, weight: str) -> None:
    assert [(f.code, f.weight) for f in judge(machine)] == [(code, weight)]


def test_a_store_that_everybody_can_write_is_closed(patient: Patient) -> None:
    patient.project.depends()
    patient.sync()
    wheels = patient.project.home / "provenv/store"
    assert patient.look(only=("PV5",)).ok
    wheels.chmod(0o777)
    finding = patient.one("PV501")
    assert finding.weight == "error"
    assert finding.mend == f"chmod o-w {wheels}"
    result = patient.look(only=("PV501",), fix=True)
    assert [item.failed for item in result.mended] == [None]
    assert wheels.stat().st_mode & 0o777 == 0o775
    assert all(f.weight == "warning" for f in result.findings)  # of its group


def test_a_folder_above_the_store_that_everybody_can_write(patient: Patient) -> None:
    patient.project.depends()
    patient.sync()
    patient.project.home.chmod(0o777)
    finding = patient.one("PV501")
    assert str(patient.project.home) in finding.seen
    assert not finding.fixable  # it is not provenv's
    patient.project.home.chmod(0o1777)  # as /tmp is
    assert patient.seen("PV501") == []


def test_mounts_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 21 0:40 / /mnt/my\\040share rw,noexec master:2 shared:3 - nfs4 server:/x rw\n"
        "rubbish\n"
    )
    root, share = read_mounts(str(table))
    assert (root.point, root.kind) == ("/", "ext4")
    assert (share.point, share.kind, "noexec" in share.options) == ("/mnt/my share", "nfs4", True)
    assert read_mounts(str(tmp_path / "none")) == []


def test_the_deepest_mount_counts_and_of_two_the_later(tmp_path: Path) -> None:
    def mount(point: Path | str, kind: str) -> Mount:
        return Mount(point=str(point), kind=kind, options=frozenset())

    there = volume(str(tmp_path), [mount("/", "a"), mount(tmp_path, "b"), mount(tmp_path, "c")])
    assert there.kind == "c"
    assert there.free is not None
    assert there.device == os.stat(tmp_path).st_dev
    assert volume(str(tmp_path), [mount("/", "a"), mount(f"{tmp_path}x", "b")]).kind == "a"


def test_capitals_are_told_apart_here(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("")
    same = (tmp_path / "README").exists()
    assert volume(str(tmp_path), []).insensitive == same
