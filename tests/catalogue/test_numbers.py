import numpy as np
import pyarrow as pa
import pytest

from spotify_gym.catalogue.numbers import describe_fault, parse_numbers


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
    ],
)
def test_parse__reads_numbers_as_people_write_them(text: str, number: float) -> None:
    parsed = parse_numbers(pa.chunked_array([["no number", text]]))
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
        ("0,5", "not a number"),
        ("1_000", "not a number"),
    ],
)
def test_fault__is_described_in_words(value: object, fault: str) -> None:
    assert not np.isfinite(parse_numbers(pa.chunked_array([pa.array([value])]))[0])
    assert describe_fault(value) == fault
