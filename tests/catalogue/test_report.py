import json

from spotify_gym.catalogue import Finding, Report

REPORT = Report(
    rows=12_000,
    tracks=11_990,
    columns=(("track_id", "track_id"), ("artists", "artist_name")),
    folded=(Finding("same id as an earlier row", 3, (4, 5, 6)),),
    dropped=(Finding.at("tempo is missing", range(10, 17)),),
    notes=("a note",),
    ranges=(("tempo", 0.0, 249.4),),
)


def test_report__prints_all_that_was_found() -> None:
    assert str(REPORT).splitlines() == [
        "12,000 rows read, 11,990 tracks kept",
        "  folded   3 × same id as an earlier row (line 4, 5, 6)",
        "  dropped  7 × tempo is missing (line 10, 11, 12, 13, 14, ...)",
        "  note     a note",
        "  columns  track_id, artists = 'artist_name'",
        "  range    tempo                     0 to 249.4",
    ]


def test_report__survives_json() -> None:
    assert Report.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT
