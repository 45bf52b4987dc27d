"""The panels of an answer: what each of them shows of one model, one file per panel."""
