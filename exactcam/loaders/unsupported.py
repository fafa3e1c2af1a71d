"""Operators that are linear or piecewise linear, wholly or in some uses, and that have no translation; and why."""

from __future__ import annotations

__all__ = ["ONNX", "TORCH"]


def _by_name(reasons: dict[str, str]) -> dict[str, str]:
    return {name: why for why, names in reasons.items() for name in names.split()}


TORCH = _by_name(
    {
        "is linear, but addresses memory instead of entries; index or unfold instead": """
            as_strided as_strided_scatter
        """,
        "is linear, but gives complex numbers, of irrational weights; multiply by a real matrix": """
            _fft_c2r _fft_r2c
        """,
        "is linear, but has irrational weights; use bilinear or bicubic interpolation": """
            _upsample_lanczos2d_aa
        """,
        "is linear in its input, but belongs to training; read the model's forward pass only": """
            _adaptive_avg_pool2d_backward avg_pool2d_backward convolution_backward
            embedding_dense_backward max_pool2d_with_indices_backward
        """,
        "is piecewise linear, but is a loss, for training; leave it out of the module": """
            hinge_embedding_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss
            nll_loss nll_loss_nd
        """,
        "takes its windows at random; only its constant windows would be piecewise linear; use max_pool": """
            fractional_max_pool2d fractional_max_pool3d
        """,
        "is linear in its matrices, but their grid is used as places, which is not; make it constant": """
            affine_grid_generator
        """,
        "is linear in its weights, but is read only where these are constant; sum the rows of an embedding": """
            _embedding_bag embedding_bag
        """,
        "is a matrix product in a form for GPUs; use matmul": """
            _grouped_mm _scaled_grouped_mm_v2 _scaled_mm_v2
        """,
        "gives memory whose numbers are not set; use zeros": """
            empty empty_like empty_strided resize_
        """,
        "gives sizes that depend on values; write them as numbers": """
            sym_is_contiguous sym_numel sym_size sym_storage_offset sym_stride _local_scalar_dense
        """,
    }
)

ONNX = _by_name(
    {
        "holds tensors in a sequence, which is not read; use Split, Concat or Slice": """
            ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase
            SequenceInsert SequenceLength SequenceMap SplitToSequence Optional
            OptionalGetElement OptionalHasElement
        """,
        "is linear, but gives complex numbers, of irrational weights; multiply by a real matrix": """
            DFT STFT
        """,
        "is piecewise linear where its boxes are constant, but is not supported; crop and pool": """
            MaxRoiPool RoiAlign
        """,
        "is linear where its offsets are constant, but is not supported; use Conv": "DeformConv",
        "is linear in its matrices, but their grid is used as places, which is not; make it constant": """
            AffineGrid
        """,
        "is linear where its caches are constant, but is not supported; use Mul and Add": """
            RotaryEmbedding
        """,
        "is a move of entries, but is not supported; use ScatterND": "TensorScatter",
        "is linear in its input, but is a loss, for training; leave it out of the model": """
            NegativeLogLikelihoodLoss
        """,
        "gives constants of irrational numbers and is not supported; store them": """
            BlackmanWindow HammingWindow HannWindow MelWeightMatrix
        """,
        "reads texts or images, not tensors of floats": """
            ImageDecoder RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer
        """,
    }
)
