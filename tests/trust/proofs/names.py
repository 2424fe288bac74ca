"""Hostile names reach terminal, page, Markdown, spreadsheet and messages as what they are: text."""

import base64
import csv
import dataclasses
import gzip
import io
import json
import random
import re
import shutil
import warnings

import keras
import numpy as np

from kerasinit import experiments, report
from kerasinit.callbacks import GradientStats
from kerasinit.preparation import BiasRow
from proofs.small import finished_run, shell

PIECES = (
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800"),
    *(
        "\n",
        "\r",
        "\t",
        "\x00",
        "\x7f",
        "\u2028",
        " ",
        "\u3000",
        "\u00a0",
        "dense",
        "层",
        "x" * 300,
    ),
    *("=1+1", "+1", "-1+2", "@SUM(1)", "\uff1d1", "\ufe661", "<script>evil", "</script>", "&lt;"),
    *(
        '"',
        "'",
        "`",
        "|",
        "\\|",
        "[bold red]",
        ":smile:",
        "{{ 7 }}",
        "{% raw %}",
        "%s",
        "../..",
        "C:",
    ),
)
FORMULA = re.compile(r"\s*[=+@\uff1d\uff0b\uff20\ufe66\ufe62\ufe6b]")
REFUSED = "[/.\ud800]"
BATCH = 8  # names that share a run


def names(count, where):
    """Names of one to four pieces, in the records of a run, in its path, and on layers."""
    rng, whole = random.Random(0), finished_run(where)
    for number in range(count // BATCH):
        some = ["".join(rng.choices(PIECES, k=rng.randint(1, 4))) for _ in range(BATCH)]
        checks = (in_a_run, in_paths, on_layers if number % 4 == 0 else in_cells)
        wrong = []
        for check in checks:
            try:
                wrong += check(some, whole, where)
            except Exception as error:  # noqa: BLE001 - of this there shall be none
                wrong.append(f"{check.__name__}: {type(error).__name__}: {error}"[:300])
        yield f"{some}: {'; '.join(wrong)}" if wrong else ""
        yield from [""] * (BATCH - 1)


def hidden(text, allowed="\n"):
    return sorted({char for char in text if not char.isprintable()} - set(allowed))


def in_a_run(some, whole, where):
    """What is wrong with what the shell prints of records of such names, and with their page."""
    run = where / "strange"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(whole, run)
    lines = []
    for place, line in enumerate((run / "records.jsonl").read_text().splitlines()):
        record = json.loads(line)
        record["initializer"] = some[place]
        record["cell"] |= {"activation": some[2], "data": some[3], "model": some[7]}
        record["layers"] = [some[4] for _ in record["layers"]]
        record["versions"] = {some[5]: some[6]}
        record["start"] = dict.fromkeys(record["start"], some[5])
        lines.append(json.dumps(record) + "\n")
    (run / "records.jsonl").write_text("".join(lines))
    for words in ((), ("--format", "md"), ("--format", "csv"), ("--format", "json")):
        code, out, err = shell("report", run, *words)
        if code != 0:
            yield f"{words} ends with {code}: {err[:200]}"
        if found := hidden(out + err):
            yield f"{words} prints {found}"
        if "csv" in words:
            cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
            yield from (f"a formula: {cell!r}" for cell in cells if FORMULA.match(cell))
        if "md" in words:
            table = [line for line in out.split("\n") if line.startswith("|")]
            if len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table}) > 2:
                yield f"rows of several lengths: {table}"
    page = (run / "report.html").read_text("utf-8")
    packed = re.search(r'id="page-data" type="application/octet-stream">([^<]*)<', page)[1]
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    if found := hidden(page + json.dumps(data, ensure_ascii=False), "\n\u200a"):
        yield f"the page holds {found}"
    if "<script>evil" in page:
        yield "the page holds markup of the name"


def in_paths(some, whole, where):
    """What is wrong with what is said of files of such names, there or not."""
    for name in some:
        file = re.sub("[\x00/\ud800]", "_", name)[:60]
        if file in (".", ".."):
            continue
        for words in (("report", where / file), ("diagnose", where / file, "--data", where / file)):
            code, out, err = shell(*words)
            if code != 1 or hidden(out + err):
                yield f"{words[0]} ends with {code} and prints {hidden(out + err)}"
    path = where / f"{file}.jsonl"
    path.write_text("{}\n")
    code, out, err = shell("report", path)
    if code != 1 or hidden(out + err):
        yield f"a strange file ends with {code} and prints {hidden(out + err)}"


def in_cells(some, whole, where):
    """What is wrong with a line of a result, and with a cell of a spreadsheet, of each name."""
    comparison = experiments.compare(whole)
    rows = [dataclasses.replace(comparison.rows[0], initializer=name) for name in some]
    text = report.export(dataclasses.replace(comparison, rows=tuple(rows)), "csv")
    cells = [row["initializer"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    if len(cells) != len(some):
        yield f"{len(cells)} rows instead of {len(some)}"
    yield from (f"a cell: {cell!r}" for cell in cells if hidden(cell) or FORMULA.match(cell))
    lines = [str(BiasRow(name, name, (0.5,), name)) for name in some]
    yield from (f"a line: {line!r}" for line in lines if hidden(line, ""))


def on_layers(some, whole, where):
    """What is wrong with the files of a training whose layers have such names."""
    # What Keras itself refuses: "/" everywhere, "." on torch, half a character on TensorFlow.
    layers = [
        keras.layers.Dense(2, name=f"{re.sub(REFUSED, '_', name)}_{place}")
        for place, name in enumerate(some[:3])
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    # Compiled, TensorFlow refuses most of these names by itself.
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    table, rows = where / "rows.csv", where / "rows.jsonl"
    table.unlink(missing_ok=True)
    rows.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, x, batch_size=2, verbose=0,
                  callbacks=[GradientStats(path=table), GradientStats(path=rows)])  # fmt: skip
    with table.open(encoding="utf-8", newline="") as stream:
        found = [row["name"] for row in csv.DictReader(stream)]
    if not found:
        yield "nothing was recorded"
    yield from (f"a cell: {name!r}" for name in found if hidden(name) or FORMULA.match(name))
    page = report.write_gradients(rows, where / "rows.html").read_text("utf-8")
    if hidden(page, "\n\u200a") or "<script>evil" in page:
        yield f"the page of a training holds {hidden(page)}"
