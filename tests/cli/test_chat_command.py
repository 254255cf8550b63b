"""Conversations: piped in, and typed on a terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time


def test_piped_lines_are_answered_without_prompt_marks(weft, model):
    done = weft("chat", model, stdin="Hello\n\n  \nAgain\r\nlast")
    assert (done.code, done.out, done.err) == (0, "Paris.\nParis.\nParis.\n", "")


def test_the_second_turn_computes_only_what_is_new(weft, model):
    done = weft("chat", model, stdin="Hello there, how are you?\nAgain\n/stats\n")
    prompt, cached = map(int, re.search(r"prompt (\d+) tokens \((\d+) from the cache\)", done.err).groups())
    assert 0 < prompt - cached < prompt / 2
    assert "4 messages, " in done.err


def test_commands_write_to_stderr_alone(weft, model, tmp_path):
    done = weft("chat", model, stdin="/help\n/stats\n/reset\n/system Be brief.\n/system\n")
    assert (done.code, done.out) == (0, "")
    for words in ["/save FILE", "There was no answer yet.", "starts anew", "The system message is set", "is gone"]:
        assert words in done.err


def test_the_system_message_reaches_the_model(weft, model):
    script = "/system Be very brief.\nHello\n/stats\n"
    with_system = weft("chat", model, stdin=script).err
    without = weft("chat", model, stdin="Hello\n/stats\n").err
    tokens = [int(re.search(r"prompt (\d+) tokens", err).group(1)) for err in (with_system, without)]
    assert tokens[0] > tokens[1]
    assert "3 messages" in with_system and "2 messages" in without


def test_a_saved_conversation_goes_on_later(weft, model, tmp_path):
    file = tmp_path / "my conversation"
    saved = weft("chat", model, stdin=f"Hello\n/save {file}\n")
    assert saved.code == 0 and file.exists()
    loaded = weft("chat", model, stdin=f"/load {file}\nAgain\n/stats\n")
    assert (loaded.code, loaded.out) == (0, "Paris.\n")
    assert "Loaded 2 messages" in loaded.err and "4 messages" in loaded.err


def test_a_file_that_is_no_conversation_is_told(weft, model, tmp_path):
    (tmp_path / "wrong").write_text("something else")
    done = weft("chat", model, stdin=f"/load {tmp_path}/wrong\nnever sent\n")
    assert (done.code, done.out) == (1, "")
    missing = weft("chat", model, stdin=f"/load {tmp_path}/none\n")
    assert missing.code == 1 and f"{tmp_path}/none: can't be read: No such file" in missing.err
    unwritable = weft("chat", model, stdin=f"/save {tmp_path}/none/file\n")
    assert unwritable.code == 1 and "can't be written" in unwritable.err
    assert not list(tmp_path.glob("*.part*"))


def test_an_unknown_command_is_told(weft, model):
    done = weft("chat", model, stdin="/nonsense\nnever sent\n")
    assert (done.code, done.out) == (2, "")
    assert "there is no command /nonsense" in done.err and "//nonsense" in done.err
    assert "/save needs the name of a file" in weft("chat", model, stdin="/save\n").err


def test_a_message_may_begin_with_a_slash(weft, model):
    assert weft("chat", model, stdin="//usr/bin is what?\n").out == "Paris.\n"


def test_ill_formed_utf8_is_told(weft, model):
    done = weft("chat", model, stdin=b"ab\xff\n")
    assert done.code == 2 and "the message: is not UTF-8: byte 2 is 0xFF" in done.err


def test_a_full_context_is_told(weft, make_model):
    done = weft("chat", make_model(max_context=40), stdin="x\n" * 10)
    assert done.code in (0, 1)
    assert "context" in done.err or "40" in done.err


def test_a_model_without_template_is_told(weft, make_model):
    done = weft("chat", make_model(chat_template=None), stdin="x\n")
    assert done.code == 1
    assert "has no chat template" in done.err and "weft generate --raw" in done.err


def test_a_terminal_gets_prompt_marks_and_answers(terminal, model):
    chat = terminal("chat", model)
    chat.expect("/help lists the commands")
    chat.expect("> ")
    chat.type("Hello\r")
    chat.expect("Paris.")
    chat.expect("> ")
    chat.type("/nonsense\r")
    chat.expect("there is no command /nonsense")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.wait() == 0


def test_lines_can_be_edited_and_called_back(terminal, model):
    chat = terminal("chat", model)
    chat.expect("> ")
    chat.type("/systemx\x7f Grüße\r")
    chat.expect("The system message is set")
    chat.expect("> ")
    chat.type("\x1b[A\r")
    chat.expect("The system message is set")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.wait() == 0


def test_the_history_is_kept_in_the_cache_folder(terminal, model, tmp_path):
    first = terminal("chat", model)
    first.expect("> ")
    first.type("/stats\r")
    first.expect("There was no answer yet.")
    first.expect("> ")
    first.type("\x04")
    assert first.wait() == 0
    history = tmp_path / "cache/history"
    assert "/stats" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    again = terminal("chat", model)
    again.expect("> ")
    again.type("\x1b[A\r")
    again.expect("There was no answer yet.")
    again.expect("> ")
    again.type("\x04")
    assert again.wait() == 0


def test_without_a_place_for_history_chat_works(weft, terminal, model, tmp_path):
    (tmp_path / "file").touch()
    weft.env["WEFT_CACHE"] = str(tmp_path / "file")
    chat = terminal("chat", model)
    chat.expect("no history is kept: cache folder")
    chat.expect("> ")
    chat.type("Hello\r")
    chat.expect("Paris.")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.wait() == 0


def test_ctrl_c_stops_the_answer_not_the_program(terminal, make_model):
    chat = terminal("chat", make_model("y", endless=True, max_context=1 << 20))
    chat.expect("> ")
    chat.type("Hello\r")
    chat.expect("yyyy")
    chat.type("\x03")
    chat.expect("> ")
    chat.type("/stats\r")
    chat.expect("2 messages")
    chat.expect("> ")
    chat.type("Again\r")
    chat.expect("yyyy")
    chat.type("\x03")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.wait() == 0


def test_ctrl_c_drops_a_typed_line_and_leaves_an_empty_one(terminal, model):
    chat = terminal("chat", model)
    chat.expect("> ")
    chat.type("half a mess")
    chat.expect("mess")
    chat.type("\x03")
    chat.expect("> ")
    chat.type("/stats\r")
    chat.expect("0 messages")
    chat.expect("> ")
    chat.type("\x03")
    assert chat.wait() == 0


def test_ctrl_c_ends_a_piped_chat_that_waits(weft, model):
    running = weft.start("chat", model, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    running.stdin.write(b"Hello\nhalf a line")
    running.stdin.flush()
    assert running.stdout.readline() == b"Paris.\n"
    # Until the thread that watches over an answer has ended, Ctrl-C is meant for that answer, though all of it has been written.
    deadline = time.monotonic() + 30
    while len(os.listdir(f"/proc/{running.pid}/task")) > 1:
        assert time.monotonic() < deadline, "the answer never ended"
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=30) == 0
    running.stdin.close()
    running.stdout.close()


def test_generate_ends_a_terminals_line(terminal, model):
    generate = terminal("generate", model, "-p", "x")
    generate.expect("Paris.\r\nweft: prompt")
    assert generate.wait() == 0


def test_the_terminal_is_as_before_afterwards(weft, model):
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    running = subprocess.Popen(
        [weft.program, "chat", model], stdin=slave, stdout=slave, stderr=slave, env=weft.env | {"TERM": "xterm"}, start_new_session=True
    )
    seen = b""
    while b"> " not in seen:
        assert select.select([master], [], [], 30)[0], seen
        seen += os.read(master, 1024)
    os.write(master, b"\x04")
    assert running.wait(timeout=30) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_json_stays_one_object(weft, model):
    assert json.loads(weft("generate", model, "-p", 'quote " and \\ and \n', "--json").out)["text"] == "Paris."
