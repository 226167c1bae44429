"""For every test: hypothesis without deadlines (timing is a benchmark's business), and derandomized in CI."""

import os

from hypothesis import settings

settings.register_profile("duban", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "duban")
