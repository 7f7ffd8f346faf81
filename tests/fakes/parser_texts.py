"""Further answers in the ways that models write, each with what is right: turns, or ``None`` when it must be rejected.

A second set beside `parser_styles`, written to find what the parser reads wrongly. Invented for this project.
Input: none. Output: `TEXTS`, name -> (text, turns). Not covered: other languages (`test_language_styles`).
"""

# ruff: noqa: E501
JOEY, PHOEBE = "Who ate my sandwich?", "It was a very sad sandwich."
A, B = f"Speaker: Joey Utterance: {JOEY} Number: 4", f"Speaker: Phoebe Utterance: {PHOEBE} Number: 3"
P, Q = f"Joey: {JOEY} (anger)", f"Phoebe: {PHOEBE} (sadness)"
C = "Speaker: Joey Utterance: Then I am out. Number: 0"
TWO = [["Joey", JOEY, "anger"], ["Phoebe", PHOEBE, "sadness"]]
THREE = [*TWO, ["Joey", "Then I am out.", "neutral"]]


def said(first: str = JOEY, second: str = PHOEBE) -> list[list[str]]:
    return [["Joey", first, "anger"], ["Phoebe", second, "sadness"]]


def asked(first: str = JOEY, second: str = PHOEBE, *, numbers: tuple[str, str] = ("4", "3")) -> str:
    return f"Speaker: Joey Utterance: {first} Number: {numbers[0]}\nSpeaker: Phoebe Utterance: {second} Number: {numbers[1]}"


def plain(first: str = JOEY, second: str = PHOEBE, *, labels: tuple[str, str] = ("(anger)", "(sadness)")) -> str:
    return f"Joey: {first} {labels[0]}\nPhoebe: {second} {labels[1]}"


NUMBER_PLACE = {
    "number_line_before_each_speaker": (
        f"Number: 4\nSpeaker: Joey\nUtterance: {JOEY}\n\nNumber: 3\nSpeaker: Phoebe\nUtterance: {PHOEBE}", TWO),
    "number_first_on_each_line": (
        f"Number: 4 Speaker: Joey Utterance: {JOEY}\nNumber: 3 Speaker: Phoebe Utterance: {PHOEBE}", TWO),
    "number_first_without_breaks": (
        f"Number: 4\nSpeaker: Joey\nUtterance: {JOEY}\nNumber: 3\nSpeaker: Phoebe\nUtterance: {PHOEBE}\nNumber: 0\nSpeaker: Joey\nUtterance: Out.",
        None),
    "number_first_then_last": (f"Number: 4 Speaker: Joey Utterance: {JOEY}\n{B}", None),
    "number_alone_on_the_line_before": (f"4\nJoey: {JOEY}\n3\nPhoebe: {PHOEBE}", None),
    "number_alone_on_the_line_behind": (f"Joey: {JOEY}\n4\nPhoebe: {PHOEBE}\n3", None),
    "number_in_square_counts": (f"[1] {P}\n[2] {Q}", TWO),
    "number_in_square_counts_only": (f"[1] Joey: {JOEY}\n[2] Phoebe: {PHOEBE}\n[3] Joey: Out.", None),
    "number_in_bracket_counts_only": (f"(1) Joey: {JOEY}\n(2) Phoebe: {PHOEBE}\n(3) Joey: Out.", None),
    "number_then_dash": (f"4 - Joey: {JOEY}\n3 - Phoebe: {PHOEBE}", None),
    "number_in_square_before": (f"[4] Joey: {JOEY}\n[3] Phoebe: {PHOEBE}", None),
    "turn_number_before_speaker": (f"1) {A}\n2) {B}\n3) {C}", THREE),
    "turn_number_from_three": (f"3. {A}\n4. {B}", TWO),
    "turn_word_and_number": (f"Turn 1: {A}\nTurn 2: {B}", None),
    "number_and_hash": (asked(numbers=("#4", "#3")), TWO),
    "two_turns_on_one_line_three": (f"{A} {B} {C}", THREE),
    "two_turns_on_one_line_plain": (f"{P} {Q}", TWO),
    "two_turns_on_one_line_slash": (f"{A} / {B}", TWO),
    "two_turns_on_one_line_unlabelled_first": (f"Joey: {JOEY} Phoebe: {PHOEBE} (sadness)\nJoey: Out. (neutral)", None),
    "speaker_and_its_position": (A.replace("Speaker:", "Speaker 1:") + "\n" + B.replace("Speaker:", "Speaker 2:"), TWO),
    "speaker_position_with_colon": (f"Speaker 1: Joey: {JOEY} (anger)\nSpeaker 2: Phoebe: {PHOEBE} (sadness)", None),
    "speakers_are_positions": (f"Speaker 1: {JOEY} (anger)\nSpeaker 2: {PHOEBE} (sadness)", None),
    "utterance_left_out_in_the_middle": (f"{A}\nSpeaker: Phoebe Number: 3\n{C}", None),
    "utterance_left_out_at_the_end": (f"{A}\n{B}\nSpeaker: Joey Number: 0", None),
    "utterance_empty_in_the_middle": (f"{A}\nSpeaker: Phoebe Utterance: Number: 3\n{C}", None),
    "utterance_is_a_dash": (f"{A}\nSpeaker: Phoebe Utterance: - Number: 3\n{C}", None),
    "utterance_is_quotes": (f'{A}\nSpeaker: Phoebe Utterance: "" Number: 3\n{C}', None),
    "utterance_is_a_direction": (f"{A}\nSpeaker: Phoebe Utterance: (shrugs) Number: 3\n{C}", None),
    "speaker_left_out": (f"{A}\nUtterance: {PHOEBE} Number: 3\n{C}", None),
    "speaker_empty": (f"{A}\nSpeaker: Utterance: {PHOEBE} Number: 3\n{C}", None),
    "number_empty_in_the_middle": (f"{A}\nSpeaker: Phoebe Utterance: {PHOEBE} Number:\n{C}", None),
    "number_missing_in_the_middle": (f"{A}\nSpeaker: Phoebe Utterance: {PHOEBE}\n{C}", None),
    "plain_turn_without_words": (f"{P}\nPhoebe: (sadness)\nJoey: Out. (neutral)", None),
    "plain_own_line_shifted": (f"(anger)\nJoey: {JOEY}\n(sadness)\nPhoebe: {PHOEBE}", None),
    "plain_own_line_shifted_one_more": (
        f"(anger)\nJoey: {JOEY}\n(sadness)\nPhoebe: {PHOEBE}\n(neutral)\nJoey: Out.\n(joy)", None),
    "plain_emotion_line_before": (f"Emotion: anger\nJoey: {JOEY}\n\nEmotion: sadness\nPhoebe: {PHOEBE}", None),
}  # fmt: skip

SECOND = {
    "second_user_asks": (f"{A}\n{B}\n\nUser: Now a happy one.\nAssistant: Speaker: Joey Utterance: Yay! Number: 1", TWO),
    "second_im_start": (f"{A}\n{B}<|im_end|>\n<|im_start|>assistant\n{C}\n{B}", TWO),
    "second_im_start_glued": (f"{A}\n{B}<|im_start|>user\nMore!", TWO),
    "second_header_llama": (f"{A}\n{B}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nMore!", TWO),
    "second_inst": (f"{A}\n{B} [INST] Another one. [/INST] {C}", TWO),
    "second_turn_gemma": (f"{A}\n{B}<end_of_turn>\n<start_of_turn>user\nMore!", TWO),
    "second_rule_of_stars": (f"{P}\n{Q}\n\n***\n\nJoey: Yay! (joy)\nPhoebe: Yay! (joy)", TWO),
    "second_rule_of_equals": (f"{P}\n{Q}\n=====\nJoey: Yay! (joy)\nPhoebe: Yay! (joy)", TWO),
    "second_heading_hash": (f"{P}\n{Q}\n\n## Dialogue 2\n\nJoey: Yay! (joy)\nPhoebe: Yay! (joy)", TWO),
    "second_heading_bold": (f"{P}\n{Q}\n\n**Dialogue 2**\n\nJoey: Yay! (joy)\nPhoebe: Yay! (joy)", TWO),
    "second_heading_bold_colon": (f"{A}\n{B}\n\n**Example 2:**\n\n{C}\n{B}", TWO),
    "second_words": (f"{A}\n{B}\n\nHere's another conversation between them:\n\n{C}\n{B}", TWO),
    "second_words_sure": (f"{A}\n{B}\n\nSure, here is one more dialogue:\n{C}\n{B}", TWO),
    "second_twice_the_same": (f"{P}\n{Q}\n\n{P}\n{Q}", None),
    "second_thrice_the_same": (f"{A}\n{B}\n{A}\n{B}\n{A}\n{B}", None),
    "second_blank_lines_only": (f"{P}\n{Q}\n\n\n\nJoey: Then I am out. (neutral)", THREE),
    "second_human_colon": (f"{A}\n{B}\n\nHuman: And now with Ross.", TWO),
    "second_response_heading": (f"### Response:\n{A}\n{B}\n\n### Instruction:\nMore.", TWO),
    "second_roles_as_speakers": (f"Human: {JOEY} (anger)\nAI: {PHOEBE} (sadness)", None),
    "second_scene": (f"{P}\n{Q}\n\nScene 2\nJoey: Yay! (joy)\nPhoebe: Yay! (joy)", TWO),
    "second_table": (
        f"| Speaker | Utterance | Number |\n|---|---|---|\n| Joey | {JOEY} | 4 |\n| Phoebe | {PHOEBE} | 3 |\n\nHere is another dialogue:\n\n| Speaker | Utterance | Number |\n|---|---|---|\n| Joey | Yay! | 1 |\n| Phoebe | Yay! | 1 |",
        TWO),
    "second_json": (
        f'[{{"speaker": "Joey", "text": "{JOEY}", "number": 4}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "number": 3}}]\n\n[{{"speaker": "Joey", "text": "Yay!", "number": 1}}, {{"speaker": "Phoebe", "text": "Yay!", "number": 1}}]',
        TWO),
}  # fmt: skip

AROUND = {
    "think_closed": (f"<think>\nJoey: I could do this (joy)\nPhoebe: Yes (joy)\n</think>\n\n{A}\n{B}", TWO),
    "think_without_opening": (f"Okay, the user wants Joey: angry (anger).\n</think>\n{A}\n{B}", TWO),
    "think_other_tag": (f"<reasoning>Joey is angry.</reasoning>\n{P}\n{Q}", TWO),
    "think_open": (f"<think>I write:\n{A}\n{B}", None),
    "think_behind": (f"{A}\n{B}\n<think>Was that good?</think>", None),
    "channel_final": (f"<|channel|>analysis<|message|>Joey: hm (joy)<|channel|>final<|message|>{A}\n{B}", TWO),
    "title_bold": (f"**Title: The Sandwich**\n\n{P}\n{Q}", TWO),
    "title_label_in_it": (f"Title: Joy and Anger\n{P}\n{Q}", TWO),
    "title_no_colon": (f"The Sandwich\n\n{P}\n{Q}", TWO),
    "legend_bullets": (f"- 0: neutral\n- 1: joy\n- 4: anger\n\n{A}\n{B}", TWO),
    "legend_one_line_brackets": (f"(0 = neutral, 1 = joy, 3 = sadness, 4 = anger)\n{A}\n{B}", TWO),
    "legend_behind": (f"{A}\n{B}\n\n0 = neutral, 1 = joy, 3 = sadness, 4 = anger", TWO),
    "note_before": (f"Note: numbers as you asked.\n{A}\n{B}", TWO),
    "note_behind_with_label": (f"{P}\n{Q}\n\nNote: Joey's anger is 4.", TWO),
    "narrator_between": (f"{P}\nNarrator: Phoebe swallows.\n{Q}", TWO),
    "narrator_marked": (f"Speaker: Narrator Utterance: Noon. Number: 0\n{A}\n{B}", TWO),
    "narrator_in_brackets": (f"{P}\n(Phoebe swallows.)\n{Q}", TWO),
    "characters_before": (f"Characters: Joey, Phoebe\nSetting: the kitchen\n\n{A}\n{B}", TWO),
    "preamble_with_name": (f"Here is a conversation between Joey and Phoebe:\n\n{P}\n{Q}", TWO),
    "preamble_turnlike": (f"Joey and Phoebe: a short dialogue\n{P}\n{Q}", TWO),
    "closing_hope": (f"{A}\n{B}\n\nI hope this dialogue fits. Let me know if you want another one!", TWO),
    "closing_glued": (f"{A}\n{B} I hope this helps!", None),
    "closing_explains": (f"{A}\n{B}\n\nExplanation: Joey is angry (4), Phoebe is sad (3).", TWO),
    "closing_bullets": (f"{P}\n{Q}\n\n- Joey: angry about food (anger)\n- Phoebe: a little sad (sadness)", None),
    "closing_end": (f"{P}\n{Q}\n\n[End of scene]", TWO),
    "closing_the_end": (f"{A}\n{B}\nThe end.", TWO),
    "fence_around": (f"```\n{A}\n{B}\n```", TWO),
    "fence_with_language": (f"```text\n{P}\n{Q}\n```", TWO),
    "fence_and_words": (f"Here you go:\n\n```\n{A}\n{B}\n```\n\nEnjoy!", TWO),
    "quote_marks_of_mail": (f"> {A}\n> {B}", TWO),
    "whole_in_quotes": (f'"{A}\n{B}"', None),
    "prompt_again": (
        "Speakers: Joey, Phoebe. Label each utterance with a number: 0 for neutral, 3 for sadness, 4 for anger.\n\n"
        f"{A}\n{B}", TWO),
    "form_again": (f"Speaker: <name> Utterance: <text> Number: <number>\n\n{A}\n{B}", None),
    "begin_token": (f"<s> {A}\n{B} </s>", TWO),
    "tabs_between": (A.replace(" ", "\t") + "\n" + B, TWO),
    "wide_blanks": (f"   {A}   \n\n\n   {B}   ", TWO),
    "nonbreaking_blanks": (A.replace(" Number", "\u00a0Number") + "\n" + B, TWO),
    "line_separators": (f"{A}\u2028{B}", TWO),
    "windows_lines": (f"{P}\r\n{Q}\r\n", TWO),
}  # fmt: skip

TOKENS = {
    "token_eos_each_line": (f"{A}</s>\n{B}</s>", TWO),
    "token_endoftext": (f"{A}\n{B}<|endoftext|>The weather is", TWO),
    "token_inside": (asked("Who ate <|im_end|> my sandwich?"), None),
    "token_pad": (f"{A}\n{B}<pad><pad><pad>", TWO),
    "token_half": (f"{A}\n{B}<|im_", TWO),
    "token_sys": (f"<<SYS>>be kind<</SYS>>\n{A}\n{B}", None),
    "nul_at_end": (f"{A}\n{B}\x00", None),
    "escape_code": (f"\x1b[1m{A}\x1b[0m\n{B}", None),
    "bidi_mark": (asked("Who ate my \u202esandwich?"), None),
    "zero_width": (asked("Who ate my sand\u200bwich?"), None),
    "byte_order_mark": (f"\ufeff{A}\n{B}", TWO),
    "replacement": (asked("Who ate my sandw\ufffdich?"), None),
}  # fmt: skip

MARKS = {
    "brackets_front_small": (asked("(yelling) Who ate my sandwich?"), TWO),
    "brackets_front_sentence": (asked("(Unbelievable!) Who ate my sandwich?"), said("(Unbelievable!) Who ate my sandwich?")),
    "brackets_end_sentence": (asked("Who ate my sandwich? (Was it you?)"), said("Who ate my sandwich? (Was it you?)")),
    "brackets_end_direction": (asked("Who ate my sandwich? (slams the door)"), TWO),
    "brackets_within": (asked("Who ate my (turkey) sandwich?"), said("Who ate my (turkey) sandwich?")),
    "brackets_whole_sentence": (asked("(Who ate my sandwich?)"), None),
    "brackets_open": (asked("(yelling Who ate my sandwich?"), None),
    "brackets_close_only": (asked("yelling) Who ate my sandwich?"), said("yelling) Who ate my sandwich?")),
    "stars_front": (asked("*yells* Who ate my sandwich?"), TWO),
    "stars_word": (asked("Who ate *my* sandwich?"), None),
    "stars_strong": (asked("Who ate **my** sandwich?"), TWO),
    "stars_swearing": (asked("Who the f*** ate my sandwich?"), said("Who the f*** ate my sandwich?")),
    "stars_product": (asked("That is 2*3*4 sandwiches."), said("That is 2*3*4 sandwiches.")),
    "underscore_word": (asked("Who ate _my_ sandwich?"), None),
    "underscore_name": (asked("Mail me at big_joe_eats please."), said("Mail me at big_joe_eats please.")),
    "frown": (asked("Who ate my sandwich :("), said("Who ate my sandwich :(")),
    "frown_front": (asked(":( Who ate my sandwich?"), said(":( Who ate my sandwich?")),
    "smile_close": (asked("Nice sandwich :)"), said("Nice sandwich :)")),
    "heart": (asked("I <3 my sandwich."), said("I <3 my sandwich.")),
    "quotes_half": (asked('"Who ate my sandwich?" he said.'), said('"Who ate my sandwich?" he said.')),
    "quotes_within": (asked('Who ate "my" sandwich?'), said('Who ate "my" sandwich?')),
    "quotes_two_parts": (asked('"Who ate it," he said, "my sandwich?"'), said('"Who ate it," he said, "my sandwich?"')),
    "quotes_single_apostrophe": (asked("'Cause it's 'bout time."), said("'Cause it's 'bout time.")),
    "quotes_only_open": (asked('"Who ate my sandwich?'), said('"Who ate my sandwich?')),
    "ellipsis_front": (asked("...who ate my sandwich?"), said("...who ate my sandwich?")),
    "dash_front": (asked("- who ate my sandwich?"), said("who ate my sandwich?")),
    "dash_behind": (asked("Who ate my sand-"), said("Who ate my sand-")),
    "dashes_within": (asked("Who -- I mean who -- ate my sandwich?"), said("Who -- I mean who -- ate my sandwich?")),
    "slash": (asked("Who ate and/or hid my sandwich?"), said("Who ate and/or hid my sandwich?")),
    "ampersand": (asked("Who ate my PB&J?"), said("Who ate my PB&J?")),
    "percent": (asked("I am 100% sure."), said("I am 100% sure.")),
    "money": (asked("It cost $4.50 at 3:15."), said("It cost $4.50 at 3:15.")),
    "emoji": (asked("Who ate my sandwich? 😡"), said("Who ate my sandwich? 😡")),
    "accents": (asked("Who ate my jalapeño crème brûlée?"), said("Who ate my jalapeño crème brûlée?")),
    "curly": (asked("Who’s got my “sandwich”?"), said("Who's got my \"sandwich\"?")),
    "colon_list": (asked("I need three things: bread, ham, cheese."), said("I need three things: bread, ham, cheese.")),
    "name_called": (asked("Phoebe, who ate my sandwich?"), said("Phoebe, who ate my sandwich?")),
    "name_and_colon_within": (asked("And then I said Phoebe: no."), None),
    "name_again": (asked("Joey: Who ate my sandwich?"), TWO),
}  # fmt: skip

SENTENCE = {
    "sentence_ends_in_number": ("Joey: I ate 4\nPhoebe: I ate 3", None),
    "sentence_ends_in_number_mark": ("Joey: I ate 4.\nPhoebe: You ate 3.", None),
    "sentence_ends_in_number_comma": ("Joey: No, 4.\nPhoebe: Yes, 3!", None),
    "sentence_option": ("Joey: Give me option (4)\nPhoebe: I like option (3)", None),
    "sentence_ends_in_label": ("Joey: This is pure joy\nPhoebe: I feel only sadness", None),
    "sentence_compound": ("Joey: Do not be a kill-joy\nPhoebe: I am no kill-joy", None),
    "sentence_dash_label": ("Joey: What I feel is - anger\nPhoebe: What I feel is - sadness", None),
    "sentence_number_of_list": ("Joey: First thing: bread 1\nPhoebe: Second thing: ham 2", None),
    "sentence_year": ("Joey: I was born in 2004\nPhoebe: Me in 2003", None),
    "sentence_label_then_label": (plain("I only feel joy", "I only feel joy"), said("I only feel joy", "I only feel joy")),
    "sentence_number_then_label": (plain("I ate 4", "I ate 3"), said("I ate 4", "I ate 3")),
    "sentence_number_bracketed": (plain("I ate four (4)", "I ate three (3)"), said("I ate four (4)", "I ate three (3)")),
    "sentence_named_joy": (asked("Joy, come here!", "Joy is not my name."), said("Joy, come here!", "Joy is not my name.")),
    "sentence_speaker_named_joy": (
        "Speaker: Joy Utterance: Who ate it? Number: 4\nSpeaker: Phoebe Utterance: Not me. Number: 3", None),
    "sentence_fear_within": (asked("I fear for my sandwich."), said("I fear for my sandwich.")),
    "sentence_number_word": (asked("My number is four.", "Call me at number three."), said("My number is four.", "Call me at number three.")),
    "sentence_marker_in_text": (asked("The number: I forgot it."), None),
    "sentence_emotion_in_text": (plain("My emotion: pure hunger."), said("My emotion: pure hunger.")),
    "sentence_speaker_in_text": (asked("Our speaker is broken."), said("Our speaker is broken.")),
    "left_in_bracket": (asked("Who ate my sandwich? (anger)"), TWO),
    "left_in_wrong_bracket": (asked("Who ate my sandwich? (joy)"), None),
    "left_in_number": (f"Joey: {JOEY} (anger) Number: 4\nPhoebe: {PHOEBE} (sadness) Number: 3", TWO),
    "left_in_number_differs": (f"Joey: {JOEY} (sadness) Number: 4\nPhoebe: {PHOEBE} (sadness) Number: 3", None),
    "left_in_front": (asked("[anger] Who ate my sandwich?", "[sadness] It was a very sad sandwich."), TWO),
    "left_in_front_differs": (asked("[joy] Who ate my sandwich?"), None),
    "left_in_word_with_full_stop": (asked("Who ate my sandwich? Anger."), None),
    "left_in_middle": (asked("Who ate (anger) my sandwich?"), None),
}  # fmt: skip

CONTRADICTIONS = {
    "contra_number_and_name": (asked(numbers=("4 - sadness", "3 - sadness")), None),
    "contra_number_and_kin": (asked(numbers=("4 (sad)", "3 (sad)")), None),
    "contra_two_numbers": (asked(numbers=("4, 3", "3")), None),
    "contra_slash": (asked(numbers=("4/3", "3")), None),
    "contra_decimal": (asked(numbers=("4.5", "3")), None),
    "contra_negative": (asked(numbers=("-4", "3")), None),
    "contra_plus": (asked(numbers=("+4", "3")), None),
    "contra_range": (asked(numbers=("3–4", "3")), None),
    "contra_of_ten": (asked(numbers=("4/10", "3/10")), None),
    "contra_percent": (asked(numbers=("4%", "3%")), None),
    "contra_approximate": (asked(numbers=("~4", "3")), None),
    "contra_times": (asked(numbers=("4x", "3")), None),
    "contra_letter": (asked(numbers=("4b", "3")), None),
    "contra_zero_front": (asked(numbers=("04", "03")), None),
    "contra_big": (asked(numbers=("44", "3")), None),
    "contra_or": (asked(numbers=("4 or 6", "3")), None),
    "contra_to": (asked(numbers=("neutral to anger", "3")), None),
    "contra_arrow": (asked(numbers=("0 → 4", "3")), None),
    "contra_not": (asked(numbers=("not anger", "3")), None),
    "contra_maybe": (asked(numbers=("maybe 4", "3")), None),
    "contra_question": (asked(numbers=("4?", "3")), None),
    "contra_mixed_name": (plain(labels=("(anger and joy)", "(sadness)")), None),
    "contra_struck": (asked(numbers=("~~3~~ 4", "3")), None),
    "contra_unknown_name": (plain(labels=("(hunger)", "(sadness)")), None),
    "contra_unknown_in_one": (f"{P}\nPhoebe: {PHOEBE} (melancholy)\nJoey: Out. (neutral)", None),
    "contra_name_beside": (f"Joey (joy): {JOEY} (anger)\nPhoebe (sadness): {PHOEBE} (sadness)", None),
    "contra_two_brackets": (plain(labels=("(joy) (anger)", "(sadness)")), None),
    "contra_intensity": (asked(numbers=("4 (intensity 3)", "3")), None),
    "agree_reason": (asked(numbers=("4 because he is hungry", "3 because it is gone")), TWO),
    "agree_name": (asked(numbers=("4 (anger)", "3 (sadness)")), TWO),
    "agree_name_equals": (asked(numbers=("anger = 4", "sadness = 3")), TWO),
    "agree_colon": (asked(numbers=("4: anger", "3: sadness")), TWO),
    "agree_capital": (asked(numbers=("ANGER", "SADNESS")), TWO),
    "agree_word": (asked(numbers=("four", "three")), TWO),
    "agree_bold": (asked(numbers=("**4**", "**3**")), TWO),
    "agree_quoted": (asked(numbers=('"4"', '"3"')), TWO),
    "agree_emoji": (asked(numbers=("4 😡", "3 😢")), TWO),
    "agree_token": (asked(numbers=("4</s>", "3</s>")), TWO),
    "agree_fullwidth_digit": (asked(numbers=("４", "３")), TWO),
    "agree_fullwidth_bracket": (plain(labels=("（anger）", "（sadness）")), TWO),
    "agree_emotion_word": (plain(labels=("Emotion: anger", "Emotion: sadness")), TWO),
    "agree_emotion_bracket": (plain(labels=("(Emotion: anger)", "(Emotion: sadness)")), TWO),
    "agree_emoji_behind": (plain(labels=("(anger) 😡", "(sadness) 😢")), TWO),
    "agree_stars": (plain(labels=("*(anger)*", "*(sadness)*")), TWO),
    "agree_stars_alone": (plain(labels=("*anger*", "*sadness*")), None),
    "agree_arrow": (plain(labels=("-> anger", "-> sadness")), TWO),
    "agree_pipe": (plain(labels=("| anger", "| sadness")), TWO),
    "agree_hash": (plain(labels=("#anger", "#sadness")), None),
    "agree_mixed_number_and_name": (f"{A}\nSpeaker: Phoebe Utterance: {PHOEBE} Number: sadness\n{C}", THREE),
}  # fmt: skip

SHAPES = {
    "shape_table_bold": (
        f"| **Speaker** | **Utterance** | **Emotion** |\n|:---|:---|:---:|\n| **Joey** | {JOEY} | anger |\n| **Phoebe** | {PHOEBE} | sadness |",
        TWO),
    "shape_table_no_edges": (f"Speaker | Utterance | Number\n--- | --- | ---\nJoey | {JOEY} | 4\nPhoebe | {PHOEBE} | 3", TWO),
    "shape_table_pipe_in_text": (
        f"| Speaker | Utterance | Number |\n|---|---|---|\n| Joey | Who | me? | 4 |\n| Phoebe | {PHOEBE} | 3 |", None),
    "shape_table_pipe_escaped": (
        f"| Speaker | Utterance | Number |\n|---|---|---|\n| Joey | Ham \\| cheese? | 4 |\n| Phoebe | {PHOEBE} | 3 |",
        said("Ham | cheese?")),
    "shape_table_empty_cell": (
        f"| Speaker | Utterance | Number |\n|---|---|---|\n| Joey | | 4 |\n| Phoebe | {PHOEBE} | 3 |\n| Joey | Out. | 0 |", None),
    "shape_table_number_and_emotion": (
        f"| Speaker | Utterance | Number | Emotion |\n|---|---|---|---|\n| Joey | {JOEY} | 4 | anger |\n| Phoebe | {PHOEBE} | 3 | sadness |", TWO),
    "shape_table_number_against_emotion": (
        f"| Speaker | Utterance | Number | Emotion |\n|---|---|---|---|\n| Joey | {JOEY} | 4 | joy |\n| Phoebe | {PHOEBE} | 3 | sadness |", None),
    "shape_table_unknown_column": (
        f"| Speaker | Utterance | Mood | Number |\n|---|---|---|---|\n| Joey | {JOEY} | bad | 4 |\n| Phoebe | {PHOEBE} | low | 3 |", None),
    "shape_table_turn_numbers": (
        f"| Turn | Speaker | Utterance | Number |\n|---|---|---|---|\n| 1 | Joey | {JOEY} | 4 |\n| 2 | Phoebe | {PHOEBE} | 3 |", TWO),
    "shape_json_words_around": (
        f'Here it is:\n```json\n[{{"speaker": "Joey", "utterance": "{JOEY}", "emotion": "anger"}}, {{"speaker": "Phoebe", "utterance": "{PHOEBE}", "emotion": "sadness"}}]\n```\nEnjoy!', TWO),
    "shape_json_nested_label": (
        f'[{{"speaker": "Joey", "text": "{JOEY}", "emotion": {{"anger": 0.9}}}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "emotion": {{"sadness": 0.8}}}}]', None),
    "shape_json_name_as_key": (f'[{{"Joey": "{JOEY}", "number": 4}}, {{"Phoebe": "{PHOEBE}", "number": 3}}]', None),
    "shape_json_trailing_comma": (
        f'[{{"speaker": "Joey", "text": "{JOEY}", "number": 4}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "number": 3}},]', None),
    "shape_json_single_quotes": (f"[{{'speaker': 'Joey', 'text': '{JOEY}', 'number': 4}}, {{'speaker': 'Phoebe', 'text': '{PHOEBE}', 'number': 3}}]", None),
    "shape_json_key_twice": (
        f'[{{"speaker": "Joey", "text": "{JOEY}", "number": 4, "number": 1}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "number": 3}}]', None),
    "shape_json_escapes": (
        f'[{{"speaker": "Joey", "text": "Who\\u0027s in?\\nMe?", "number": 4}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "number": 3}}]',
        said("Who's in? Me?")),
    "shape_json_false": (
        f'[{{"speaker": "Joey", "text": "{JOEY}", "number": true}}, {{"speaker": "Phoebe", "text": "{PHOEBE}", "number": 3}}]', None),
    "shape_csv": (f'speaker,utterance,number\nJoey,"{JOEY}",4\nPhoebe,"{PHOEBE}",3', None),
    "shape_yaml": (f"- speaker: Joey\n  utterance: {JOEY}\n  number: 4\n- speaker: Phoebe\n  utterance: {PHOEBE}\n  number: 3", TWO),
    "shape_xml": (f"<turn speaker='Joey' number='4'>{JOEY}</turn>\n<turn speaker='Phoebe' number='3'>{PHOEBE}</turn>", None),
    "shape_screenplay": (f"JOEY\n{JOEY} (anger)\n\nPHOEBE\n{PHOEBE} (sadness)", None),
    "shape_prose": (f'"{JOEY}" Joey shouted (anger). "{PHOEBE}" said Phoebe (sadness).', None),
    "shape_name_label_bold": (f"**Joey** (anger): {JOEY}\n\n**Phoebe** (sadness): {PHOEBE}", TWO),
    "shape_name_bold_colon_inside": (f"**Joey (anger):** {JOEY}\n**Phoebe (sadness):** {PHOEBE}", TWO),
    "shape_name_square": (f"Joey [anger]: {JOEY}\nPhoebe [sadness]: {PHOEBE}", TWO),
    "shape_name_comma": (f"Joey, angry: {JOEY}\nPhoebe, sad: {PHOEBE}", None),
    "shape_name_dash": (f"Joey - anger: {JOEY}\nPhoebe - sadness: {PHOEBE}", None),
    "shape_name_upper": (f"JOEY: {JOEY} (anger)\nPHOEBE: {PHOEBE} (sadness)", TWO),
    "shape_name_full": (
        f"Joey Tribbiani: {JOEY} (anger)\nPhoebe Buffay: {PHOEBE} (sadness)",
        [["Joey Tribbiani", JOEY, "anger"], ["Phoebe Buffay", PHOEBE, "sadness"]]),
    "shape_dash_for_colon": (f"Joey - {JOEY} (anger)\nPhoebe - {PHOEBE} (sadness)", None),
    "shape_label_line": (f"Joey: {JOEY}\n[anger]\nPhoebe: {PHOEBE}\n[sadness]", TWO),
    "shape_label_line_marked": (f"Joey: {JOEY}\nNumber: 4\n\nPhoebe: {PHOEBE}\nNumber: 3", TWO),
    "shape_label_line_arrow": (f"Joey: {JOEY}\n→ anger\nPhoebe: {PHOEBE}\n→ sadness", TWO),
    "shape_label_line_missing_one": (f"Joey: {JOEY}\n(anger)\nPhoebe: {PHOEBE}\nJoey: Out.\n(neutral)", None),
    "shape_text_on_next_line": (f"Joey:\n{JOEY} (anger)\n\nPhoebe:\n{PHOEBE} (sadness)", TWO),
    "shape_text_over_lines": (
        f"Speaker: Joey\nUtterance: Who ate\nmy sandwich?\nNumber: 4\n\nSpeaker: Phoebe\nUtterance: {PHOEBE}\nNumber: 3", TWO),
    "shape_bullets_nested": (f"- Speaker: Joey\n  - Utterance: {JOEY}\n  - Number: 4\n- Speaker: Phoebe\n  - Utterance: {PHOEBE}\n  - Number: 3", TWO),
    "shape_numbered_from_zero": (f"0. {P}\n1. {Q}", TWO),
    "shape_letters": (f"a) {P}\nb) {Q}", None),
    "shape_semicolons": (asked().replace(" Utterance", "; Utterance").replace(" Number", "; Number"), TWO),
    "shape_pipes": (asked().replace(" Utterance", " | Utterance").replace(" Number", " | Number"), TWO),
    "shape_brackets_around": ("(" + A + ")\n(" + B + ")", None),
    "shape_no_blanks": (asked().replace(": ", ":"), TWO),
    "shape_upper_markers": (asked().replace("Speaker", "SPEAKER").replace("Utterance", "UTTERANCE").replace("Number", "NUMBER"), TWO),
    "shape_emotion_for_number": (asked(numbers=("anger", "sadness")).replace("Number", "Emotion"), TWO),
    "shape_emotion_and_number_disagree": (asked(numbers=("4 Emotion: joy", "3 Emotion: sadness")), None),
    "shape_one_line_each_field_order_mixed": (f"{A}\nUtterance: {PHOEBE} Speaker: Phoebe Number: 3", None),
    "cut_in_number": (f"{A}\n{B}\nSpeaker: Joey Utterance: Then I am out. Num", TWO),
    "cut_in_name": (f"{A}\n{B}\nSpeaker: Jo", TWO),
    "cut_in_marker": (f"{A}\n{B}\nSpea", TWO),
    "cut_plain": (f"{P}\n{Q}\nJoey: Then I", TWO),
    "cut_plain_bracket": (f"{P}\n{Q}\nJoey: Then I am out. (neu", TWO),
}  # fmt: skip

TEXTS = {**NUMBER_PLACE, **SECOND, **AROUND, **TOKENS, **MARKS, **SENTENCE, **CONTRADICTIONS, **SHAPES}
