"""The sentences of the card that claim something: each follows from a count, and is left out where none was made.

Input: `Facts`. Output: Markdown sentences. What was not looked at is called so; what was found is said with its number.
Not covered: tables and figures (`card`), scores (`proof`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from erc_synth.dataset_cards.facts import ConfigFacts, Facts
from erc_synth.dataset_cards.markdown import listed, markdown_text
from erc_synth.loaders.contracts import LeakRow

LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def count(number: int, noun: str) -> str:
    """``1 dialogue``, ``2,000 dialogues``, ``3 matches``."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def _shares(wrote: Mapping[str, int]) -> str:
    """``A (3 dialogues) and B (1 dialogue)``; a single model stands alone."""
    names = [markdown_text(name) for name in wrote]
    if len(names) == 1:
        return names[0]
    return listed([f"{name} ({count(n, 'dialogue')})" for name, n in zip(names, wrote.values(), strict=True)])


def opening(facts: Facts) -> str:
    """How much there is, and which models wrote it."""
    dialogues = sum(c.counts.dialogues for c in facts.configs)
    utterances = sum(c.counts.utterances for c in facts.configs)
    wrote: Counter[str] = Counter()
    for config in facts.configs:
        wrote.update(config.generators)
    return (
        f"{count(len(facts.configs), 'synthetic dataset')} for **emotion recognition in conversations (ERC)**: "
        f"{count(dialogues, 'dialogue')}, {count(utterances, 'utterance')}, each utterance with its speaker and an "
        f"emotion, written by {_shares(dict(wrote.most_common()))}."
    )


def kinds(facts: Facts) -> list[str]:
    """What natural and balanced mean, for those that are here."""
    said = {"natural": "the model chooses the emotions", "balanced": "each dialogue is asked to hold a named emotion"}
    lines = []
    for kind, meaning in said.items():
        names = [f"`{c.name}`" for c in facts.configs if c.manifest["recipe"].get("kind") == kind]
        if names:
            lines.append(f"**{kind.capitalize()}** ({meaning}): {listed(names)}.")
    return lines


def mixed(facts: Facts) -> list[str]:
    """Configs that more than one model wrote."""
    return [
        f"`{c.name}` was written by {len(c.generators)} models: {_shares(c.generators)}. "
        "The column `generator` says which wrote a dialogue."
        for c in facts.configs
        if len(c.generators) > 1
    ]


def compliance(config: ConfigFacts) -> str:
    """How often the emotion that was asked for is really among the labels, and how often an annotator hears it."""
    asked, answered = config.counts.asked.total(), config.counts.answered.total()
    if not asked:
        return ""
    share = f"{answered:,} of {count(asked, 'dialogue')} ({answered / asked:.0%})"
    said = f"`{config.name}`: {share} hold the emotion asked for"
    heard = [
        one
        for one in (config.quality.get("target_compliance") or {} if config.quality else {}).values()
        if one.get("heard")
    ]
    measured = sum(one["dialogues"] for one in heard)
    if measured:
        part = sum(one["dialogues"] * one["heard"]["value"] for one in heard if one["heard"]) / measured
        said += f"; a classifier that reads them hears it in {part:.0%} of {measured:,}"
    return f"{said}."


def leaks(facts: Facts) -> list[str]:
    """One line for each benchmark: which splits were searched, what was found, what is still there."""
    lines = []
    for benchmark in dict.fromkeys(name for c in facts.configs for name in c.leaks):
        found = [(c, split, row) for c in facts.configs for split, row in c.leaks.get(benchmark, {}).items()]
        searched = sorted(
            {split for _, split, row in found if row["checked"]}, key=["train", "validation", "test"].index
        )
        name = markdown_text(benchmark)
        if not searched:
            lines.append(f"**{name}**: not searched, because it was not on the machine.")
            continue
        parts = []
        for split in searched:
            rows = [row for _, where, row in found if where == split and row["checked"]]
            if any(map(_hit, rows)):
                parts.append(f"{split}: {_repeating(rows)}")
        lines.append(
            f"**{name}** ({', '.join(searched)} searched): {'; '.join(parts) if parts else 'nothing found'}."
            + _partly(facts, benchmark)
        )
    return lines


def _hit(row: LeakRow) -> int:
    """Dialogues that repeat the split; where they were counted by kind alone, the most that it can be."""
    return row.get("hit", row["exact"] + row["ngram8"] + row["near_duplicate"])


def _kept(row: LeakRow) -> int:
    """Dialogues of the set that repeat the split; the most that it can be where they were not counted."""
    return row.get("kept", max(0, _hit(row) - row["dropped"]))


def _at_most(rows: Iterable[LeakRow]) -> str:
    """``up to `` when a row comes from a version that counted by kind alone."""
    return "" if all("kept" in row for row in rows) else "up to "


def _repeating(rows: Sequence[LeakRow]) -> str:
    """``5 dialogues repeat it, 3 dropped for it, 1 left out for another reason, **1 kept**``."""
    hit, dropped, kept = sum(map(_hit, rows)), sum(row["dropped"] for row in rows), sum(map(_kept, rows))
    rest, most = hit - dropped - kept, _at_most(rows)
    repeat = "repeats" if hit == 1 else "repeat"
    other = f", {rest:,} left out for another reason" if rest and not most else ""
    return f"{most}{count(hit, 'dialogue')} {repeat} it, {dropped:,} dropped for it{other}, {most}**{kept:,} kept**"


def _partly(facts: Facts, benchmark: str) -> str:
    """Configs for which this benchmark was not searched."""
    without = [f"`{c.name}`" for c in facts.configs if not _searched(c, benchmark)]
    return f" Not searched for {listed(without)}." if without else ""


def benchmark_text(facts: Facts) -> str:
    """Whether text of a benchmark is known to be here; nothing is claimed of what was not searched."""
    searched = [row for c in facts.configs for rows in c.leaks.values() for row in rows.values() if row["checked"]]
    kept = sum(map(_kept, searched))
    names = dict.fromkeys(name for c in facts.configs for name in c.leaks)
    times = {name: sum(_searched(c, name) for c in facts.configs) for name in names}
    if not any(times.values()):
        return "No benchmark was on the machine when this was made: whether a text repeats one was not looked at."
    said = (
        f"**{_at_most(searched)}{count(kept, 'match')} with benchmark texts kept in it** (see the leak check)."
        if kept
        else "The leak check found no benchmark text in what is kept."
    )
    nowhere = [markdown_text(name) for name in names if not times[name]]
    partly = [markdown_text(name) for name in names if 0 < times[name] < len(facts.configs)]
    said += f" {listed(nowhere)}: not searched." if nowhere else ""
    return said + (f" {listed(partly)}: not searched for every config." if partly else "")


def _searched(config: ConfigFacts, benchmark: str) -> bool:
    return any(row["checked"] for row in config.leaks.get(benchmark, {}).values())


def compared(facts: Facts) -> str:
    """How the comparison with the benchmarks works, and what was done with what it found, by config."""
    searched = [c for c in facts.configs if any(row["checked"] for rows in c.leaks.values() for row in rows.values())]
    if not searched:
        return "No benchmark split was searched."
    how = (
        "Compared with each split that is named here, on normalised words: equal dialogues and lines (exact), eight "
        "words in a row (8-gram), nearly the same wording (near duplicate)."
    )
    by_rule: dict[str, list[str]] = {}
    for config in searched:
        by_rule.setdefault(_leak_rule(config), []).append(f"`{config.name}`")
    rules = [
        f"{rule}." if len(by_rule) == 1 else f"In {listed(names)}: {rule[0].lower()}{rule[1:]}."
        for rule, names in by_rule.items()
    ]
    return " ".join([how, *rules, *map(_restored, searched)]).rstrip()


def _leak_rule(config: ConfigFacts) -> str:
    """What curation was told to do with a dialogue that repeats a benchmark."""
    options = config.curation.get("options") or {}
    if "leak" in _names(options.get("keep")):
        return "Dialogues with hits were **kept** at the maker's wish"
    rule = str(options.get("drop_leaks", "test"))
    what = {"test": "that repeat a **test** split", "any": "that repeat **any** searched split"}
    return f"Dialogues {what.get(rule, f'by the rule {markdown_text(rule)}')} were dropped"


def _restored(config: ConfigFacts) -> str:
    """That single dialogues were exempt from the rule."""
    asked = _names((config.curation.get("options") or {}).get("restore"))
    return (
        f"Exempt in `{config.name}`: {count(len(asked), 'dialogue')} that its maker asked for by id." if asked else ""
    )


def _names(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def languages(facts: Facts) -> str:
    """The languages that the recipes asked for; what curation counted as foreign is said by its reasons."""
    names = [LANGUAGES.get(code, code) for code in facts.languages]
    return f"The recipes asked for {listed(names)}."


def label_check(facts: Facts) -> list[str]:
    """Kappa of the generated labels with each annotator that was asked; none means that nobody checked."""
    lines = []
    for config in facts.configs:
        for one in config.quality.get("annotators") or [] if config.quality else []:
            kappa, ceiling = one["kappa"], one.get("ceiling")
            low, high = kappa.get("low"), kappa.get("high")
            interval = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
            best = f"; its own kappa on real test data is {ceiling['value']:.2f}" if ceiling else ""
            who = markdown_text(one["annotator"])
            lines.append(f"`{config.name}`: kappa {kappa['value']:.2f}{interval} with {who}{best}.")
    return lines or ["No label check is recorded: how often the labels are right is not known."]


def personal(facts: Facts) -> str:
    """What curation removed that could be about real people, by its own count."""
    dropped = sum((c.curation.get("dropped") or {}).get("personal_data", 0) for c in facts.configs)
    limits = [c for c in facts.configs if "personal_data" in _names((c.curation.get("options") or {}).get("keep"))]
    found = (
        f"Curation dropped {count(dropped, 'dialogue')} with an e-mail address, a phone, card or account number"
        if dropped
        else "Curation found no e-mail address, phone, card or account number"
    )
    except_for = f", but was told to keep such dialogues in {listed([f'`{c.name}`' for c in limits])}" if limits else ""
    return f"{found}{except_for}. It does not look for names."
