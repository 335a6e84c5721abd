"""Spreadsheets and delimited files as typed rows."""

import io
import re
import zipfile

import openpyxl
import pytest
from made_files import make_xls, make_xlsx, with_part

from rag_pipeline.extractors.columns import build_table
from rag_pipeline.extractors.dispatch import extract_file
from rag_pipeline.extractors.limits import ExtractionLimits
from rag_pipeline.extractors.model import Cell, Extraction, ExtractionError, Table


def extract(content: bytes, name: str, limits: ExtractionLimits | None = None) -> Extraction:
    return extract_file(content, file_name=name, mime_type=None, limits=limits or ExtractionLimits())


def table_of(text: str, name: str = "a.csv") -> Table:
    return extract(text.encode(), name).tables[0]


def types(table: Table) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


def test_a_workbook_becomes_typed_rows_and_readable_text() -> None:
    found = extract(make_xlsx(), "orders.xlsx")
    (table,) = found.tables
    assert table.name == "Orders"
    assert types(table) == {
        "id": "integer",
        "postcode": "text",
        "ordered": "date",
        "seen at": "datetime",
        "amount": "number",
        "paid": "boolean",
        "serial": "integer",
        "double": "text",
    }
    assert table.rows[0] == {
        "id": 1,
        "postcode": "01067",
        "ordered": "2026-02-03",
        "seen at": "2026-02-03T10:11:12",
        "amount": 12.5,
        "paid": True,
        "serial": 9007199254740993,
        "double": "=E2*2",
    }
    assert len(found.pages) == 1
    assert found.pages[0].number is None
    assert found.pages[0].text.startswith("## Orders\n\n| id | postcode | ordered |")
    assert "| 1 | 01067 | 2026-02-03 | 2026-02-03T10:11:12 | 12.5 | true |" in found.pages[0].text


def test_a_formula_gives_the_value_it_was_saved_with() -> None:
    content = make_xlsx([["n", "double"], [2, "=A2*2"]])
    sheet = "xl/worksheets/sheet1.xml"
    workbook = openpyxl.load_workbook(io.BytesIO(content))
    assert workbook.worksheets[0]["B2"].value == "=A2*2"
    saved = with_part(content, sheet, re.sub(rb"(<f>A2\*2</f>)<v ?/?>(</v>)?", rb"\1<v>4</v>", _part(content, sheet)))
    assert extract(saved, "a.xlsx").tables[0].rows == [{"n": 2, "double": 4}]


def test_an_old_workbook_keeps_its_leading_zeros() -> None:
    (table,) = extract(make_xls(), "stock.xls").tables
    assert table.name == "Stock"
    assert types(table) == {"article": "text", "pieces": "integer"}
    assert table.rows == [{"article": "007", "pieces": 42}, {"article": "008", "pieces": 1}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_is_found(delimiter: str) -> None:
    lines = [["id", "name", "note"], ["1", "Zoë", '"a;b,c|d"'], ["2", "Ann", '"two\nlines"']]
    table = table_of("\n".join(delimiter.join(line) for line in lines))
    assert types(table) == {"id": "integer", "name": "text", "note": "text"}
    assert table.rows[0] == {"id": 1, "name": "Zoë", "note": "a;b,c|d"}
    assert table.rows[1]["note"] == "two\nlines"


def test_a_declared_delimiter_wins() -> None:
    assert [column.name for column in table_of("sep=;\r\na,b;c\r\n1,5;2\r\n").columns] == ["a,b", "c"]


def test_values_keep_their_exact_form() -> None:
    table = table_of(
        "code,big,rate,long,iso,moment,flag,mixed\n"
        "007,123456789012345678901234567890,0.1,0.12345678901234567890,2026-01-31,2026-01-31 10:00,true,1\n"
        "010,1,2,0.5,2026-02-28,2026-02-01T00:00:00Z,FALSE,x\n"
    )
    assert types(table) == {
        "code": "text",
        "big": "integer",
        "rate": "number",
        "long": "text",
        "iso": "date",
        "moment": "datetime",
        "flag": "boolean",
        "mixed": "text",
    }
    assert table.rows[0]["big"] == 123456789012345678901234567890
    assert table.rows[0]["long"] == "0.12345678901234567890"
    assert table.rows[1]["rate"] == 2


def test_what_only_looks_like_a_date_is_text() -> None:
    assert types(table_of("when,name\n2026-02-30,a\n2026-02-01,b\n"))["when"] == "text"


def test_headers_may_be_missing_twice_or_empty() -> None:
    assert types(table_of("1,a\n2,b\n")) == {"column_1": "integer", "column_2": "text"}
    rows: list[list[Cell]] = [["a", "b", None, "c"], ["x", "y", "z", "w"]]
    table = build_table("t", rows, ExtractionLimits())
    assert table is not None
    assert [column.name for column in table.columns] == ["column_1", "column_2", "column_3", "column_4"]
    assert len(table.rows) == 2


def test_short_and_empty_rows_are_filled_or_dropped() -> None:
    table = table_of("a,b,c\n1,2,3\n\n4\n,,\n5,6,7\n")
    assert table.rows == [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": None, "c": None}, {"a": 5, "b": 6, "c": 7}]


def test_a_pipe_in_a_cell_does_not_break_the_text() -> None:
    text = extract(b'a,b\n"x|y","p\nq"\n', "a.csv").pages[0].text
    assert text.splitlines()[2] == "| x\\|y | p q |"


def test_a_table_with_too_many_rows_or_columns_is_refused() -> None:
    limits = ExtractionLimits(rows_max=10, columns_max=5)
    with pytest.raises(ExtractionError, match="more than 10 rows") as failure:
        extract("\n".join(["a,b", *["1,2"] * 11]).encode(), "a.csv", limits)
    assert failure.value.code == "too_large"
    assert len(extract("\n".join(["a,b", *["1,2"] * 10]).encode(), "a.csv", limits).tables[0].rows) == 10
    with pytest.raises(ExtractionError, match="6 columns"):
        extract(b"a,b,c,d,e,f\n1,2,3,4,5,6\n", "a.csv", limits)


def test_a_sheet_that_claims_absurd_dimensions_is_read_as_it_is() -> None:
    content = make_xlsx([["a", "b"], [1, 2]])
    sheet = "xl/worksheets/sheet1.xml"
    lying = with_part(content, sheet, _part(content, sheet).replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"'))
    assert extract(lying, "a.xlsx").tables[0].rows == [{"a": 1, "b": 2}]


def _part(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        return found.read(name)
