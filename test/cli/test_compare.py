import json

from mtv_perception.cli.main import main

HEAD = {"format": "mtv golden run 1", "model": "m", "classes": ["background", "person"]}


def golden(path, score):
    frame = {"camera": "", "stamp_ns": 5, "objects": [[1, score, 0, 0, 9, 9]], "mask": ""}
    path.write_text(json.dumps(HEAD) + "\n" + json.dumps(frame) + "\n")
    return str(path)


def test_the_exit_status_follows_the_tolerances(tmp_path, capsys):
    a, b = golden(tmp_path / "a.jsonl", 0.9), golden(tmp_path / "b.jsonl", 0.7)
    assert main(["compare", a, a]) == 0
    assert "within tolerance" in capsys.readouterr().out
    assert (
        main(
            [
                "compare",
                a,
                b,
                "--json",
                str(tmp_path / "c.json"),
                "--html",
                str(tmp_path / "c.html"),
            ]
        )
        == 1
    )
    assert "score_drift" in capsys.readouterr().out
    assert json.loads((tmp_path / "c.json").read_text())["out_of_tolerance"] != []
    assert "Out of tolerance" in (tmp_path / "c.html").read_text()
    (tmp_path / "loose.yaml").write_text("score_drift: 0.5\n")
    assert main(["compare", a, b, "--tolerances", str(tmp_path / "loose.yaml")]) == 0


def test_mistakes_are_one_line(tmp_path, capsys):
    a = golden(tmp_path / "a.jsonl", 0.9)
    (tmp_path / "bad.yaml").write_text("score_drfit: 0.5\n")
    assert main(["compare", a, a, "--tolerances", str(tmp_path / "bad.yaml")]) == 2
    assert "unknown key 'score_drfit'" in capsys.readouterr().err
    assert main(["compare", a, str(tmp_path / "absent")]) == 2
    assert "expected" in capsys.readouterr().err
