"""The evidence log and signed locks, as those who work in a project and those who check it meet them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import provenv
from provenv.core.values import replace
from provenv.evidence import keys
from provenv.evidence import log as evidence_log
from provenv.evidence.records import Record
from provenv.workspace.assuring.evidence import checkpoint, export, verify
from provenv.workspace.governing import evidence, policies, signing
from support import Index, Project, make_wheel

HASHES = 'schema = 1\n[[rule]]\nid = "hashes"\nkind = "hash-required"\n'


@pytest.fixture(scope="module")
def shelf_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """``core`` 1.0, for all tests here."""
    with Index() as running:
        running.add(make_wheel(tmp_path_factory.mktemp("w"), "core", "1.0"))
        yield running


@pytest.fixture(scope="module")
def template(shelf_of_all: Index, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that asks for a log, locked; with a policy that wants prod signed, and signed."""
    folder = tmp_path_factory.mktemp("template")
    made = Project(folder / "shop", home=folder / "home", index_url=shelf_of_all.url)
    made.depends("core", more="[tool.provenv.evidence]\n")
    here = Here(made)
    provenv.lock(here.project, here.context)
    made.write("provenv-policy.toml", signature_rule(key(here)))
    signing.sign(here.project, here.context)
    return made


@pytest.fixture
def index(shelf_of_all: Index) -> Index:
    """The same for all: nothing is added to it."""
    return shelf_of_all


@pytest.fixture
def shop(project: Project, template: Project) -> Project:
    """The same without a policy, and without a signature."""
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(template.folder / name, project.folder / name)
    return project


class Here:
    """The library, as the command line would call it in a project; without a process for each call."""

    def __init__(self, project: Project) -> None:
        self.context = provenv.make_context(project.env, cause="provenv test")
        self.folder = str(project.folder)

    @property
    def project(self) -> provenv.Project:
        return provenv.open_project(self.folder)

    def sync(self, environment: str | None = None, **more: Any) -> provenv.SyncResult:
        return provenv.sync(self.project, self.context, environment=environment, **more)

    @property
    def log(self) -> Path:
        return Path(evidence.folder(self.project, self.context))

    def records(self) -> list[Record]:
        return list(evidence_log.newest(str(self.log)))[::-1]

    def kinds(self) -> list[str]:
        return [one.entry.kind for one in self.records()]


@pytest.fixture
def here(shop: Project) -> Here:
    return Here(shop)


def test_a_day_with_the_log(shop: Project) -> None:
    """From the first sync to an auditor's check; then somebody changes a record."""
    shop.ok("sync", env={"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ana", "GITHUB_RUN_ID": "7"})
    told = shop.ok("evidence", "show", "--json").json
    assert [one["kind"] for one in told["records"]] == ["sync", "begin"]
    assert told["records"][0]["actor"]["ci"] == {"system": "github", "actor": "ana", "run": "7"}
    shop.ok("evidence", "key", "new", "audit")
    audit = shop.folder.parent / "audit"
    audit.mkdir()
    shop.ok("evidence", "checkpoint", "--checkpoints", str(audit))
    pub = str(shop.home / "provenv/keys/audit.pub")
    asked = ("evidence", "verify", "--checkpoints", str(audit), "--key", pub)
    assert shop.ok(*asked).stdout.startswith("pass: 3 of 3 records anchored by 1 checkpoint")
    (file,) = shop.home.glob("provenv/evidence/shop-*/log.jsonl")
    file.write_text(file.read_text().replace('"user":', '"usher":', 1))
    assert "edited: record 2 names another record before it" in shop.fails(1, *asked).stdout
    with pytest.raises(provenv.CheckFailedError, match="was changed, and is not signed"):
        checkpoint(Here(shop).project, Here(shop).context)


def test_nothing_is_recorded_where_nobody_asks(shop: Project, here: Here) -> None:
    shop.depends("core")
    here.sync()
    assert not (shop.home / "provenv/evidence").exists()


def test_what_changes_something_is_recorded_and_nothing_else(shop: Project, here: Here) -> None:
    shop.depends("core>0", more="[tool.provenv.evidence]\n")
    here.sync()
    here.sync()
    assert here.kinds() == ["begin", "lock", "sync"]
    here.sync("prod")
    lock, made = here.records()[1].entry, here.records()[3].entry
    assert (made.subject["environment"], made.subject["generation"]) == ("prod", 1)
    assert made.locks == lock.locks
    assert lock.details["changes"] == []


def test_what_is_added_and_rolled_back(shop: Project, here: Here) -> None:
    shop.depends(more="[tool.provenv.evidence]\n")
    here.sync()
    provenv.add(here.project, here.context, ["core"])
    provenv.rollback(here.project, here.context)
    assert here.kinds() == ["begin", "lock", "sync", "lock", "sync", "rollback"]
    last = here.records()[-1].entry
    assert (last.subject["generation"], last.details["previous"]) == (1, 2)
    assert last.details["changes"] == [{"name": "core", "before": "1.0", "after": None}]


def test_what_is_taken_back_is_recorded(shop: Project, here: Here) -> None:
    shop.depends(more="[tool.provenv.evidence]\n")
    here.sync()
    (shop.folder / ".venvs").mkdir()
    (shop.folder / ".venvs/prod").write_text("in the way")
    with pytest.raises(provenv.ProvenvError):
        provenv.add(here.project, here.context, ["core"], environment="prod")
    first, *_, last, back = [one.entry for one in here.records() if one.entry.kind == "lock"]
    assert back.details["taken-back"]
    assert first.locks == back.locks != last.locks


def test_the_short_way_records_what_it_makes(shop: Project, here: Here) -> None:
    here.sync()
    shutil.rmtree(shop.folder / ".venv")
    shop.ok("sync", "--quiet")
    assert here.kinds() == ["begin", "sync", "sync"]


def test_a_policy_begins_the_log_and_verdicts_are_in_it(shop: Project, here: Here) -> None:
    shop.depends("core")
    shop.write("provenv-policy.toml", HASHES)
    shop.ok("policy", "check")
    last = here.records()[-1].entry
    assert here.kinds() == ["begin", "verdict"]
    assert last.details["outcome"] == "pass"
    assert last.policy == policies.policies_of(here.project, here.context).digest
    assert list(last.locks) == ["pylock.toml"]


def waiver(today: Any, expires: Any, reason: str = "x") -> str:
    return f"""
[[waiver]]
rule = "hashes"
package = "core"
versions = "==1.0"
reason = "{reason}"
owner = "ana"
approver = "bo"
created = {today - timedelta(days=40)}
expires = {expires}
"""


def test_what_becomes_of_waivers_is_recorded(shop: Project, here: Here) -> None:
    today = datetime.now(UTC).date()

    def told(text: str) -> list[str]:
        shop.write("provenv-policy.toml", HASHES + text)
        before = len(here.records())
        evidence.judged(here.project, here.context, policies.check(here.project, here.context))
        return [
            str(one.entry.details["what"])
            for one in here.records()[before:]
            if one.entry.kind == "waiver"
        ]

    later = today + timedelta(days=9)
    assert told("") == []
    assert told(waiver(today, later)) == ["first-seen"]
    assert told(waiver(today, later)) == []
    assert told(waiver(today, later, "y")) == ["changed"]
    assert told(waiver(today, today - timedelta(days=1), "y")) == ["changed", "expired"]
    assert told(waiver(today, today - timedelta(days=1), "y")) == []
    assert told("") == ["withdrawn"]
    shop.write("provenv-policy.toml", HASHES + waiver(today, later))
    here.sync()  # not only verdicts look at them
    assert [one.entry.kind for one in here.records()[-3:]] == ["waiver", "verdict", "sync"]


def test_a_log_that_cannot_be_written_is_said_or_fails(shop: Project) -> None:
    blocked = shop.folder / "elsewhere"
    blocked.write_text("a file, and no folder")
    shop.env["PROVENV_EVIDENCE"] = str(blocked)
    heard: list[object] = []
    here = Here(shop)
    provenv.sync(here.project, replace(here.context, emit=heard.append))
    assert "this is not in the evidence log" in str(heard)
    shop.depends("core", more="[tool.provenv.evidence]\nrequired = true\n")
    with pytest.raises(provenv.DiskError):
        Here(shop).sync("prod")


def test_in_the_project_so_that_it_travels_and_nowhere_else(shop: Project, here: Here) -> None:
    shop.depends("core", more='[tool.provenv.evidence]\nfolder = "audit/log"\n')
    evidence.locked(here.project, here.context, [], [])
    assert (shop.folder / "audit/log/log.jsonl").exists()
    shutil.rmtree(shop.folder / "audit")
    (shop.folder / "audit").symlink_to(shop.home)
    with pytest.raises(provenv.InputError, match="a link leads from"):
        evidence.locked(here.project, here.context, [], [])
    for folder in ("../x", "/x", "~/x", ".", ""):
        shop.depends("core", more=f'[tool.provenv.evidence]\nfolder = "{folder}"\n')
        with pytest.raises(provenv.InputError, match="is not a folder below the project's"):
            provenv.open_project(str(shop.folder))


def test_what_was_made_past_the_log_is_found(shop: Project, here: Here) -> None:
    here.sync()
    text = shop.read("pyproject.toml")
    shop.write("pyproject.toml", text.replace("[tool.provenv.evidence]", ""))
    time.sleep(1.1)  # generations know the second that they were made in
    here.sync("prod")
    shop.write("pyproject.toml", text)
    said = {one.problem: one.text for one in verify(here.project, here.context).findings}
    assert said["unrecorded"].startswith("generation 1 of prod, made on ")
    assert set(said) == {"unrecorded", "no-checkpoint"}


def test_a_project_does_not_say_whose_checkpoints_count(
    shop: Project, here: Here, tmp_path: Path
) -> None:
    evidence.locked(here.project, here.context, [], [])
    made = keys.create(str(tmp_path / "eve"), "eve")
    checkpoint(here.project, here.context, key=str(tmp_path / "eve/eve.key"))
    rule = signature_rule(made.public.text)
    shop.write("provenv-policy.toml", rule)
    assert verify(here.project, here.context).outcome == "inconclusive"
    (shop.folder / "provenv-policy.toml").rename(tmp_path / "above.toml")
    shop.env["PROVENV_POLICY"] = str(tmp_path / "above.toml")
    above = Here(shop)
    assert verify(above.project, above.context).outcome == "pass"


def test_many_write_at_once(here: Here) -> None:
    project, context = here.project, here.context

    def work() -> None:
        for _ in range(10):
            evidence.locked(project, context, [], [])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = here.records()
    assert [one.sequence for one in found] == list(range(1, len(found) + 1))
    assert len(found) == 41
    assert not any(one.marks for one in found)


@pytest.mark.slow
def test_a_kill_while_records_are_written_leaves_whole_ones(shop: Project, here: Here) -> None:
    """Killed again and again; each record is there as a whole, or said to be torn, and the chain holds."""
    evidence.locked(here.project, here.context, [], [])
    code = (
        "import sys; from provenv.evidence import log; from provenv.evidence.records import Entry\n"
        "made = Entry(kind='sync', time='9', details={'x': 'y' * 5000})\n"
        "while True:\n    log.append(sys.argv[1], lambda _: [made])\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(provenv.__file__).parents[1])}
    for wait in (0.3, 0.35, 0.4, 0.45, 0.5):
        process = subprocess.Popen([sys.executable, "-c", code, str(here.log)], env=env)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(wait)
        process.kill()
        process.wait()
    shop.fails(3, "evidence", "verify")  # no checkpoint, and nothing worse
    assert len(here.records()) > 20


# ---- signed locks


def key(here: Here, name: str = "release") -> str:
    from provenv.workspace.assuring.evidence import new_key

    return new_key(here.context, name).text


def signature_rule(*trusted: str, more: str = "") -> str:
    rows = ", ".join(f'{{ key = "{one}", owner = "ana"{more} }}' for one in trusted)
    head = 'schema = 1\n[[rule]]\nid = "signed"\nkind = "signature"\nenvironments = ["prod"]\n'
    return f"{head}keys = [{rows}]\n"


@pytest.fixture
def signed(shop: Project, here: Here, template: Project) -> Here:
    """A lock that must be signed for prod, and is, by who may."""
    for name in ("provenv-policy.toml", "pylock.toml.sig"):
        shutil.copy(template.folder / name, shop.folder / name)
    shutil.copytree(template.home / "provenv/keys", shop.home / "provenv/keys")
    return here


def refused(here: Here, **more: Any) -> str:
    with pytest.raises(provenv.CheckFailedError) as caught:
        here.sync("prod", **more)
    return caught.value.message


def test_a_signed_lock_is_synced(shop: Project, signed: Here) -> None:
    assert signed.sync("prod").made
    assert policies.check(signed.project, signed.context, ["prod"]).verdict.outcome == "pass"


def test_an_unsigned_lock_is_refused_where_the_policy_says_so(shop: Project, signed: Here) -> None:
    (shop.folder / "pylock.toml.sig").unlink()
    assert refused(signed) == "pylock.toml must be signed for prod (signed): it is not signed"
    signed.sync("dev")
    (decision,) = policies.check(signed.project, signed.context).verdict.decisions
    assert (decision.text, decision.environments) == ("it is not signed", ("prod",))
    # asked for on the command line, whatever the policy says of that environment
    with pytest.raises(provenv.CheckFailedError, match=r"for dev .--require-signature.: it is not"):
        signed.sync("dev", require_signature=True)


def test_a_lock_that_was_changed_after_it_was_signed(shop: Project, signed: Here) -> None:
    shop.write("pylock.toml", shop.read("pylock.toml") + "# looks harmless\n")
    assert refused(signed).endswith("it was changed after it was signed")


def test_a_stale_lock_is_not_made_anew_on_the_way(shop: Project, signed: Here) -> None:
    before = shop.read("pylock.toml")
    shop.depends("core<9", more="[tool.provenv.evidence]\n")
    assert "must be signed, and is not made anew on the way" in refused(signed)
    assert shop.read("pylock.toml") == before


def test_an_older_lock_that_was_signed_once_is_told(shop: Project, signed: Here) -> None:
    old = {name: shop.read(name) for name in ("pylock.toml", "pylock.toml.sig")}
    signing.sign(signed.project, signed.context)  # the log of this home has not seen that yet
    shop.write("pylock.toml", old["pylock.toml"] + "# another one\n")
    signing.sign(signed.project, signed.context)
    heard: list[object] = []
    context = replace(signed.context, emit=heard.append)
    provenv.sync(signed.project, context, environment="prod")
    assert not [one for one in heard if "was signed last" in str(one)]
    for name, text in old.items():
        (shop.folder / name).write_text(text)
    provenv.sync(signed.project, context, environment="staging", require_signature=True)
    assert [one for one in heard if "was signed last" in str(one)]


def test_somebody_who_may_not_sign(shop: Project, signed: Here) -> None:
    key(signed, "stranger")
    stranger = str(shop.home / "provenv/keys/stranger.key")
    (shop.folder / "pylock.toml.sig").unlink()
    signing.sign(signed.project, signed.context, stranger)
    assert "which may not sign for this" in refused(signed)
    signing.sign(signed.project, signed.context, "release")  # both have signed now
    assert signed.sync("prod").made


def test_a_key_that_has_expired(shop: Project, signed: Here) -> None:
    (one,) = signing.own(signed.context)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    shop.write("provenv-policy.toml", signature_rule(one.text, more=f", expires = {yesterday}"))
    assert refused(signed).endswith(f"the key of ana that signed it expired on {yesterday}")
    today = datetime.now(UTC).date()
    shop.write("provenv-policy.toml", signature_rule(one.text, more=f", expires = {today}"))
    assert signed.sync("prod").made


def test_the_signature_of_another_project_s_lock(shop: Project, signed: Here) -> None:
    shop.pyproject(shop.read("pyproject.toml").replace('name = "shop"', 'name = "shed"'))
    assert refused(signed).endswith("the signature is of a lock of another project, shop")


def test_a_signature_that_does_not_hold(shop: Project, signed: Here) -> None:
    path = shop.folder / "pylock.toml.sig"
    data = json.loads(path.read_text())
    data["signatures"][0]["sig"] = "A" * 86 + "=="
    path.write_text(json.dumps(data))
    assert refused(signed).endswith("the signature does not hold: it was changed")
    data["payloadType"] = "text/plain"
    path.write_text(json.dumps(data))
    assert "cannot be used: it holds 'text/plain'" in refused(signed)
    path.write_text("{")
    assert "cannot be used: it is not JSON" in refused(signed)


def test_what_was_edited_by_hand_is_not_signed(shop: Project, signed: Here) -> None:
    shop.write("pylock.toml", re.sub('sha256 = "..', 'sha256 = "00', shop.read("pylock.toml")))
    with pytest.raises(provenv.CheckFailedError, match="was edited by hand"):
        signing.sign(signed.project, signed.context)


def test_without_a_key_nothing_is_signed(shop: Project, here: Here) -> None:
    with pytest.raises(provenv.UsageError, match="there is no key to sign with"):
        signing.sign(here.project, here.context)
    with pytest.raises(provenv.UsageError, match="nothing says whose"):
        here.sync(require_signature=True)
    key(here, "a")
    key(here, "b")
    with pytest.raises(provenv.UsageError, match="several keys"):
        signing.sign(here.project, here.context)


# ---- statements for others


def test_verdicts_are_exported_for_other_tools(shop: Project, signed: Here) -> None:
    signed.sync("prod")
    signed.sync("dev")  # no rule is about it: nothing is judged
    (envelope,) = export(signed.project, signed.context).envelopes
    statement = json.loads(envelope.payload)
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    names = [one["name"] for one in statement["subject"]]
    assert names == ["pylock.toml", "prod/generation-1"]
    assert statement["predicate"]["verificationResult"] == "PASSED"


_OTHERS = """
import base64, json, sys
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

raw, keyid = base64.b64decode(sys.argv[2]), sys.argv[3]
envelope = Envelope.from_dict(json.loads(open(sys.argv[1]).readline()))
key = SSlibKey(keyid, "ed25519", "ed25519", {"public": raw.hex()})
envelope.verify([key], 1)
message = json_format.Parse(envelope.payload, Message())
made = Statement.copy_from_pb(message)
made.validate()
print(made.pb.predicate_type, made.pb.subject[0].name)
envelope.payload += b" "
try:
    envelope.verify([key], 1)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.network
def test_other_tools_read_and_check_what_is_exported(
    shop: Project, signed: Here, tmp_path: Path
) -> None:
    evidence.judged(signed.project, signed.context, policies.check(signed.project, signed.context))
    shop.ok("evidence", "export", "--output", str(tmp_path / "v.intoto.jsonl"))
    folder = tmp_path / "others"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = ("in-toto-attestation", "securesystemslib[crypto]")
    subprocess.run([folder / "bin/pip", "install", "-q", *wanted], check=True)
    (one,) = signing.own(signed.context)
    words = [str(tmp_path / "v.intoto.jsonl"), one.text.removeprefix("ed25519:"), one.id]
    done = subprocess.run(
        [folder / "bin/python", "-c", _OTHERS, *words], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "https://slsa.dev/verification_summary/v1 pylock.toml", "VerificationError",
    ], done.stderr  # fmt: skip


@pytest.mark.slow
def test_signing_on_the_command_line(shop: Project, here: Here) -> None:
    said = shop.fails(2, "lock", "--sign").stderr
    assert "there is no key to sign with" in said
    shop.ok("evidence", "key", "new", "release")
    assert "signed by release: pylock.toml.sig" in shop.ok("lock", "--sign").stderr
    shop.ok("sync", "--require-signature")
    shop.write("pylock.toml", shop.read("pylock.toml") + "# another\n")
    told = shop.fails(1, "sync", "--require-signature").stderr
    assert "must be signed for dev (--require-signature): it was changed after" in told
    shop.fails(2, "lock", "--sign", "--check")
    shop.fails(2, "lock", "--key", "release")
    shop.ok("lock", "--sign", "--key", "release")
    shop.ok("sync", "--require-signature")
    assert "no checkpoint of this log" in shop.fails(3, "evidence", "verify").stdout


def test_members_that_share_a_lock_share_its_log(project: Project, index: Index) -> None:
    project.pyproject(
        '[tool.provenv.workspace]\nmembers = ["a", "b"]\nshared-lock = true\n[tool.provenv.evidence]\n'
    )
    for name in ("a", "b"):
        project.write(f"{name}/pyproject.toml", f'[project]\nname = "{name}"\nversion = "1"\n')
    context = provenv.make_context(project.env)
    first, second = (provenv.open_project(str(project.folder / name)) for name in ("a", "b"))
    provenv.lock(first, context)
    assert evidence.folder(first, context) == evidence.folder(second, context)
    found = evidence_log.newest(evidence.folder(second, context))
    assert [one.entry.kind for one in found] == ["lock", "begin"]
