"""What is measured of language models, the same for every engine."""
from worker import Clock

PROMPT, STEPS = 64, 32


def measures(spec, make):
    """make(threads) -> eval(ids, first): runs tokens, from an empty cache where `first`, and gives the logits behind the last.

    A step's time is the mean of STEPS behind a prompt of PROMPT tokens; a prompt's is all of it.
    """
    tokens = [(i * 7919 + 3) % spec["vocabulary"] for i in range(max(spec["prompts"] + [PROMPT + STEPS]))]
    made = {}

    def evaluator(threads):
        if threads not in made:
            made[threads] = make(threads)
        return made[threads]

    def steps(threads):
        def measure():
            run = evaluator(threads)
            run(tokens[:PROMPT], True)
            clock = Clock()
            for token in tokens[PROMPT:PROMPT + STEPS]:
                run([token], False)
            return clock.read(STEPS)
        return measure

    def prompt(length):
        def measure():
            run = evaluator(spec["threads"])
            clock = Clock()
            run(tokens[:length], True)
            return clock.read()
        return measure

    found = {"decode": steps(spec["threads"])}
    if spec["threads"] > 1:
        found["decode, 1 thread"] = steps(1)
    found.update({f"prompt {length}": prompt(length) for length in spec["prompts"]})
    return found, lambda: evaluator(spec["threads"])
