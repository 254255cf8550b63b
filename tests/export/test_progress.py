import io

import pytest

from weft.export.progress import Progress, Stage


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ClosedPipe(Terminal):
    def write(self, text):
        raise BrokenPipeError


def test_writes_one_line_a_stage_where_there_is_no_terminal():
    stream = io.StringIO()
    progress = Progress(stream)
    with progress.stage("downloading", size=100) as stage:
        stage.advance(50)
    with progress.stage("lowering", seconds=35):
        pass
    progress.note("wrote model.pte")
    assert stream.getvalue() == "downloading\nlowering (about 35 s)\nwrote model.pte\n"


def test_shows_a_bar_with_percentage_and_time_left():
    stage = Stage("downloading", None, 200_000_000)
    stage.advance(50_000_000)
    line = stage.line(200)
    assert line.startswith("downloading  [######..................]  25%  50.0 MB of 200.0 MB")
    assert line.endswith(" left")


def test_never_shows_more_than_all():
    stage = Stage("downloading", None, 1_000_000)
    stage.advance(3_000_000)
    assert "[########################] 100%  1.0 MB of 1.0 MB" in stage.line(200)


def test_never_fills_the_bar_of_a_stage_that_takes_longer_than_guessed():
    stage = Stage("lowering", 1e-9, None)
    assert stage.line(200).count(".") > 0


def test_cuts_the_line_to_the_terminal():
    assert len(Stage("a" * 300, None, None).line(80)) == 79


def test_leaves_one_line_a_stage_on_a_terminal():
    stream = Terminal()
    with Progress(stream).stage("tracing"):
        pass
    last = stream.getvalue().split("\x1b[K")[-1]
    assert last.startswith("tracing  ")
    assert last.endswith(" s\n")


def test_says_that_a_stage_stopped_and_passes_the_reason_on():
    stream = Terminal()
    with pytest.raises(KeyError), Progress(stream).stage("tracing"):
        raise KeyError
    assert stream.getvalue().endswith("tracing  stopped\n")


def test_works_on_when_no_one_reads_any_more():
    progress = Progress(ClosedPipe())
    with progress.stage("tracing"):
        progress.note("still here")
