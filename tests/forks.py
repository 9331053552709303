"""New processes without the seconds that imports take: a Python that has imported runs scripts in forks of itself.

    with Forks("import torch", environment) as forks:
        done = forks.run("import sys; print(sys.argv[1])", "word", folder=tmp_path)

A script runs as `python -c` would run it, in a process of its own, in which only `preparation` was run before;
the environment is that of the preparing process, and what a script is given beside it, as far as nothing has read it.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


class Forks:
    """A prepared Python, as long as its `with` block.

    Args:
        preparation: Code that every script finds done; it may import what lies beside this file.
        environment: Environment of the process; None is this process's.
    """

    def __init__(self, preparation: str, environment: dict[str, str] | None = None) -> None:
        environment = {**(environment or os.environ), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, preparation]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *exception) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, script, *words, folder=None, environment=None, paths=(), check=True) -> subprocess.CompletedProcess:
        """Run a script to its end and return what it printed.

        Args:
            script: Code.
            *words: Its `sys.argv[1:]`.
            folder: Folder it runs in; None is this process's.
            environment: Its whole environment; None is the prepared one.
            paths: Folders that it imports from before all others.
            check: Raise `AssertionError` with the last of what it told if it fails.
        """
        request = {"script": script, "words": [str(word) for word in words], "folder": str(folder or Path.cwd())}
        request |= {"environment": environment, "paths": [str(path) for path in paths]}
        with tempfile.TemporaryDirectory() as told:
            self._process.stdin.write(json.dumps({**request, "told": told}) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            said, complained = (Path(told, name).read_text() for name in ("stdout", "stderr"))
        assert not (check and code), f"{said[-500:]}{complained[-3000:]}"
        return subprocess.CompletedProcess(script, code, said, complained)


def serve(preparation: str) -> None:
    """Prepare, then answer every request, a line of JSON, with the exit code of a fork that did it."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    exec(preparation, {})
    sys.path[0] = ""  # as with `python -c`
    for line in sys.stdin:
        child = os.fork()
        if not child:
            do(json.loads(line))
        replies.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        replies.flush()


def do(request: dict) -> None:
    """Do what a request asks for and end the process."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        path = Path(request["told"], name) if number else os.devnull
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(request["folder"])
    if request["environment"] is not None:
        os.environ.clear()
        os.environ.update(request["environment"])
    sys.path[:0], sys.argv = request["paths"], ["-c", *request["words"]]
    module = sys.modules["__main__"] = type(sys)("__main__")
    code = 0
    try:
        exec(compile(request["script"], "<script>", "exec"), module.__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))


if __name__ == "__main__":
    serve(sys.argv[1])
