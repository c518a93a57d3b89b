"""Spectrograms by PyTorch and librosa, sounds changed by NumPy and SciPy, as golden values for toolkit/src/data/sounds and
toolkit/src/data/augmentation/sound.rs.

Run `python sounds.py` with PyTorch, librosa and SciPy installed: it writes sounds.json.
"""

import json
from pathlib import Path

import librosa
import numpy as np
import scipy
import scipy.signal
import torch

rng = np.random.default_rng(20261130)
time = np.arange(900)
wave = (0.6 * np.sin(2 * np.pi * (0.02 * time + 8e-5 * time**2)) + 0.05 * rng.standard_normal(900)).astype(np.float32)
wave[:100] = 0.0
wave = np.array([round(float(x), 6) for x in wave], dtype=np.float32)


def numbers(array):
    return [float(f"{x:.8g}") for x in np.asarray(array, dtype=np.float64).ravel()]


spectrograms = []
for rate, window, hop, mel, floor in [
    (4000.0, 160, 80, 24, 1e-3),
    (8000.0, 128, 64, 20, 1e-3),
    (8000.0, 99, 50, None, 1e-6),
    (16000.0, 256, 100, 12, 0.5),
    (4000.0, 900, 7, None, 1.0),
]:
    signal = torch.tensor(wave, dtype=torch.float64)
    bell = torch.hann_window(window, periodic=True, dtype=torch.float64)
    spectrum = torch.stft(signal, window, hop, window=bell, center=False, return_complex=True)
    power = spectrum.abs().square().numpy()
    # A second opinion on the frames and their powers.
    other = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", window), hop, 1.0, mfft=window)
    first = np.abs(np.fft.rfft(wave[:window].astype(np.float64) * other.win)) ** 2
    assert np.allclose(first, power[:, 0], rtol=1e-9, atol=1e-9)
    if mel:
        weights = librosa.filters.mel(sr=rate, n_fft=window, n_mels=mel, htk=True, norm=None, dtype=np.float64)
        power = weights @ power
    # The lowest band last.
    found = np.log10(1 + power / floor)[::-1]
    spectrograms.append({
        "rate": rate, "window": window, "hop": hop, "mel": mel, "floor": floor,
        "bands": found.shape[0], "frames": found.shape[1], "numbers": numbers(found),
    })

short = wave[300:340]
middle = (len(short) - 1) / 2
changes = []
for factor in [0.8, 1.0, 1.1, 1.9]:
    at = middle + (np.arange(len(short)) - middle) * factor
    changes.append({"name": "speed", "given": factor, "wave": numbers(np.interp(at, np.arange(len(short)), short, left=0, right=0))})
for decibels in [-6.0, 0.0, 20.0]:
    changes.append({"name": "gain", "given": decibels, "wave": numbers(short * 10 ** (decibels / 20))})
for by in [0, 7, -12, 40, -55]:
    moved = np.zeros_like(short)
    if abs(by) < len(short):
        moved[max(by, 0):len(short) + min(by, 0)] = short[max(-by, 0):len(short) - max(by, 0)]
    changes.append({"name": "shift", "given": by, "wave": numbers(moved)})

found = {
    "versions": {"torch": torch.__version__, "librosa": librosa.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "wave": numbers(wave),
    "short": numbers(short),
    "spectrograms": spectrograms,
    "changes": changes,
}
Path(__file__).with_suffix(".json").write_text(json.dumps(found))
