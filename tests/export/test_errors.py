"""weft.Error has the words and the format of include/weft/error.h."""

import pickle
import re
from pathlib import Path

import pytest

from weft import Error
from weft.errors import CODES

SOURCE = Path(__file__).parents[2] / "src" / "core" / "error.cpp"


def test_codes_are_those_of_the_cpp_library():
    assert tuple(re.findall(r'case ErrorCode::\w+: return "(\w+)"', SOURCE.read_text())) == CODES


@pytest.mark.parametrize(
    ("where", "fix", "text"),
    [
        ("model.pte", "fetch it again", "model.pte: ends early\nfix: fetch it again"),
        ("", "fetch it again", "ends early\nfix: fetch it again"),
        (Path("model.pte"), "", "model.pte: ends early"),
        ("", "", "ends early"),
    ],
)
def test_leaves_out_what_is_empty(where, fix, text):
    assert str(Error("corrupt", "ends early", where, fix)) == text


def test_survives_pickling():
    error = pickle.loads(pickle.dumps(Error("io", "what", "where", "fix")))
    assert (error.code, error.message, error.where, error.fix) == ("io", "what", "where", "fix")


def test_rejects_a_code_that_no_one_knows():
    with pytest.raises(ValueError, match="'oops' is no error code; these are: invalid_argument"):
        Error("oops", "what")
