"""Pure numbers: the vocabulary (question, evidence, answer) and the functions between them.

numpy only: no I/O, no clock, no screen.
"""
