"""Commonsense phrases for TODKAT's knowledge slot: what a speaker wants and what people feel.

Purpose: phrases for the ATOMIC relations xIntent, xReact and oReact of an utterance, from any OpenAI-style server,
or by retrieval from an ATOMIC file; each answer is kept in a file cache, so nothing is paid twice.
Input: dialogues, a `Source`. Output: one text per utterance, and its tokens.
Not covered: COMET weights. The API key is read from $ERC_KNOWLEDGE_API_KEY and never written.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue
from erc_synth.training import batching
from erc_synth.training.batching import Special

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RELATIONS = {"xIntent": "PersonX wanted", "xReact": "PersonX will feel", "oReact": "PersonY will feel"}
PROMPT = (
    "PersonX says: {text}\nComplete each line in at most five words.\n"
    "PersonX wanted:\nPersonX will feel:\nPersonY will feel:"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where phrases come from.

    Attributes:
        place: http(s) URL of an OpenAI-style server, or an ATOMIC csv/tsv file.
        model: Model name sent to the server.
        cache: Folder of its answers.
    """

    place: str
    model: str = "default"
    cache: str = "cache/knowledge"


def phrases(dialogues: Iterable[Dialogue], source: Source) -> list[str]:
    """One knowledge text per utterance, in order.

    Raises:
        ErcSynthError: The server is out of reach, or the file is absent or holds none of the relations.
    """
    texts = [turn.text.strip() for dialogue in dialogues for turn in dialogue.utterances]
    url = source.place
    if not url.startswith(("http://", "https://")):
        return _retrieved(texts, Path(url).expanduser())
    folder = Path(source.cache).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{url}|{source.model}|{PROMPT}".encode()).hexdigest()[:16]
    path = folder / f"{key}.jsonl"
    known = _cached(path)
    if all(text in known for text in texts):  # also: the other processes of a run find what the first one asked
        return [known[text] for text in texts]
    with path.open("a", encoding="utf-8") as cache, httpx.Client(timeout=120.0) as client:
        for text in dict.fromkeys(texts):
            if text not in known:
                known[text] = _ask(client, url, source.model, text)
                cache.write(json.dumps({"text": text, "phrases": known[text]}, ensure_ascii=False) + "\n")
                cache.flush()
    return [known[text] for text in texts]


def tokens(found: list[str], tokenizer: PreTrainedTokenizerBase, special: Special) -> list[np.ndarray]:
    """CLS + tokens + SEP of each text."""
    ids = [row[: special.max_tokens - 2] for row in batching.tokenise(tokenizer, found)]
    return [np.array([special.cls, *row, special.sep], dtype=np.int64) for row in ids]


def _cached(path: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    if path.exists():
        for line in path.read_text("utf-8").split("\n"):  # U+2028 is no end of a JSON line
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a killed run
                continue
            known[record["text"]] = record["phrases"]
    return known


def _ask(client: httpx.Client, url: str, model: str, text: str) -> str:
    secret = os.environ.get("ERC_KNOWLEDGE_API_KEY")
    try:
        answer = client.post(
            f"{url.rstrip('/')}/chat/completions",
            json={
                "model": model,
                "messages": [{"role": "user", "content": PROMPT.format(text=text)}],
                "temperature": 0,
                "max_tokens": 48,
            },
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
        )
        answer.raise_for_status()
        return " ".join(str(answer.json()["choices"][0]["message"]["content"]).split())
    except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ErcSynthError(
            f"The knowledge server {url} gave no usable answer: {type(error).__name__}.",
            hint="Check the URL (it ends in /v1); answers so far are cached, the same command goes on.",
        ) from error


def _retrieved(texts: list[str], path: Path) -> list[str]:
    """Phrases of the nearest ATOMIC event by TF-IDF cosine; rows are ``event, relation, tail`` (csv or tsv)."""
    events = _events(path)
    from sklearn.feature_extraction.text import TfidfVectorizer

    names = list(events)
    counter = TfidfVectorizer(stop_words="english")
    nearest = (counter.fit_transform(names).T).tocsc()
    found = []
    for first in range(0, len(texts), 1024):
        likeness = (counter.transform(texts[first : first + 1024]) @ nearest).toarray()
        best = likeness.argmax(1)
        found += [events[names[i]] if likeness[row, i] > 0 else "" for row, i in enumerate(best)]
    return found


def _events(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise ErcSynthError(f"The knowledge file {path} is absent.", hint="Give an ATOMIC csv/tsv file or a URL.")
    tails: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
            if len(row) >= 3 and row[1] in RELATIONS and row[2].strip().lower() not in ("", "none"):
                tails.setdefault(row[0], {}).setdefault(row[1], row[2].strip())
    if not tails:
        raise ErcSynthError(
            f"{path} has no rows `event, relation, tail` of {', '.join(RELATIONS)}.", hint="Use ATOMIC 2020's tsv."
        )
    return {event: " ".join(f"{RELATIONS[r]} {tail}." for r, tail in found.items()) for event, found in tails.items()}
