"""The whole pipeline under every order of events: see `machine.py`."""
