"""What the rooms below say in English, as templates that `saying.py` recognises and translators translate.

A placeholder's name says what may stand there (KINDS). Tests hold the list against real assessments and
refusals, so that a sentence reworded below is missed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Literal

# number: digits. unit: "mmHg". lead: "V1". leads: "V1, V2 and V3". name: an identifier. text: stays as it
# is. phrase: translated where it is known, else as it is. known: translated, and no match where it is not.
# column: a known one of a few words. ending: known, or nothing.
Kind = Literal["number", "unit", "lead", "leads", "name", "text", "phrase", "known", "column", "ending"]

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("n", "all", "partners", "seconds", "rate", "mv", "age", "row_age", "years"), "number"),
    **dict.fromkeys(("low", "high", "percent", "even", "value", "device"), "number"),
    "leads": "leads",
    **dict.fromkeys(("lead", "first", "second", "code"), "lead"),
    "task": "name",
    "unit": "unit",
    "column": "column",
    **dict.fromkeys(("label", "event", "other", "feature", "shown", "category", "view"), "phrase"),
    **dict.fromkeys(("names", "outcome"), "phrase"),
    **dict.fromkeys(("warning", "fault", "advice", "electrodes", "exchange", "parts"), "known"),
    **dict.fromkeys(("sex", "row_sex", "alignment", "whom", "sure", "p_waves", "risks"), "known"),
    **dict.fromkeys(("choice", "reason", "score", "regularity", "now_regularity"), "known"),
    **dict.fromkeys(("leaning", "now_leaning", "grade", "now_grade", "moved", "contributions"), "known"),
    **dict.fromkeys(("also", "doubt"), "ending"),
}

NOTICES = (
    "For research use only. Not a medical device. Not an emergency alarm.",
    "This ECG is unfit for reading: nothing that follows comes from it.",
    "Nothing was answered: the ECG is unfit for reading. What to do about it stands with each reason.",
    "No task could be answered with what was given.",
    "The original of this ECG cannot be read: it is not drawn.",
)  # fmt: skip

QUALITY = (
    "The recording lasts only {seconds} s: record 10 s.",
    "The recording lasts {seconds} s of the usual 10 s.",
    "Only the first 10 s of {seconds} s were judged and used.",
    "Only lead {lead} holds a signal: record all twelve leads.",
    "Only leads {leads} hold a signal: record all twelve leads.",
    "{rate} Hz is no sampling rate of an ECG: check the file.",
    "{rate} Hz is too coarse for an ECG: export the native rate.",
    "{rate} Hz blurs narrow waves: export the native rate.",
    "At {rate} Hz pacemaker spikes cannot be seen.",
    "The file's gain cannot be trusted as millivolts: voltage criteria do not hold.",
    "No checksum covers the file's {parts}.",
    "Lead {lead} is not there though the other chest leads are: check the electrodes or the export.",
    "Leads {leads} are not there though the other chest leads are: check the electrodes or the export.",
    "Every sample is zero or missing: record or export it again.",
    "Every lead is flat or mostly missing: check the electrodes.",
    "The limb leads contradict each other by up to {mv} mV: check gains and labels.",
    "Leads {first} and {second} carry the same curve: check the electrodes or the export.",
    "The leads span {mv} mV, hardly a heart's: check gain and unit in the file.",
    "The electrodes of {electrodes} may be exchanged: check them and record again.",
    "right arm and left arm", "right arm and left leg", "right arm, left arm and left leg",
    "right arm, left leg and left arm",
    "Lead I is upside down: the arm electrodes may be exchanged, or the heart lies on the right.",
    "The chest electrodes {exchange}: check them and record again.",
    "{first} and {second} may be exchanged", "may be in reverse order",
    "may be moved on, V1 to the place of {lead}",
    "All waves are short as if time ran twice too fast: check the sampling rate or paper speed.",
    "All waves are long as if time ran at half speed: check the sampling rate or paper speed.",
    "No heart beats can be made out: look at the patient first, then at the electrodes.",
    "There are pacemaker spikes: QRS shape, axis and ST-T say little in paced beats.",
    "Lead {lead} {fault}: {advice}.", "Lead {lead} {fault}.", "Leads {leads} {fault}: {advice}.",
    "Leads {leads} {fault}.",
)  # fmt: skip

FAULTS = (
    "is flat", "are flat", "has missing samples", "have missing samples", "is cut off at the top or bottom",
    "are cut off at the top or bottom", "has an implausible height", "have implausible heights",
    "jumps for single samples", "jump for single samples", "drifts", "drift", "carries mains hum",
    "carry mains hum", "carries muscle noise", "carry muscle noise", "drifts slightly", "drift slightly",
    "carries mains hum slightly", "carry mains hum slightly", "carries muscle noise slightly",
    "carry muscle noise slightly", "check the electrode and its cable", "export or record it again",
    "record it again", "check gain and unit in the file", "look for a loose contact",
    "clean the skin and let the patient lie still", "check the electrodes, move away from power cables",
    "let the patient relax and keep warm", "samples", "header", "header and samples",
)  # fmt: skip

ADMISSION = (
    "{task}: {warning}",
    "The rhythm is irregularly irregular, as in atrial fibrillation: read the rhythm yourself.",
    "This patient is a child ({age} years), the bundle learnt from adults: do not rely on what follows.",
    "Age {age} is outside the training data ({low} to {high} years): do not rely on what follows.",
    "The bundle learnt from {all} leads; this ECG has {n}: do not rely on what follows.",
    "The rhythm looks paced, and the bundle did not learn from paced patients: do not rely on what"
    " follows.",
    "The ECG is of a {sex}, the clinical row of a {row_sex}.",
    "The ECG says {age} years, the clinical row {row_age}.",
    "The ECG is of {id}, the clinical row of {row_id}.", "WRONG PATIENT? {reason}",
    "{column} is {file_value} in the file, {given_value} beside it",
    "Trained on {alignment}. Experimental.",
    "Trained on {alignment} ({n} of {all} rows found one of {partners} ECGs; standardised mean difference"
    " before and after: {moved}). Experimental.",
    "ECG and clinical row are of the same patient",
    "proxy alignment: the ECG is of another person, nearest on shared covariates",
    "proxy alignment: the ECG is a draw from the encoder's latent distribution",
)  # fmt: skip

ANSWERS = (
    "cannot rule out {label}", "{label}: yes", "{label}: no", "{event} within {years} years",
    "{label}: unlike the patients it learnt from", "unlike the patients it learnt from",
    "present or absent", "neither present nor absent", "the ECG was not used",
    "cannot tell", "cannot tell: {label} or {other}", "within {years} years", "present", "absent", "yes",
    "no",
    "For {whom} at least {percent} % of the patients of whom it is true get a set that holds it, on"
    " average over draws of the calibration patients (at least {n} a class) and provided that new"
    " patients are exchangeable with them.{also} It is no promise about a single patient.",
    "each label, and for present and absent each,", "each answer",
    "Labels are promised one by one, not all at once.",
    "Patients lost before the time was over are made up for by those who stayed, which is right where"
    " being lost had nothing to do with the risk.",
    "about {n} of {all}", "fewer than {n} of {all}", "more than {n} of {all}", "no probability",
)  # fmt: skip

LABELS = (
    "NORM", "MI", "STTC", "CD", "HYP", "death", "cardiovascular disease", "no cardiovascular disease",
    "ecg-findings", "ecg findings", "mortality", "cvd", "ECG alone", "clinical row alone", "row alone",
    "both", "ECG and clinical row", "fusion model given the row alone", "LightGBM on row and embedding",
    "late fusion", "nothing",
)  # fmt: skip

MISSING = (
    "no ECG was given", "No ECG was given.", "the ECG is unfit and was not used",
    "no clinical value of the bundle's was given", "not given; the model learnt from patients without it",
    "not given; the typical training patient's value stands in: {shown}", "nothing known",
    "resampled from {rate} Hz to {n} Hz", "the first {n} s of {seconds} s were used",
    "missing samples of {leads} were drawn as straight lines", "MLII (modified lead II) stands for II",
    "{leads} were computed from the other limb leads", "{leads} exceeded {mv} mV and were clipped",
    "{seconds} s were padded with zeros to {n} s", "absent, flat or empty: {leads}",
    "resampled", "cropped", "filled", "substituted", "derived", "clipped", "padded",
     "missing",
)  # fmt: skip

MEASURED = (
    "Good: fit for reading", "Fair: read with care", "✖ Unfit for reading", "Unfit for reading", "good",
    "fair", "unfit", "note", "warning", "Rate", "P axis", "QRS axis", "T axis", "QTc, device's formula",
    "sure", "fairly sure", "uncertain", "cannot be told", "All leads together", "From lead {lead} together",
    "From leads {leads} together",
    "From lead {lead} alone: where waves begin and end is less sure than in 12 leads",
    "From leads {leads} alone: where waves begin and end is less sure than in 12 leads",
    "ST {mv} mV or more off the level before the QRS: in no lead",
    "ST {mv} mV or more off the level before the QRS: {by_lead}", "Sokolow-Lyon voltage {value} mV{doubt}",
    "Cornell voltage {value} mV{doubt}", "(uncertain)",
    "Rhythm: {regularity} ({sure}); RR {value} ms ± {n}; {p_waves}",
    "Rhythm: {regularity} ({sure}); RR {value} ms ± {n}, {percent} % of beats of another shape; {p_waves}",
    "regular", "irregular", "irregularly irregular", "P waves before the QRS",
    "no P waves made out before the QRS", "no P waves made out before the QRS of most beats",
    "{column}: {value} ms here, {device} by the device: look at the tracing",
    "{column}: {value}° here, {device} by the device: look at the tracing",
    "{column}: {value} /min here, {device} by the device: look at the tracing", "PR", "QRS", "QT",
    "QTc Bazett", "QTc Fridericia",
)  # fmt: skip

REASONS = (
    "{feature} looked at {where} ({percent} %; evenly spread it would be {even} %)", "log-odds",
    "log-odds of the event in a stretch of time", "what the row saw in the ECG reaches the answer",
    "what the row saw in the ECG does not reach the answer", "average patient", "this patient",
    "lowers the score", "raises the score", "{n} other features", "not explained by any feature",
    "score before calibration",
    "The answer was made from: {view}. What is said here of {names} did not enter it.", "the ECG",
    "the clinical row", "the ECG and the clinical row", "What each part would have said",
    "On A4 paper at 100 % one large square is 5 mm: 0.2 s across, 0.5 mV up.",
    "It shows what moved the model's score, not where a disease sits.", "Most like", "Typical", "Stable",
    "Phenotype {n}", "{percent} % of its members lie farther from its centre",
    "yes: it came back in the bootstraps", "no: read with care", "Bundle name", "Version", "Created",
    "Seed", "Training data", "Parameters",
)  # fmt: skip

SCORES = (
    "Beside the model; they answer other questions: how likely is a first cardiovascular event within"
    " years, in people who had none?",
    "whether there was an event before: not told",
    "a first cardiovascular event (myocardial infarction, stroke, cardiovascular death)",
    "a first cardiovascular event (coronary disease, stroke or transient ischaemic attack, peripheral"
    " artery disease, heart failure)",
    "a first atherosclerotic event (myocardial infarction, coronary death, stroke)",
    "a first coronary event or stroke", "Framingham 2008 with lipids",
    "Framingham 2008 with body mass index", "ACC/AHA pooled cohort equations", "WHO 2019, with cholesterol",
    "PREVENT, cardiovascular", "PREVENT, atherosclerotic", "PREVENT, heart failure",
    "{column} is {shown}, published for {low} to under {high} years",
    "{column} is {shown}, published for {category}",
    "SCORE2", "SCORE2-OP", "WHO 2019", "PREVENT", "{score} ({n})", "{score}, {years} years",
    "heart failure", "cardiovascular", "atherosclerotic",
    "a first atherosclerotic event (myocardial infarction, coronary death, stroke) or heart failure",
    "{score}: {percent} risk of {outcome} within {years} years",
)  # fmt: skip

COLUMNS = (
    "age", "sex", "height", "weight", "diastolic", "systolic", "red blood cells", "sedimentation rate",
    "albumin", "cholesterol", "iron", "magnesium", "protein", "iron binding capacity",
    "transferrin saturation", "white blood cells", "bmi", "BMI", "total cholesterol", "hdl cholesterol",
    "HDL cholesterol", "egfr", "eGFR", "smoking", "diabetes", "pressure treatment", "statin", "race",
    "risk region", "WHO region", "glucose", "alcohol", "active", "patient id", "ecg", "row", "years",
    "{n} years", "blood pressure", "in blood", "smokes now", "has diabetes of either type",
    "takes a drug against high blood pressure", "takes a statin", "as the patient says",
    "had a cardiovascular event: all scores are for people without one",
    "total cholesterol in three classes", "blood glucose in three classes",
    "smokes, by the patient's own account", "drinks alcohol, by the patient's own account",
    "physically active, by the patient's own account", "from height and weight if not given",
    "iron over binding capacity", "CKD-EPI 2021, without race",
    "of Europe, after the country's cardiovascular mortality (SCORE2, 2021)",
    "of the world, as the Global Burden of Disease study draws them (WHO 2019)",
    "90 stands for every age over 89 (300 in the file)",
)  # fmt: skip

CATEGORIES = (
    "female", "male", "normal", "above normal", "well above normal", "white", "black", "other", "low",
    "moderate", "high", "very high", "unknown", "not known",
)  # fmt: skip

ERRORS = (
    "{file} is no ECG format we read", "{file} is empty", "{file} is no complete XML: {detail}",
    "{file} is no complete JSON: {detail}", "{file} is no complete DICOM data set: {detail}",
    "{file} has no ECG among its signals {detail}",
    "{file} holds {n} records of the {all} that it declares", "{file} has {n} of its {all} bytes",
    "{file} has {n} bytes, its header alone has {all}", "{file} does not match its checksum",
    "the samples of {file} do not match their checksum",
    "the samples of {file} do not add up to their checksum", "{file} takes too long to read",
    "{file} takes too much memory to read", "{file} stopped the process that read it ({detail})",
    "{file} has leads of different lengths", "{file} has leads of different lengths, or empty ones",
    "{file} has leads at different rates", "{file} has {lead} twice", "{file} has no rhythm waveform",
    "{file} has no rhythm series", "{file} has no samples", "{file} holds no samples",
    "{file} has {seconds} s, less than {n}", "no recording in {file} or below it",
    "{file} is a folder, not a recording", "two files have the same name",
    "the files are too large together", "no standard lead of this recording holds a signal",
    "the recording lasts {seconds} s, less than {n} s",
    "the sampling rate is {rate} Hz, not {low} to {high} Hz", "no whole beat lies inside the recording",
    "there is neither an ECG nor a value of the bundle's columns", "this bundle takes no clinical row",
    "{column} cannot be {given}", "{column} is {given}, not a number",
    "{column} = {given} is outside the plausible range",
    "{column} is in {unit}; {given} does not convert to that", "no column {given}",
    "the file could not be kept: {detail}", "the database refuses: {detail}",
    "this data folder was written by a newer version of CardioFusion", "there is no such case",
    "there is no such file", "there is no such batch", "there is no such account", "this is no verdict",
)  # fmt: skip

REGIONS = (
    "andean latin america", "australasia", "caribbean", "central asia", "central europe",
    "central latin america", "central sub-saharan africa", "east asia", "eastern europe",
    "eastern sub-saharan africa", "high-income asia pacific", "high-income north america",
    "north africa and middle east", "oceania", "south asia", "southeast asia", "southern latin america",
    "southern sub-saharan africa", "tropical latin america", "western europe", "western sub-saharan africa",
)  # fmt: skip

HINTS = (
    "export the ECG again from the device or the archive it came from", "we read: {formats}",
    "the file was cut short; copy it again from its source", "copy it again from its source",
    "the file was changed or damaged; copy it again from its source",
    "an ECG lead's label is its name, as in 'ECG II' or 'V1'",
    "handheld recorders of Healforce and its kin write such files; export it with their own program",
    "write plain decimal numbers with points, a comma between cells, nothing for a missing sample",
    "write the file again", "export all leads at one sampling rate", "export one recording a file",
    "export one ECG, or the part you need; do not trust a small file that takes so long",
    "export one ECG, or the part you need; do not trust a small file that grows so",
    "for example {value} {unit}", "for example {value}",
    "at most {n} are read",
    "at most {n} bytes are read", "name one recording in it",
    "check the electrodes and the export; a flat or empty ECG cannot be read",
    "record at least one full heart beat, better 10 s", "record for longer, up to 10 s",
    "export the ECG at its native rate",
    "give one of them; `cardiofusion inspect BUNDLE` shows its columns", "give an ECG only", "a number",
    "a number in {unit}", "{low} to {high} {unit}", "one of: {categories}", "known: {categories}",
    "make room on the disk, or check the folder's permissions; nothing was taken in",
    "see whether it runs, the disk has room and the folder may be written", "it may have been deleted",
    "restore it from a backup",
)  # fmt: skip

VERDICTS = (
    "a normal waveform – rhythm not judged", "heart rate",
    "myocardial infarction", "ST or T wave change", "conduction disturbance", "hypertrophy",
    "{column} ({code})", "ECG findings", "points to", "cannot rule out", "unlikely",
    "unlike any it learnt from", "Points to {label}", "Cannot rule out {label}", "Unlikely: {label}",
    "Cannot tell {label}: unlike the patients it learnt from", "about {n} of {all} (95 %: {low} to {high})",
    "present: {names}", "cannot rule out: {names}", "none of what it looks for",
    "{score}: {risks}", "{percent} % in {years} years", "the model looked at (for {label}): {where}",
    "largest contributions (for {label}): {contributions}", "{column} {choice}", "{column} {n}",
    "{column} {unit}", "{column} (from the ECG file)",
)  # fmt: skip

CHANGES = (
    "Nothing could be compared.", "No change beyond measurement error in {names}.", "the answers", "rhythm",
    "ST",
    "The two were answered by different bundles: answers are not compared",
    "{label}: “{leaning}” before, “{now_leaning}” now", "Quality: {grade} before, {now_grade} now",
    "Rhythm: {regularity} before, {now_regularity} now",
    "P waves before the QRS: made out before, not now",
    "P waves before the QRS: not made out before, made out now",
    "{column}: {was} before, {now} now, but uncertain in one of them",
    "{column}: {was} before, {now} now, but uncertain in both",
    "{column}: {was} before, {now} now ({change})",
    "ST in mV, before to now: {moved}", "{lead} {value} to {n}",
)  # fmt: skip

CLINIC = (
    "the ECG cannot be drawn like that", "a speed, gain or start is no number",
    "there is neither an ECG nor a value", "there is neither an ECG nor a row", "give one of them",
    "give one of them, or both", "a clinical row belongs to one ECG, and there are several",
    "this is too long", "at most {n} characters", "a kept answer is damaged",
    "assess the case again, or restore a backup", "the folder of files refuses: {detail}",
    "make room on the disk, or check the folder's permissions; nothing was changed",
    "this needs the role {role}", "ask an admin of this server", "ask an administrator of this server",
    "too many people sign in at this moment", "try again in a minute", "too many requests in a short time",
    "wait a little", "wait a moment", "nobody has signed in",
    "sign in, or open the address that CardioFusion printed when it started",
    "check the address; it may have been deleted", "send less at a time",
    "send fewer or smaller files at a time", "report it; nothing was lost", "CardioFusion made a mistake",
    "not found", "there is no such page", "start at /", "try again", "this is no name", "this name is taken",
    "choose another one", "2 to 64 letters, digits or . _ @ -", "a password has {low} to {high} characters",
    "a password has more than a few different characters",
    "a password holds neither the name nor that of this program",
    "a sentence of your own is a good password",
)  # fmt: skip

_ROOMS: tuple[tuple[str, ...], ...] = (
    NOTICES,
    QUALITY,
    FAULTS,
    ADMISSION,
    ANSWERS,
    LABELS,
    MISSING,
    MEASURED,
)
_ROOMS += (REASONS, SCORES, COLUMNS, CATEGORIES, REGIONS, ERRORS, HINTS, VERDICTS, CHANGES, CLINIC)

PHRASES: tuple[str, ...] = tuple(dict.fromkeys(chain.from_iterable(_ROOMS)))
