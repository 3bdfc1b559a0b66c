"""Where medicine is sure which way a column moves the risk of cardiovascular disease or death.

Off by default: a direction is knowledge put in, and what it costs or gains is measured (docs/tabular.md).
It holds for an outcome that is a cardiovascular disease or a death by one. An outcome that names health
("NORM") runs against it, and the old who die of something else had lower cholesterol, not higher.

Left free on purpose, for risk falls and rises with them: diastolic pressure (low at a given systolic one is a
stiff aorta), weight and body mass index, alcohol, glucose as a number (hypoglycaemia), HDL (when very high),
creatinine and haemoglobin (frailty), LVEF (above 65 %), heart rate and QT. Drugs are given to the sick. Of
sex, height and race nobody could be sure.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardiofusion.records import ClinicalSchema, Column

# Whoever the patients are.
ALWAYS: Mapping[str, int] = {
    "age": 1,
    "diabetes": 1,
    "peripheral_vascular_disease": 1,
    "prior_infarction": 1,
    "nyha": 1,
    "nt_probnp": 1,
    "albumin": -1,
    "active": -1,
}
# In people whose heart is not known to fail. Where it fails, low pressure and low cholesterol are the bad
# sign (Kalantar-Zadeh et al., J Am Coll Cardiol 2004;43:1439), and the sickest have stopped smoking.
# Systolic: Lewington et al., Lancet 2002;360:1903.
WITHOUT_HEART_FAILURE: Mapping[str, int] = {
    "systolic": 1,
    "cholesterol": 1,
    "ldl": 1,
    "smoking": 1,
    "smoker": 1,
}
# In classes only, where the lowest one is "normal".
IN_CLASSES: Mapping[str, int] = {"glucose": 1}
# A table that has such a column is one of patients with, or feared to have, heart failure.
OF_HEART_FAILURE = frozenset({"nyha", "lvef", "ejection_fraction", "nt_probnp"})


def sure_directions(schema: ClinicalSchema) -> dict[str, int]:
    """For a `Recipe`: 1 or -1 for each column of the schema whose direction is sure."""
    known = dict(ALWAYS)
    if not OF_HEART_FAILURE & set(schema.names):
        known |= WITHOUT_HEART_FAILURE
    in_classes = {c.name: IN_CLASSES[c.name] for c in schema if c.name in IN_CLASSES and c.kind == "category"}
    known |= in_classes
    return {column.name: known[column.name] for column in schema if column.name in known and _ordered(column)}


def _ordered(column: Column) -> bool:
    return column.kind == "number" or column.ordered or column.categories == ("no", "yes")
