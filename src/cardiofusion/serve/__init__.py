"""The clinic application: pages, HTTP API, FHIR, CDS Hooks and a DICOM receiver over one bundle and one store."""

from cardiofusion.serve.settings import Settings, read_settings

__all__ = ["Settings", "read_settings"]
