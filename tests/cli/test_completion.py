"""The shell completes commands, options and files by the script that the command line prints."""
import shutil
import subprocess
import sys

import pytest

from reducednet.cli import main

BASH = shutil.which("bash")


def completion_script(capsys, shell):
    with pytest.raises(SystemExit) as ending:
        main.main(["--print-completion", shell])
    assert ending.value.code == 0
    return capsys.readouterr().out


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize("words, expected", [
    (["comp"], {"compare", "compress"}),
    (["--ver"], {"--version"}),
    (["compare", "--re"], {"--resume"}),
    (["compare", "--s"], {"--starts", "--seed", "--steps", "--save"}),
    (["compare", "--save", "stu"], {"study.npz"}),
    (["info", "stu"], {"study.npz"}),
    (["compare", "--out", "par"], {"parts"}),
])
def test_bash_completes_what_was_begun(capsys, tmp_path, words, expected):
    pytest.importorskip("shtab")
    (tmp_path / "study.npz").touch()
    (tmp_path / "parts").mkdir()
    (tmp_path / "script").write_text(completion_script(capsys, "bash"))
    line = ["reducednet", *words]
    ask = f"""
    source ./script
    function=$(complete -p reducednet | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
    COMP_WORDS=({' '.join(line)}) COMP_CWORD={len(words)} COMPREPLY=()
    $function reducednet {words[-1]} {line[-2]}
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run([BASH, "--norc", "-c", ask], cwd=tmp_path, capture_output=True, text=True)
    assert set(result.stdout.split()) == expected, result.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script_with_all_commands(capsys, shell):
    pytest.importorskip("shtab")
    script = completion_script(capsys, shell)
    assert all(command in script for command in main.COMMANDS)


def test_without_shtab_one_line_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ending:
        main.main(["--print-completion", "bash"])
    errors = capsys.readouterr().err
    assert ending.value.code == 2 and errors.count("\n") == 1
    assert "`--print-completion` needs shtab: pip install shtab" in errors


def test_an_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ending:
        main.main(["--print-completion", "cmd"])
    assert ending.value.code == 2 and "invalid choice: 'cmd'" in capsys.readouterr().err
