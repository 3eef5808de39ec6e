# RUN: %python %s %build/docs
"""Every pass and dialect has a page, and every pass a summary and a description."""

import glob
import os
import re
import sys

docs = sys.argv[1]
source = os.environ["TERSE_SOURCE"]
errors = []


def check(condition, message):
    if not condition:
        errors.append(message)


for folder in glob.glob(os.path.join(source, "passes", "*", "*", "")):
    name = os.path.relpath(folder, source)
    recipe = os.path.join(folder, "CMakeLists.txt")
    if os.path.exists(recipe) and "terse_add_pass" in open(recipe).read():
        check(os.path.exists(os.path.join(docs, name + ".md")), f"{name}: expected a page")
        check(glob.glob(os.path.join(folder, "test", "*")), f"{name}: expected a test")

index = open(os.path.join(docs, "README.md")).read()
passes = glob.glob(os.path.join(docs, "passes", "*", "*.md"))
check(passes, "expected pages of passes")
for page in passes:
    name = os.path.relpath(page, docs)
    check(f"({name})" in index, f"{name}: expected a line in the index")
    for section in re.split(r"^### ", open(page).read(), flags=re.M)[1:]:
        title, _, body = section.partition("\n")
        match = re.match(r"\s*_(.+)_\s*\n(.*)", body, flags=re.S)
        check(match, f"{name}: {title}: expected a summary")
        description = match and re.split(r"^#### ", match[2], flags=re.M)[0]
        check(description and len(description.split()) >= 5,
              f"{name}: {title}: expected a description")

sys.exit("\n".join(errors) or 0)
