import codecs
import json

import pytest

from dataset_builder.captions import decode, read_table

TEXT = "Pokémon \u2013 rouge"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_of_any_common_encoding_is_read_without_a_mark(encoding):
    assert decode(TEXT.encode(encoding)).text == TEXT


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE])
def test_marks_of_the_other_byte_order_are_known(mark):
    encoding = "utf-16-be" if len(mark) == 2 else "utf-32-be"
    assert decode(mark + TEXT.encode(encoding)).text == TEXT


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="no text in UTF-8"):
        decode(b"\x81\x8d\x8f\xff")


def write(folder, name, content, encoding="utf-8"):
    (folder / name).write_text(content, encoding=encoding)
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_values_are_read_as_spreadsheets_write_them(tmp_path, encoding, delimiter):
    lines = [["File_Name", "caption", "kind"], ["a.png", f'"{TEXT}{delimiter} so"', "x"], ["sub\\b.PNG", "", "y"]]
    table = write(tmp_path, "metadata.csv", "\n".join(map(delimiter.join, lines)), encoding)
    found = read_table(table)
    assert found[tmp_path / "a.png"].text == f"{TEXT}{delimiter} so"
    assert found[tmp_path / "sub" / "b.PNG"].text == "" and found[tmp_path / "sub" / "b.PNG"].values["kind"] == "y"


def test_json_lines_and_parquet_say_the_same(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"file_name": "a.png", "text": "one"}, {"file_name": "b.png", "text": None}]
    lines = write(tmp_path, "metadata.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    assert read_table(lines) == read_table(tmp_path / "metadata.parquet")
    assert [row.text for row in read_table(lines).values()] == ["one", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "colour,size\nred,3\n", "no column names pictures"),
        ("a.csv", "", "no column names pictures"),
        ("a.jsonl", '{"file_name": "a.png"}\n{torn', "line 2 is no JSON"),
        ("a.jsonl", "[1]", "line 1 must be a JSON object"),
        ("a.csv", 'file_name\n"' + "x" * 200_000, "no table"),
        ("a.parquet", "no parquet", "no whole Parquet file"),
    ],
)
def test_tables_that_tell_nothing_are_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, name, content))
