"""Alerts: failures, recoveries and opened findings, sent where people are."""
