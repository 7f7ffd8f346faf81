"""Backbones of other families: an encoder reads what is said, and what is none is refused in one sentence."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
    T5Config,
    XLNetConfig,
)

from erc_synth.loaders.errors import ErcSynthError
from erc_synth.loaders.schema import Dialogue, Utterance, label_set
from erc_synth.training import backbones, batching
from erc_synth.training.backbones import Encoder, encoder_of
from erc_synth.training.config import parse
from erc_synth.training.models import factory

CONTROL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
WORDS = ["hello", "there", "s1", "s2", "<", ">", ":", "fine", "no", "yes", "."]
SMALL = {"vocab_size": 30}
ENCODERS = {
    "bert": BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
                       max_position_embeddings=64, **SMALL),
    "distilbert": DistilBertConfig(dim=32, n_layers=1, n_heads=4, hidden_dim=32, max_position_embeddings=64, **SMALL),
    "electra": ElectraConfig(embedding_size=16, hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
                             intermediate_size=32, max_position_embeddings=64, **SMALL),
    "xlnet": XLNetConfig(d_model=32, n_layer=1, n_head=4, d_inner=32, **SMALL),
}  # fmt: skip
LONGEST = {"bert": 64, "distilbert": 64, "electra": 64, "xlnet": None}
OTHERS = {
    "gpt2": GPT2Config(n_embd=32, n_layer=1, n_head=4, n_positions=64, bos_token_id=2, eos_token_id=3, **SMALL),
    "t5": T5Config(d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4, decoder_start_token_id=0, **SMALL),
}
TALKS = [
    Dialogue("a", (Utterance("Ann", "hello there . fine", "joy"), Utterance("Ben", "no no yes . " * 40, "anger"),
                   Utterance("Ann", "yes", "fear"))),
    Dialogue("b", (Utterance("Ann", "no", "joy"),)),
]  # fmt: skip


def saved(folder, config, control=CONTROL):
    """A random backbone of a family and a word-level tokenizer; the folder's name."""
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*CONTROL.values(), *WORDS])}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=raw, **control).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


def made(backbone, model):
    config = parse(["--model", model, "--backbone", backbone, "--train", "meld", "--out", "o"])
    tokenizer = backbones.load_tokenizer(backbone)
    return factory.create(config, 7, tokenizer).eval(), tokenizer


@pytest.mark.parametrize("model", ["emoone", "compm", "todkat"])
@pytest.mark.parametrize("family", ENCODERS)
def test_each_utterance_reaches_the_encoder(tmp_path, family, model):
    network, tokenizer = made(saved(tmp_path, ENCODERS[family]), model)
    special = factory.special_of(tokenizer, encoder_of(network), 512)
    encoded = batching.encode(TALKS, label_set("meld"), tokenizer, special)
    with torch.no_grad():
        logits = network(batching.Batch(encoded, tuple(encoded.targets())))
    assert len({tuple(round(value, 5) for value in row) for row in logits.tolist()}) == 4
    assert min(len(encoded.context(*target)) for target in encoded.targets()) > 1


@pytest.mark.parametrize("family", ENCODERS)
def test_the_longest_input_is_read_as_the_family_states_it(family):
    network = AutoModel.from_config(ENCODERS[family])
    assert Encoder(network, 0).longest == LONGEST[family]


@pytest.mark.parametrize("family", OTHERS)
def test_what_is_no_encoder_is_refused_also_with_all_tokens(tmp_path, family):
    with pytest.raises(ErcSynthError, match="no encoder of text") as caught:
        made(saved(tmp_path, OTHERS[family]), "emoone")
    assert "minilm" in caught.value.hint


@pytest.mark.parametrize(("lacking", "said"), [("pad_token", "no padding token"), ("cls_token", "begins a sequence")])
def test_a_tokenizer_without_a_needed_token_is_named(tmp_path, lacking, said):
    control = {name: token for name, token in CONTROL.items() if name != lacking}
    with pytest.raises(ErcSynthError, match=said):
        made(saved(tmp_path, ENCODERS["bert"], control), "emoone")


def test_an_encoder_that_reads_its_first_token_alone_is_refused(tmp_path):
    network, tokenizer = made(saved(tmp_path, ENCODERS["bert"]), "emoone")
    encoder = encoder_of(network)
    encoder.forward = lambda sequences: torch.ones(len(sequences), encoder.hidden)
    with pytest.raises(ErcSynthError, match="does not see the text behind it"):
        backbones.check_reads_text(encoder, tokenizer, "deaf")


def test_looking_at_a_backbone_counts_no_tokens(tmp_path):
    network, _ = made(saved(tmp_path, ENCODERS["bert"]), "emoone")
    assert encoder_of(network).tokens == 0
    encoder_of(network)([np.array([2, 5, 6])])
    assert encoder_of(network).tokens == 3
