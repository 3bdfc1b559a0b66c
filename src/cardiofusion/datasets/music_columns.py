"""The columns of MUSIC: 64 clinical ones, 25 of the ECG, and 14 that are no features.

Codes are those of the release's `subject-info_codes.csv`. 999 stands for "not known" wherever it cannot be a
value; where it can (a count of beats, NT-proBNP, an RR interval in ms) it is a value, except among the
supraventricular beats, which cannot be counted in atrial fibrillation: there 178 of 654 are 999, none of them
in sinus rhythm.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardiofusion.datasets.sources import Source, category, number, yes_no
from cardiofusion.records import Column

# heading -> why it is no feature
LEFT_OUT: Mapping[str, str] = {
    "Patient ID": "names the patient",
    "Follow-up period from enrollment (days)": "outcome",
    "days_4years": "outcome: the follow-up cut at 1,460 days",
    "Exit of the study": "outcome",
    "Cause of death": "outcome",
    "Troponin (ng/mL)": "two assays that do not compare; the normalised troponin stays",
    "Hig-resolution ECG available": "what was recorded, not how the patient is",
    "Holter available": "what was recorded, not how the patient is",
    "Holter onset (hh:mm:ss)": "a time of day",
    "QRS > 120 ms": "follows from the QRS duration",
    "RR range (ms)": "the longest RR less the shortest; 0 without a Holter",
    "Number of ventricular premature contractions per hour": "the 24 h count over 24, its decimals spoilt",
    "Non-sustained ventricular tachycardia (CH>10)": "follows from two others; 0 without a Holter",
    "Body Mass Index (Kg/m2)": "follows from weight and height; contradicts them in two rows",
}
_UNKNOWN = 999.0
_RHYTHMS = {"0": "sinus", "1": "permanent atrial fibrillation", "2": "atrial flutter", "3": "paced"}


def _measured(heading: str, column: Column, unknown: tuple[float, ...] = ()) -> Source:
    impossible = column.kind == "number" and not column.plausible(_UNKNOWN)
    return Source(heading, column, (*unknown, _UNKNOWN) if impossible else unknown)


def _flags(names: Mapping[str, str]) -> tuple[Source, ...]:
    return tuple(Source(f"{heading} (yes=1)", yes_no(name)) for heading, name in names.items())


_HISTORY = (
    _measured("Age", number("age", "years", 18, 110, missing=False)),
    Source("Gender (male=1)", category("sex", {"0": "female", "1": "male"}, missing=False)),
    _measured("Weight (kg)", number("weight", "kg", 30, 250)),
    _measured("Height (cm)", number("height", "cm", 120, 220)),
    Source(
        "NYHA class", category("nyha", dict(zip("1234", ("I", "II", "III", "IV"), strict=True)), ordered=True)
    ),
    _measured("Diastolic blood  pressure (mmHg)", number("diastolic", "mmHg", 30, 160, "blood pressure")),
    _measured("Systolic blood pressure (mmHg)", number("systolic", "mmHg", 60, 260, "blood pressure")),
    Source(
        "HF etiology - Diagnosis",
        category(
            "etiology",
            {
                "1": "idiopathic dilated",
                "2": "ischaemic dilated",
                "3": "alcoholic dilated",
                "4": "valvular",
                "5": "toxic dilated",
                "6": "dilated after infarction",
                "7": "hypertrophic",
                "8": "hypertensive",
                "9": "other",
            },
            "of the heart failure",
        ),
    ),
    *_flags(
        {
            "Diabetes": "diabetes",
            "History of dyslipemia": "dyslipidaemia",
            "Peripheral vascular disease": "peripheral_vascular_disease",
            "History of hypertension": "hypertension",
            "Prior Myocardial Infarction": "prior_infarction",
        }
    ),
    Source(
        "Prior implantable device",
        category(
            "device",
            {
                "0": "none",
                "1": "pacemaker I",
                "2": "pacemaker II",
                "3": "pacemaker III",
                "4": "CRT I",
                "5": "ICD",
                "6": "unknown device",
                "8": "CRT II",
            },
            "implanted before enrolment",
        ),
    ),
    Source(
        "Prior Revascularization",
        category("revascularisation", {"0": "none", "1": "percutaneous", "2": "surgical", "3": "both"}),
    ),
    Source("Syncope", category("syncope", {"0": "no", "1": "yes, not studied", "2": "yes, studied"})),
    _measured("daily smoking (cigarretes/day)", number("cigarettes_a_day", "", 0, 150)),
    _measured(
        "cigarettes /year", number("cigarettes", "", 0, 5_000_000, "ever smoked, whatever the heading says")
    ),
    _measured(
        "smoke-free time (years)", number("smoke_free_years", "years", 0, 80, "0 too where never smoked")
    ),
    _measured("alcohol consumption (standard units)", number("alcohol", "", 0, 500, "standard units")),
)
_BLOOD = (
    _measured("Albumin (g/L)", number("albumin", "g/L", 10, 70)),
    _measured("ALT or GPT (IU/L)", number("alt", "U/L", 1, 900)),
    _measured("AST or GOT (IU/L)", number("ast", "U/L", 1, 900)),
    _measured("Normalized Troponin", number("troponin", "", 0, 500, "over the assay's upper limit")),
    _measured("Total Cholesterol (mmol/L)", number("cholesterol", "mmol/L", 1, 20)),
    _measured("Creatinine (?mol/L)", number("creatinine", "umol/L", 20, 900)),
    _measured("Gamma-glutamil transpeptidase (IU/L)", number("ggt", "U/L", 1, 3000)),
    _measured("Glucose (mmol/L)", number("glucose", "mmol/L", 1, 60)),
    _measured("Hemoglobin (g/L)", number("haemoglobin", "g/L", 40, 230)),
    _measured("HDL (mmol/L)", number("hdl", "mmol/L", 0.1, 6)),
    _measured("Potassium (mEq/L)", number("potassium", "mmol/L", 1.5, 9)),
    _measured("LDL (mmol/L)", number("ldl", "mmol/L", 0.1, 15)),
    _measured("Sodium (mEq/L)", number("sodium", "mmol/L", 100, 180)),
    _measured("Pro-BNP (ng/L)", number("nt_probnp", "ng/L", 1, 100_000)),
    _measured("Protein (g/L)", number("protein", "g/L", 20, 120)),
    _measured("T3 (pg/dL)", number("t3", "", 0, 1, "the file's unit, pg/dL, cannot be right")),
    _measured("T4 (ng/L)", number("t4", "ng/L", 0.5, 100)),
    _measured("TSH (mIU/L)", number("tsh", "mIU/L", 0, 200)),
    _measured(
        "Urea (mg/dL)", number("urea", "mmol/L", 0.5, 80, "mg/dL in the file, which the values are not")
    ),
)
_HEART = (
    *_flags({"Signs of pulmonary venous hypertension": "pulmonary_venous_hypertension"}),
    _measured("Cardiothoracic ratio", number("cardiothoracic_ratio", "", 0.2, 1, "in the chest X-ray")),
    _measured("Left atrial size (mm)", number("left_atrium", "mm", 10, 120)),
    Source("Right ventricle contractility (altered=1)", yes_no("right_ventricle_altered", missing=True)),
    _measured("Right ventricle end-diastolic diameter (mm)", number("right_ventricle", "mm", 5, 90)),
    _measured("LVEF (%)", number("lvef", "%", 5, 90, "left ventricular ejection fraction")),
    Source(
        "Mitral valve insufficiency",
        category(
            "mitral_insufficiency",
            dict(zip("01234", ("none", "I", "II", "III", "IV"), strict=True)),
            ordered=True,
        ),
    ),
    Source(
        "Mitral flow pattern",
        category(
            "mitral_flow",
            {"0": "normal", "1": "impaired", "2": "pseudonormal", "3": "restrictive", "9": "other"},
        ),
    ),
    _measured("Left ventricular posterior wall thickness (mm)", number("posterior_wall", "mm", 3, 40)),
    _measured("Septal thickness (mm)", number("septum", "mm", 3, 50)),
    _measured("Left ventricle end-diastolic diameter (mm)", number("lv_diastolic", "mm", 20, 120)),
    _measured("Left ventricle end-systolic diameter (mm)", number("lv_systolic", "mm", 10, 110)),
)
_DRUGS = _flags(
    {
        "Calcium channel blocker": "calcium_blocker",
        "Diabetes medication": "diabetes_medication",
        "Amiodarone": "amiodarone",
        "Angiotensin-II receptor blocker": "angiotensin_blocker",
        "Anticoagulants/antitrombotics ": "anticoagulant",
        "Betablockers": "beta_blocker",
        "Digoxin": "digoxin",
        "Loop diuretics": "loop_diuretic",
        "Spironolactone": "spironolactone",
        "Statins": "statin",
        "Hidralazina": "hydralazine",
        "ACE inhibitor": "ace_inhibitor",
        "Nitrovasodilator": "nitrate",
    }
)
CLINICAL = (*_HISTORY, *_BLOOD, *_HEART, *_DRUGS)

_TWELVE_LEADS = (
    Source("ECG rhythm", category("ecg_rhythm", _RHYTHMS)),
    Source("Q-waves (necrosis, yes=1)", yes_no("q_waves")),
    _measured("PR interval (ms)", number("pr", "ms", 60, 500, "none in fibrillation or paced")),
    _measured("QRS duration (ms)", number("qrs", "ms", 40, 320)),
    _measured("QT interval (ms)", number("qt", "ms", 200, 800)),
    _measured("QT corrected", number("qtc", "ms", 200, 900, "Bazett")),
    _measured("Average RR (ms) (1)", number("rr", "ms", 250, 2500)),
    *_flags({"Left ventricular hypertrophy": "ecg_hypertrophy"}),
    Source(
        "Intraventricular conduction disorder",
        category(
            "conduction",
            {
                "0": "none",
                "1": "RBBB",
                "2": "LBBB",
                "3": "left anterior hemiblock",
                "4": "left posterior hemiblock",
                "5": "RBBB and left anterior hemiblock",
                "6": "RBBB and left posterior hemiblock",
                "7": "other",
            },
        ),
    ),
)
_HOLTER = (
    Source("Holter  rhythm", category("holter_rhythm", _RHYTHMS), unknown=(4.0,)),  # a code nobody explains
    _measured("minimum RR (ms)", number("holter_rr_min", "ms", 150, 2500)),
    _measured("Average RR (ms) (2)", number("holter_rr", "ms", 250, 2500)),
    _measured("maximum RR (ms)", number("holter_rr_max", "ms", 300, 15_000)),
    _measured("Number of ventricular premature beats in 24h", number("ventricular_beats", "", 0, 150_000)),
    _measured("Extrasystole couplets", number("couplets", "", 0, 50_000)),
    Source(
        "Ventricular Extrasystole",
        category("ventricular_form", {"0": "none", "1": "monomorphic", "2": "polymorphic", "3": "couplets"}),
    ),
    Source(
        "Ventricular Tachycardia",
        category(
            "ventricular_tachycardia",
            {"0": "none", "1": "non-sustained", "2": "sustained", "3": "torsade de pointes"},
        ),
    ),
    _measured(
        "Number of supraventricular premature beats in 24h",
        number("supraventricular_beats", "", 0, 150_000),
        (_UNKNOWN,),
    ),
    Source(
        "Paroxysmal supraventricular tachyarrhythmia",
        category(
            "supraventricular_tachycardia",
            {
                "0": "none",
                "1": "tachycardia",
                "2": "paroxysmal fibrillation",
                "3": "paroxysmal flutter",
                "4": "other",
                "9": "not applicable: chronic fibrillation",
            },
        ),
    ),
    _measured("Longest RR pause (ms)", number("longest_pause", "ms", 500, 30_000)),
    Source(
        "Bradycardia",
        category(
            "bradycardia",
            {
                "0": "none",
                "1": "sinus node dysfunction",
                "2": "first-degree AV block",
                "3": "second-degree AV block I",
                "4": "second-degree AV block II",
                "5": "third-degree AV block",
                "6": "paroxysmal AV block",
            },
        ),
    ),
    _measured("SDNN (ms)", number("sdnn", "ms", 1, 500)),
    _measured("SDANN (ms)", number("sdann", "ms", 1, 500)),
    _measured("RMSSD (ms)", number("rmssd", "ms", 0.5, 500)),
    _measured("pNN50 (%)", number("pnn50", "%", 0, 100)),
)
ECG = (*_TWELVE_LEADS, *_HOLTER)
