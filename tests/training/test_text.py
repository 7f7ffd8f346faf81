"""Text of a user is text, and it reaches the encoder."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertTokenizer, PreTrainedTokenizerFast

from erc_synth.training import backbones, batching
from erc_synth.training.backbones import Encoder

CONTROL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMES = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
VOCABULARY = [*CONTROL, "hello", "[", "]", "S", "E", "P", "SEP", "M", "A", "K"]


def _fast(split):
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    raw.pre_tokenizer = split
    return PreTrainedTokenizerFast(tokenizer_object=raw, **dict(zip(NAMES, CONTROL, strict=True)))


def _slow(folder):
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    return BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False)


def _unigram():
    pieces = [
        ("<unk>", 0.0),
        ("<s>", 0.0),
        ("</s>", 0.0),
        ("<pad>", 0.0),
        ("▁hello", -1.0),
        *((c, -5.0) for c in "▁<s>/pad"),
    ]
    raw = Tokenizer(models.Unigram(pieces, unk_id=0))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="<pad>"
    )


@pytest.fixture(params=["bpe", "word", "blanks", "unigram", "slow"])
def tokenizer(request, tiny, tmp_path):
    return {
        "bpe": lambda: backbones.load_tokenizer(tiny),
        "word": lambda: _fast(pre_tokenizers.Whitespace()),
        "blanks": lambda: _fast(pre_tokenizers.WhitespaceSplit()),
        "unigram": _unigram,
        "slow": lambda: _slow(tmp_path),
    }[request.param]()


def test_text_that_spells_a_control_token_is_text(tokenizer):
    control = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    texts = [f"hello {token} hello{token}" for token in tokenizer.all_special_tokens if token != tokenizer.unk_token]
    for row in batching.tokenise(tokenizer, ["hello", *texts]):
        assert control.isdisjoint(row)
        assert row


@given(st.lists(st.integers(0, 60), min_size=2, max_size=20))
def test_padding_inside_a_sequence_counts_positions_as_transformers_does(tiny, ids):
    encoder = _encoder(tiny)
    sequences = [np.array([0, *ids]), np.array([0, 5, 1, 7])]
    with torch.no_grad():
        wanted = [encoder.backbone(input_ids=torch.tensor(s[None])).last_hidden_state[0, 0] for s in sequences]
        for packs in (True, False):
            encoder.packs = packs
            assert (encoder(sequences) - torch.stack(wanted)).abs().max() < 1e-5


def _encoder(tiny, made={}):  # noqa: B006 - one for all examples
    if "it" not in made:
        made["it"] = Encoder(backbones.load_backbone(tiny), 1).eval()
    return made["it"]


def test_the_longest_input_is_what_the_positions_hold(tiny):
    assert _encoder(tiny).longest == 512  # of 514, two are taken by the padding index
