"""./weft sets up what is missing, once, and says what is wrong."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path


def words(calls: list[str]) -> list[str]:
    """The program and the word that matters of each call."""
    kinds = ["summary.py", "apt-get", "-m venv", "pip install", "cmake -S", "cmake --build", "ctest", "pytest"]
    return [next((kind for kind in kinds if kind in call), call) for call in calls]


FIRST_START = ["-m venv", "pip install", "pip install", "cmake -S", "cmake --build"]


def test_first_start_sets_up_and_runs_the_program(tree):
    done = tree("chat", "a  b", "", "'")
    assert done.stdout == f"weft in {tree.folder} with {tree.folder}/.venv/bin/python:\n<chat><a  b><><'>"
    assert words(tree.calls()) == FIRST_START
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["[2/4]", "[3/4]", "[4/4]", "ready"]


def test_second_start_only_runs_the_program(tree):
    tree("chat")
    tree.calls()
    done = tree("chat")
    assert tree.calls() == []
    assert done.stderr == ""


def test_starts_from_any_folder_and_through_a_link(tree):
    tree("setup")
    elsewhere = tree.folder / "src"
    (elsewhere / "linked").symlink_to(tree.folder / "weft")
    assert tree("x", cwd=elsewhere).stdout.startswith(f"weft in {elsewhere} with {tree.folder}/.venv")
    tree.calls()
    (tree.folder / "weft").rename(tree.folder / "moved")
    (tree.folder / "weft").symlink_to("moved")
    assert "<x>" in tree("x").stdout


def test_setup_runs_no_program(tree):
    done = tree("setup")
    assert done.stdout == ""
    assert done.returncode == 0


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\n# edited")
    later = time.time() + 1
    os.utime(path, (later, later))


def test_edited_source_is_compiled_but_nothing_is_installed(tree):
    tree("chat")
    tree.calls()
    edit(tree.folder / "src/one.cpp")
    tree("chat")
    assert words(tree.calls()) == ["cmake -S", "cmake --build"]


def test_source_edited_while_compiling_is_compiled_the_next_time(tree):
    tree("chat", env={"cmake_DOES": f"[[ $1 != --build ]] || touch '{tree.folder}/src/one.cpp'"})
    tree.calls()
    tree("chat")
    assert words(tree.calls()) == ["cmake -S", "cmake --build"]


def test_changed_requirements_are_installed(tree):
    tree("chat")
    tree.calls()
    edit(tree.folder / "requirements.txt")
    tree("chat")
    assert words(tree.calls()) == ["pip install", "pip install", "cmake -S", "cmake --build"]


def test_torch_is_installed_first_and_alone(tree):
    tree("chat")
    pip = [call for call in tree.calls() if "pip install" in call]
    assert re.search(r" torch==[\d.]+$", pip[0])
    assert pip[1].endswith(f"-r {tree.folder}/requirements.txt")


def test_tests_need_more_packages_and_the_program_then_no_more(tree):
    tree("chat")
    tree.calls()
    tree("test")
    assert words(tree.calls()) == ["pip install", "pip install", "cmake -S", "cmake --build", "ctest", "pytest", "summary.py"]
    edit(tree.folder / "src/one.cpp")
    tree("chat")
    assert words(tree.calls()) == ["cmake -S", "cmake --build"]


def test_missing_debian_packages_are_installed_and_no_others(tree):
    tree("chat", env={"LACKS": "libcli11-dev libedit-dev"})
    apt = [call for call in tree.calls() if call.startswith("apt-get")]
    assert len(apt) == 1
    assert apt[0].endswith("install --no-install-recommends libcli11-dev libedit-dev")


def test_package_lists_are_fetched_where_the_first_try_fails(tree):
    fails_at_first = '[[ $* == *update* || -e $CALLS.tried ]] || { touch "$CALLS.tried"; exit 100; }'
    tree("chat", env={"LACKS": "libcli11-dev", "aptget_DOES": fails_at_first})
    assert [call.split()[-1] for call in tree.calls() if call.startswith("apt-get")] == ["libcli11-dev", "update", "libcli11-dev"]


def test_python_without_ensurepip_gets_debians_venv_package(tree):
    does = 'case "$*" in *"import ensurepip"*) [[ -e $CALLS.apt ]]; exit ;; *"venv\\""*) echo python3.11-venv; exit ;; esac'
    tree("chat", env={"python_DOES": does, "LACKS": "python3.11-venv"})
    assert any(call.endswith(" python3.11-venv") for call in tree.calls())


def test_python_without_headers_gets_debians_dev_package(tree):
    does = 'case "$*" in *Python.h*) [[ -e $CALLS.apt ]]; exit ;; *"dev\\""*) echo python3.11-dev; exit ;; esac'
    tree("chat", env={"python_DOES": does, "LACKS": "python3.11-dev"})
    assert any(call.endswith(" python3.11-dev") for call in tree.calls())


def test_debian_packages_are_left_alone_if_asked(tree):
    assert tree("chat", env={"LACKS": "libcli11-dev", "WEFT_APT": "0"}).returncode == 0
    assert "apt-get" not in words(tree.calls())


def test_missing_debian_packages_without_root_are_named(tree):
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    done = tree("chat", env={"LACKS": "libcli11-dev libedit-dev", "SUDO": "no"}, **nobody)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "weft: these Debian packages are missing, and only root may install them: libcli11-dev libedit-dev",
        "fix: sudo apt-get install libcli11-dev libedit-dev (or WEFT_APT=0, where their content comes from elsewhere)",
    ]


def test_failing_apt_is_reported_with_its_words(tree):
    done = tree("chat", env={"LACKS": "libcli11-dev", "aptget_DOES": "echo E: Could not resolve host; exit 100"})
    assert "E: Could not resolve host" in done.stderr
    assert "weft: apt-get couldn't install libcli11-dev: there is no connection to the server of the packages" in done.stderr


def test_no_python_is_reported_with_the_versions_that_do(tree):
    done = tree("chat", env={"python_DOES": "exit 1"})
    assert done.returncode == 1
    assert done.stderr.startswith("weft: no Python 3.11, 3.12 or 3.13 is in PATH\nfix: install one")


def test_pip_failure_is_explained_and_leaves_nothing_that_looks_finished(tree):
    log = f"{tree.folder}/build/setup.log"
    done = tree("chat", env={"PIP_DOES": f"echo 'Temporary failure in name resolution' >>'{log}'; exit 1"})
    assert done.returncode == 1
    assert re.search(r"weft: pip couldn't install torch==\S+ into \S.*: there is no connection to the server of the packages\nfix: ", done.stderr)
    tree.calls()
    assert tree("chat").returncode == 0
    assert words(tree.calls()) == FIRST_START[1:]


def test_package_that_was_cut_short_is_installed_again(tree):
    whole, half = (tree.site_packages / f"{name}-1.dist-info" for name in ("whole", "half"))
    cut_short = f"mkdir -p '{whole}' '{half}'; touch '{whole}/INSTALLER'; exit 1"
    tree("chat", env={"PIP_DOES": cut_short})
    assert half.exists()
    tree("chat")
    assert whole.exists()
    assert not half.exists()


def test_too_small_disk_is_reported_before_anything_is_fetched(tree):
    done = tree("chat", env={"FREE_MIB": "500"})
    assert f"weft: the disk of {tree.folder}/.venv has 500 MiB free; the packages need 3000\nfix: " in done.stderr
    assert tree.calls() == []


def test_disk_that_fills_up_is_reported(tree):
    done = tree("chat", env={"cmake_DOES": "[[ $1 != --build ]] || exit 1", "df_DOES": "echo; echo d 9 9 $([[ -e '" + f"{tree.folder}/build/CMakeCache.txt" + "' ]] && echo 5 || echo 9999) 9 /; exit"})
    assert f"weft: compiling in {tree.folder}/build failed: the disk of {tree.folder}/build is full\nfix: " in done.stderr


def test_unwritable_build_folder_is_reported(tree):
    done = tree("chat", env={"WEFT_BUILD_DIR": "/dev/null/build"})
    assert done.stderr == "weft: the folder /dev/null/build can't be written\nfix: make it writable, or set WEFT_BUILD_DIR and WEFT_VENV to folders that are\n"


def test_unwritable_environment_folder_is_reported(tree):
    done = tree("chat", env={"WEFT_VENV": "/dev/null/venv"})
    assert "weft: the folder /dev/null/venv can't be made\nfix: make its parent writable" in done.stderr


def test_folder_with_other_content_is_never_taken_for_the_environment(tree):
    done = tree("chat", env={"WEFT_VENV": "src"})
    assert f"weft: the folder {tree.folder}/src is no virtual environment, and not empty\nfix: " in done.stderr
    assert (tree.folder / "src/one.cpp").exists()


def test_failing_venv_module_is_reported_with_its_words(tree):
    done = tree("chat", env={"python_DOES": '[[ "$*" != *venv* ]] || { echo ensurepip is not available; exit 1; }'})
    assert "ensurepip is not available" in done.stderr
    assert re.search(r"weft: 'python3.11 -m venv' couldn't make .*\nfix: delete that folder", done.stderr)


def test_failing_cmake_is_reported_with_its_words(tree):
    done = tree("chat", env={"cmake_DOES": "[[ $1 != -S ]] || { echo CMake Error: no compiler; exit 1; }"})
    assert "CMake Error: no compiler" in done.stderr
    assert f"weft: CMake couldn't configure {tree.folder}/build: " in done.stderr


def test_failing_compiler_is_reported_and_compiled_again_next_time(tree):
    done = tree("chat", env={"cmake_DOES": "[[ $1 != --build ]] || exit 1"})
    assert f"weft: compiling in {tree.folder}/build failed: " in done.stderr
    assert "CMAKE_BUILD_PARALLEL_LEVEL=1" in done.stderr
    tree.calls()
    assert "<chat>" in tree("chat").stdout
    assert words(tree.calls()) == ["cmake -S", "cmake --build"]


def test_copied_tree_is_configured_anew(tree):
    tree("chat")
    tree.calls()
    cache = tree.folder / "build/CMakeCache.txt"
    cache.write_text(cache.read_text().replace("HOME_DIRECTORY:INTERNAL=", "HOME_DIRECTORY:INTERNAL=/elsewhere"))
    edit(tree.folder / "src/one.cpp")
    tree("chat")
    assert "--fresh" in tree.calls()[0]


def test_second_start_at_the_same_time_waits_for_the_first(tree):
    go = tree.folder / "go"
    env = {"PIP_DOES": f"touch '{tree.folder}/installing'; until [[ -e '{go}' ]]; do sleep 0.01; done"}
    first = tree.start("chat", env=env)
    while not (tree.folder / "installing").exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.01)
    second = tree.start("chat", env=env)
    assert second.stderr.readline() == "weft: another start of weft is setting up; waiting until it is done\n"
    go.touch()
    for start in (first, second):
        out, _ = start.communicate(timeout=60)
        assert "<chat>" in out
    assert words(tree.calls()) == FIRST_START


def test_interrupted_setup_goes_on_at_the_next_start(tree):
    first = tree.start("chat", env={"PIP_DOES": f"touch '{tree.folder}/installing'; sleep 60"})
    while not (tree.folder / "installing").exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert err.endswith("weft: stopped; the next start goes on from here\n")
    tree.calls()
    assert tree("chat").returncode == 0
    assert words(tree.calls()) == FIRST_START[1:]


PASSED_AND_SKIPPED = '<t><testcase name="a"/><testcase name="b"><skipped message="no network"/></testcase></t>'
PASSED_AND_FAILED = '<t><testcase name="c" status="run"/><testcase name="d" classname="C" status="fail"><failure/></testcase></t>'


def test_test_ends_with_the_counts_of_both_kinds_of_tests(tree):
    done = tree("test", env={"CTEST_XML": PASSED_AND_FAILED, "CTEST_STATUS": "8", "PYTEST_XML": PASSED_AND_SKIPPED})
    assert done.stdout == "2 passed, 1 failed, 1 skipped\n"
    assert "FAILED C :: d" in done.stderr
    assert done.returncode == 1


def test_test_succeeds_if_nothing_failed(tree):
    done = tree("test", env={"PYTEST_XML": PASSED_AND_SKIPPED})
    assert done.stdout == "1 passed, 0 failed, 1 skipped\n"
    assert done.returncode == 0


def test_test_fails_if_a_runner_ends_badly_without_a_failed_test(tree):
    done = tree("test", env={"PYTEST_XML": PASSED_AND_SKIPPED, "CTEST_STATUS": "139"})
    assert done.stdout == "1 passed, 1 failed, 1 skipped\n"
    assert "FAILED ctest: it ended with status 139 without naming a failed test" in done.stderr
    assert done.returncode == 1


def test_test_fails_for_a_program_that_could_not_be_started(tree):
    missing = '<t><testcase name="e" status="notrun"><skipped message="Unable to find executable: e"/></testcase></t>'
    assert tree("test", env={"CTEST_XML": missing}).stdout == "0 passed, 1 failed\n"


def test_test_counts_what_googletest_skipped(tree):
    skipped = '<t><testcase name="e" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase></t>'
    assert tree("test", env={"CTEST_XML": skipped}).stdout == "0 passed, 0 failed, 1 skipped\n"


def test_test_of_no_test_is_an_error(tree):
    done = tree("test", "nosuchname", env={"PYTEST_STATUS": "5"})
    assert done.stdout == "0 passed, 1 failed\n"
    assert "no test has that in its name" in done.stderr
    assert done.returncode == 1


def test_test_with_a_word_runs_the_tests_that_have_it_in_their_name(tree):
    tree("test", "emoji")
    calls = tree.calls()
    assert any("ctest " in call and " -R emoji" in call for call in calls)
    assert any("pytest " in call and " -k emoji" in call for call in calls)
