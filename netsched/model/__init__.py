"""The nouns: frozen dataclasses and pure functions, without I/O. Time and settings come in as arguments.

Review notes: an import of anything but the standard library is a bug; so is a function that reads a clock.
"""
