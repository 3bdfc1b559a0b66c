"""The clinic application: pages, HTTP API, FHIR, CDS Hooks and DICOM over one bundle and one store."""

from cardiofusion.serve.settings import Settings, read_settings

__all__ = ["Settings", "read_settings"]
