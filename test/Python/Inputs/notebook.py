"""notebook.py FILE [--write]: runs the cells of a notebook in one namespace, as Jupyter would.

Compares what they print with what the file has, numbers within a tolerance, or writes it into the file. Understands
plain Python: no magic commands, output by print only.
"""

import contextlib
import io
import json
import re
import sys

#: Digits as code for different processors may round: relative.
TOLERANCE = 0.02
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def execute(source, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<cell>", "exec"), namespace)
    return printed.getvalue()


def differs(wanted, got):
    """Why two outputs are not the same; None if they are."""
    words = [re.sub(r"\s+", " ", _NUMBER.sub("#", text)) for text in (wanted, got)]
    if words[0] != words[1]:
        return "text"
    for a, b in zip(_NUMBER.findall(wanted), _NUMBER.findall(got)):
        x, y = (float(number.replace(",", "")) for number in (a, b))
        if abs(x - y) > TOLERANCE * max(abs(x), abs(y)):
            return f"{a} is not {b}"
    return None


def main():
    path, write = sys.argv[1], "--write" in sys.argv
    with open(path) as file:
        notebook = json.load(file)
    namespace, count, wrong = {"__name__": "__main__"}, 0, 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        source = "".join(cell["source"])
        got = execute(source, namespace)
        wanted = "".join(text for output in cell["outputs"] for text in output["text"])
        if write:
            cell["execution_count"] = count
            lines = got.splitlines(keepends=True)
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []
            continue
        why = differs(wanted, got)
        # A cell whose output depends on the machine says so.
        if why and not source.startswith("# Depends on the machine"):
            wrong += 1
            print(f"cell {count}: {why}\n--- in the file\n{wanted}\n--- now\n{got}")
    if write:
        with open(path, "w") as file:
            json.dump(notebook, file, indent=1, ensure_ascii=False)
            file.write("\n")
    print(f"{count} cells, {wrong} with other output")
    sys.exit(wrong != 0)


main()
