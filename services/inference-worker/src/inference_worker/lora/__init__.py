"""LoRAs on this worker: files by digest, adapters on a model, the converter of pickles."""
