"""The language of what people read: by ``--language``, otherwise by the locale; programs read English codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import rich_click as click

import itsm_workflow.cli as command_line
from itsm_workflow import doctor
from itsm_workflow.cli.app import group
from itsm_workflow.cli.doctor_phrases import FINDINGS, SETTINGS
from itsm_workflow.cli.help import helped
from itsm_workflow.cli.help_phrases import HELP, PANELS
from itsm_workflow.cli.language import of_environment, spoken
from itsm_workflow.cli.option_phrases import OPTIONS, SEEN
from itsm_workflow.cli.phrases import PHRASES
from itsm_workflow.cli.usage_phrases import USAGE
from itsm_workflow.machine.messages import ERRORS
from itsm_workflow.machine.phrases import Phrasebook
from itsm_workflow.web import logins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from tests.integration.cli.office import Office

FOR_AUTHORS = {
    *("export_case.py", "gateway_check.py", "lint_graph.py"),
    *("storage_check.py", "storage_threads.py", "verify.py"),
}
"""The modules whose commands are for authors of workflows, gateways and stores: they speak English."""
AUTHORS = {"lint-graph", "verify", "gateway", "export-case"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "C.UTF-8", "LC_MESSAGES": "zh_CN", "LANG": "zh_CN"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zhx"}, "en"),
    ],
)
def test_the_locale_chooses_the_language(environ: dict[str, str], language: str) -> None:
    """In the order of POSIX; English for every other locale."""
    assert of_environment(environ) == language


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the locale."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.mark.usefixtures("in_chinese")
def test_a_change_is_shown_in_the_language_of_the_locale(office: Office) -> None:
    """Headings, labels, the sentence of `why`, and the history; what people wrote stays."""
    change = office.apply("collector-42")
    listed, shown = office.run("list").out, office.run("show", change["id"]).out
    assert all(word in listed for word in ("状态", "审批中", "接入 nginx 日志"))
    assert not re.search(r"\b(state|pending|attention)\b", listed)
    assert all(word in shown for word in ("主题", "申请人", "现在可以执行", "pending 审批中", "等待审批单据"))
    assert "创建草稿" in (told := office.run("history", change["id"]).out)
    assert "登记单据" in told
    assert "来源 提单应答" in told
    assert "等待审批单据" in office.run("why", change["id"]).out
    assert "waits for" in office.run("why", change["id"], "--language", "en").out


@pytest.mark.usefixtures("in_chinese")
def test_what_programs_read_does_not_depend_on_the_locale(office: Office) -> None:
    """A script gets the same codes everywhere; only a language that was typed changes its sentence."""
    change = office.apply("collector-42", title="nginx")
    for command in ("show", "why", "history", "wait"):
        limit = ("--timeout", "0") if command == "wait" else ()
        done = office.run(command, change["id"], "--json", *limit)
        found = set(CHINESE.findall(re.sub(r'"(zh|title)": "[^"]*"', "", done.out)))
        assert (command, found) == (command, set())
    assert CHINESE.search(office.run("why", change["id"], "--json", "--language", "zh").json["why"])


def test_a_refusal_is_in_the_language_that_was_typed(office: Office) -> None:
    """Of the machine, of a form, of the arguments, and of a name that no change has; exit codes stay."""
    change = office.apply("collector-42")
    chosen = ("--language", "zh")
    decided = ("--actor", "carol", "--reason", "试试", *chosen)
    refused = office.run("resend", change["id"], *decided)
    assert refused.code == 1
    assert "resend 被拒绝，当前状态：审批中（pending）；原因：" in refused.err
    assert "现在可以执行：" in refused.err
    unknown = office.run("why", "nothing", *chosen)
    assert unknown.err.startswith("itsm-workflow: 没有找到变更 'nothing'；")
    asked = ("apply", "--subject", "s", "--applicant", "alice", "--approver", "bob", *chosen)
    form = office.run(*asked, "--title", "x" * 200)
    assert form.code == 2
    assert "参数被拒绝，没有保存，也没有发送：" in form.err
    assert re.search(r"title: 最多 \d+ 个字符", form.err)
    twice = office.run(
        "apply", "--subject", "collector-42", "--applicant", "alice", "--approver", "bob", "--title", "t", *chosen
    )
    assert f"主题 'collector-42' 已有未结束的变更 {change['id']}" in twice.err
    assert "没有符合条件的变更" in office.run("list", "--state", "approved", *chosen).err
    assert "no change matches" in office.run("list", "--state", "approved").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("lst",),
        ("list", "--nope"),
        ("list", "--subjct", "s"),
        ("list", "--limit"),
        ("list", "--limit", "x"),
        ("list", "--limit", "0"),
        ("list", "--older-than", "1 hour"),
        ("list", "--attention=yes"),
        ("show",),
        ("show", "a", "b"),
        ("apply",),
        ("storage", "chek"),
        ("reconcile", "--seconds", "x"),
        ("graph", "--format", "xx"),
        ("shadow", "--app", "none", "--csv", "nowhere.csv"),
        ("shadow", "--app", "none", "--csv", "."),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_reported_in_the_language_of_the_locale(
    office: Office, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Of the texts that click writes, only what was typed and the names of commands and options are not Chinese."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = office.run(*arguments)
    assert done.code == 2
    assert CHINESE.search(done.err.splitlines()[0])


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("subject,sn\n", "utf-8", "第一行必须写明列名 subject, sn, status；现在是 subject, sn"),
        ("", "utf-8", "第一行必须写明列名 subject, sn, status；现在是空的"),
        ("subject,sn,status,sn\n", "utf-8", "第一行里 'sn' 出现了多次"),
        ("subject,sn,status\n采集,REQ1,applying\n", "gbk", "文件不是 UTF-8 编码"),
        ('subject,sn,status\n"a,b\n', "utf-8", "文件不是有效的 CSV 文件"),
    ],
)
def test_a_wrong_file_is_reported_in_the_language_that_was_typed(
    office: Office, text: str, encoding: str, said: str
) -> None:
    """Nothing was done with it."""
    path = office.folder / "tickets.csv"
    path.write_text(text, encoding=encoding)
    done = office.run("shadow", "--csv", str(path), "--app", "none", "--language", "zh")
    assert (done.code, said in done.err) == (2, True)


def test_the_rows_of_an_adoption_are_in_the_language_that_was_typed(office: Office) -> None:
    """The results and the reasons; as JSON, they are codes and stay English."""
    change = office.apply("collector-1")
    path = office.folder / "tickets.csv"
    rows = [
        "subject,sn,status",
        "a,REQ1,applying",
        "f,REQ2,applying",
        "f,REQ4,applying",
        "b,,applying",
        "c,REQ3,open",
        "d,REQ4,fail_apply",
    ]
    path.write_text("\n".join([*rows, f"e,{change['sn']},applying"]), encoding="utf-8")
    command = ("adopt", "--csv", str(path), "--app", "none", "--actor", "ops", "--reason", "r", "--language", "zh")
    done = office.run(*command)
    lines = done.out.splitlines()
    assert [line.count("被拒绝") for line in lines] == [0, 1, 1, 1, 1, 1, 1, 1]
    assert "ITSM 里没有单号为 REQ1 的单据" in lines[1]
    assert "与第 4 行的主题相同" in lines[2]
    assert "与第 3 行的主题相同" in lines[3]
    assert "单元格 sn 是空的" in lines[4]
    assert "没有状态 'open'" in lines[5]
    assert "只有状态为 applying 的单据可以接管" in lines[6]
    assert "没有保存" in done.err
    assert {row["result"] for row in office.run(*command, "--json").json} == {"refused"}


def test_a_pass_reports_in_the_language_that_was_typed(office: Office) -> None:
    """The line of `reconcile`; its JSON stays as it is."""
    office.apply("collector-42")
    assert office.run("reconcile", "--language", "zh").out.startswith("到期 ")
    assert "moved" in office.run("reconcile", "--json", "--language", "zh").json


def test_the_doctor_speaks_the_language_that_was_typed(office: Office) -> None:
    """What it found, and its advice; its JSON stays in English. Nothing is sent."""
    said = office.run("doctor", "--language", "zh")
    assert "存储" in said.out
    assert re.search(r"问题 \d+，警告 \d+，正常 \d+", said.err)
    told = office.run("doctor", "--language", "zh", "--json").out
    assert not CHINESE.search(told)


def test_every_advice_of_the_doctor_has_a_chinese_one() -> None:
    """Those that are whole sentences in its code; one that is put together is in English."""
    known, found = Phrasebook(FINDINGS), set[str]()
    for path in sorted(Path(doctor.__file__).parent.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"warning", "problem"}:
                found |= {str(one.value) for one in call.args[2:] if isinstance(one, ast.Constant)}
    assert len(found) > 15
    assert [text for text in sorted(found) if known.find(text) is None] == []


def test_every_command_takes_a_language() -> None:
    """The groups' own commands as well."""
    commands = [one for each in group.commands.values() for one in getattr(each, "commands", {"": each}).values()]
    assert commands
    assert [one.name for one in commands if not any("--language" in param.opts for param in one.params)] == []


def test_a_language_before_the_command_is_that_of_the_command(office: Office) -> None:
    """One that is typed behind it goes first; without a command, wrong usage is reported in it."""
    office.apply("collector-42")
    asked = ("list", "--state", "approved")
    assert "没有符合条件的变更" in office.run("--language", "zh", *asked).err
    assert "no change matches" in office.run("--language", "zh", *asked, "--language", "en").err
    assert "没有命令 'lst'" in office.run("--language", "zh", "lst").err
    assert "no change matches" in office.run(*asked).err


@pytest.mark.parametrize(
    ("arguments", "is_chinese"),
    [
        (("list", "--bogus", "--language", "zh"), True),
        (("list", "--language=zh", "--limit", "x"), True),
        (("--language", "zh", "list", "--language", "en", "--bogus"), False),
        (("list", "--language", "en", "--language", "zh", "--bogus"), True),
        (("list", "--language", "en", "--language", "zh", "--help"), True),
        (("list", "--language", "zh", "--language", "en", "--help"), False),
        (("show", "--language", "zh", "--", "--language", "en"), True),
    ],
)
def test_the_last_language_that_was_typed_is_that_of_help_and_errors(
    office: Office, arguments: tuple[str, ...], *, is_chinese: bool
) -> None:
    """As of the run, wherever it stands among the arguments; behind `--` it is a name."""
    done = office.run(*arguments)
    assert (CHINESE.search(f"{done.out}{done.err}") is not None) is is_chinese


@pytest.mark.parametrize(("arguments", "is_chinese"), [(("demo", "--help"), True), (("verify", "-h"), False)])
def test_the_help_of_the_commands_for_authors_is_in_english(
    office: Office, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], *, is_chinese: bool
) -> None:
    """Also in a Chinese locale, and without a word of Chinese."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = office.run(*arguments)
    assert done.code == 0
    assert (CHINESE.search(done.out) is not None) is is_chinese


SAID = {"note", "line", "UsageError", "BadParameter", "ClickException", "LoginFileError"}
"""The functions that print a text, and the errors whose text is printed."""


def helps(command: click.Command, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the help of each operator's command and of each option, but for those of authors."""
    if path.split(" ", maxsplit=1)[0] not in AUTHORS and path != "storage check":
        yield path, command.help or ""
        yield from ((f"{path} {max(one.opts, key=len)}", one.help or "") for one in command.params if is_option(one))
        for name, one in getattr(command, "commands", {}).items():
            yield from helps(one, f"{path} {name}".strip())


def is_option(param: click.Parameter) -> TypeGuard[click.Option]:
    """Return whether a parameter is an option."""
    return isinstance(param, click.Option)


def test_every_operators_command_has_its_help_in_chinese(office: Office) -> None:
    """And each of its options; afterwards it is English again. No help is left of an option that was removed."""
    english = dict(helps(group))
    with helped(group, "zh"):
        chinese = dict(helps(group))
    assert [name for name, text in chinese.items() if not CHINESE.search(text)] == []
    assert len(chinese) > 100
    assert dict(helps(group)) == english
    known = {name for path in english for name in (path, f"--{path.partition(' --')[2]}")}
    assert set(HELP) - known == {"--help"}
    shown = office.run("list", "--help", "--language", "zh").out
    assert all(text in shown for text in ("列出变更，最早的在前。", "选项", "显示帮助并退出。", "示例："))
    assert "Show this message" not in shown
    assert "List changes, oldest first." in office.run("list", "--help").out


def test_the_groups_of_commands_have_chinese_titles(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a Chinese locale; `--language` beats it."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    shown = office.run("--help").out
    assert all(title in shown for title in PANELS.values())
    assert not any(f"─ {title} ─" in shown for title in PANELS)
    assert "-h" in shown
    assert "Options" in office.run("list", "--language=en", "--help").out


def texts_in(node: ast.expr) -> set[str]:
    """Return the text of an expression, with a letter for each value in it; none of another expression."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return {"".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in parts)}
    return set()


def named_in(node: ast.expr) -> list[ast.expr]:
    """Return the headings of a table, or the names of facts that are listed in pairs."""
    parts = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [one.elts[0] if isinstance(one, ast.Tuple) else one for one in parts]


def printed() -> set[str]:
    """Return the texts that operators' commands print, also as errors, with a letter for each value."""
    found: set[str] = set()
    modules = [*Path(command_line.__file__).parent.glob("*.py"), Path(logins.__file__)]
    for path in sorted(modules):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not call.args or path.name in FOR_AUTHORS:
                continue
            name = getattr(call.func, "id", "") or getattr(call.func, "attr", "")
            if name in SAID:
                found |= texts_in(call.args[0])
            elif name in {"facts", "table", "entries"}:  # the names of facts, and the headings of tables
                found |= {text for one in named_in(call.args[0]) for text in texts_in(one)}
    said = {re.sub(r"^(itsm-workflow|X): ", "", text) for text in found if re.search(r"[a-z]{3}", text)}
    return said - {"X", "XX changes"}  # the step of a progress line is a value


def test_every_text_that_an_operators_command_prints_has_a_chinese_one() -> None:
    """It is found by its pattern, so a reworded text is noticed here."""
    known = Phrasebook(PHRASES, OPTIONS, USAGE, ERRORS)
    assert len(printed()) > 100
    assert [text for text in sorted(printed()) if known.find(text) is None] == []


NAMES = re.compile(
    r"\b[0-9a-f]{64}\b|`[^`]*`|'[^']*'|https?://\S+|sqlite:\S+|/\S+|\S+://|--?[a-z][a-z-]*|[a-z]+(?:[_.-][a-z]+)+"
    r"|collector-\d+|\b[A-Z0-9_]{2,}\b"
)
"""Names that can be typed or that another system gave: commands, options, addresses, ids, codes with an underscore."""
WORDS = {
    *(
        "alice",
        "bob",
        "gateway",
        "worker",
        "host",
        "admin",
        "ops",
        "ID",
        "id",
        "itsm",
        "workflow",
        "Ctrl",
        "sn",
        "subject",
    ),
    *("draft", "applying", "pending", "approved", "rejected", "start", "withdraw", "resend", "abandon", "settle"),
    *(
        "csv",
        "json",
        "file",
        "tzdata",
        "UTC",
        "Asia",
        "Shanghai",
        "key",
        "value",
        "x",
        "y",
        "title",
        "list",
        "timeline",
    ),
    *("django", "memory", "mysql", "postgresql", "sqlite"),
}
"""States, commands and names that stay as they are typed; `gateway` and `worker` are actors, `host` an application."""


def english_in(text: str) -> list[str]:
    """Return the words of a text that are neither Chinese nor a name."""
    return [word for word in re.findall(r"[A-Za-z]+", NAMES.sub(" ", text)) if word not in WORDS]


def test_a_person_on_duty_reads_no_english(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what every operator's command prints, also when it refuses: only names that can be typed stay."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    change, other, ended = (office.apply(f"collector-{number}", title="接入") for number in range(3))
    office.decide(ended["sn"], approve=False)
    rows = [("collector-0", change["sn"], "applying"), ("collector-2", ended["sn"], "fail_apply")]
    lines = [("subject", "sn", "status"), *rows, ("collector-7", "REQ9", "applying")]
    (office.folder / "rows.csv").write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    decided, name, file = ("--actor", "ops", "--reason", "试试"), change["id"], str(office.folder / "rows.csv")
    runs: list[tuple[str, ...]] = [
        *(("list",), ("list", "--state", "nope"), ("list", "--sn", "REQ1"), ("list", "--store", "xx://")),
        *(("show", name), ("show", "nothing"), ("why", name), ("history", name), ("wait", name, "--timeout", "0")),
        *(("settle", name), ("settle", "collector-2"), ("show", "collector-2"), ("history", "collector-2")),
        *(("resend", name, *decided), ("resend-all", *decided), ("clear-attention", name, *decided)),
        *(("retry-effect", name, "start", "--actor", "ops"), ("accept-after-withdrawal", name, *decided)),
        ("abandon", "collector-2", *decided),
        ("record-ticket", name, "--sn", "REQ9", "--actor", "ops"),
        ("apply", "--subject", "x", "--title", "y", "--applicant", "alice", "--approver", "bob", "--field", "x"),
        *(("reconcile",), ("doctor",), ("doctor", "--online"), ("callback-keys",), ("callback-keys", "--rotate")),
        *(("shadow", "--csv", file), ("shadow", "--csv", file, "--results"), ("adopt", "--csv", file, *decided)),
        *(
            ("web", "--allow-actions"),
            ("web", "--host", "192.0.2.1"),
            ("web", "--logins", file),
            ("web", "--zone", "x"),
        ),
        *(("web-password", "a:b", "--password", "x"), ("web-password", "ops", "--password", "x")),
        *(("graph", "--kind", "timeline"), ("storage", "verify", office.variables["BKAPP_ITSM_STORE"])),
        *(("withdraw", other["id"], *decided), ("show", other["id"]), ("history", other["id"])),
    ]
    found = {}
    for run in runs:
        done = office.run(*run)
        assert CHINESE.search(done.out + done.err), run
        if words := english_in(done.out + done.err):
            found[run] = words
    assert found == {}


def test_a_name_of_several_changes_lists_them_in_chinese(office: Office) -> None:
    """Each with its number, or that it has none, and when it was made."""
    first = office.apply("collector-42")
    office.run("withdraw", first["id"], "--actor", "ops", "--reason", "r")
    office.decide(first["sn"], approve=False)
    office.run("settle", first["id"])
    office.apply("collector-42")
    said = office.run("show", "collector-42", "--language", "zh").err
    assert "'collector-42' 对应 2 个变更，请写其中一个的 ID：\n" in said
    assert said.count("创建时间") == 2


def test_every_chinese_text_has_the_values_of_the_english_one() -> None:
    """No value is lost."""
    value = re.compile(r"\{(\w+)\}")
    said = {**PHRASES, **OPTIONS, **SEEN, **USAGE, **FINDINGS, **SETTINGS}
    assert [one for one, zh in said.items() if sorted(value.findall(one)) != sorted(value.findall(zh))] == []


def test_a_text_without_a_chinese_one_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a host's own."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert spoken("itsm-workflow: the lights are red") == "itsm-workflow: the lights are red"
