"""Answers in the styles that models write, with the right turns; ``None`` must be rejected. Invented for this project.

`TWO` stands for the two turns of most of them: Ross, sadness; Monica, anger.
"""

# ruff: noqa: E501
TWO = [["Ross", "I lost the keys.", "sadness"], ["Monica", "You what?", "anger"]]
A, B = "Speaker: Ross Utterance: I lost the keys. Number: 3", "Speaker: Monica Utterance: You what? Number: 4"
P, Q = "Ross: I lost the keys. (sadness)", "Monica: You what? (anger)"


def with_texts(first, second="You what?"):
    return [["Ross", first, "sadness"], ["Monica", second, "anger"]]


STYLES = {
    # the asked form and small changes of it
    "asked": (f"{A}\n{B}", TWO),
    "asked_blank_lines": (f"{A}\n\n{B}\n", TWO),
    "asked_crlf": (f"{A}\r\n{B}\r\n", TWO),
    "asked_numbered": (f"1. {A}\n2. {B}", TWO),
    "asked_bullets": (f"- {A}\n- {B}", TWO),
    "asked_lower": (
        f"{A.lower()}\n{B.lower()}".replace("ross", "Ross").replace("monica", "Monica"),
        [["Ross", "i lost the keys.", "sadness"], ["Monica", "you what?", "anger"]],
    ),
    "asked_bold_markers": (
        "**Speaker:** Ross **Utterance:** I lost the keys. **Number:** 3\n**Speaker:** Monica **Utterance:** You what? **Number:** 4",
        TWO,
    ),
    "asked_three_lines": (
        "Speaker: Ross\nUtterance: I lost the keys.\nNumber: 3\n\nSpeaker: Monica\nUtterance: You what?\nNumber: 4",
        TWO,
    ),
    "asked_commas": (
        "Speaker: Ross, Utterance: I lost the keys., Number: 3\nSpeaker: Monica, Utterance: You what?, Number: 4",
        TWO,
    ),
    "asked_fullwidth_colons": (f"{A}\n{B}".replace(":", "："), TWO),
    "asked_preamble": (f"Sure! Here is a dialogue:\n\n{A}\n{B}", TWO),
    "asked_word_beside": (
        "Speaker: Ross Utterance: I lost the keys. Number: 3 (sadness)\nSpeaker: Monica Utterance: You what? Number: 4 (anger)",
        TWO,
    ),
    "asked_word_only": (
        "Speaker: Ross Utterance: I lost the keys. Number: sadness\nSpeaker: Monica Utterance: You what? Number: anger",
        TWO,
    ),
    "asked_equal_sign": (
        "Speaker: Ross Utterance: I lost the keys. Number: 3 = sadness\nSpeaker: Monica Utterance: You what? Number: 4 = anger",
        TWO,
    ),
    "asked_for": (
        "Speaker: Ross Utterance: I lost the keys. Number: 3 for sadness\nSpeaker: Monica Utterance: You what? Number: 4 for anger",
        TWO,
    ),
    "asked_brackets": (
        "Speaker: Ross Utterance: I lost the keys. Number: [3]\nSpeaker: Monica Utterance: You what? Number: [4]",
        TWO,
    ),
    "asked_period": (f"{A}.\n{B}.", TWO),
    "asked_quotes": (
        'Speaker: Ross Utterance: "I lost the keys." Number: 3\nSpeaker: Monica Utterance: “You what?” Number: 4',
        TWO,
    ),
    "asked_closing_token": (f"{A}\n{B}</s>", TWO),
    "asked_im_end": (f"{A}\n{B}<|im_end|>", TWO),
    "asked_user_behind": (f"{A}\n{B}\nUSER: Write another one.", TWO),
    "asked_assistant_first": (f"ASSISTANT: {A}\n{B}", TWO),
    "asked_rule_then_more": (
        f"{A}\n{B}\n---\nSpeaker: Joey Utterance: Food! Number: 1\nSpeaker: Phoebe Utterance: Yes! Number: 1",
        TWO,
    ),
    "asked_thoughts": (f"<think>Ross: sad (sadness)\nMonica: mad (anger)</think>\n{A}\n{B}", TWO),
    "asked_word_number_in_text": ("Speaker: Ross Utterance: My number: none. Number: 3\n" + B, None),
    "asked_digits_in_text": (
        "Speaker: Ross Utterance: I lost 5 keys and 3 rings. Number: 3\n" + B,
        with_texts("I lost 5 keys and 3 rings."),
    ),
    "asked_time_in_text": (
        "Speaker: Ross Utterance: I lost it at 10:30. Number: 3\n" + B,
        with_texts("I lost it at 10:30."),
    ),
    "asked_star_math": ("Speaker: Ross Utterance: 5*3 is 15. Number: 3\n" + B, with_texts("5*3 is 15.")),
    "asked_smile": ("Speaker: Ross Utterance: I lost the keys :( Number: 3\n" + B, with_texts("I lost the keys :(")),
    "asked_whoa": (
        "Speaker: Ross Utterance: (Whoa!) I lost the keys. Number: 3\n" + B,
        with_texts("(Whoa!) I lost the keys."),
    ),
    "asked_sighs": ("Speaker: Ross Utterance: (sighs) I lost the keys. Number: 3\n" + B, TWO),
    "asked_killjoy": (
        "Speaker: Ross Utterance: You are a kill-joy. Number: 3\n" + B,
        with_texts("You are a kill-joy."),
    ),
    "asked_cafe": (
        "Speaker: Ross Utterance: I lost the keys at the Café. Number: 3\n" + B,
        with_texts("I lost the keys at the Café."),
    ),
    "asked_emoji_label": (
        "Speaker: Ross Utterance: I lost the keys. Number: 3 😢\nSpeaker: Monica Utterance: You what? Number: 4 😡",
        TWO,
    ),
    "asked_label_first": (
        "Speaker: Ross Number: 3 Utterance: I lost the keys.\nSpeaker: Monica Number: 4 Utterance: You what?",
        TWO,
    ),
    # the asked form, doubtful
    "number_before_speaker_running": (
        "Number: 3 Speaker: Ross Utterance: I lost the keys. Number: 4 Speaker: Monica Utterance: You what?",
        None,
    ),
    "asked_decimal": ("Speaker: Ross Utterance: I lost the keys. Number: 3.5\n" + B, None),
    "asked_range": ("Speaker: Ross Utterance: I lost the keys. Number: 3-4\n" + B, None),
    "asked_or": ("Speaker: Ross Utterance: I lost the keys. Number: 3 or 4\n" + B, None),
    "asked_and": ("Speaker: Ross Utterance: I lost the keys. Number: 3 and 4\n" + B, None),
    "asked_not": ("Speaker: Ross Utterance: I lost the keys. Number: not 3\n" + B, None),
    "asked_contradiction_inside": ("Speaker: Ross Utterance: I lost the keys. (joy) Number: 3\n" + B, None),
    "asked_contradiction_speaker": ("Speaker: Ross (joy) Utterance: I lost the keys. Number: 3\n" + B, None),
    "asked_unknown": ("Speaker: Ross Utterance: I lost the keys. Number: 8\n" + B, None),
    "asked_unknown_word": ("Speaker: Ross Utterance: I lost the keys. Number: bored\n" + B, None),
    "asked_question_mark": ("Speaker: Ross Utterance: I lost the keys. Number: ?\n" + B, None),
    "asked_no_number_first": ("Speaker: Ross Utterance: I lost the keys.\n" + B, None),
    "asked_no_words": ("Speaker: Ross Utterance: Number: 3\n" + B, None),
    "asked_one_turn": (A, None),
    "asked_one_speaker": (f"{A}\n{A.replace('I lost', 'I found')}", None),
    "asked_bidi": (f"{A}\n{B}".replace("keys", "ke\u202eys"), None),
    "asked_token_inside": (f"{A}\n{B}".replace("the keys", "the </s> keys"), None),
    "asked_inst_inside": (f"{A}\n{B}".replace("the keys", "the [INST] keys"), None),
    "asked_twice": (f"{A}\n{B}\n{A}\n{B}", None),
    "asked_unclosed_thought": (f"<think>\n{A}\n{B}", None),
    "asked_swallowed_turn": ("Speaker: Ross Utterance: I lost the keys. Monica: You what? Number: 3\n" + B, None),
    # lines with names
    "plain_bracket": (f"{P}\n{Q}", TWO),
    "plain_square": ("Ross: I lost the keys. [sadness]\nMonica: You what? [anger]", TWO),
    "plain_bold": ("**Ross:** I lost the keys. (sadness)\n**Monica:** You what? (anger)", TWO),
    "plain_name_label": ("Ross (sadness): I lost the keys.\nMonica (anger): You what?", TWO),
    "plain_name_number": ("Ross (3): I lost the keys.\nMonica (4): You what?", TWO),
    "plain_number_word": ("Ross: I lost the keys. (Number: 3)\nMonica: You what? (Number: 4)", TWO),
    "plain_number_tail": ("Ross: I lost the keys. Number: 3\nMonica: You what? Number: 4", TWO),
    "plain_label_tail": ("Ross: I lost the keys. Label: sadness\nMonica: You what? Label: anger", TWO),
    "plain_dash": ("Ross: I lost the keys. - sadness\nMonica: You what? - anger", TWO),
    "plain_start": ("[sadness] Ross: I lost the keys.\n[anger] Monica: You what?", TWO),
    "plain_head": ("Ross: (sadness) I lost the keys.\nMonica: (anger) You what?", TWO),
    "plain_capital_label": ("Ross: I lost the keys. (Sadness)\nMonica: You what? (ANGER)", TWO),
    "plain_bare_after_mark": ("Ross: I lost the keys. 3\nMonica: You what? 4", TWO),
    "plain_numbered": (f"1. {P}\n2. {Q}", TWO),
    "plain_bullets": (f"* {P}\n* {Q}", TWO),
    "plain_quoted": ('Ross: "I lost the keys." (sadness)\nMonica: "You what?" (anger)', TWO),
    "plain_stage_front": ("Ross: (sighs) I lost the keys. (sadness)\nMonica: You what? (anger)", TWO),
    "plain_title_before": (f"Title: Lost and found\n{P}\n{Q}", TWO),
    "plain_scene_before": (f"[Scene: the cafe]\n{P}\n{Q}", TWO),
    "plain_closing": (f"{P}\n{Q}\n\nI hope this helps!", TWO),
    "plain_same_again_headed": (f"{P}\n{Q}\n\nDialogue 2:\n{P}\n{Q}", TWO),
    "plain_user_behind": (f"{P}\n{Q}\n### User: more", TWO),
    "plain_im_start_behind": (f"{P}\n{Q}\n<|im_start|>user\nmore", TWO),
    "plain_second_label_agrees": ("Ross (sadness): I lost the keys. (sadness)\nMonica (anger): You what? (anger)", TWO),
    # lines with names, doubtful
    "plain_no_label": ("Ross: I lost the keys.\nMonica: You what?", None),
    "plain_one_lacks": (f"{P}\nMonica: You what?\nRoss: Sorry. (sadness)", None),
    "plain_second_label_differs": ("Ross (sadness): I lost the keys. (joy)\nMonica (anger): You what? (anger)", None),
    "plain_sentence_number": ("Ross: We are only 3\nMonica: No, we are 4", None),
    "plain_option": ("Ross: I take option (2)\nMonica: I take option (3)", None),
    "plain_compound": ("Ross: What a kill-joy\nMonica: Such a joy", None),
    "plain_unknown": ("Ross: I lost the keys. (bored)\nMonica: You what? (anger)", None),
    "plain_two": ("Ross: I lost the keys. (sadness/fear)\nMonica: You what? (anger)", None),
    "plain_mixed": ("Ross (sadness): I lost the keys.\nMonica: You what? (anger)", None),
    "plain_list_as_label": ("3) Ross: I lost the keys.\n4) Monica: You what?\n3) Ross: Sorry.", None),
    "plain_legend_only": ("0: neutral\n1: joy\n2: surprise", None),
    "refusal": ("I'm sorry, but I can't help with that request.", None),
    "chat": ("USER: I lost the keys. (sadness)\nASSISTANT: You what? (anger)", None),
    "empty": ("   \n", None),
    "prose": ("Ross lost the keys, and Monica was angry (4) about it.", None),
    # tables and JSON
    "table_emotion": (
        "| Speaker | Utterance | Emotion |\n| --- | --- | --- |\n| Ross | I lost the keys. | sadness |\n| Monica | You what? | anger |",
        TWO,
    ),
    "table_positions": (
        "| # | Speaker | Utterance | Number |\n|--|--|--|--|\n| 1 | Ross | I lost the keys. | 3 |\n| 2 | Monica | You what? | 4 |",
        TWO,
    ),
    "table_order": (
        "| Number | Speaker | Utterance |\n|---|---|---|\n| 3 | Ross | I lost the keys. |\n| 4 | Monica | You what? |",
        TWO,
    ),
    "table_no_label": ("| Speaker | Utterance |\n|---|---|\n| Ross | I lost the keys. |\n| Monica | You what? |", None),
    "table_torn": (
        "| Speaker | Utterance | Number |\n|---|---|---|\n| Ross | I lost the keys. |\n| Monica | You what? | 4 |",
        None,
    ),
    "json_lines": (
        '{"speaker": "Ross", "utterance": "I lost the keys.", "number": 3}\n{"speaker": "Monica", "utterance": "You what?", "number": 4}',
        TWO,
    ),
    "json_wrapped": (
        '{"dialogue": [{"speaker": "Ross", "text": "I lost the keys.", "emotion": "sadness"}, {"speaker": "Monica", "text": "You what?", "emotion": "anger"}]}',
        TWO,
    ),
    "json_fenced": (
        '```json\n[{"Speaker": "Ross", "Utterance": "I lost the keys.", "Number": "3"}, {"Speaker": "Monica", "Utterance": "You what?", "Number": "4"}]\n```',
        TWO,
    ),
    "json_two_values": (
        '[{"speaker": "Ross", "text": "I lost the keys.", "number": 3, "emotion": "joy"}, {"speaker": "Monica", "text": "You what?", "number": 4}]',
        None,
    ),
    "json_float": (
        '[{"speaker": "Ross", "text": "I lost the keys.", "number": 3.5}, {"speaker": "Monica", "text": "You what?", "number": 4}]',
        None,
    ),
    "json_list_of_labels": (
        '[{"speaker": "Ross", "text": "I lost the keys.", "number": [3, 4]}, {"speaker": "Monica", "text": "You what?", "number": 4}]',
        None,
    ),
    "json_cut": ('[{"speaker": "Ross", "text": "I lost the keys.", "number": 3}, {"speaker": "Mon', None),
}
