"""Writes the notice's obligations as the kind of spreadsheet an office really sends round.

Run ``python -m services.assignment.samples.build``; the same facts give the same file.
"""

from datetime import date
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

from services.assignment.spreadsheets.writing import put, saved

HERE = Path(__file__).parent
TASK_LIST = HERE / "鄂前政发〔2021〕1号任务清单.xlsx"
UNITS = HERE / "units.csv"

TITLE = "《进一步提升政务工作创造力执行力公信力十五条措施》任务清单"
NOTE = "依据：鄂前政发〔2021〕1号    制表单位：旗人民政府办公室    清单日期：2021年1月1日"
FOOTNOTES = (
    "注：1.完成时限为时段的，以该时段最后一个工作日为准；2.各责任单位主要负责人为第一责任人。",
    "填表单位：旗人民政府办公室",
)

_VICE, _STANDING = "分管副旗长", "常务副旗长"
_HEAD = "主要负责人"

Item = tuple[str, str, str, str, str, str | date, str, str]
"""Task, quantified target, lead, supporters, post, due, leader, remark."""

SECTIONS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "一、提升“创造力”，建设创新政府",
        (
            (
                "旗人民政府党组和直属部门党组（党委）按季度开展集体学习研讨",
                "每季度不少于1次",
                "政府办",
                "旗直各部门",
                "办公室主任",
                date(2021, 3, 31),
                _STANDING,
                "措施1",
            ),
            (
                "制定旗人民政府理论学习会年度计划，每月组织直属部门主要负责人上台讲政策、讲项目、讲业务",
                "全年12次",
                "旗政府办",
                "旗发改委、财政局",
                "办公室主任",
                date(2021, 1, 29),
                _STANDING,
                "措施2",
            ),
            (
                "按“三不两直”方式开展实地调研，建立调研台账",
                "占全部调研的50%以上",
                "政府督查室",
                "各镇；开发区管委会；旗直各部门",
                "督查室主任",
                "全年",
                _STANDING,
                "措施3",
            ),
            (
                "确定年度调研课题，形成可落地的调研成果并推动转化",
                "每个部门不少于1个",
                "政府办",
                "旗直各有关部门",
                "办公室主任",
                "上半年",
                _STANDING,
                "措施3",
            ),
            (
                "梳理产业发展、项目建设中的难点堵点，牵头成立工作专班",
                "工作专班不少于3个",
                "发改委",
                "工信局、能源局\n自然资源局",
                _HEAD,
                date(2021, 2, 26),
                _VICE,
                "措施4",
            ),
            (
                "聘请优秀企业家担任“鄂前旗发展顾问”，建立企业家顾问制度",
                "聘请不少于10人",
                "工信局",
                "开发区管委会、司法局",
                _HEAD,
                "一季度",
                _VICE,
                "措施5",
            ),
        ),
    ),
    (
        "二、提升“执行力”，建设高效政府",
        (
            (
                "对旗人民政府确定的重大决策和重点工作列出任务清单，明确牵头部门、配合部门、责任人和时限",
                "重大决策和重点工作100%列入清单",
                "政府办",
                "旗直各部门",
                "办公室主任",
                date(2021, 1, 15),
                _STANDING,
                "措施7",
            ),
            (
                "将清单任务细化分解到项目、落实到岗位、量化到个人",
                "分解率100%",
                "发改委",
                "各镇（开发区）、旗直各部门",
                _HEAD,
                date(2021, 1, 29),
                _STANDING,
                "措施7",
            ),
            (
                "对上级和旗级重要文件、会议和批示在2个工作日内布置落实",
                "按时布置率100%",
                "政府办",
                "各镇、上海庙经济开发区、旗直各部门",
                "办公室主任",
                "2021年3月31日",
                _STANDING,
                "措施8",
            ),
            (
                "主要领导调研和现场办公会决定的事项在1个工作日内分解到相关部门办理",
                "1个工作日内分解",
                "旗政府办公室",
                "政府督查室",
                "办公室主任",
                "6月底前",
                _STANDING,
                "措施8",
            ),
            (
                "重大项目、重点工作推进情况每半月专报",
                "全年24次，每半月1次",
                "发改委",
                "各镇人民政府、开发区管委会、住建局、交通局、水利局",
                _HEAD,
                "2021年12月底前",
                _VICE,
                "措施9",
            ),
            (
                "修订安全生产、环境保护、信访维稳重大紧急事件报告流程",
                "修订流程3项",
                "应急局",
                "生态环境分局、信访局、公安局、各镇",
                _HEAD,
                date(2021, 2, 7),
                _VICE,
                "措施9；2月7日为调休上班",
            ),
            (
                "制定重大决策和重要工作部署跟踪督查方案，建立闭环工作机制",
                "督查方案1套",
                "政府督查室",
                "政府办",
                "督查室主任",
                date(2021, 1, 22),
                _STANDING,
                "措施10",
            ),
            (
                "对连续2次督办仍进展缓慢的事项公开通报责任单位、责任人",
                "通报率100%",
                "督查室",
                "",
                "督查室主任",
                "三季度",
                _STANDING,
                "措施10",
            ),
        ),
    ),
    (
        "三、提升“公信力”，建设诚信政府",
        (
            (
                "健全政府法律顾问制度，推动法律顾问有效覆盖",
                "有效覆盖率100%",
                "司法局",
                "旗直各部门、各镇",
                _HEAD,
                "2021.6.30",
                _VICE,
                "措施11",
            ),
            (
                "政策文件解读材料与文件同步组织、同步审签、同步部署",
                "解读率100%",
                "司法局",
                "政府办",
                _HEAD,
                "年底前",
                _VICE,
                "措施11",
            ),
            (
                "清理政府拖欠账款，履行政府采购、合同协议约定义务",
                "拖欠账款清偿率100%",
                "财政局",
                "审计局、发改委、住建局",
                _HEAD,
                date(2021, 9, 30),
                _STANDING,
                "措施12",
            ),
            (
                "精简行政审批流程，压缩审批时限",
                "审批时限压缩30%以上",
                "审批局",
                "自然资源局、住建局、市场监管局",
                "审批科科长",
                date(2021, 4, 30),
                _VICE,
                "措施13",
            ),
            (
                "建立“企业吹哨、部门报到”快速反应机制",
                "按时联系、按时答复率100%",
                "旗行政审批局",
                "工信局、各镇（开发区）",
                "审批科科长",
                date(2021, 2, 5),
                _VICE,
                "措施13",
            ),
            (
                "每月第一个工作日举办“项目服务日”企业问需座谈会",
                "全年12次",
                "工信局",
                "发改委、开发区管委会、审批局",
                _HEAD,
                date(2021, 12, 31),
                _VICE,
                "措施14",
            ),
            (
                "除涉密事项外，重点工作、重点工程、重大项目任务清单在媒体公布",
                "公布率100%",
                "政府办",
                "文旅局、督查室",
                "办公室主任",
                date(2021, 3, 15),
                _STANDING,
                "措施15",
            ),
            (
                "开展“电视问政”和第三方公众满意度调查",
                "电视问政2场",
                "政府督查室",
                "统计局、文旅局",
                "督查室主任",
                "2021年11月30日",
                _STANDING,
                "措施15；另开展满意度调查",
            ),
        ),
    ),
)

_COLUMNS = (("A", 6), ("B", 48), ("C", 26), ("D", 16), ("E", 28), ("F", 14), ("G", 16), ("H", 14), ("I", 16))
_WHOLE_COLUMNS = (
    (1, "序号"),
    (2, "工作任务"),
    (3, "量化\n目标"),
    (7, "完成时限"),
    (8, "分管领导"),
    (9, "备注"),
)


def build() -> bytes:
    """The workbook: title, note, a header of two levels, a section row for each part, footnotes."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "任务清单"
    line = Side(style="thin", color="000000")
    border = Border(left=line, right=line, top=line, bottom=line)
    middle = Alignment(horizontal="center", vertical="center", wrap_text=True)
    left = Alignment(vertical="center", wrap_text=True)
    for letter, width in _COLUMNS:
        sheet.column_dimensions[letter].width = width

    def over_all_columns(row: int, text: str, font: Font, alignment: Alignment) -> None:
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=len(_COLUMNS))
        put(sheet.cell(row, 1), text)
        sheet.cell(row, 1).font, sheet.cell(row, 1).alignment = font, alignment

    over_all_columns(1, TITLE, Font(name="方正小标宋简体", size=18), middle)
    over_all_columns(2, NOTE, Font(name="仿宋", size=11), left)
    for column, heading in _WHOLE_COLUMNS:
        sheet.merge_cells(start_row=3, end_row=4, start_column=column, end_column=column)
        put(sheet.cell(3, column), heading)
    sheet.merge_cells("D3:F3")
    put(sheet["D3"], "责任分工")
    for column, heading in ((4, "牵头单位"), (5, "配合单位"), (6, "责任岗位")):
        put(sheet.cell(4, column), heading)
    for row in (3, 4):
        for column in range(1, len(_COLUMNS) + 1):
            cell = sheet.cell(row, column)
            cell.font, cell.alignment, cell.border = Font(name="黑体", size=11), middle, border
            cell.fill = PatternFill("solid", fgColor="E7ECF3")

    row, number = 5, 0
    for section, items in SECTIONS:
        over_all_columns(row, section, Font(name="楷体", size=12, bold=True), left)
        row += 1
        for task, target, lead, supporters, post, due, leader, remark in items:
            number += 1
            sheet.cell(row, 1, number)
            for column, value in enumerate((task, target, lead, supporters, post, due, leader, remark), 2):
                put(sheet.cell(row, column), value)
            if isinstance(due, date):
                sheet.cell(row, 7).number_format = 'yyyy"年"m"月"d"日"'
            for column in range(1, len(_COLUMNS) + 1):
                cell = sheet.cell(row, column)
                cell.alignment, cell.border = left if column in (2, 3, 5) else middle, border
            row += 1
    for text in FOOTNOTES:
        over_all_columns(row, text, Font(name="仿宋", size=10), left)
        row += 1
    sheet.freeze_panes = "C5"
    sheet.print_title_rows = "3:4"
    sheet.page_setup.orientation = "landscape"
    return saved(book)


def main() -> None:
    """Write the file beside this script."""
    TASK_LIST.write_bytes(build())
    print(TASK_LIST)


if __name__ == "__main__":
    main()
