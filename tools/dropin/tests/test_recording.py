"""The recording of the names of pika 1.4 is what `surface.py record` prints for it."""

from __future__ import annotations

import os
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).parents[1]


def test_recording_is_current():
    recorded = subprocess.run(
        [os.environ['PIKA_1_4'], str(FOLDER / 'surface.py'), 'record'],
        timeout=60,
        capture_output=True,
        text=True,
        check=True).stdout
    assert recorded == (FOLDER / 'pika-1.4.4.json').read_text()
