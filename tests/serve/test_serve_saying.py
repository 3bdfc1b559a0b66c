"""Sentences of the library in another language: recognised, filled, escaped, English where unknown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from cardiofusion.report.wording import clean
from cardiofusion.serve.directions import FIRST_STRONG_ISOLATE, LEFT_TO_RIGHT_ISOLATE, POP_ISOLATE
from cardiofusion.serve.language import LANGUAGES, translator
from cardiofusion.serve.phrases import KINDS, PHRASES
from cardiofusion.serve.saying import MAX_STEPS, MAX_TEXT, Phrase, Said, say


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (
            "Lead V3 is flat: check the electrode and its cable.",
            "Dérivation V3 : tracé plat ; vérifier l’électrode et son câble.",
        ),
        ("Leads I, V2, V6 drift slightly.", "Dérivations I, V2, V6 : légère dérive de la ligne de base."),
        (
            "Leads V1, V2 and V3 are flat: check the electrode and its cable.",
            "Dérivations V1, V2 et V3 : tracé plat ; vérifier l’électrode et son câble.",
        ),
        ("cannot rule out MI", "ne peut être exclu : infarctus du myocarde (MI)"),
        ("death within 10 years: no", "décès dans les 10 ans : non"),
        (
            "mortality: Age 95 is outside the training data (25 to 74 years): do not rely on what follows.",
            "mortalité : L’âge de 95 ans est en dehors des données d’apprentissage (25 à 74 ans) : "
            "ne pas se fier à ce qui suit.",
        ),
        (
            "WRONG PATIENT? The ECG is of a male, the clinical row of a female.",
            "ERREUR DE PATIENT ? L’ECG est celui d’un patient de sexe masculin, les données cliniques celles "
            "d’un patient de sexe féminin.",
        ),
        ("QRS: 92 ms before, 148 ms now (+56 ms)", "QRS : 92 ms avant, 148 ms maintenant (+56 ms)"),
        ("hdl_cholesterol is 'x', not a number", "cholestérol HDL vaut 'x', qui n’est pas un nombre"),
        (
            "age 61 years, sex male, systolic 150 mmHg",
            "âge 61 ans, sexe masculin, pression systolique 150 mmHg",
        ),
        (
            "age looked at V2 (6 %; evenly spread it would be 5 %); sex looked at III (5 %; evenly spread it "
            "would be 5 %)",
            "âge a regardé V2 (6 % ; réparti également ce serait 5 %); sexe a regardé III (5 % ; réparti "
            "également ce serait 5 %)",
        ),
        ("Mortality", "Mortalité"),
    ],
)
def test_a_sentence_is_recognised_and_filled(english: str, french: str) -> None:
    said = translator("fr").say(english)
    assert said.known
    assert said.replace("\u00a0", " ") == french


def test_cannot_rule_out_and_no_stay_what_they_are_in_every_language() -> None:
    for code in LANGUAGES:
        sayings = [
            str(translator(code).say(f"{words}")) for words in ("cannot rule out MI", "MI: yes", "MI: no")
        ]
        assert len(set(sayings)) == 3
        assert all("MI" in said for said in sayings)


def test_a_label_of_somebody_elses_task_stays_in_a_translated_sentence() -> None:
    said = translator("es").say("cannot rule out takotsubo")
    assert said.known
    assert said == "no se puede descartar: takotsubo"


def test_an_identifier_is_never_translated() -> None:
    said = translator("es").say("WRONG PATIENT? The ECG is of male, the clinical row of MI.")
    assert said.endswith("El ECG es de male, los datos clínicos de MI.")


def test_an_unknown_sentence_stays_english_and_says_so_in_html() -> None:
    said = translator("fr").say("Nobody ever <wrote> this.")
    assert not said.known
    assert said == "Nobody ever <wrote> this."
    assert said.__html__() == "<span lang='en' dir='ltr'>Nobody ever &lt;wrote&gt; this.</span>"


def test_what_a_file_is_called_cannot_become_markup() -> None:
    said = translator("ar").say("<script>alert(1)</script> is empty")
    assert said.known
    assert "<script>" not in said.__html__()
    assert "&lt;script&gt;" in said.__html__()


def test_direction_changing_characters_of_a_name_are_replaced() -> None:
    said = translator("ar").say("\u202etxt.exe\u2069 is empty")
    assert "\u202e" not in said
    assert said.count(FIRST_STRONG_ISOLATE) == said.count(POP_ISOLATE) == 1


def test_thousands_get_a_space_and_units_stay_with_their_number() -> None:
    said = translator("es").say("FILE has 1,234,567 of its 2,000,000 bytes")
    assert "1\u202f234\u202f567" in said
    assert "," not in said
    assert "7.4\u00a0mV" in translator("es").say(
        "The leads span 7.4 mV, hardly a heart's: check gain and unit in the file."
    )


def test_arabic_lists_have_arabic_commas_and_latin_stretches_are_isolated() -> None:
    said = translator("ar").say("age, sex, HDL cholesterol")
    assert said == f"العمر، الجنس، كوليسترول {LEFT_TO_RIGHT_ISOLATE}HDL{POP_ISOLATE}"


@pytest.mark.parametrize("code", LANGUAGES)
@settings(deadline=None)
@given(text=st.text(max_size=120))
def test_any_text_is_said_safely(code: str, text: str) -> None:
    said = translator(code).say(text)
    assert isinstance(said, Said)
    if code == "en":
        assert said == clean(text)
        assert said.__html__() == escape(clean(text))
    shown = str(said.__html__()).removeprefix("<span lang='en' dir='ltr'>").removesuffix("</span>")
    assert "<" not in shown
    assert '"' not in shown


@settings(deadline=None)
@given(st.lists(st.sampled_from(PHRASES), max_size=30), st.sampled_from([" ", ", ", ": ", "; ", " or "]))
def test_no_pile_of_phrases_takes_long_or_raises(phrases: list[str], joint: str) -> None:
    asked = []
    say((joint.join(phrases) * 40)[:MAX_TEXT], lambda text: asked.append(text) or text, rtl=True)
    assert len(asked) <= MAX_STEPS


def filled(phrase: Phrase) -> dict[str, str]:
    """Something for each placeholder that fits its kind."""
    fits = {
        "number": "7.5",
        "unit": "mmHg",
        "lead": "V3",
        "leads": "V3, V4",
        "name": "mortality",
        "ending": "",
    }
    known = {
        "sex": "male", "row_sex": "female", "risks": "3 % in 10 years", "moved": "V1 +0.10 to −0.20",
        "contributions": "age 61 years −0.52", "frequency": "about 7 of 100", "column": "age",
        "choice": "male",
        "score": "SCORE2", "warning": "MI", "fault": "is flat", "advice": "record it again",
        "electrodes": "right arm and left leg", "exchange": "may be in reverse order", "parts": "samples",
        "alignment": "ECG and clinical row are of the same patient", "whom": "each answer", "sure": "sure",
        "p_waves": "P waves before the QRS", "regularity": "regular", "now_regularity": "irregular",
        "leaning": "points to", "now_leaning": "unlikely", "grade": "good", "now_grade": "fair",
        "reason": "MI",
    }  # fmt: skip
    return {name: known.get(name) or fits.get(KINDS.get(name, "text"), "QQ") for name in phrase.names}


@pytest.mark.parametrize("template", [phrase for phrase in PHRASES if "{" in phrase])
def test_every_template_is_recognised_where_it_is_said(template: str) -> None:
    phrase = Phrase.of(template)
    parts = filled(phrase)
    sentence = template.format(**parts)
    for code in ("fr", "ar"):
        said = translator(code).say(sentence)
        assert said.known, sentence
        assert all(
            part in said for name, part in parts.items() if KINDS.get(name) in ("number", "unit", "lead")
        )
