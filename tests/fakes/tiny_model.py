"""A tiny random RoBERTa with its byte-level BPE tokenizer, built locally in a moment."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = [
    "Hello there, how are you doing today?",
    "I'm so happy to see you again!",
    "Why would you do that? I am really angry now.",
    "That is the saddest thing I have ever heard.",
    "<s1> <s2> <s3> Ann: Ben: okay fine whatever no yes",
]


def build_tiny_model(folder: Path, *, layers: int = 2, hidden: int = 32) -> Path:
    """Save a random RoBERTa (safetensors) and its tokenizer in `folder`; returns it."""
    import torch
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(TEXTS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip
    tokenizer.save_pretrained(str(folder))
    config = RobertaConfig(
        vocab_size=raw.get_vocab_size(), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=2 * hidden, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1,
        bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = RobertaModel(config, add_pooling_layer=False)
        with torch.no_grad():  # a pad row that is not zero: attending to padding must show
            model.embeddings.word_embeddings.weight[1].normal_()
    model.save_pretrained(str(folder))
    return folder
