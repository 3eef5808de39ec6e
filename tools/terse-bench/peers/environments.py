"""Virtual environments of packages that do not go together, made once and kept in a scratch folder."""
import os
import subprocess
import sys


class Environments:
    """A virtual environment for each name of `requirements`. uv, since it links what two of them share."""

    def __init__(self, scratch, requirements, variables=None):
        """variables: of the process environment in which packages are built."""
        self.scratch, self.requirements, self.variables = scratch, requirements, variables or {}
        self.uv = os.path.join(scratch, "uv", "bin", "uv")

    def make(self, name):
        """The environment's Python; raises CalledProcessError where the packages do not install."""
        folder = os.path.join(self.scratch, "env-" + name)
        python, done = os.path.join(folder, "bin", "python"), os.path.join(folder, "installed")
        if os.path.exists(done):
            return python
        if not os.path.exists(self.uv):
            subprocess.run([sys.executable, "-m", "venv", os.path.dirname(os.path.dirname(self.uv))], check=True, capture_output=True, text=True)
            subprocess.run([os.path.join(os.path.dirname(self.uv), "pip"), "install", "--quiet", "--no-cache-dir", "uv"],
                           check=True, capture_output=True, text=True)
        env = dict(os.environ, UV_CACHE_DIR=os.path.join(self.scratch, "cache"), **self.variables)
        subprocess.run([self.uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True, env=env, capture_output=True, text=True)
        subprocess.run([self.uv, "pip", "install", "--quiet", "--python", python, *self.requirements[name]],
                       check=True, env=env, capture_output=True, text=True)
        open(done, "w").close()
        return python


def last_line(text):
    """What a program said last: mostly why it failed."""
    return next((line.strip() for line in reversed((text or "").splitlines()) if line.strip()), "no message")[:300]
