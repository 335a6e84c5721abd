"""Real files, made by the libraries that people's programs use."""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from importlib import import_module
from typing import Any, cast

import openpyxl
from PIL import Image, ImageDraw, ImageFont

# None of these has complete types.
docx = cast(Any, import_module("docx"))
pptx = cast(Any, import_module("pptx"))
xlwt = cast(Any, import_module("xlwt"))
reportlab_canvas = cast(Any, import_module("reportlab.pdfgen.canvas"))
reportlab_encryption = cast(Any, import_module("reportlab.lib.pdfencrypt"))


def make_pdf(pages: Sequence[Sequence[str]], *, title: str = "", password: str = "", outline: bool = False) -> bytes:
    """Each page is a list of lines; a line that begins with `# ` is set large."""
    file = io.BytesIO()
    encrypt = reportlab_encryption.StandardEncryption(password, ownerPassword="owner") if password else None
    canvas = reportlab_canvas.Canvas(file, encrypt=encrypt, invariant=1)
    canvas.setTitle(title)
    for number, lines in enumerate(pages):
        height = 780
        for line in lines:
            is_heading = line.startswith("# ")
            canvas.setFont("Helvetica-Bold" if is_heading else "Helvetica", 20 if is_heading else 11)
            canvas.drawString(72, height, line.removeprefix("# "))
            if is_heading and outline:
                canvas.bookmarkPage(f"page{number}")
                canvas.addOutlineEntry(line.removeprefix("# "), f"page{number}", level=0)
            height -= 30 if is_heading else 14
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def make_scan(words: str, pictures: int = 1, *, size: tuple[float, float] | None = None) -> bytes:
    """A PDF of pages with a picture of words, of this size in points, then one of text."""
    file = io.BytesIO()
    canvas = reportlab_canvas.Canvas(file)
    utils = cast(Any, import_module("reportlab.lib.utils"))
    for _ in range(pictures):
        if size is not None:
            canvas.setPageSize(size)
        canvas.drawImage(
            utils.ImageReader(io.BytesIO(make_image(words))), *((0, 0, *size) if size else (50, 500, 500, 111))
        )
        canvas.showPage()
    canvas.setPageSize((595, 842))
    canvas.drawString(72, 700, "The last page holds text of its own.")
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def make_image(words: str, kind: str = "PNG") -> bytes:
    """A picture of words."""
    image = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(image).text((20, 60), words, fill="black", font=ImageFont.load_default(48))
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def make_docx() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Handbook of returns"
    document.add_heading("Returns", 1)
    document.add_paragraph("Goods come back within 30 days if a < b & c > d.")
    document.add_heading("Exceptions", 2)
    document.add_paragraph("Food is not taken back.", style="List Bullet")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Item", "Days"), ("Books", "60"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    return _saved(document)


def make_pptx(slides: int = 3) -> bytes:
    presentation = pptx.Presentation()
    for number in range(1, slides + 1):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number}"
        slide.placeholders[1].text = f"Body of slide {number}"
        slide.notes_slide.notes_text_frame.text = f"Said on slide {number}"
    return _saved(presentation)


def make_xlsx(rows: Sequence[Sequence[object]] | None = None) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = "Orders"
    default = [
        ["id", "postcode", "ordered", "seen at", "amount", "paid", "serial", "double"],
        [1, "01067", date(2026, 2, 3), datetime(2026, 2, 3, 10, 11, 12), 12.5, True, "9007199254740993", "=E2*2"],
        [2, "80331", date(2026, 2, 4), datetime(2026, 2, 4, 0, 0), 7, False, "9007199254740995", "=E3*2"],
    ]
    for row in rows or default:
        sheet.append(list(row))
    workbook.create_sheet("Empty")
    return _saved(workbook)


def make_xls() -> bytes:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("Stock")
    for row, cells in enumerate((("article", "pieces"), ("007", 42), ("008", 1))):
        for column, value in enumerate(cells):
            sheet.write(row, column, value)
    return _saved(workbook)


def make_epub() -> bytes:
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A Book</dc:title></metadata><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine>'
        "</package>"
    )
    chapter = '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Chapter</h1><p>Its text.</p></body></html>'
    parts = {"META-INF/container.xml": container, "c.opf": package, "a.xhtml": chapter}
    return make_zip({"mimetype": "application/epub+zip", **parts})


def make_odt() -> bytes:
    content = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>'
        '<text:h text:outline-level="1">Open heading</text:h><text:p>Open text.</text:p>'
        "</office:text></office:body></office:document-content>"
    )
    return make_zip({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def make_zip(parts: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            # An entry that is given by its information alone has no time of its own.
            entry = zipfile.ZipInfo(name)
            archive.writestr(entry, content, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
    return file.getvalue()


def without_times(archive: bytes) -> bytes:
    """The same archive, without the moment in which it was made: the same bytes each time."""
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        properties = found.read("docProps/core.xml")
    return with_part(
        archive, "docProps/core.xml", re.sub(rb"\d{4}(-\d\d){2}T(\d\d:){2}\d\d", b"2026-01-01T00:00:00", properties)
    )


def with_part(archive: bytes, name: str, content: bytes) -> bytes:
    """The same archive with one part replaced or added."""
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        parts: dict[str, str | bytes] = {entry: found.read(entry) for entry in found.namelist()}
    return make_zip({**parts, name: content})


def _saved(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
