"""FHIR R4: assessments as resources, ECGs and questions in, searches; over HTTP under /fhir."""

from cardiofusion.serve.fhir.bundles import case_bundle
from cardiofusion.serve.fhir.lookup import case_export
from cardiofusion.serve.fhir.routes import router
from cardiofusion.serve.fhir.wire import MEDIA_TYPE, resource_bytes

__all__ = ["MEDIA_TYPE", "case_bundle", "case_export", "resource_bytes", "router"]
