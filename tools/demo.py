"""demo.py BUILD: the shipped model as it is and with 4-bit weights, side by side."""

import json
import os
import subprocess
import sys
import textwrap

PROMPT = "Once upon a time, there was a little"
STORY_TOKENS = 120


def main():
    build = os.path.realpath(sys.argv[1])
    source = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    model = os.path.join(source, "test", "models", "tales2m")
    data = os.environ.get("TERSE_DATA") or os.path.join(os.path.dirname(source), "shared", "data")
    text = os.path.join(data, "text", "tales", "val_stories.txt")
    text_note = "held-out stories"
    if not os.path.exists(text):
        text = os.path.join(model, "held-out.txt")
        text_note = "stories written by a larger model of the family: easier than real ones"
    out = os.path.join(build, "demo")
    os.makedirs(out, exist_ok=True)

    def call(tool, *arguments):
        command = [os.path.join(build, "bin", tool), *arguments]
        result = subprocess.run(command, stdout=subprocess.PIPE)
        if result.returncode:
            sys.exit(f"demo: error: {' '.join(command)}: exit status {result.returncode}")
        return result.stdout

    def run(artifact, *arguments):
        return json.loads(call("terse-run", artifact, "--json", *arguments))

    rows = []
    for title, recipe in [("original", "keep"), ("int4", "w4")]:
        artifact = os.path.join(out, f"tales2m-{recipe}.so")
        call("tersec", os.path.join(model, "torchscript_past.onnx"), "-o", artifact,
             f"--recipe={recipe}", "--tokenizer", os.path.join(model, "tokenizer.model"))
        story = run(artifact, "--prompt", PROMPT, "--max-tokens", str(STORY_TOKENS))
        print(f"--- {title} (--recipe={recipe})")
        print(textwrap.fill(PROMPT + story["text"], 100), flush=True)
        quality = run(artifact, "--perplexity", text, "--window", "256", "--max-windows", "40")
        # The quickest of a few runs: what the code can do on a machine that does other work too.
        # A prompt of 256 tokens, any tokens; then 64 more.
        prompt = ",".join(str(3 + 17 * i % 4000) for i in range(256))
        speeds = [run(artifact, "--prompt-ids", prompt, "--max-tokens", "64", "--ignore-eos")
                  for _ in range(5)]
        rows.append([
            title,
            f"{os.path.getsize(artifact) / 1e6:.2f} MB",
            f"{max(s['prefill_tokens_per_s'] for s in speeds):,.0f}",
            f"{max(s['decode_tokens_per_s'] for s in speeds):,.0f}",
            f"{quality['perplexity']:.3f}",
        ])

    print()
    table = [["model", "size", "prefill tok/s", "decode tok/s", "perplexity"], *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.rjust(width) if i else cell.ljust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))))
    print(f"\n{os.cpu_count()} threads, prompt of 256; perplexity on {text_note}, "
          f"{quality['tokens']} tokens.\nThe artifacts are in {os.path.relpath(out)}.")


main()
