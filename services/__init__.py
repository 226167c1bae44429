"""The four services, and what puts them together."""

from shared.memory import look_rarely

look_rarely()  # importing them makes a hundred thousand objects, and no garbage
