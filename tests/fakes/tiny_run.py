"""Settings of a small training run on a tiny backbone and a local repo folder."""

from erc_synth.training.config import parse


def words(tiny, repo_folder, out, *more):
    """Command-line words; `more` win."""
    return ["--backbone", tiny, "--train", f"{repo_folder}:meld_balanced", "--out", str(out),
            "--epochs", "2", "--batch-size", "5", *map(str, more)]  # fmt: skip


def config(*given):
    return parse(words(*given))
