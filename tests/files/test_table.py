"""Tables as CSV: what is written is read back, and a row that does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.files.table import read_table, write_table

# What a file in UTF-8 can hold; a reader of CSV turns line ends into one kind.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"))


@given(rows=st.lists(st.dictionaries(st.sampled_from(["image", "class", "bin"]), TEXT)))
def test_rows_are_read_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    write_table(path, ("image", "class", "bin"), rows)
    assert read_table(path) == [{"image": "", "class": "", "bin": ""} | row for row in rows]


def test_floats_have_six_decimals_and_none_is_an_empty_cell(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", ("a", "b", "c"), [(1 / 3, None, 2)])
    assert (tmp_path / "table.csv").read_bytes() == b"a,b,c\n0.333333,,2\n"


@pytest.mark.parametrize("row", [{"image": "1.jpg", "colour": "red"}, ("1.jpg", "red"), ()])
def test_a_row_that_does_not_fit_the_columns_is_refused(tmp_path: Path, row: dict[str, str] | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"table\.csv has 1 columns and a row of \d cells"):
        write_table(tmp_path / "table.csv", ("image",), [row])
