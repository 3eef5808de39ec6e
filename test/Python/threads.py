# RUN: %python %s %t
"""The interpreter goes on while models run or compile: other threads, two models at once, Ctrl-C."""

import shutil
import signal
import threading
import time

from endtoend import *

import terse

folder = sys.argv[1]
path = os.path.join(SHIPPED, "torchscript_past.onnx")
tokenizer = os.path.join(SHIPPED, "tokenizer.model")
text = open(os.path.join(SHIPPED, "held-out.txt")).read()
if len(sys.argv) > 2:  # a child that is interrupted; says when it has begun
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have been told to ignore it
    if sys.argv[2] == "compile":
        terse.compile(path, folder + "/interrupted.so", recipe="w4",
                      progress=lambda line: print(line, flush=True))
    model = terse.load(sys.argv[3], threads=1)
    if sys.argv[2] == "perplexity":
        print("begin", flush=True)
        model.perplexity(text * 200, window=256)
    if sys.argv[2] == "prompt":
        session = model.session(context=200_000)
        print("begin", flush=True)
        try:
            session.eval(model.tokenize(text * 10))
        finally:
            print(f"past {session.past}", flush=True)
    for token in model.generate("Once", max_tokens=100_000, ignore_eos=True):
        print(token.id, flush=True)
    sys.exit("not interrupted")

shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
artifact = compile_model(path, f"--tokenizer={tokenizer}")
small = compile_model(path, f"--tokenizer={tokenizer}", "--recipe=w4")
model = terse.load(artifact, threads=1)
ids = model.tokenize(text)


def turns_of_another_thread(work):
    """How often another thread got to run during `work`: hardly ever where that holds the interpreter's lock."""
    done, turns = threading.Event(), [0]

    def count():
        while not done.is_set():
            turns[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    before = turns[0]
    work()
    during = turns[0] - before
    done.set()
    thread.join()
    return during


# One call of the library each, without a callback in between.
several = np.tile(np.array(ids[:512]), (16, 1))
inputs = {"input_ids": several, "attention_mask": np.ones_like(several),
          "position_ids": np.broadcast_to(np.arange(512), several.shape)}
for what, work in [("a run", lambda: model(inputs)),
                   ("a compile", lambda: terse.compile(path, folder + "/w.so", recipe="w8", levels="avx2")),
                   ("verifying", model.verify)]:
    # A busy machine may give another thread no time during one call, but not during every one of them.
    for _ in range(20):
        turns = turns_of_another_thread(work)
        if turns > 5:
            break
    check(turns > 5, f"another thread runs during {what}: {turns} times")

# Two models at once from two threads, and one model from several, give what they give alone.
other = terse.load(small, threads=1)
alone = {one: one.generate("Once upon a time", max_tokens=60, ignore_eos=True).read() for one in (model, other)}
logits = model(inputs_of := {name: value[:2, :64] for name, value in inputs.items()})["logits"]
results, failures = [], []


def work(one):
    try:
        for _ in range(3):
            results.append(one.generate("Once upon a time", max_tokens=60, ignore_eos=True).read() == alone[one])
            results.append(one is not model or np.array_equal(one(inputs_of)["logits"], logits))
    except BaseException as error:
        failures.append(error)


threads = [threading.Thread(target=work, args=[one]) for one in (model, other, model, other)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
check(not failures and len(results) == 24 and all(results), f"two models in four threads {failures}")
check(alone[model] != alone[other], "they are two models")

# Two compiles at once.
made = [terse.Compiled] * 2
threads = [threading.Thread(target=lambda i=i: made.__setitem__(i, terse.compile(
    path, f"{folder}/{i}.so", recipe="w4", levels="avx2", threads=1))) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
check(open(made[0], "rb").read() == open(made[1], "rb").read(), "two compiles at once give the same bytes")

# A session is for one thread at a time.
session = model.session(threads=1, context=200_000)
begun = threading.Event()


def occupy():
    begun.set()
    while True:
        try:
            return session.eval((ids * 4)[:12_000])
        except terse.InvalidArgumentError as error:  # it was being reset just then
            assert "in use by another thread" in str(error)


thread = threading.Thread(target=occupy)
thread.start()
begun.wait()
refusals = 0
while thread.is_alive() and not refusals:
    try:
        session.reset()
        time.sleep(0.01)  # or the other thread would never find it free
    except terse.InvalidArgumentError as error:
        refusals += "in use by another thread" in str(error)
thread.join()
check(refusals == 1, "a session in use refuses another thread")

# Ctrl-C.
for what, skip in (("generate", 5), ("perplexity", 1), ("prompt", 1), ("compile", 3)):
    child = subprocess.Popen([sys.executable, __file__, folder, what, artifact], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    for _ in range(skip):
        child.stdout.readline()
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    output, errors = child.communicate(timeout=120)
    check(child.returncode == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt"),
          f"Ctrl-C in {what}: status {child.returncode}, {errors[-200:]!r}")
    if what == "prompt":
        check("past 0" in output, "an interrupted session is empty")
check(sorted(os.listdir(folder)) == ["0.so", "1.so", "w.so"], f"no file is left: {sorted(os.listdir(folder))}")
finish()
