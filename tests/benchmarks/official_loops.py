"""Straight batch-1 loops of the official kind, for benchmarks only.

Written from the papers and the published code of CoMPM, EmoOne and TODKAT, with `transformers` alone: every target
is tokenised and encoded on its own, each time anew; CoMPM encodes the padded memory again for every target; EmoOne runs its teacher with gradients
beside the student; TODKAT pads two dialogues to a fixed length and attends across them; one optimiser step each.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel

FIXED = 108  # tokens of an utterance in TODKAT's scripts for MELD and EmoryNLP


class Straight(nn.Module):
    """One of compm, emoone, todkat, baseline; `samples` cuts dialogues as the official loaders do."""

    def __init__(self, name, folder, tokenizer, classes):
        super().__init__()
        self.name, self.tokenizer = name, tokenizer
        self.context_model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
        hidden = self.context_model.config.hidden_size
        if name == "compm":
            self.speaker_model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
            self.gru = nn.GRU(hidden, hidden, num_layers=2, dropout=0.3)
        if name == "todkat":
            self.head = nn.TransformerEncoderLayer(hidden, 8, dim_feedforward=2048, dropout=0.1, activation="gelu")
        self.classifier = nn.Linear(hidden, classes)
        self.teacher = None
        self.tokens = 0

    def samples(self, dialogues):
        if self.name == "todkat":
            return [dialogues[i : i + 2] for i in range(0, len(dialogues), 2)]
        return [(dialogue, turn) for dialogue in dialogues for turn in range(len(dialogue.utterances))]

    def ids(self, text, room=511):
        return [self.tokenizer.cls_token_id, *self.tokenizer.encode(text, add_special_tokens=False)[-room:]]

    def encode(self, model, ids, mask=None):
        self.tokens += ids.numel()
        mask = torch.ones_like(ids) if mask is None else mask
        return model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]

    def context(self, dialogue, turn):
        known, string = {}, ""
        for utterance in dialogue.utterances[: turn + 1]:
            speaker = known.setdefault(utterance.speaker, len(known)) + 1
            mark = f"{utterance.speaker}:" if self.name == "baseline" else f"<s{speaker}>"
            string += f"{mark} {utterance.text.strip()} "
        return torch.tensor([self.ids(string.strip())])

    def forward(self, sample):
        if self.name == "todkat":
            return self.pair(sample)
        dialogue, turn = sample
        state = self.encode(self.context_model, self.context(dialogue, turn))
        if self.name == "compm":
            state = state + self.memory(dialogue, turn)
        return self.classifier(state)

    def memory(self, dialogue, turn):
        speaker = dialogue.utterances[turn].speaker
        said = [self.ids(u.text.strip()) for u in dialogue.utterances[:turn] if u.speaker == speaker]
        if not said:
            return torch.zeros(1, self.classifier.in_features)
        longest = max(map(len, said))
        padded = [row + [self.tokenizer.pad_token_id] * (longest - len(row)) for row in said]
        vectors = self.encode(self.speaker_model, torch.tensor(padded))
        return self.gru(vectors[:, None])[0][-1]

    def pair(self, dialogues):
        longest = max(len(d.utterances) for d in dialogues)
        rows = []
        for dialogue in dialogues:
            ids, mask = [], []
            for utterance in dialogue.utterances:
                kept = self.tokenizer.encode(utterance.text.strip(), add_special_tokens=False)[: FIXED - 2]
                row = [self.tokenizer.cls_token_id, *kept, self.tokenizer.sep_token_id]
                ids.append(row + [self.tokenizer.pad_token_id] * (FIXED - len(row)))
                mask.append([1] * len(row) + [0] * (FIXED - len(row)))
            states = self.encode(self.context_model, torch.tensor(ids), torch.tensor(mask))
            rows.append(functional.pad(states, (0, 0, 0, longest - len(states))))
        states = self.head(torch.stack(rows))
        return torch.cat([self.classifier(states[i, : len(d.utterances)]) for i, d in enumerate(dialogues)])


def evaluate(model, samples):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(sample) for sample in samples])


def train(model, samples, gold):
    """One pass, one optimiser step per sample."""
    model.train()
    optim = torch.optim.AdamW([p for n, p in model.named_parameters() if not n.startswith("teacher")], lr=1e-6)
    for sample, labels in zip(samples, gold, strict=True):
        logits = model(sample)
        loss = functional.cross_entropy(logits, labels)
        if model.teacher is not None:
            soft = torch.softmax(model.teacher(sample), 1)
            loss = loss - (soft * torch.log(torch.softmax(logits, 1))).sum(1).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optim.step()
        optim.zero_grad()
        loss.item()
