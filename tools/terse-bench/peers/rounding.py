"""Weights in integers, as MatMulNBits and OpenVINO's constants take them: one rounding for both."""
import numpy as np


def round_groups(weight, bits, group):
    """weight [N, K] -> codes [N, K / group, group] from 0 to 2^bits - 1, scales [N, K / group, 1] f32: (code - 2^(bits - 1)) * scale.

    To nearest; the value of largest magnitude of a group becomes the code 0 (as in llama.cpp's Q4_0).
    """
    n, k = weight.shape
    if k % group:
        raise ValueError(f"expected rows of a multiple of {group}; got {k}")
    grouped, half = weight.reshape(n, k // group, group), 2 ** (bits - 1)
    largest = np.take_along_axis(grouped, np.abs(grouped).argmax(-1)[..., None], -1)
    scales = (largest / -half).astype(np.float32)
    codes = np.rint(grouped / np.where(scales == 0, 1, scales)) + half
    return np.clip(codes, 0, 2 * half - 1).astype(np.uint8), scales


def pack(codes, bits):
    """Codes of the last axis in bytes, the first in the lowest bits."""
    return codes if bits == 8 else codes[..., 0::2] | codes[..., 1::2] << 4
