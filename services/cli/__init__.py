"""The ``duban`` command line."""

from shared.process.command_line import translate

translate()  # before the modules here declare parameters
