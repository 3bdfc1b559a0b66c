"""Findings: the diagnoses that readers of ECGs code, each as the causes of which any one is enough.

The first five are PTB-XL's superclasses ("abnormal" stands against NORM; Wagner et al., Scientific Data 2020,
7:154): an encoder that names causes can rank ECGs by them without one label of a real patient. Extra beats,
low voltage, early repolarisation and misplaced electrodes do not make an ECG abnormal in this sense, and an
incomplete block does. How common a cause is among virtual patients is chosen for learning (prevalence.py), so
log-odds of findings rank; as probabilities of a diagnosis they are not calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardiofusion.simulate.targets import CAUSE_TARGETS

_INFARCTION = (
    "infarct_anteroseptal",
    "infarct_anterior",
    "infarct_lateral",
    "infarct_inferior",
    "infarct_posterior",
)
_ST_T_CHANGE = (
    "ischaemia_anterior",
    "ischaemia_lateral",
    "ischaemia_inferior",
    "nonspecific_t",
    "hyperacute_t",
    "digitalis",
    "long_qt",
    "hyperkalaemia",
    "hypokalaemia",
)
_CONDUCTION = (
    "lbbb",
    "rbbb",
    "incomplete_rbbb",
    "intraventricular_delay",
    "lafb",
    "lpfb",
    "av_block_1",
    "wenckebach",
    "mobitz",
    "av_block_3",
    "preexcitation",
)
_HYPERTROPHY = ("lvh", "rvh", "left_atrial", "right_atrial")
_FIBRILLATION = ("afib", "aflt")
_OTHERWISE_ABNORMAL = ("pericarditis", "brugada", "short_qt", "paced", "junctional", "svt")

FINDINGS: Mapping[str, tuple[str, ...]] = {
    "abnormal": (
        *_INFARCTION,
        *_ST_T_CHANGE,
        *_CONDUCTION,
        *_HYPERTROPHY,
        *_FIBRILLATION,
        *_OTHERWISE_ABNORMAL,
    ),
    "infarction": _INFARCTION,
    "st_t_change": _ST_T_CHANGE,
    "conduction_disturbance": _CONDUCTION,
    "hypertrophy": _HYPERTROPHY,
    "fibrillation_or_flutter": _FIBRILLATION,
    "ectopic_beats": ("pvc", "pac", "bigeminy"),
}
FINDING_CAUSES = tuple(tuple(CAUSE_TARGETS.index(name) for name in names) for names in FINDINGS.values())
