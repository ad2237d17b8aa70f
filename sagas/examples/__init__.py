"""Flows to run and to read: `postroom run sagas.examples.order:app`."""
