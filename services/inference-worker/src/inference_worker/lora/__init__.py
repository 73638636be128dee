"""LoRAs on this worker: files by digest, reading, fit, adapters on a model; the converter."""
