"""Rehearsals, for real, of clusters and of what goes wrong; minutes each, see the Makefile."""
