"""The forward pass without padding gives what the backbone's own gives, and its dropout is dropout."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertModel

from erc_synth.training import backbones, packed
from erc_synth.training.backbones import Encoder

LENGTHS = [5, 1, 40, 7, 7, 7, 3, 64]


@pytest.fixture(scope="module", params=["roberta", "bert"])
def encoder(request, tiny):
    """In double precision, so that a wrong formula cannot hide behind rounding."""
    if request.param == "roberta":
        return Encoder(backbones.load_backbone(tiny).double(), 1)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    return Encoder(BertModel(BertConfig(vocab_size=400, **shape), add_pooling_layer=False).double(), 0)


@pytest.fixture(scope="module")
def sequences():
    random = np.random.default_rng(0)
    return [random.integers(5, 300, size=n) for n in LENGTHS]


def own(encoder, sequences, readout=None):
    """The same through the backbone's `forward`."""
    other = copy.deepcopy(encoder)
    other.packs = False
    return other, other(sequences, readout)


@pytest.mark.parametrize("readout", [None, [n - 1 for n in LENGTHS], [n // 2 for n in LENGTHS]])
def test_states_equal_those_of_the_backbone(encoder, sequences, readout):
    encoder.eval()
    assert encoder.packs
    _, wanted = own(encoder, sequences, readout)
    assert (encoder(sequences, readout) - wanted).abs().max() < 1e-12


def test_gradients_equal_those_of_the_backbone(encoder, sequences):
    encoder.eval()
    other, wanted = own(encoder, sequences)
    encoder.zero_grad()
    encoder(sequences).square().sum().backward()
    wanted.square().sum().backward()
    theirs = dict(other.named_parameters())
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            assert (parameter.grad - theirs[name].grad).abs().max() < 1e-10, name


def test_bf16_states_are_those_of_fp32_to_its_rounding(tiny, sequences):
    encoder = Encoder(backbones.load_backbone(tiny), 1).eval()
    with torch.no_grad():
        plain = encoder(sequences)
        with torch.autocast("cpu", torch.bfloat16):
            low = encoder(sequences)
    assert (low.float() - plain).abs().max() < 0.05 * plain.abs().max()


def plain_varlen(query, key, value, starts, key_starts, longest, longest_key):
    """What torch's variable-length kernel computes, sequence by sequence; it runs on a GPU alone."""
    assert starts.dtype == key_starts.dtype == torch.int32
    lengths, key_lengths = starts.diff().tolist(), key_starts.diff().tolist()
    assert (longest, longest_key) == (max(lengths), max(key_lengths))
    rows = zip(query.split(lengths), key.split(key_lengths), value.split(key_lengths), strict=True)
    told = [[part.transpose(0, 1) for part in row] for row in rows]
    return torch.cat([nn.functional.scaled_dot_product_attention(*row).transpose(0, 1) for row in told])


@pytest.mark.parametrize("readout", [None, [n // 2 for n in LENGTHS]])
def test_joined_attention_equals_the_backbone(encoder, sequences, readout, monkeypatch):
    encoder.eval()
    _, wanted = own(encoder, sequences, readout)
    monkeypatch.setattr(packed, "joined_kernel", lambda: plain_varlen)
    monkeypatch.setattr(packed, "path_of", lambda _: "joined")
    assert (encoder(sequences, readout) - wanted).abs().max() < 1e-12


@pytest.mark.parametrize("readout", [None, [n // 2 for n in LENGTHS]])
def test_rows_of_zeros_change_no_state_and_no_gradient(encoder, sequences, readout, monkeypatch):
    encoder.eval()
    other, wanted = own(encoder, sequences, readout)
    monkeypatch.setattr(packed, "path_of", lambda _: "rounded")
    encoder.zero_grad()
    found = encoder(sequences, readout)
    assert (found - wanted).abs().max() < 1e-12
    found.square().sum().backward()
    wanted.square().sum().backward()
    theirs = dict(other.named_parameters())
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            assert (parameter.grad - theirs[name].grad).abs().max() < 1e-10, name


@given(tokens=st.integers(1, 100_000))
def test_rounding_adds_little_and_makes_few_numbers(tokens):
    assert tokens <= packed.rounded(tokens) <= max(tokens + 7, tokens * 17 / 16)
    octave = 1 << (tokens.bit_length() - 1)
    assert len({packed.rounded(n) for n in range(octave, min(2 * octave, octave + 5000))}) <= 17


@pytest.mark.parametrize(("precision", "path"), [(torch.bfloat16, "rounded"), (None, "blocks")])
def test_the_path_on_a_cpu(tiny, precision, path):
    backbone = Encoder(backbones.load_backbone(tiny), 1).eval().backbone
    with torch.autocast("cpu", precision, enabled=precision is not None):
        assert packed.path_of(backbone) == path


def test_attention_in_blocks_equals_attention_at_once(monkeypatch):
    query, key, value = (torch.randn(5, 2, 9, 4).bfloat16() for _ in range(3))
    bias = torch.zeros(5, 1, 1, 9)
    bias[1:, ..., 6:] = float("-inf")
    still = packed.Dropout(0.0)
    at_once = packed.attend(query, key, value, bias, still)
    monkeypatch.setattr(packed, "BLOCK", 2 * 2 * 9 * 9)  # two sequences at a time, and one left
    assert torch.equal(packed.attend(query, key, value, bias, still), at_once)


def test_tokens_count_no_padding(encoder, sequences):
    before = encoder.tokens
    encoder.eval()(sequences)
    assert encoder.tokens - before == sum(LENGTHS)


@given(p=st.sampled_from([0.0, 0.1, 0.3, 0.5]), seed=st.integers(0, 99))
def test_dropout_drops_at_its_rate_and_keeps_the_mean(p, seed):
    torch.manual_seed(seed)
    found = packed.Dropout(p).train()(torch.ones(300, 101))
    assert abs((found == 0).double().mean() - p) < 0.015
    assert abs(found.double().mean() - 1) < 0.03


def test_dropout_is_a_function_of_the_seed_and_nothing_in_eval_mode():
    dropout, ones = packed.Dropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first = dropout(ones)
    second = dropout(ones)
    torch.manual_seed(3)
    assert torch.equal(dropout(ones), first)
    assert not torch.equal(first, second)
    assert torch.equal(dropout.eval()(ones), ones)


def test_dropped_attention_has_the_mean_of_plain_attention():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 2, 6, 4, requires_grad=True) for _ in range(3))
    dropout = packed.Dropout(0.2)
    with torch.no_grad():
        plain = packed.attend(query, key, value, None, dropout.eval())
    dropout.train()
    mean = torch.stack([packed.attend(query, key, value, None, dropout).detach() for _ in range(3000)]).mean(0)
    assert (mean - plain).abs().max() < 0.08


def test_every_dropout_of_a_backbone_is_replaced(tiny):
    encoder = Encoder(backbones.load_backbone(tiny), 1)
    assert not [m for m in encoder.modules() if isinstance(m, nn.Dropout)]
    assert [m for m in encoder.modules() if isinstance(m, packed.Dropout)]
