"""Traces and metrics for an OpenTelemetry collector, over OTLP/HTTP. Nothing of it is loaded unless ``telemetry.otlp`` names one."""
