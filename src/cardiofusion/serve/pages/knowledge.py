"""What the bundle knows and does not know; what CardioFusion is."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import require
from cardiofusion.serve.rendering import page

router = APIRouter(include_in_schema=False, dependencies=[Depends(require("reader"))])

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
# Of a bundle's many measures those that say how well it answers: on patients who taught it nothing.
TOLD = re.compile(r"(?P<task>[^/]+)/(?P<view>ecg\+row|ecg|row)/macro/auc")
PACKAGES = (
    "alembic", "argon2-cffi", "click", "defusedxml", "fastapi", "jinja2", "lightgbm", "numpy", "onnxruntime",
    "pydicom", "pynetdicom", "python-multipart", "rich", "safetensors", "sqlalchemy", "starlette", "uvicorn",
)  # fmt: skip


@router.get("/bundle")
def bundle(request: Request) -> Response:
    """Tasks, columns, whom it learnt from, how well it did, where its limits are."""
    clinic: Clinic = request.app.state.clinic
    manifest = clinic.system.manifest
    return page(
        request,
        "bundle.html",
        manifest=manifest,
        details=manifest.to_json(),
        bundle_hash=clinic.system.bundle.hash,
        populations=populations(clinic),
        phenotypes=phenotypes(clinic),
        told=[
            (match["task"], match["view"], found)
            for name, found in sorted(manifest.to_json()["metrics"].items())
            if (match := TOLD.fullmatch(name))
        ],
    )


@router.get("/bundle/card")
def card(request: Request) -> HTMLResponse:
    """The bundle's own model card, as it was written, allowed its own inline style and nothing else."""
    clinic: Clinic = request.app.state.clinic
    html = clinic.system.bundle.text("model_card.html")
    digests = (base64.b64encode(sha256(style.encode()).digest()).decode() for style in STYLE.findall(html))
    styles = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    policy = f"default-src 'none'; style-src {styles}; img-src data:; frame-ancestors 'none'; sandbox"
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


@router.get("/about")
def about(request: Request) -> Response:
    """Intended use, limits, licences."""
    return page(request, "about.html", packages=[licence(name) for name in PACKAGES])


def populations(clinic: Clinic) -> list[tuple[str, dict[str, Any]]]:
    """(task, {"age", "n", "paced"}) of those whom each task learnt from."""
    manifest = clinic.system.manifest
    by_task = manifest.details.get("populations", {})
    return [(task.name, dict(by_task.get(task.name, manifest.population))) for task in manifest.tasks]


def phenotypes(clinic: Clinic) -> list[dict[str, Any]]:
    """Each phenotype of the bundle in words; none where it found none that is stable."""
    if "phenotypes.json" not in clinic.system.bundle:
        return []
    document = clinic.system.bundle.json("phenotypes.json")
    found = document.get("phenotypes", []) if isinstance(document, dict) else []
    return [dict(one) for one in found]


def licence(package: str) -> tuple[str, str, str]:
    """(name, version, licence) of an installed package."""
    try:
        told: Any = metadata(package)  # an email.message.Message
    except PackageNotFoundError:
        return package, "", ""
    said = told.get("License-Expression") or next(
        (c.rpartition(" :: ")[2] for c in told.get_all("Classifier", []) if c.startswith("License")), ""
    )
    return package, told.get("Version", ""), said
