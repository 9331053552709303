"""What fuzz tests share: how many cases, mutated JSON and bytes, and what counts as a refusal.

``PIXELBYTES_FUZZ`` is the number of cases of all fuzz tests together; a failure names the seed that repeats it.
"""

import contextlib
import copy
import json
import linecache
import os
import random
import resource
import time
import traceback

NUM_CASES = int(os.environ.get("PIXELBYTES_FUZZ", 5000))
MOST_SECONDS = 10.0  # of one case, on the processor: the machine may do other things too
MOST_BYTES = 2**30  # that all cases of a test may add to the process
ODD_VALUES = (
    *(None, True, -1, 0, 3, 2**31, 10**12, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "x", "\udc80", "\0"),
    *([], {}, [1, "a"], {"a": 1}, [[]], [None], {"model_type": "llama"}, "paper", b"\xff".decode("latin-1") * 40),
)


def cases(share):
    """Return a source of randomness for every case of a test that takes this share of all."""
    return [random.Random(f"{share}-{number}") for number in range(max(1, int(NUM_CASES * share)))]


def run_cases(share, attempt):
    """Call `attempt` with every source; each must give a result or refuse, in bounded time and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failures = {}
    for number, rng in enumerate(cases(share)):
        start = time.process_time()
        try:
            attempt(rng)
        except (ValueError, TypeError, OSError) as error:
            if not is_refusal(error):
                failures.setdefault(_place(error), f"case {number}: {type(error).__name__}: {str(error)[:200]}")
        except Exception as error:
            failures.setdefault(_place(error), f"case {number}: {type(error).__name__}: {str(error)[:200]}")
        if time.process_time() - start > MOST_SECONDS:
            failures[f"slow {number}"] = f"case {number}: took {time.process_time() - start:.0f} s"
    assert not failures, "\n".join(f"{place}: {text}" for place, text in failures.items())
    added = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert added < MOST_BYTES, f"{added / 2**20:.0f} MiB more than before"


def is_refusal(error):
    """Return whether an error was raised on purpose, with a message, rather than by an operation that failed."""
    if isinstance(error, OSError):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    return bool(str(error).strip()) and linecache.getline(last.filename, last.lineno).lstrip().startswith("raise")


def _place(error):
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "pixelbytes_hf" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('pixelbytes_hf/')[2]}:{ours[-1].lineno}"


def mutate_json(content, rng):
    """Return a copy of nested mappings and lists in which one to three values are odd, missing or elsewhere."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        parents = list(_containers(content))
        if not parents:
            return rng.choice(ODD_VALUES)
        parent = rng.choice(parents)
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            continue
        key, change = rng.choice(keys), rng.randrange(6)
        if change == 0:
            del parent[key]
        elif change == 1 and isinstance(parent, dict):
            parent[rng.choice(("", "x", "segments", "modality", f"{key}_"))] = parent.pop(key)
        elif change == 2:
            parent[key] = [parent[key]]
        elif change == 3:
            parent[key] = copy.deepcopy(rng.choice(parents[:3]))
        else:
            parent[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return content if rng.random() > 0.02 else rng.choice(ODD_VALUES)


def _containers(content):
    if isinstance(content, dict | list):
        yield content
        for value in content.values() if isinstance(content, dict) else content:
            yield from _containers(value)


def mutate_file(path, rng):
    """Replace the content of a JSON file by a mutation of it, or by bytes that are no JSON."""
    data = path.read_bytes()
    kind = rng.random()
    if kind < 0.75:
        with contextlib.suppress(UnicodeEncodeError):
            data = json.dumps(mutate_json(json.loads(data), rng)).encode()
    elif kind < 0.85:
        data = data[: rng.randrange(len(data))]
    elif kind < 0.9:
        data = rng.choice((b"[" * 200_000, b'{"a":' * 200_000, b"", b"\xff\xfe", b"null", b"[]", b"1e999", b'"x"'))
    else:
        data = mutate_bytes(data, rng)
    path.write_bytes(data)


def mutate_bytes(data, rng):
    """Return bytes with some overwritten, cut or doubled, near the beginning more often than elsewhere."""
    found = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = min(int(rng.expovariate(1 / 30)) if rng.random() < 0.7 else rng.randrange(len(found) + 1), len(found))
        change = rng.randrange(4)
        if change == 0:
            found[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"))
        elif change == 1:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif change == 2:
            del found[at : at + rng.randrange(1, 40)]
        else:
            found[at:at] = found[at : at + rng.randrange(1, 40)]
    return bytes(found)
