import numpy as np
import pyarrow as pa
import pytest

from spotify_gym.catalogue.columns import describe_fault, parse_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.5", 0.5),
        (" 0.5 ", 0.5),
        ("8.19E-06", 8.19e-6),
        ("-60", -60),
        ("+1", 1),
        (".5", 0.5),
        ("1.", 1),
        ("1e999", np.inf),
        ("58%", 58),
        ("58 %", 58),
        ("120 BPM", 120),
        ("-6.85db", -6.85),
        ("\N{MINUS SIGN}7.1", -7.1),
        ("0,5", 0.5),
        ("-7,104", -7104),  # alone it may be a thousand
        ("1,234,567", 1234567),
    ],
)
def test_parse__reads_numbers_as_people_write_them(text: str, number: float) -> None:
    parsed = parse_numbers({"": pa.chunked_array([["no number", text]])})[""]
    assert np.isnan(parsed[0])
    assert parsed[1] == number


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "missing"),
        (" NaN ", "missing"),
        ("NULL", "missing"),
        (None, "missing"),
        ("-nan", "not a number"),
        ("inf", "infinite"),
        ("1e999", "infinite"),
        (float("-inf"), "infinite"),
        ("4-Apr", "not a number"),
        ("1.234,5", "not a number"),
        ("1_000", "not a number"),
    ],
)
def test_fault__is_described_in_words(value: object, fault: str) -> None:
    assert not np.isfinite(parse_numbers({"": pa.chunked_array([pa.array([value])])})[""][0])
    assert describe_fault(value) == fault


def test_commas__are_decimal_in_all_columns_if_one_cell_says_so() -> None:
    parsed = parse_numbers(
        {"energy": pa.chunked_array([["0,5", "0,25"]]), "tempo": pa.chunked_array([["121,017", "98,5"]])}
    )
    assert parsed["energy"].tolist() == [0.5, 0.25]
    assert parsed["tempo"].tolist() == [121.017, 98.5]
