"""Rehearsals, for real, of clusters and of what goes wrong; minutes each, see the Makefile."""

import signal

# A shell's background jobs ignore Ctrl-C, and so would every command that a rehearsal interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
