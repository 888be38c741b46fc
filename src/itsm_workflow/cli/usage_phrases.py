"""The texts of wrong usage in Chinese: those of click, and those of the file of `adopt` and `shadow`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

USAGE: Mapping[str, str] = {
    # Of click, as its release of requirements/dev.txt writes them; another text is printed as it is
    "No such command {name}.": "没有命令 {name}。",
    "No such command {name}. Did you mean {near}?": "没有命令 {name}。是不是 {near}？",
    "No such command {name}. (Did you mean one of: {near}?)": "没有命令 {name}。是不是其中之一：{near}？",
    "No such option {name}.": "没有选项 {name}。",
    "No such option {name}. Did you mean {near}?": "没有选项 {name}。是不是 {near}？",
    "No such option {name}. (Did you mean one of: {near}?)": "没有选项 {name}。是不是其中之一：{near}？",
    "Option {name} requires an argument.": "选项 {name} 后面要写一个值。",
    "Option {name} does not take a value.": "选项 {name} 后面不能写值。",
    "Missing argument {name}.": "缺少参数 {name}。",
    "Missing option {name}.": "缺少选项 {name}。",
    "Missing command.": "缺少命令。",
    "Got unexpected extra argument ({names})": "多出了参数（{names}）",
    "Got unexpected extra arguments ({names})": "多出了参数（{names}）",
    "Invalid value for '{name}': {problem}": "'{name}' 的值无效：{problem}",
    "Invalid value: {problem}": "值无效：{problem}",
    "{value} is not a valid whole number.": "{value} 不是整数。",
    "{value} is not a valid number.": "{value} 不是数字。",
    "{value} is not in the range {bounds}.": "{value} 不在范围 {bounds} 内。",
    "{value} is not one of {choices}.": "{value} 不是其中之一：{choices}。",
    "File {path} does not exist.": "文件 {path} 不存在。",
    "File {path} is a directory.": "{path} 是目录，不是文件。",
    "File {path} is not readable.": "文件 {path} 无法读取。",
    "{value} is not an age: write a number and a unit (s, m, h, d, w), such as 30m or 2d": (
        "{value} 不是时长：写数字和单位（s、m、h、d、w），例如 30m 或 2d"
    ),
    # The file of `adopt` and `shadow`
    "the file has more than {most} rows: split it": "文件超过 {most} 行：请拆分",
    "the file is not in UTF-8: save it as UTF-8 ({cause})": "文件不是 UTF-8 编码：请另存为 UTF-8（{cause}）",
    "the file is not a valid CSV file: {cause}": "文件不是有效的 CSV 文件：{cause}",
    "the first line must name the columns {needed}; it names none": "第一行必须写明列名 {needed}；现在是空的",
    "the first line must name the columns {needed}; it names {named}": "第一行必须写明列名 {needed}；现在是 {named}",
    "the first line names {name} more than once": "第一行里 {name} 出现了多次",
    "the row has more cells than the first line: quote a cell that contains a comma": (
        "这一行的单元格比第一行多：含逗号的单元格要加引号"
    ),
    "the cell {name} is empty: fill it in, or leave the row out": "单元格 {name} 是空的：填写它，或去掉这一行",
    "the status {word} is not known: write one of {known}": "没有状态 {word}：写其中之一：{known}",
    "line {line} has the same subject: leave one of them out": "与第 {line} 行的主题相同：去掉其中一行",
    "line {line} has the same number: leave one of them out": "与第 {line} 行的单号相同：去掉其中一行",
    "the handler holds it as {status}, and only tickets with {needed} can be adopted: leave it out": (
        "原处理程序记录的状态是 {status}，只有状态为 {needed} 的单据可以接管：请去掉"
    ),
    "the gateway shows no ticket with the number {sn}: check the number, or leave the row out": (
        "ITSM 里没有单号为 {sn} 的单据：请核对单号，或去掉这一行"
    ),
    "the ticket with the number {sn} has the id {found}, not {wanted}: look at it in the ticket system": (
        "单号为 {sn} 的单据 ID 是 {found}，不是 {wanted}：请在 ITSM 里查看"
    ),
    # The results of `adopt` and `shadow`
    "adopted": "已接管",
    "already adopted": "此前已接管",
    "would be adopted": "可以接管",
    "refused": "被拒绝",
    "gateway failed": "ITSM 未应答",
    "agrees": "一致",
    "differs": "不一致",
    "undecided": "未确定",
    "nothing was stored": "没有保存",
    "nothing was stored: --yes adopts {count} ticket": "没有保存：加 --yes 才会接管 {count} 张单据",
    "nothing was stored: --yes adopts {count} tickets": "没有保存：加 --yes 才会接管 {count} 张单据",
    "{agreeing} of {count} row agree; nothing was stored": "{count} 行中有 {agreeing} 行一致；没有保存",
    "{agreeing} of {count} rows agree; nothing was stored": "{count} 行中有 {agreeing} 行一致；没有保存",
    "line": "行",
    "old": "原状态",
    "new": "新状态",
}
"""By text in English, the text in Chinese. Values that are texts of the library are looked up as well."""
