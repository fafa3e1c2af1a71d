"""Every operator of torch and ONNX is translated or refused with a reason, as the README counts."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
operators = pytest.importorskip("tools.operators")


def test_every_operator_is_classified():
    for library, columns in operators.tables().items():
        assert not columns["unclassified"], library


def test_the_readme_has_the_counts():
    readme = operators.README.read_text(encoding="utf-8")
    written = readme.partition(operators.START)[2].partition(operators.END)[0]
    assert written.strip() == operators.text().strip(), "run python -m tools.operators in tests"
